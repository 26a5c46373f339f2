import { errorResponse } from '../gateway/http-error.ts'
import { secure } from '../gateway/security-headers.ts'
import type { Parts } from './patience.ts'

const RETRY_AFTER_S = '2'

/** Listens while stores are away: says at `/ready` and `/health` which one is missing, and tells everybody else to come again. */
export function serveWaiting(
  { host, port }: Readonly<{ host: string; port: number }>,
  parts: Parts,
): Readonly<{ stop(): Promise<void> }> {
  const server = Bun.serve({
    hostname: host,
    port,
    development: false,
    reusePort: false,
    fetch(request) {
      const answer = answerTo(new URL(request.url).pathname, parts)
      secure(answer.headers)
      return answer
    },
  })
  return { stop: () => server.stop(true) }
}

function answerTo(path: string, parts: Parts): Response {
  const missing = parts.notReady() ?? 'starting'
  if (path === '/health') {
    const body = { status: 'starting', service: 'Orrery', parts: parts.health() }
    return Response.json(body, { status: 503 })
  }
  if (path === '/ready' || path === '/readyz') {
    const body = { status: 'not_ready', error: { code: 'not_ready', message: missing } }
    return Response.json(body, { status: 503, headers: { 'retry-after': RETRY_AFTER_S } })
  }
  return errorResponse(503, 'starting', `not ready yet: ${missing}`, {
    'retry-after': RETRY_AFTER_S,
  })
}
