import { describe, expect, test } from 'bun:test'

import { createApp } from './app.ts'
import { OPERATIONS } from './openapi-operations.ts'
import { openApiDocument, templateOf } from './openapi.ts'
import { testWindow, TestWindows } from './regions-testing.ts'
import { LOCAL, LOCAL_HOST, REMOTE, TEST_KEY, testPorts, wireTrip } from './testing.ts'

const deliveries = [
  { ...{ regionId: 5, startMs: 0, sizeS: 900, active: 2, started: 1, completed: 1 }, final: true },
].map((row) => ({ ...row, meanSpeedKmh: null, distanceKm: 1.5 }))

function open() {
  const windows = new TestWindows([testWindow()])
  const { app } = createApp(testPorts({ windows, deliveries: async () => deliveries }))
  return app
}

const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
  open().request(path, { ...init, headers: { ...LOCAL_HOST, ...init.headers } }, LOCAL)

const described: readonly string[] = OPERATIONS.filter(({ socket }) => !socket)
  .map(({ method, path }) => `${method} ${path}`)
  .sort()

/** Everything that the router answers, but for what answers any method: refusals in words. */
function routed(app = open()): string[] {
  const routes = app.routes.filter(({ method }) => method !== 'ALL')
  return [...new Set(routes.map(({ method, path }) => `${method.toLowerCase()} ${path}`))].sort()
}

test('every route is described, and nothing is described that is no route', () => {
  expect(routed()).toEqual([...described])
  expect(described.length).toBeGreaterThan(30)
})

test('a route without an entry is seen', () => {
  const app = open()
  app.get('/api/forgotten', (context) => context.json({}))
  expect(routed(app).filter((route) => !described.includes(route))).toEqual(['get /api/forgotten'])
})

describe('the document', () => {
  type Parameter = { name: string; in: string; required: boolean; schema: unknown }
  type Described = { operationId: string; parameters?: Parameter[]; responses: object }
  type Document = { openapi: string; paths: Record<string, Record<string, Described>> }
  const document: Document = JSON.parse(JSON.stringify(openApiDocument(OPERATIONS)))
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.values(methods).map((operation) => ({ path, ...operation })),
  )

  test('is what /openapi.json answers', async () => {
    const answer = await ask('/openapi.json')
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.json()).toEqual(JSON.parse(JSON.stringify(document)))
    expect(document.openapi).toBe('3.1.0')
  })

  test('names each operation once, and each variable of its path', () => {
    const ids = all.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    expect(ids).toContain('getMetricsRegionRegionId')
    for (const { path, parameters = [] } of all) {
      const named = parameters.filter((parameter) => parameter.in === 'path')
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? '')
      expect([path, named.map(({ name }) => name)]).toEqual([path, inPath])
      for (const { required } of named) expect(required).toBe(true)
    }
  })

  test('says which inputs must be there, and their bounds', () => {
    const parameters = document.paths['/api/regions/windows']?.get?.parameters ?? []
    expect(parameters.map(({ name, required }) => [name, required])).toEqual([
      ...[
        ['region', true],
        ['window', false],
        ['from', false],
        ['to', false],
        ['limit', false],
      ],
    ])
    const [, window] = parameters
    expect(window?.schema).toEqual({
      ...{ default: '1m', type: 'string', enum: ['1m', '5m', '15m', '1h'] },
    })
    const top = document.paths['/metrics/regions/top']?.get?.parameters ?? []
    expect(top.find(({ name }) => name === 'limit')?.schema).toMatchObject({ maximum: 100 })
  })

  test('has no reference that leads nowhere, and no schema of another kind', () => {
    const text = JSON.stringify(document)
    expect(text).not.toContain('$ref')
    expect(text).not.toContain('$schema')
  })
})

/** What a described answer must be to the letter: nothing missing, nothing unsaid. */
async function holds(method: 'get' | 'post', path: string, url: string, init: RequestInit = {}) {
  const answer = await ask(url, { ...init, method: method.toUpperCase() })
  const entry = OPERATIONS.find((each) => each.method === method && each.path === path)
  const schema = entry?.answers[answer.status]?.schema
  if (!schema) throw new Error(`${answer.status} of ${method} ${path} is not described`)
  const body: unknown = await answer.json()
  expect(schema.parse(body)).toEqual(body)
  return answer.status
}

describe('answers are as described', () => {
  const cases: readonly (readonly [string, string, number])[] = [
    ['/metrics/region/:region_id', '/metrics/region/5', 200],
    ['/metrics/region/:region_id', '/metrics/region/6', 404],
    ['/metrics/region/:region_id', '/metrics/region/5?window=9m', 400],
    ['/metrics/region/:region_id', '/metrics/region/x', 422],
    ['/metrics/regions/top', '/metrics/regions/top', 200],
    ['/metrics/regions/top', '/metrics/regions/top?limit=0', 422],
    ['/metrics/timeline/:region_id', '/metrics/timeline/5', 200],
    ['/api/regions/windows', '/api/regions/windows?region=5', 200],
    ['/api/regions/windows', '/api/regions/windows', 400],
    ['/api/regions/deliveries', '/api/regions/deliveries', 200],
    ['/api/sessions/:id', '/api/sessions/s1', 404],
    ['/api/sessions/:id/trail', '/api/sessions/s1/trail', 200],
    ['/api/dead-letters', '/api/dead-letters', 200],
    ['/health', '/health', 200],
    ['/ready', '/ready', 200],
  ]
  for (const [path, url, status] of cases) {
    test(`${url}: ${status}`, async () => expect(await holds('get', path, url)).toBe(status))
  }

  test('to trips that come in, good and bad', async () => {
    const headers = { authorization: `Bearer ${TEST_KEY}` }
    const post = (body: string): Promise<number> =>
      holds('post', '/ingest/trips', '/ingest/trips', { headers, body })
    expect(await post(JSON.stringify([wireTrip(), wireTrip({ fare: -1 })]))).toBe(200)
    expect(await post('{}')).toBe(400)
    expect(await holds('post', '/ingest/trips/flush', '/ingest/trips/flush', { headers })).toBe(200)
  })
})

describe('the page', () => {
  test('shows every operation, loads nothing, and runs no script', async () => {
    const answer = await ask('/docs')
    const html = await answer.text()
    for (const { path } of OPERATIONS) expect(html).toContain(`<code>${templateOf(path)}</code>`)
    expect(html).not.toMatch(/<script|<link|<img|style="|https?:\/\//)
    const [, nonce] = /<style nonce="([^"]+)">/.exec(html) ?? []
    expect(answer.headers.get('content-security-policy')).toContain(
      `style-src 'self' 'nonce-${nonce}'`,
    )
  })

  test('is where /redoc leads, and for those who see the map', async () => {
    const redoc = await ask('/redoc')
    expect([redoc.status, redoc.headers.get('location')]).toEqual([302, '/docs'])
    const docs = await open().request('/docs', {}, REMOTE)
    expect([docs.status, docs.headers.get('location')]).toEqual([302, '/sign-in'])
    expect((await open().request('/openapi.json', {}, REMOTE)).status).toBe(401)
  })
})
