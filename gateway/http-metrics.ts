import type { MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'

import type { Clock } from '../actors/kernel/clock.ts'
import type { Telemetry } from '../actors/kernel/telemetry.ts'
import type { GatewayContext, GatewayEnv } from './context.ts'

/** Buckets by route, seconds: the instrumentator's own. */
const COARSE_S = [0.1, 0.5, 1]
/** Buckets over all requests, seconds. */
const FINE_S = [
  0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 7.5, 10, 30,
  60,
]
/** Sums and counts only. */
const NO_BUCKETS: readonly number[] = []
/** Others are anybody's invention, and each would be a series. */
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const NO_HANDLER = 'none'

/**
 * Counts requests under the names that StreamPulse's dashboards ask for. A handler is a route's template,
 * so that addresses nobody serves, and ids in addresses, make no series.
 */
export function httpMetrics(telemetry: Telemetry, clock: Clock): MiddlewareHandler<GatewayEnv> {
  const name = 'http_request_duration_highr_seconds'
  const all = telemetry.histogram(name, 'Duration of all requests', {}, FINE_S)
  return async (context, next) => {
    const startMs = clock.monotonicMs()
    await next()
    const seconds = (clock.monotonicMs() - startMs) / 1_000
    const handler = handlerOf(context)
    const method = METHODS.has(context.req.method) ? context.req.method : 'other'
    const status = `${Math.floor(context.res.status / 100)}xx`
    const labels = { handler, method }
    telemetry.counter('http_requests_total', 'Requests answered', { ...labels, status }).add()
    telemetry
      .histogram('http_request_duration_seconds', 'Duration of requests', labels, COARSE_S)
      .observe(seconds)
    all.observe(seconds)
    const length = Number(context.req.header('content-length') ?? 0)
    telemetry
      .histogram('http_request_size_bytes', 'Bytes of requests', { handler }, NO_BUCKETS)
      .observe(Number.isFinite(length) ? length : 0)
    telemetry
      .histogram('http_response_size_bytes', 'Bytes of answers', { handler }, NO_BUCKETS)
      .observe(await sizeOf(context.res))
  }
}

/** `/metrics/region/{region_id}`, or `none` where no route answered. */
function handlerOf(context: GatewayContext): string {
  const route = matchedRoutes(context)[context.req.routeIndex]
  if (!route || (route.method === 'ALL' && route.path.endsWith('*'))) return NO_HANDLER
  return route.path.replace(/:(\w+)/g, '{$1}')
}

/** A stream has no size; all else is in memory, and read from a copy that shares it. */
async function sizeOf(response: Response): Promise<number> {
  const length = response.headers.get('content-length')
  if (length !== null) return Number(length)
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') ?? false
  if (isStream) return 0
  return (await response.clone().arrayBuffer()).byteLength
}
