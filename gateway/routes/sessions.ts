import { Hono } from 'hono'

import { type GatewayEnv, refuseStranger } from '../context.ts'
import { errorResponse } from '../http-error.ts'
import { wholeNumber } from '../query.ts'
import type { ViewSetting } from '../role-app.ts'

const MINUTES_DEFAULT = 30
const MINUTES_MAX = 1_440
const POINTS_MAX = 5_000
const ID_LENGTH_MAX = 64

/** `GET /api/sessions/:id` and its trail. */
export function sessionRoutes(setting: ViewSetting): Hono<GatewayEnv> {
  const { reader, clock } = setting.ports
  const routes = new Hono<GatewayEnv>()

  routes.get('/:id', async (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    const id = context.req.param('id')
    const session = id.length > ID_LENGTH_MAX ? null : await reader.session(id)
    if (session) return context.json(session)
    return errorResponse(404, 'no_session', 'no session of this id is stored')
  })

  routes.get('/:id/trail', async (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    const id = context.req.param('id')
    const minutes = wholeNumber(context, 'minutes', {
      default: MINUTES_DEFAULT,
      min: 1,
      max: MINUTES_MAX,
    })
    if (!minutes.ok) return minutes.response
    if (id.length > ID_LENGTH_MAX) return context.json([])
    const sinceMs = clock.nowMs() - minutes.value * 60_000
    return context.json(await reader.trail(id, sinceMs, POINTS_MAX))
  })

  return routes
}
