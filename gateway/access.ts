import type { GatewayOptions } from './options.ts'
import type { Accounts } from './ports.ts'

/** What the server knows of a request's connection; tests and the Unix socket make their own. */
export type Connection = Readonly<{
  /** The peer's IP address, or null when there is none. */
  address: string | null
  /** Sets the seconds of silence after which the connection is cut; 0 never. */
  timeout: (seconds: number) => void
}>

/** Name of the cookie that holds a browser session's token. */
export const SESSION_COOKIE = 'orrery_session'

/** What a request may do: see the fleet, and beyond that change things. */
export type Access = Readonly<{
  view: boolean
  operate: boolean
  /** Asked again while a stream is open: a sign-out then ends it. */
  stillViews: () => boolean
}>

/**
 * Decides by where a request comes from and by its session. "Local" is this machine's own browser:
 * a loopback peer, no proxy in between, and a host name that DNS cannot have been bent to.
 */
export function accessOf(
  request: Request,
  address: string | null,
  token: string | undefined,
  accounts: Accounts,
  options: GatewayOptions,
): Access {
  const local = options.viewers !== 'signed-in' && isLocal(request, address)
  const hasSession = (): boolean => token !== undefined && accounts.verifySession(token)
  const operate = local || hasSession()
  const free = local || options.viewers === 'anyone'
  return { view: free || operate, operate, stillViews: () => free || hasSession() }
}

/** True for a request that this machine's own user made without a proxy. */
export function isLocal(request: Request, address: string | null): boolean {
  if (address === null || !isLoopback(address)) return false
  for (const name of request.headers.keys()) {
    if (name === 'forwarded' || name === 'x-real-ip' || name.startsWith('x-forwarded-'))
      return false
  }
  const host = request.headers.get('host')
  return host !== null && /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i.test(host)
}

/** True when a browser says that a page of another site is behind the request. */
export function isForeign(request: Request): boolean {
  const site = request.headers.get('sec-fetch-site')
  if (site !== null && site !== 'same-origin' && site !== 'none') return true
  const origin = request.headers.get('origin')
  if (origin === null) return false
  return !URL.canParse(origin) || new URL(origin).host !== request.headers.get('host')
}

/** True when the browser's own connection is encrypted, as far as can be known. */
export function isEncrypted(request: Request): boolean {
  const forwarded = request.headers.get('x-forwarded-proto')?.split(',')[0]?.trim()
  return (forwarded ?? new URL(request.url).protocol.slice(0, -1)) === 'https'
}

/** Addresses that one household or office can choose from at will count as one. */
export function addressGroup(address: string | null): string {
  if (address === null) return 'unknown'
  const plain = address.replace(/^::ffff:(?=\d+\.)/i, '')
  return plain.includes(':') ? plain.split(':').slice(0, 4).join(':') : plain
}

function isLoopback(address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/i.test(address)
}
