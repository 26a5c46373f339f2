import { Hono } from 'hono'
import { z } from 'zod'

import { type GatewayEnv, refuseStranger, type Setting } from '../context.ts'
import { errorResponse } from '../http-error.ts'

const demo = z.strictObject({ running: z.boolean() })

/** `POST /api/demo`: the demo fleet, started and stopped from the map. */
export function demoRoutes(setting: Setting): Hono<GatewayEnv> {
  const { ports } = setting
  const routes = new Hono<GatewayEnv>()

  routes.post('/api/demo', async (context) => {
    const refused = refuseStranger(context, setting, 'operate')
    if (refused) return refused
    const parsed = demo.safeParse(await context.req.json().catch(() => null))
    if (!parsed.success) {
      return errorResponse(400, 'bad_body', 'expected {"running":true} or {"running":false}')
    }
    ports.process.setDemo(parsed.data.running)
    return context.json({ running: ports.process.demoRunning() })
  })

  return routes
}
