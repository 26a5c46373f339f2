import { Hono } from 'hono'

import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { RegionsDelta } from '../actors/model/live-regions.ts'
import type { LiveDelta } from '../actors/model/live.ts'
import type { Trip } from '../actors/model/trip.ts'
import { access, type GatewayContext, type GatewayEnv, refuseStranger } from './context.ts'
import { detailResponse } from './details.ts'
import { errorResponse, retryAfter } from './http-error.ts'
import { httpMetrics } from './http-metrics.ts'
import { IngestHttp } from './ingest-http.ts'
import { Intake } from './intake.ts'
import { PINGS, TRIPS } from './item-kind.ts'
import { Keys } from './keys.ts'
import { ByteBudget } from './limits.ts'
import { LiveStreams } from './live.ts'
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts'
import type { GatewayPorts } from './ports.ts'
import { DeadLetterRetries } from './retries.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { docsRoutes } from './routes/docs.ts'
import { operationRoutes } from './routes/operations.ts'
import { pageRoutes } from './routes/pages.ts'
import { regionMetricsRoutes } from './routes/region-metrics.ts'
import { regionRoutes } from './routes/regions.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { signInRoutes } from './routes/sign-in.ts'
import { secure } from './security-headers.ts'
import { TripsFlush } from './trips-flush.ts'

const RETRY_ERROR_MS = 1_000
const MAP_METRICS = { prefix: 'orrery_live', of: 'Live map' }
const REGIONS_METRICS = { prefix: 'orrery_live_regions', of: 'Regions' }

/** The gateway over HTTP, with the parts that its sockets share. */
export type GatewayApp = Readonly<{
  app: Hono<GatewayEnv>
  options: GatewayOptions
  intake: Intake
  trips: Intake<Trip>
  keys: Keys
  live: LiveStreams<LiveDelta>
  liveRegions: LiveStreams<RegionsDelta>
  retries: DeadLetterRetries
}>

/** All HTTP routes; tests call `app.request(path, init, connection)` without a socket. */
export function createApp(
  ports: GatewayPorts,
  overrides: Partial<GatewayOptions> = {},
): GatewayApp {
  const options = { ...GATEWAY_DEFAULTS, ...overrides }
  const setting = { ports, options }
  const intake = new Intake(ports, options, PINGS)
  const trips = new Intake({ ...ports, ingest: ports.trips }, options, TRIPS)
  const keys = new Keys(ports.accounts, ports.clock)
  const live = new LiveStreams({ ...ports, metrics: MAP_METRICS }, options)
  const liveRegions = new LiveStreams(
    { ...ports, feed: ports.regionsFeed, metrics: REGIONS_METRICS },
    options,
  )
  const retries = new DeadLetterRetries(ports, options)
  const bodies = new ByteBudget(options.bodiesBytesMax)
  const ingest = new IngestHttp(intake, keys, ports.clock, bodies)
  const tripsIngest = new IngestHttp(trips, keys, ports.clock, bodies)
  const tripsFlush = new TripsFlush(ports.trips, trips, keys, ports.clock)
  const app = new Hono<GatewayEnv>()

  app.use(httpMetrics(ports.telemetry, ports.clock))
  app.use(async (context, next) => {
    await next()
    secure(context.res.headers)
    // Everybody may read: a browser may hand it to a page of any site, without cookies.
    if (options.viewers === 'anyone') context.res.headers.set('access-control-allow-origin', '*')
  })
  app.post('/ingest', (context) => ingest.post(context.req.raw))
  app.post('/ingest/trips', (context) => tripsIngest.post(context.req.raw))
  app.post('/ingest/trips/flush', (context) => tripsFlush.post(context.req.raw))
  for (const path of ['/ingest', '/ingest/trips', '/ingest/trips/flush']) {
    app.all(path, () => notAllowed('POST'))
  }
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
  app.route('/', operationRoutes(setting))
  for (const path of ['/health', '/metrics']) {
    app.all(path, () => detailResponse(405, 'Method Not Allowed', { allow: 'GET' }))
  }
  app.route('/', regionMetricsRoutes(setting))
  app.route('/api/sessions', sessionRoutes(setting))
  app.route('/api/regions', regionRoutes(setting))
  // Raw input of senders is for those who run the system, even where everyone may see the map.
  const guard = (context: GatewayContext): Response | null =>
    refuseStranger(context, setting, 'operate')
  app.route('/api/dead-letters', deadLetterRoutes({ ...ports, retries, guard }))
  app.route('/', signInRoutes(setting))
  app.route('/', docsRoutes(setting))
  app.route('/', pageRoutes(setting))
  app.all('/api/demo', () => notAllowed('POST'))
  for (const path of ['/live', '/live/regions', '/ready', '/docs', '/openapi.json']) {
    app.all(path, () => notAllowed('GET'))
  }
  app.notFound(notFound)
  app.onError((error, context) => failed(error, context, ports))
  return { app, options, intake, trips, keys, live, liveRegions, retries }
}

function notAllowed(allow: string): Response {
  return errorResponse(405, 'method_not_allowed', `this address takes ${allow}`, { allow })
}

function notFound(context: GatewayContext): Response {
  const wantsPage = context.req.header('accept')?.includes('text/html')
  if (!wantsPage || context.req.path.startsWith('/api/')) {
    return errorResponse(404, 'not_found', `nothing is at ${context.req.path.slice(0, 200)}`)
  }
  const page =
    '<!doctype html><html lang="en"><meta charset="utf-8"><title>Not found · Orrery</title>' +
    '<h1>Not found</h1><p>Nothing is at this address. <a href="/">To the live map</a></p></html>'
  return context.html(page, 404)
}

/** A store that does not answer is 503 and may be asked again; all else is our fault and logged. */
function failed(error: Error, context: GatewayContext, ports: GatewayPorts): Response {
  if (error instanceof OrreryError && error.retriable) {
    const answer = errorResponse(503, error.code, messageOf(error), retryAfter(RETRY_ERROR_MS))
    secure(answer.headers)
    return answer
  }
  const { method, path } = context.req
  ports.log.error({ method, path, error: error.message, stack: error.stack }, 'request failed')
  const answer = errorResponse(500, 'internal', 'the request failed; the log says why')
  secure(answer.headers)
  return answer
}
