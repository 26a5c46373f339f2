import { Hono } from 'hono'

import {
  access,
  type GatewayContext,
  type GatewayEnv,
  refuseStranger,
  type Setting,
} from '../context.ts'
import { retryAfter } from '../http-error.ts'
import type { PartHealth, Process } from '../ports.ts'
import { isoTime } from '../window-json.ts'

const RETRY_READY_MS = 2_000

/** What keeps the process running well: health, readiness, metrics. */
export function operationRoutes(setting: Setting): Hono<GatewayEnv> {
  const { ports } = setting
  const routes = new Hono<GatewayEnv>()

  const health = (context: GatewayContext): Response => {
    // Strangers learn that it is well, not how it is built: details may name folders and hosts.
    return healthAnswer(setting, access(context, setting).view)
  }
  routes.get('/health', health)
  routes.get('/healthz', health)

  const ready = (): Response => {
    const missing = ports.process.notReady()
    if (missing === null) return Response.json({ status: 'ready' })
    const body = { status: 'not_ready', error: { code: 'not_ready', message: missing } }
    return Response.json(body, { status: 503, headers: retryAfter(RETRY_READY_MS) })
  }
  routes.get('/ready', ready)
  routes.get('/readyz', ready)

  routes.get('/metrics', (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    const type = 'text/plain; version=0.0.4; charset=utf-8'
    return context.body(ports.metrics.text(), 200, { 'content-type': type })
  })

  return routes
}

/**
 * `GET /health`: 200 unless a part is unhealthy. `status` and `service` are PacketPulse's, `timestamp` and
 * `services` StreamPulse's: `redis` is what serves windows, `kafka` the way in, whatever stands behind
 * them here. Nothing is written to find out.
 */
export function healthAnswer({ ports, options }: Setting, withDetails: boolean): Response {
  const startMs = ports.clock.monotonicMs()
  const health = ports.process.health()
  const parts = Object.entries(health)
  const has = (status: PartHealth['status']): boolean =>
    parts.some(([, part]) => part.status === status)
  const status = has('unhealthy') ? 'unhealthy' : has('degraded') ? 'degraded' : 'healthy'
  const shown = parts.map(([name, part]) => [name, withDetails ? part : { status: part.status }])
  return Response.json(
    {
      ...{ status, service: options.service, timestamp: isoTime(ports.clock.nowMs()) },
      services: {
        // A Redis that is away leaves the process well: windows are served from here.
        ...redisOf(health),
        kafka: connection(health.kafka ?? health.tripsJournal ?? health.journal),
        api: 'running',
        response_time_ms: String(Math.round(ports.clock.monotonicMs() - startMs)),
      },
      parts: Object.fromEntries(shown),
    },
    { status: status === 'unhealthy' ? 503 : 200, headers: { 'cache-control': 'no-store' } },
  )
}

/** Left out where nobody serves windows: a gateway, a worker. */
function redisOf({ redis, windows, metrics }: ReturnType<Process['health']>) {
  if (redis) return { redis: copyOf(redis) }
  const serving = windows ?? metrics
  return serving ? { redis: connection(serving) } : {}
}

function copyOf({ status }: PartHealth): 'connected' | 'connection_failed' {
  return status === 'healthy' ? 'connected' : 'connection_failed'
}

function connection(part: PartHealth | undefined): 'connected' | 'disconnected' {
  return part && part.status !== 'unhealthy' ? 'connected' : 'disconnected'
}
