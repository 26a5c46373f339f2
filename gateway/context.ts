import type { Context } from 'hono'
import { getCookie } from 'hono/cookie'

import { type Access, accessOf, type Connection, isForeign, SESSION_COOKIE } from './access.ts'
import { errorResponse } from './http-error.ts'
import type { GatewayOptions } from './options.ts'
import type { SharedPorts } from './ports.ts'

/** Hono's types for this gateway: the connection comes in with each request. */
export type GatewayEnv = { Bindings: Connection }

/** A request on its way through the routes. */
export type GatewayContext = Context<GatewayEnv>

/** What routes are made of that every process has. */
export type Setting = Readonly<{ ports: SharedPorts; options: GatewayOptions }>

/** What this request may do. */
export function access(context: GatewayContext, { ports, options }: Setting): Access {
  const token = sessionToken(context)
  return accessOf(context.req.raw, context.env.address, token, ports.accounts, options)
}

/** The token of this request's browser session. */
export function sessionToken(context: GatewayContext): string | undefined {
  return getCookie(context, SESSION_COOKIE)
}

/** Null when the request may ask, else the answer that says why not. */
export function refuseStranger(
  context: GatewayContext,
  setting: Setting,
  need: 'view' | 'operate',
): Response | null {
  if (isForeign(context.req.raw) && !(need === 'view' && isOpenToRead(context, setting))) {
    return errorResponse(403, 'foreign_site', 'pages of other sites may not ask this')
  }
  if (access(context, setting)[need]) return null
  return errorResponse(401, 'signed_out', 'sign in first, at /sign-in')
}

/** What everybody may see, pages of other sites may ask for too: dashboards stand on hosts of their own. */
function isOpenToRead({ req }: GatewayContext, { options }: Setting): boolean {
  return options.viewers === 'anyone' && (req.method === 'GET' || req.method === 'HEAD')
}

/** The theme that this reader chose, to be passed to a page; without it the system decides. */
export function theme(context: GatewayContext): Readonly<{ theme?: string }> {
  const chosen = getCookie(context, 'orrery_theme')
  return chosen === 'dark' || chosen === 'light' ? { theme: chosen } : {}
}
