import { type Clock, type Random, systemClock } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { ServerLink } from './server-link.ts'

/** Where a server is, and as whom it is asked. */
export type ServerAddress = Readonly<{
  /** `http://host:8123` or `https://host:8443`; otherwise `host` and `port`. */
  url?: string
  host?: string
  port?: number
  user: string
  password: string
  tls?: ServerTls | null
  /** Compresses rows on their way (zstd): for a server that is far away. */
  compress?: boolean
  clock?: Clock
  random?: Random
}>

/** TLS by the system's authorities unless there is one of its own; with a certificate of this client when the server asks for one. */
export type ServerTls = Readonly<{ ca?: string; certificate?: string; key?: string }>

/** Older servers close an idle connection after 3 s; a request on its way would meet the end of it. */
const IDLE_MS_MAX = 2_500

/** The client's own time-out is the backstop of those that each call has. */
const BACKSTOP_MS = 300_000

/** The server's address without user and password. */
export function urlOf({ url, host = 'localhost', port, tls }: ServerAddress): string {
  const scheme = tls ? 'https' : 'http'
  const text = url ?? `${scheme}://${host}:${port ?? (tls ? 8_443 : 8_123)}`
  const parsed = URL.canParse(text) ? new URL(text) : null
  if (!parsed || !/^https?:$/.test(parsed.protocol)) {
    throw new OrreryError(
      'config',
      'CLICKHOUSE_HOST is no address: write a host, or http(s)://host:port',
    )
  }
  return parsed.origin
}

/** Opens a pool of connections; nothing is sent yet. The client is loaded here, and only when there is a server. */
export async function connect(
  address: ServerAddress,
  options: Readonly<{ database: string; count: number; waitingMax: number }>,
): Promise<ServerLink> {
  const { createClient, ClickHouseLogLevel } = await import('@clickhouse/client')
  const { user, password, tls, clock = systemClock, random = Math.random } = address
  const { database, count, waitingMax } = options
  const client = createClient({
    url: urlOf(address),
    username: user,
    password,
    ...(database !== '' && { database }),
    application: 'orrery',
    request_timeout: BACKSTOP_MS,
    max_open_connections: count,
    keep_alive: {
      enabled: true,
      idle_socket_ttl: IDLE_MS_MAX,
      eagerly_destroy_stale_sockets: true,
    },
    compression: {
      request: address.compress ? { codec: 'zstd', level: 1 } : false,
      response: false,
    },
    // It would write statements to the console by itself.
    log: { level: ClickHouseLogLevel.OFF },
    ...tlsOf(tls ?? {}),
  })
  const basic = Buffer.from(`${user}:${password}`).toString('base64')
  return new ServerLink({ client, clock, random, count, waitingMax, secrets: [password, basic] })
}

type ClientTls =
  Readonly<{ ca_cert: Buffer }> | Readonly<{ ca_cert: Buffer; cert: Buffer; key: Buffer }>

function tlsOf({ ca, certificate, key }: ServerTls): Readonly<{ tls?: ClientTls }> {
  if (ca === undefined) {
    if (certificate === undefined && key === undefined) return {}
    throw new OrreryError('config', 'a certificate for ClickHouse needs the authority (CA) too')
  }
  const authority = { ca_cert: Buffer.from(ca) }
  if (certificate === undefined || key === undefined) return { tls: authority }
  return { tls: { ...authority, cert: Buffer.from(certificate), key: Buffer.from(key) } }
}
