import { rmSync } from 'node:fs'

import { Hono } from 'hono'
import { z } from 'zod'

import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { errorResponse, retryAfter } from './http-error.ts'
import { IngestHttp } from './ingest-http.ts'
import type { Control, IngestPorts, SharedPorts, ViewPorts } from './ports.ts'
import type { RoleApp } from './role-app.ts'
import { deadLetterRoutes } from './routes/dead-letters.ts'
import { healthAnswer } from './routes/operations.ts'
import { TripsFlush } from './trips-flush.ts'

/** The name under which the owner's own messages are kept. */
const SOURCE = 'local'
/** The longest path that a Unix socket can have on Linux, less its end mark. */
const PATH_BYTES_MAX = 107
const SQL_LENGTH_MAX = 1_048_576
const RETRY_MS = 1_000

const question = z.strictObject({
  sql: z.string().min(1).max(SQL_LENGTH_MAX),
  format: z
    .string()
    .regex(/^[A-Za-z0-9]{1,64}$/)
    .default('PrettyCompact'),
})

/** What it is joined to: as much as the gateway is. */
export type ControlPorts = SharedPorts & Partial<IngestPorts & ViewPorts>

/** What the owner of this machine's process asks through its Unix socket; no key is needed there. */
export function createControlApp(
  ports: ControlPorts,
  control: Control,
  { options, keys, ingest, views, roles }: RoleApp,
): Hono {
  const app = new Hono()

  app.get('/health', () => healthAnswer({ ports, options }, true))
  if (ingest && ports.trips) {
    const pings = new IngestHttp(ingest.intake, keys, ports.clock)
    const trips = new IngestHttp(ingest.trips, keys, ports.clock)
    const tripsFlush = new TripsFlush(ports.trips, ingest.trips, keys, ports.clock)
    app.post('/ingest', (context) => pings.postAs(SOURCE, context.req.raw))
    app.post('/ingest/trips', (context) => trips.postAs(SOURCE, context.req.raw))
    app.post('/ingest/trips/flush', () => tripsFlush.postAs(SOURCE))
  }
  app.post('/flush', async (context) => {
    await control.flush()
    return context.json({ flushed: true })
  })
  app.post('/keys', (context) => context.json(control.mintKey()))
  app.post('/sql', async (context) => {
    const parsed = question.safeParse(await context.req.json().catch(() => null))
    if (!parsed.success) {
      return errorResponse(400, 'bad_body', 'expected {"sql":"SELECT …","format":"JSONEachRow"}')
    }
    const result = await control.sql(parsed.data.sql, parsed.data.format)
    return new Response(result instanceof Uint8Array ? Uint8Array.from(result) : result, {
      headers: { 'content-type': 'text/plain; charset=utf-8' },
    })
  })
  const { reader, process } = ports
  if (views && reader) {
    const { retries } = views
    const setting = { reader, process, retries, roles, guard: () => null }
    app.route('/dead-letters', deadLetterRoutes(setting))
  }
  app.notFound((context) => errorResponse(404, 'not_found', `nothing is at ${context.req.path}`))
  app.onError((error) => {
    if (!(error instanceof OrreryError)) {
      ports.log.error({ error: error.message, stack: error.stack }, 'control request failed')
      return errorResponse(500, 'internal', error.message)
    }
    const { code, message, retriable } = error
    if (retriable) return errorResponse(503, code, message, retryAfter(RETRY_MS))
    return errorResponse(400, code, message)
  })
  return app
}

/** Serves an app on a Unix socket that only this user can open; the result ends it. */
export function serveControl(
  app: Pick<Hono, 'fetch'>,
  path: string,
): Readonly<{ stop: () => Promise<void> }> {
  if (Buffer.byteLength(path) > PATH_BYTES_MAX) {
    throw new OrreryError(
      'path_too_long',
      `the control socket's path is longer than ${PATH_BYTES_MAX} bytes: ${path}`,
    )
  }
  // One process has the folder: a socket file that is there was left by one that crashed.
  rmSync(path, { force: true })
  const before = process.umask(0o177)
  try {
    const server = Bun.serve({
      unix: path,
      development: false,
      fetch(request, server) {
        // A query may think for longer than a quiet connection lives.
        server.timeout(request, 0)
        return app.fetch(request)
      },
    })
    return {
      stop: async () => {
        await server.stop(true)
        rmSync(path, { force: true })
      },
    }
  } catch (cause) {
    throw new OrreryError('not_listening', `cannot listen on ${path}: ${messageOf(cause)}`, {
      cause,
    })
  } finally {
    process.umask(before)
  }
}
