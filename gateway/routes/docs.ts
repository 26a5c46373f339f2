import { Hono } from 'hono'
import { nanoid } from 'nanoid'

import { access, type GatewayEnv, refuseStranger, type Setting } from '../context.ts'
import { pagePolicy } from '../security-headers.ts'

/** What of the interface a process serves. */
export type Served = Readonly<{ ingest: boolean; views: boolean }>

/** The interface described, as far as this process serves it: for programs, and to read. */
export function docsRoutes(setting: Setting, served: Served): Hono<GatewayEnv> {
  const routes = new Hono<GatewayEnv>()
  // Loaded and made when it is first wanted: few ever ask.
  let document: Promise<string> | null = null

  routes.get('/openapi.json', async (context) => {
    const refused = refuseStranger(context, setting, 'view')
    if (refused) return refused
    document ??= documentOf(served)
    return context.body(await document, 200, { 'content-type': 'application/json' })
  })

  routes.get('/docs', async (context) => {
    const signIn = (): Response =>
      served.views
        ? context.redirect('/sign-in', 302)
        : (refuseStranger(context, setting, 'view') ?? context.body(null, 401))
    if (!access(context, setting).view) return signIn()
    const [operations, { openApiPage }] = await Promise.all([
      operationsOf(served),
      import('../openapi-page.ts'),
    ])
    const nonce = nanoid()
    return context.html(openApiPage(operations, nonce), 200, {
      'content-security-policy': pagePolicy(nonce, null),
      'cache-control': 'no-store',
    })
  })
  routes.get('/redoc', (context) => context.redirect('/docs', 302))

  return routes
}

async function documentOf(served: Served): Promise<string> {
  const [operations, { openApiDocument }] = await Promise.all([
    operationsOf(served),
    import('../openapi.ts'),
  ])
  return JSON.stringify(openApiDocument(operations))
}

/** A process without pages does not load what describes them. */
async function operationsOf({ ingest, views }: Served) {
  const { DOCS, INGEST, STATE } = await import('../openapi-roles.ts')
  if (!views) return [...(ingest ? INGEST : []), ...STATE, ...DOCS]
  const { OPERATIONS } = await import('../openapi-operations.ts')
  return ingest ? OPERATIONS : OPERATIONS.filter((each) => !INGEST.includes(each))
}
