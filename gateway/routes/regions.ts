import { Hono } from 'hono'
import { z } from 'zod'

import { REGION_ID_MAX } from '../../actors/model/trip.ts'
import { WINDOW_NAMES } from '../../actors/model/window.ts'
import { type GatewayEnv, refuseStranger } from '../context.ts'
import { badInput, textAs, TIME_EXPECTED, timeMsOf } from '../query.ts'
import type { ViewSetting } from '../role-app.ts'
import { rangeOf } from '../window-reading.ts'

const HOUR_MS = 3_600_000
const HOURS_MAX = 168
const WINDOWS_MAX = 1_000
const DELIVERIES_MAX = 10_000
/** The last moment that may be asked for. */
const LATEST_MS = Date.UTC(2100, 0, 1)

const time = textAs(timeMsOf, TIME_EXPECTED)
const window = z.enum(['1m', '5m', '15m', '1h'])
const wholeTo = (max: number) =>
  textAs(
    (text) => (/^\d{1,6}$/.test(text) && +text >= 1 && +text <= max ? +text : null),
    `a whole number from 1 to ${max}`,
  )

/** The query for windows of one region. */
export const windowsQuery = z.strictObject({
  region: wholeTo(REGION_ID_MAX),
  window: window.default('1m'),
  from: time.optional(),
  to: time.optional(),
  limit: wholeTo(WINDOWS_MAX).default(100),
})

/** The query for deliveries by region. */
export const deliveriesQuery = z.strictObject({
  window: window.default('15m'),
  hours: wholeTo(HOURS_MAX).default(1),
  region: wholeTo(REGION_ID_MAX).optional(),
  to: time.optional(),
})

/** Regions for our own page: where they are, their windows, and the deliveries in them. */
export function regionRoutes(setting: ViewSetting): Hono<GatewayEnv> {
  const { ports } = setting
  const routes = new Hono<GatewayEnv>()
  // It does not change while the process runs, and may be large.
  let map: string | null = null

  routes.get('/map', (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    map ??= JSON.stringify(ports.regionMap.toGeoJson())
    return context.body(map, 200, { 'content-type': 'application/geo+json' })
  })

  routes.get('/windows', async (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    const parsed = windowsQuery.safeParse(context.req.query())
    if (!parsed.success) return badInput('bad_query', parsed.error)
    const { region, window, from, to, limit } = parsed.data
    const windows = await rangeOf(ports, {
      ...{ regionId: region, sizeS: WINDOW_NAMES[window], limit },
      ...{ fromMs: from ?? 0, toMs: Math.min(to ?? LATEST_MS, LATEST_MS) },
    })
    return context.json({ windows })
  })

  routes.get('/deliveries', async (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    const parsed = deliveriesQuery.safeParse(context.req.query())
    if (!parsed.success) return badInput('bad_query', parsed.error)
    const { window, hours, region, to } = parsed.data
    const sizeS = WINDOW_NAMES[window]
    const sizeMs = sizeS * 1_000
    const endMs = Math.min(to ?? ports.clock.nowMs(), LATEST_MS)
    const toMs = Math.floor(endMs / sizeMs) * sizeMs
    const fromMs = Math.max(0, toMs + sizeMs - Math.max(hours * HOUR_MS, sizeMs))
    const rows = await ports.deliveries({
      ...{ sizeS, fromMs, toMs, limit: DELIVERIES_MAX },
      ...(region !== undefined && { regionId: region }),
    })
    return context.json({ deliveries: rows })
  })

  return routes
}
