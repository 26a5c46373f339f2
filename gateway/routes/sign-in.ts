import { Hono } from 'hono'
import { deleteCookie, setCookie } from 'hono/cookie'
import { nanoid } from 'nanoid'

import { addressGroup, isEncrypted, isForeign, SESSION_COOKIE } from '../access.ts'
import { access, type GatewayContext, type GatewayEnv, sessionToken, theme } from '../context.ts'
import { errorResponse, retryAfter } from '../http-error.ts'
import { RateLimit } from '../limits.ts'
import type { ViewSetting } from '../role-app.ts'
import { pagePolicy } from '../security-headers.ts'

const FORM_BYTES_MAX = 4_096
const PASSWORD_LENGTH_MAX = 512
const ADDRESSES_MAX = 10_000
const COOKIE_DAYS = 30

/** The sign-in page, its form and the way out. */
export function signInRoutes(setting: ViewSetting): Hono<GatewayEnv> {
  const { ports, options } = setting
  const perMinute = (capacity: number, namesMax: number): RateLimit =>
    new RateLimit({ perSecond: capacity / 60, capacity, namesMax })
  const byAddress = perMinute(options.signInFailuresPerMinuteMax, ADDRESSES_MAX)
  const byAll = perMinute(options.signInFailuresPerMinuteAllMax, 1)
  const refusals = ports.telemetry.counter('orrery_sign_ins_refused_total', 'Sign-ins refused')
  const routes = new Hono<GatewayEnv>()

  routes.get('/sign-in', (context) => {
    if (access(context, setting).operate) return context.redirect('/', 302)
    return signInPage(context, setting, { failed: false })
  })

  routes.post('/sign-in', async (context) => {
    if (isForeign(context.req.raw)) return foreign()
    const password = await passwordOf(context.req.raw)
    if (password === null) {
      return errorResponse(400, 'bad_form', 'expected a form with the field password')
    }
    const nowMs = ports.clock.monotonicMs()
    const buckets = [
      byAddress.bucket(addressGroup(context.env.address), nowMs),
      byAll.bucket('all', nowMs),
    ]
    const waitMs = Math.max(...buckets.map((bucket) => bucket.waitMs(nowMs)))
    if (waitMs > 0) {
      refusals.add()
      const message = `Too many attempts. Try again in ${Math.ceil(waitMs / 1_000)} s.`
      const page = signInPage(context, setting, { failed: true, message }, 429)
      for (const [name, value] of Object.entries(retryAfter(waitMs))) page.headers.set(name, value)
      return page
    }
    // Paid before the slow hash and given back if it fits: attempts at once do not get past the limit.
    for (const bucket of buckets) bucket.take(1)
    if (!(await ports.accounts.verifyPassword(password))) {
      refusals.add()
      ports.log.warn({ address: context.env.address }, 'sign-in refused')
      return signInPage(context, setting, { failed: true }, 401)
    }
    for (const bucket of buckets) bucket.take(-1)
    setCookie(context, SESSION_COOKIE, ports.accounts.signIn(), {
      httpOnly: true,
      sameSite: 'Strict',
      path: '/',
      maxAge: COOKIE_DAYS * 86_400,
      secure: isEncrypted(context.req.raw),
    })
    return context.redirect('/', 303)
  })

  routes.post('/sign-out', (context) => {
    if (isForeign(context.req.raw)) return foreign()
    const token = sessionToken(context)
    if (token !== undefined) ports.accounts.signOut(token)
    deleteCookie(context, SESSION_COOKIE, { path: '/' })
    return context.redirect('/sign-in', 303)
  })

  return routes
}

function signInPage(
  context: GatewayContext,
  { ports, options }: ViewSetting,
  props: { failed: boolean; message?: string },
  status: 200 | 401 | 429 = 200,
): Response {
  return context.html(ports.pages.signIn({ ...props, ...theme(context) }), status, {
    'content-security-policy': pagePolicy(nanoid(), options.tilesUrl),
    'cache-control': 'no-store',
  })
}

function foreign(): Response {
  return errorResponse(403, 'foreign_site', 'pages of other sites may not ask this')
}

async function passwordOf(request: Request): Promise<string | null> {
  const type = request.headers.get('content-type') ?? ''
  if (!type.startsWith('application/x-www-form-urlencoded')) return null
  if (Number(request.headers.get('content-length') ?? 0) > FORM_BYTES_MAX) return null
  const text = await request.text()
  if (text.length > FORM_BYTES_MAX) return null
  const password = new URLSearchParams(text).get('password')
  return password !== null && password.length <= PASSWORD_LENGTH_MAX ? password : null
}
