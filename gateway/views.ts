import type { Hono } from 'hono'

import { access, type GatewayContext, type GatewayEnv, refuseStranger } from './context.ts'
import { notAllowed } from './http-error.ts'
import { LiveStreams } from './live.ts'
import { DeadLetterRetries } from './retries.ts'
import type { MountViews, ViewParts, ViewSetting } from './role-app.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { demoRoutes } from './routes/demo.ts'
import { pageRoutes } from './routes/pages.ts'
import { regionMetricsRoutes } from './routes/region-metrics.ts'
import { regionRoutes } from './routes/regions.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { signInRoutes } from './routes/sign-in.ts'

const MAP_METRICS = { prefix: 'orrery_live', of: 'Live map' }
const REGIONS_METRICS = { prefix: 'orrery_live_regions', of: 'Regions' }

/** Pages, streams, questions, dead letters and the sign-in. */
export const mountViews: MountViews = (app, setting, { roles, retries: retriesIngest }) => {
  const { ports, options } = setting
  const live = new LiveStreams({ ...ports, metrics: MAP_METRICS }, options)
  const liveRegions = new LiveStreams(
    { ...ports, feed: ports.regionsFeed, metrics: REGIONS_METRICS },
    options,
  )
  const retries = retriesIngest && new DeadLetterRetries({ ...ports, ...retriesIngest }, options)

  mountStreams(app, setting, { live, liveRegions })
  app.route('/', demoRoutes(setting))
  app.route('/', regionMetricsRoutes(setting))
  app.route('/api/sessions', sessionRoutes(setting))
  app.route('/api/regions', regionRoutes(setting))
  // Raw input of senders is for those who run the system, even where everyone may see the map.
  const guard = (context: GatewayContext): Response | null =>
    refuseStranger(context, setting, 'operate')
  app.route('/api/dead-letters', deadLetterRoutes({ ...ports, retries, roles, guard }))
  app.route('/', signInRoutes(setting))
  app.route('/', pageRoutes(setting))
  app.all('/api/demo', () => notAllowed('POST'))
  return { live, liveRegions, retries }
}

function mountStreams(
  app: Hono<GatewayEnv>,
  setting: ViewSetting,
  { live, liveRegions }: Pick<ViewParts, 'live' | 'liveRegions'>,
): void {
  const stream = (of: typeof live | typeof liveRegions, context: GatewayContext): Response => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    // Nobody would read the stream, and it would stay open.
    if (context.req.raw.method === 'HEAD') return new Response(null)
    return of.open({
      lastEventId: context.req.header('last-event-id') ?? context.req.query('lastEventId') ?? null,
      stillViews: access(context, setting).stillViews,
      timeout: context.env.timeout,
    })
  }
  app.get('/live', (context) => stream(live, context))
  app.get('/live/regions', (context) => stream(liveRegions, context))
  for (const path of ['/live', '/live/regions']) app.all(path, () => notAllowed('GET'))
}
