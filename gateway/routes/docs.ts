import { Hono } from 'hono'
import { nanoid } from 'nanoid'

import { access, type GatewayEnv, refuseStranger, type Setting } from '../context.ts'
import { OPERATIONS } from '../openapi-operations.ts'
import { openApiPage } from '../openapi-page.ts'
import { openApiDocument } from '../openapi.ts'
import { pagePolicy } from '../security-headers.ts'

/** The interface described: for programs, and to read. */
export function docsRoutes(setting: Setting): Hono<GatewayEnv> {
  const routes = new Hono<GatewayEnv>()
  // Made when it is first wanted: few ever ask.
  let document: string | null = null

  routes.get('/openapi.json', (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    document ??= JSON.stringify(openApiDocument(OPERATIONS))
    return context.body(document, 200, { 'content-type': 'application/json' })
  })

  routes.get('/docs', (context) => {
    if (!access(context, setting).view) return context.redirect('/sign-in', 302)
    const nonce = nanoid()
    return context.html(openApiPage(OPERATIONS, nonce), 200, {
      'content-security-policy': pagePolicy(nonce, null),
      'cache-control': 'no-store',
    })
  })
  routes.get('/redoc', (context) => context.redirect('/docs', 302))

  return routes
}
