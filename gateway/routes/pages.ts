import { Hono } from 'hono'
import { nanoid } from 'nanoid'

import { Assets } from '../assets.ts'
import { access, type GatewayContext, type GatewayEnv, theme } from '../context.ts'
import type { ViewSetting } from '../role-app.ts'
import { pagePolicy } from '../security-headers.ts'

/** The pages of the live map and of the regions, and the files that pages are made of. */
export function pageRoutes(setting: ViewSetting): Hono<GatewayEnv> {
  const { ports, options } = setting
  const assets = new Assets(ports.pages)
  const routes = new Hono<GatewayEnv>()

  const page = (
    context: GatewayContext,
    build: (props: Readonly<Record<string, unknown>>) => string,
  ): Response | Promise<Response> => {
    const { view, operate } = access(context, setting)
    if (!view) return context.redirect('/sign-in', 302)
    const nonce = nanoid()
    const html = build({
      nonce,
      tilesUrl: options.tilesUrl,
      demoRunning: ports.process.demoRunning(),
      mayOperate: operate,
      ...theme(context),
    })
    return context.html(html, 200, {
      'content-security-policy': pagePolicy(nonce, options.tilesUrl),
      'cache-control': 'no-store',
    })
  }
  routes.get('/', (context) => page(context, (props) => ports.pages.live(props)))
  routes.get('/regions', (context) => page(context, (props) => ports.pages.regions(props)))

  const asset = (path: string, headers: Headers): Response | Promise<Response> =>
    assets.answer(path, headers)
  routes.get('/assets/*', (context) => asset(context.req.path, context.req.raw.headers))
  routes.get('/favicon.ico', (context) => asset('/favicon.ico', context.req.raw.headers))
  routes.get('/favicon.svg', (context) => asset('/favicon.svg', context.req.raw.headers))

  return routes
}
