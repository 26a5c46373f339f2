import type { Server, WebSocketHandler } from 'bun'

import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { Connection } from './access.ts'
import { IngestSockets, type SocketData, type SocketKind } from './ingest-socket.ts'
import type { SharedPorts } from './ports.ts'
import { type RelayData, RelaySockets } from './relay/core-sockets.ts'
import type { RoleApp } from './role-app.ts'

/** Seconds in which a quiet HTTP connection is cut; streams of the live map switch it off. */
const HTTP_IDLE_S = 30

type AnySocketData = SocketData | RelayData

/** Nothing is upgraded in a process that takes no messages. */
const NO_SOCKETS = { message: () => {} }

/** A gateway that listens. */
export interface Listening {
  /** The port that was bound; the one asked for unless that was 0. */
  readonly port: number
  /** Stops accepting, answers what is pending, closes sockets with 1001 and streams; resolves when all is closed. */
  stop(): Promise<void>
}

/** Where it listens. */
export type Address = Readonly<{ port: number; host: string }>

/**
 * Listens. HTTP goes through Hono; `/ws` and `/ws/trips` are upgraded here, because Hono's adapter hides a socket's
 * back-pressure. Throws OrreryError `port_taken` or `not_listening`.
 */
export function listen(app: RoleApp, ports: SharedPorts, address: Address): Listening {
  const { ingest, keys } = app
  const sockets =
    ingest && new IngestSockets(ports, { pings: ingest.intake, trips: ingest.trips }, keys)
  const server = bound(app, sockets, address)
  const port = server.port ?? address.port
  ports.log.info({ host: address.host, port }, 'gateway listens')
  let stopping: Promise<void> | null = null
  return { port, stop: () => (stopping ??= stop(server, app, sockets, ports)) }
}

function bound(
  app: RoleApp,
  sockets: IngestSockets | null,
  { port, host }: Address,
): Server<AnySocketData> {
  const { relay } = app
  const handlers: WebSocketHandler<SocketData> = sockets?.handlers ?? NO_SOCKETS
  try {
    return Bun.serve<AnySocketData>({
      port,
      hostname: host,
      development: false,
      // Without development mode Bun shares the port by default: two processes would split the pings.
      reusePort: false,
      idleTimeout: HTTP_IDLE_S,
      // Ours answers in words below this; Bun's own limit is for what lies about its length.
      maxRequestBodySize: app.options.bodyBytesMax * 2,
      fetch(request, server) {
        if (relay && RelaySockets.isRelay(request.url)) return relay.admit(request, server)
        const kind = sockets && socketKind(request.url)
        if (kind) return sockets.admit(request, server, kind)
        const connection: Connection = {
          address: server.requestIP(request)?.address ?? null,
          timeout: (seconds) => server.timeout(request, seconds),
        }
        return app.app.fetch(request, connection)
      },
      websocket: relay ? relay.over(handlers) : handlers,
    })
  } catch (cause) {
    const taken = /EADDRINUSE|in use/i.test(messageOf(cause))
    throw new OrreryError(
      taken ? 'port_taken' : 'not_listening',
      taken
        ? `port ${port} is taken by another process; set PORT to a free one`
        : `cannot listen on ${host}:${port}: ${messageOf(cause)}`,
      { cause },
    )
  }
}

/** What is said on the socket that a request asks for, or null when it asks for none. */
function socketKind(url: string): SocketKind | null {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  if (!url.startsWith('/ws', start)) return null
  const query = url.indexOf('?', start)
  const path = url.slice(start, query === -1 ? url.length : query)
  if (path === '/ws') return 'pings'
  return path === '/ws/trips' ? 'trips' : null
}

async function stop(
  server: Server<AnySocketData>,
  { views, options, relay }: RoleApp,
  sockets: IngestSockets | null,
  ports: SharedPorts,
): Promise<void> {
  views?.live.close()
  views?.liveRegions.close()
  // Listening ends at once; requests in progress still get their answers.
  const closed = server.stop(false)
  relay?.stop()
  await sockets?.stop()
  const late = Promise.withResolvers<void>()
  const cancel = ports.clock.after(options.stopMsMax, late.resolve)
  await Promise.race([closed, late.promise])
  cancel()
  await server.stop(true)
  ports.log.info({}, 'gateway stopped')
}
