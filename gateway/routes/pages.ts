import { Hono } from 'hono'
import { nanoid } from 'nanoid'

import { Assets } from '../assets.ts'
import { access, type GatewayEnv, type Setting, theme } from '../context.ts'
import { pagePolicy } from '../security-headers.ts'

/** The live map's page and the files that pages are made of. */
export function pageRoutes(setting: Setting): Hono<GatewayEnv> {
  const { ports, options } = setting
  const assets = new Assets(ports.pages)
  const routes = new Hono<GatewayEnv>()

  routes.get('/', (context) => {
    const { view, operate } = access(context, setting)
    if (!view) return context.redirect('/sign-in', 302)
    const nonce = nanoid()
    const page = ports.pages.live({
      nonce,
      tilesUrl: options.tilesUrl,
      demoRunning: ports.process.demoRunning(),
      mayOperate: operate,
      ...theme(context),
    })
    return context.html(page, 200, {
      'content-security-policy': pagePolicy(nonce, options.tilesUrl),
      'cache-control': 'no-store',
    })
  })

  const asset = (path: string, headers: Headers): Response | Promise<Response> =>
    assets.answer(path, headers)
  routes.get('/assets/*', (context) => asset(context.req.path, context.req.raw.headers))
  routes.get('/favicon.ico', (context) => asset('/favicon.ico', context.req.raw.headers))
  routes.get('/favicon.svg', (context) => asset('/favicon.svg', context.req.raw.headers))

  return routes
}
