import { Hono } from 'hono'

import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { RegionsDelta } from '../actors/model/live-regions.ts'
import type { LiveDelta } from '../actors/model/live.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { GatewayContext, GatewayEnv, Setting } from './context.ts'
import { detailResponse } from './details.ts'
import { errorResponse, notAllowed, retryAfter } from './http-error.ts'
import { httpMetrics } from './http-metrics.ts'
import { IngestHttp } from './ingest-http.ts'
import { Intake } from './intake.ts'
import { PINGS, TRIPS } from './item-kind.ts'
import { Keys } from './keys.ts'
import { ByteBudget } from './limits.ts'
import type { LiveStreams } from './live.ts'
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts'
import type { IngestPorts, RolePorts, SharedPorts, ViewPorts } from './ports.ts'
import { RelaySockets } from './relay/core-sockets.ts'
import type { DeadLetterRetries } from './retries.ts'
import { docsRoutes } from './routes/docs.ts'
import { operationRoutes } from './routes/operations.ts'
import { secure } from './security-headers.ts'
import { TripsFlush } from './trips-flush.ts'

const RETRY_ERROR_MS = 1_000

/** The ways in, as HTTP and sockets share them. */
export type IngestParts = Readonly<{ intake: Intake; trips: Intake<Trip> }>

/** What stands behind the pages. */
export type ViewParts = Readonly<{
  live: LiveStreams<LiveDelta>
  liveRegions: LiveStreams<RegionsDelta>
  /** Null where there is no way in for what is retried. */
  retries: DeadLetterRetries | null
}>

/** What pages are mounted with. */
export type ViewSetting = Readonly<{ ports: SharedPorts & ViewPorts; options: GatewayOptions }>

/** Mounts pages, streams and questions: handed in, so that a process without them does not load them. */
export type MountViews = (
  app: Hono<GatewayEnv>,
  setting: ViewSetting,
  world: Readonly<{ roles: string; retries: IngestPorts | null }>,
) => ViewParts

/** A gateway over HTTP with the parts that its sockets share; null is a part that this process has not. */
export type RoleApp = Readonly<{
  /** As they were configured. */
  roles: string
  app: Hono<GatewayEnv>
  options: GatewayOptions
  keys: Keys
  ingest: IngestParts | null
  /** Where edge gateways forward to. */
  relay: RelaySockets | null
  views: ViewParts | null
}>

/** The HTTP routes of a process's roles. `mountViews` is there when `ports.views` is. */
export function createRoleApp(
  ports: RolePorts,
  overrides: Partial<GatewayOptions>,
  mountViews: MountViews | null,
): RoleApp {
  const options = { ...GATEWAY_DEFAULTS, ...overrides }
  const { shared, roles } = ports
  const setting = { ports: shared, options }
  const keys = new Keys(shared.accounts, shared.clock)
  const app = new Hono<GatewayEnv>()

  app.use(httpMetrics(shared.telemetry, shared.clock))
  app.use(async (context, next) => {
    await next()
    secure(context.res.headers)
    // Everybody may read: a browser may hand it to a page of any site, without cookies.
    if (options.viewers === 'anyone') context.res.headers.set('access-control-allow-origin', '*')
  })
  const ingest = ports.ingest ? mountIngest(app, setting, ports.ingest, keys) : null
  if (!ingest) refuseIngest(app, roles)
  app.route('/', operationRoutes(setting))
  for (const path of ['/health', '/metrics']) {
    app.all(path, () => detailResponse(405, 'Method Not Allowed', { allow: 'GET' }))
  }
  const retries = ports.retries ?? ports.ingest ?? null
  const views =
    ports.views && mountViews
      ? mountViews(app, { ports: { ...shared, ...ports.views }, options }, { roles, retries })
      : null
  app.route('/', docsRoutes(setting, { ingest: ingest !== null, views: views !== null }))
  for (const path of ['/ready', '/docs', '/openapi.json']) app.all(path, () => notAllowed('GET'))
  app.notFound((context) => (views ? notFound(context) : notServed(context, roles)))
  app.onError((error, context) => failed(error, context, shared))
  return { roles, app, options, keys, ingest, relay: relayOf(ports, options, keys), views }
}

/** Edges forward to whom takes messages and knows how far theirs are. */
function relayOf(
  { ingest: ports, shared }: RolePorts,
  options: GatewayOptions,
  keys: Keys,
): RelaySockets | null {
  if (!ports?.relay) return null
  const { ingest, trips, relay } = ports
  const { clock, log, telemetry } = shared
  return new RelaySockets({
    ...{ keys, options, clock, log, telemetry },
    pings: { stream: 'pings', kind: PINGS, ingest, positions: relay.pings },
    trips: {
      ...{ stream: 'trips', kind: TRIPS, ingest: trips, positions: relay.trips },
      flush: (source, receivedMs, done, stamp) => trips.flush(source, receivedMs, done, stamp),
    },
  })
}

function mountIngest(
  app: Hono<GatewayEnv>,
  { ports: { clock, telemetry }, options }: Setting,
  ports: IngestPorts,
  keys: Keys,
): IngestParts {
  const intake = new Intake({ clock, telemetry, ingest: ports.ingest }, options, PINGS)
  const trips = new Intake({ clock, telemetry, ingest: ports.trips }, options, TRIPS)
  const bodies = new ByteBudget(options.bodiesBytesMax)
  const pingsHttp = new IngestHttp(intake, keys, clock, bodies)
  const tripsHttp = new IngestHttp(trips, keys, clock, bodies)
  const tripsFlush = new TripsFlush(ports.trips, trips, keys, clock)
  app.post('/ingest', (context) => pingsHttp.post(context.req.raw))
  app.post('/ingest/trips', (context) => tripsHttp.post(context.req.raw))
  app.post('/ingest/trips/flush', (context) => tripsFlush.post(context.req.raw))
  for (const path of ['/ingest', '/ingest/trips', '/ingest/trips/flush']) {
    app.all(path, () => notAllowed('POST'))
  }
  return { intake, trips }
}

/** A sender at the wrong process hears which one it wants, whatever it speaks. */
function refuseIngest(app: Hono<GatewayEnv>, roles: string): void {
  const message = `this process has ROLES=${roles}; pings and trips are taken at the gateway processes`
  for (const path of ['/ingest', '/ingest/*', '/ws', '/ws/trips']) {
    app.all(path, () => errorResponse(404, 'not_here', message))
  }
}

function notServed({ req }: GatewayContext, roles: string): Response {
  const path = req.path.slice(0, 200)
  const message = `nothing is at ${path}: this process has ROLES=${roles}; pages are at the web processes`
  return errorResponse(404, 'not_here', message)
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
function failed(error: Error, context: GatewayContext, { log }: SharedPorts): Response {
  if (error instanceof OrreryError && error.retriable) {
    const answer = errorResponse(503, error.code, messageOf(error), retryAfter(RETRY_ERROR_MS))
    secure(answer.headers)
    return answer
  }
  const { method, path } = context.req
  log.error({ method, path, error: error.message, stack: error.stack }, 'request failed')
  const answer = errorResponse(500, 'internal', 'the request failed; the log says why')
  secure(answer.headers)
  return answer
}
