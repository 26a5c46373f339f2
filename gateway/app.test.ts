import { describe, expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { Connection } from './access.ts'
import { createApp, type GatewayApp } from './app.ts'
import type { GatewayOptions, Viewers } from './options.ts'
import type { GatewayPorts, Reader } from './ports.ts'
import { testWindow, TestWindows } from './regions-testing.ts'
import {
  emptyReader,
  LOCAL,
  LOCAL_HOST,
  REMOTE,
  TEST_KEY,
  TEST_PASSWORD,
  TestAccounts,
  testPorts,
  testProcess,
} from './testing.ts'

function open(
  parts: Partial<GatewayPorts> = {},
  options: Partial<GatewayOptions> = {},
): Readonly<{ app: GatewayApp['app']; accounts: TestAccounts }> {
  const accounts = new TestAccounts()
  const { app, live, liveRegions } = createApp(testPorts({ accounts, ...parts }), options)
  // Streams of these tests are not read: nothing of them may stay behind.
  live.close()
  liveRegions.close()
  return { app, accounts }
}

type Caller = 'own browser' | 'remote' | 'remote with an ingest key' | 'signed in'
type Route = Readonly<{ name: string; method: 'GET' | 'POST'; path: string; body?: string }>

const ROUTES: readonly Route[] = [
  { name: 'page', method: 'GET', path: '/' },
  { name: 'regions page', method: 'GET', path: '/regions' },
  { name: 'stream', method: 'GET', path: '/live' },
  { name: 'regions stream', method: 'GET', path: '/live/regions' },
  { name: 'region map', method: 'GET', path: '/api/regions/map' },
  { name: 'region windows', method: 'GET', path: '/api/regions/windows?region=5' },
  { name: 'deliveries', method: 'GET', path: '/api/regions/deliveries' },
  { name: 'top regions', method: 'GET', path: '/metrics/regions/top' },
  { name: 'region metrics', method: 'GET', path: '/metrics/region/5' },
  { name: 'timeline', method: 'GET', path: '/metrics/timeline/5' },
  { name: 'session', method: 'GET', path: '/api/sessions/s1' },
  { name: 'trail', method: 'GET', path: '/api/sessions/s1/trail' },
  { name: 'metrics', method: 'GET', path: '/metrics' },
  { name: 'dead letters', method: 'GET', path: '/api/dead-letters' },
  { name: 'retry', method: 'POST', path: '/api/dead-letters/0-1-0/retry' },
  { name: 'retry all', method: 'POST', path: '/api/dead-letters/retry', body: '{"limit":5}' },
  { name: 'demo', method: 'POST', path: '/api/demo', body: '{"running":true}' },
  { name: 'health', method: 'GET', path: '/health' },
  { name: 'ready', method: 'GET', path: '/ready' },
  { name: 'sign-in page', method: 'GET', path: '/sign-in' },
  { name: 'ingest', method: 'POST', path: '/ingest', body: '' },
]
const VIEW = [
  ...['page', 'stream', 'session', 'trail', 'metrics', 'regions page', 'regions stream'],
  ...['region map', 'region windows', 'deliveries', 'top regions', 'region metrics', 'timeline'],
]
const OPERATE = ['dead letters', 'retry', 'retry all', 'demo']

const session: Reader = {
  ...emptyReader,
  deadLetter: async (name) => ({
    name,
    raw: Buffer.from('{}'),
    truncated: false,
    source: 'depot',
    done: null,
  }),
  session: async (sessionId) => ({
    sessionId,
    vehicleId: 'v',
    orderId: 'o',
    deviceId: 'd',
    startLat: 0,
    startLng: 0,
    endLat: 0,
    endLng: 0,
    createdAtMs: 0,
    pings: 1,
    distanceM: 0,
    events: [],
  }),
}

const windows = new TestWindows([testWindow()])

function ask(
  app: GatewayApp['app'],
  accounts: TestAccounts,
  route: Route,
  caller: Caller,
): Response | Promise<Response> {
  const headers: Record<string, string> =
    caller === 'own browser' ? { ...LOCAL_HOST } : { host: 'orrery.example' }
  if (caller === 'signed in') headers.cookie = `orrery_session=${accounts.signIn()}`
  if (caller === 'remote with an ingest key') headers.authorization = `Bearer ${TEST_KEY}`
  const init = { method: route.method, headers, ...(route.body !== undefined && route) }
  const connection = caller === 'own browser' ? LOCAL : REMOTE
  return app.request(route.path, { ...init, method: route.method }, connection)
}

/** Who may do what, by the choice of viewers. */
const ALLOWED: Readonly<Record<Viewers, Readonly<Record<Caller, readonly string[]>>>> = {
  local: {
    'own browser': [...VIEW, ...OPERATE],
    remote: [],
    'remote with an ingest key': [],
    'signed in': [...VIEW, ...OPERATE],
  },
  'signed-in': {
    'own browser': [],
    remote: [],
    'remote with an ingest key': [],
    'signed in': [...VIEW, ...OPERATE],
  },
  anyone: {
    'own browser': [...VIEW, ...OPERATE],
    remote: VIEW,
    'remote with an ingest key': VIEW,
    'signed in': [...VIEW, ...OPERATE],
  },
}

describe('role and route', () => {
  for (const viewers of ['local', 'signed-in', 'anyone'] as const) {
    for (const caller of [
      'own browser',
      'remote',
      'remote with an ingest key',
      'signed in',
    ] as const) {
      test(`viewers ${viewers}, ${caller}`, async () => {
        const { app, accounts } = open({ reader: session, windows }, { viewers })
        for (const route of ROUTES) {
          const { status } = await ask(app, accounts, route, caller)
          const allowed = ALLOWED[viewers][caller].includes(route.name)
          const isOpen = ['health', 'ready', 'sign-in page', 'ingest'].includes(route.name)
          const label = `${route.name}: ${status}`
          if (route.name === 'ingest') {
            expect(label).toBe(
              caller === 'remote with an ingest key' ? 'ingest: 400' : 'ingest: 401',
            )
          } else if (isOpen) expect([200, 302]).toContain(status)
          else if (route.name.endsWith('page')) {
            expect(label).toBe(`${route.name}: ${allowed ? 200 : 302}`)
          } else if (route.name.endsWith('stream')) {
            // Streams are closed in these tests: 503 says that the door was open.
            expect(label).toBe(`${route.name}: ${allowed ? 503 : 401}`)
          } else expect(label).toBe(`${route.name}: ${allowed ? 200 : 401}`)
        }
      })
    }
  }
})

describe("this machine's own browser is not", () => {
  const api = (headers: Record<string, string>, connection: Connection = LOCAL): Promise<number> =>
    Promise.resolve(open().app.request('/api/dead-letters', { headers }, connection)).then(
      (answer) => answer.status,
    )

  test('what came through a proxy', async () => {
    for (const name of ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip']) {
      expect(await api({ ...LOCAL_HOST, [name]: '127.0.0.1' })).toBe(401)
    }
  })

  test('what calls us by another name, as a rebound one would', async () => {
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', '']) {
      expect(await api({ host })).toBe(401)
    }
    for (const host of ['localhost', '127.0.0.1:8000', '[::1]:8000', 'LOCALHOST:80']) {
      expect(await api({ host })).toBe(200)
    }
  })

  test('what comes from elsewhere, whatever it calls us', async () => {
    for (const address of ['203.0.113.9', '::ffff:203.0.113.9', '10.0.0.1', null]) {
      expect(await api(LOCAL_HOST, { ...LOCAL, address })).toBe(401)
    }
    for (const address of ['127.0.0.1', '127.8.8.8', '::1', '::ffff:127.0.0.1']) {
      expect(await api(LOCAL_HOST, { ...LOCAL, address })).toBe(200)
    }
  })

  test("another site's page in it", async () => {
    expect(await api({ ...LOCAL_HOST, 'sec-fetch-site': 'cross-site' })).toBe(403)
    expect(await api({ ...LOCAL_HOST, 'sec-fetch-site': 'same-site' })).toBe(403)
    expect(await api({ ...LOCAL_HOST, origin: 'https://evil.example' })).toBe(403)
    expect(await api({ ...LOCAL_HOST, origin: 'null' })).toBe(403)
    expect(await api({ ...LOCAL_HOST, origin: 'http://localhost:8000' })).toBe(200)
    expect(await api({ ...LOCAL_HOST, 'sec-fetch-site': 'same-origin' })).toBe(200)
  })
})

describe('signing in', () => {
  const form = (password: string, headers: Record<string, string> = {}): RequestInit => ({
    method: 'POST',
    body: new URLSearchParams({ password }),
    headers: { host: 'orrery.example', origin: 'https://orrery.example', ...headers },
  })

  test('the right password gives a cookie that opens the map, and signing out closes it', async () => {
    const { app } = open()
    const answer = await app.request('/sign-in', form(TEST_PASSWORD), REMOTE)
    expect(answer.status).toBe(303)
    expect(answer.headers.get('location')).toBe('/')
    const cookie = answer.headers.get('set-cookie') ?? ''
    expect(cookie).toMatch(/^orrery_session=[^;]+;/)
    for (const part of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(cookie).toContain(part)
    expect(cookie).not.toContain('Secure')
    const headers = { cookie: cookie.split(';')[0] ?? '', host: 'orrery.example' }
    expect((await app.request('/', { headers }, REMOTE)).status).toBe(200)
    const out = await app.request('/sign-out', { method: 'POST', headers }, REMOTE)
    expect(out.status).toBe(303)
    expect((await app.request('/', { headers }, REMOTE)).status).toBe(302)
  })

  test('over an encrypted connection the cookie is Secure', async () => {
    const headers = { 'x-forwarded-proto': 'https' }
    const answer = await open().app.request('/sign-in', form(TEST_PASSWORD, headers), REMOTE)
    expect(answer.headers.get('set-cookie')).toContain('Secure')
  })

  test('a wrong password is 401 with the page again', async () => {
    const answer = await open().app.request('/sign-in', form('guess'), REMOTE)
    expect(answer.status).toBe(401)
    expect(answer.headers.get('set-cookie')).toBeNull()
    expect(await answer.text()).toContain('"failed":true')
  })

  test('too many wrong ones are 429 without a look at the password, until time has passed', async () => {
    const clock = new VirtualClock()
    const { app, accounts } = open({ clock }, { signInFailuresPerMinuteMax: 3 })
    const guesses = Array.from({ length: 10 }, () => app.request('/sign-in', form('guess'), REMOTE))
    const statuses = (await Promise.all(guesses)).map((answer) => answer.status)
    expect(statuses.filter((status) => status === 401)).toHaveLength(3)
    expect(accounts.passwordChecks).toBe(3)
    const refused = await app.request('/sign-in', form(TEST_PASSWORD), REMOTE)
    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
    const other = { ...REMOTE, address: '203.0.113.10' }
    expect((await app.request('/sign-in', form(TEST_PASSWORD), other)).status).toBe(303)
    await clock.advanceMs(60_000)
    expect((await app.request('/sign-in', form(TEST_PASSWORD), REMOTE)).status).toBe(303)
  })

  test('right passwords are not counted', async () => {
    const { app } = open({ clock: new VirtualClock() }, { signInFailuresPerMinuteMax: 1 })
    for (let count = 0; count < 5; count++) {
      expect((await app.request('/sign-in', form(TEST_PASSWORD), REMOTE)).status).toBe(303)
    }
  })

  test('a form of another site, a large one and one without a password are refused', async () => {
    const { app, accounts } = open()
    const foreign = form(TEST_PASSWORD, { origin: 'https://evil.example' })
    expect((await app.request('/sign-in', foreign, REMOTE)).status).toBe(403)
    const large = form('x'.repeat(5_000))
    expect((await app.request('/sign-in', large, REMOTE)).status).toBe(400)
    const json = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
    expect((await app.request('/sign-in', json, REMOTE)).status).toBe(400)
    expect(accounts.passwordChecks).toBe(0)
  })
})

describe('what every answer carries', () => {
  const policy = async (path: string, options: Partial<GatewayOptions> = {}): Promise<string> => {
    const answer = await open({}, options).app.request(path, { headers: LOCAL_HOST }, LOCAL)
    return answer.headers.get('content-security-policy') ?? ''
  }

  test('a page may load its own files only', async () => {
    const directives = (await policy('/')).split('; ')
    expect(directives).toContain("default-src 'none'")
    expect(directives).toContain("connect-src 'self'")
    expect(directives).toContain("font-src 'self'")
    expect(directives).toContain("img-src 'self' data:")
    expect(directives).toContain("frame-ancestors 'none'")
    expect(directives).toContain("base-uri 'self'")
    expect(directives).toContain("form-action 'self'")
    expect(directives.join()).toMatch(/script-src 'self' 'nonce-[\w-]{21}'/)
    expect(directives.join()).not.toContain('unsafe')
  })

  test('the tiles that are configured are allowed as images, and nothing that is no host', async () => {
    const images = async (tilesUrl: string): Promise<string> =>
      /img-src ([^;]*)/.exec(await policy('/', { tilesUrl }))?.[1] ?? ''
    expect(await images('https://{s}.tile.example/{z}/{x}/{y}.png')).toBe(
      "'self' data: https://*.tile.example",
    )
    expect(await images('http://10.0.0.5:8080/{z}/{x}/{y}.png')).toBe(
      "'self' data: http://10.0.0.5:8080",
    )
    expect(await images("https://x;script-src 'unsafe-inline'/{z}")).toBe("'self' data:")
  })

  test('the nonce of the policy is the one that the page was given, and new each time', async () => {
    const { app } = open()
    const nonces = new Set<string>()
    for (let count = 0; count < 3; count++) {
      const answer = await app.request('/', { headers: LOCAL_HOST }, LOCAL)
      const nonce = /'nonce-([^']+)'/.exec(answer.headers.get('content-security-policy') ?? '')?.[1]
      expect(await answer.text()).toContain(`"nonce":"${nonce}"`)
      nonces.add(nonce ?? '')
    }
    expect(nonces.size).toBe(3)
  })

  test('a page is told the theme that its reader chose, and nothing else that a cookie says', async () => {
    const page = async (cookie: string): Promise<string> => {
      const headers = { ...LOCAL_HOST, cookie }
      return (await open().app.request('/', { headers }, LOCAL)).text()
    }
    expect(await page('orrery_theme=dark')).toContain('"theme":"dark"')
    expect(await page('orrery_theme="><script>')).not.toContain('theme')
  })

  test('answers that are no pages may load nothing, and no answer may be sniffed or framed', async () => {
    for (const path of ['/', '/sign-in', '/health', '/nothing', '/api/nothing', '/assets/x.js']) {
      const answer = await open().app.request(path, { headers: LOCAL_HOST }, LOCAL)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('referrer-policy')).toBe('same-origin')
      expect(answer.headers.get('cross-origin-opener-policy')).toBe('same-origin')
      expect(answer.headers.get('content-security-policy')).toContain("default-src 'none'")
      expect(answer.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    }
  })
})

describe('operations', () => {
  const get = async (
    path: string,
    parts: Partial<GatewayPorts> = {},
    connection = LOCAL,
  ): Promise<Response> => open(parts).app.request(path, { headers: LOCAL_HOST }, connection)

  test('health is 200 with its parts, degraded too, and 503 when a part is unhealthy', async () => {
    const clock = new VirtualClock(Date.parse('2025-09-01T11:40:00.5Z'))
    expect(await (await get('/health', { clock })).text()).toBe(
      '{"status":"healthy","service":"Orrery","timestamp":"2025-09-01T11:40:00.500+00:00",' +
        '"services":{"kafka":"connected","api":"running","response_time_ms":"0"},' +
        '"parts":{"journal":{"status":"healthy","detail":"3 segments"}}}',
    )
    for (const [part, status] of [
      ['degraded', 200],
      ['unhealthy', 503],
    ] as const) {
      const health = (): ReturnType<GatewayPorts['process']['health']> => ({
        a: { status: 'healthy', detail: '' },
        b: { status: part, detail: 'slow' },
      })
      const answer = await get('/health', { process: { ...testProcess(), health } })
      expect(answer.status).toBe(status)
      expect(await answer.json()).toMatchObject({ status: part })
    }
  })

  test('a Redis that is behind is said as StreamPulse said it, and the rest is well', async () => {
    for (const [status, redis] of [
      ['healthy', 'connected'],
      ['degraded', 'connection_failed'],
    ] as const) {
      const health = (): ReturnType<GatewayPorts['process']['health']> => ({
        windows: { status: 'healthy', detail: '' },
        redis: { status, detail: '' },
      })
      const answer = await get('/health', { process: { ...testProcess(), health } })
      expect(answer.status).toBe(200)
      expect(await answer.json()).toMatchObject({ services: { redis } })
    }
  })

  test('a stranger learns that parts are well, and no detail', async () => {
    expect(await (await get('/health', {}, REMOTE)).json()).toMatchObject({
      status: 'healthy',
      service: 'Orrery',
      parts: { journal: { status: 'healthy' } },
    })
  })

  test('ready says what is missing', async () => {
    expect((await get('/ready')).status).toBe(200)
    const process = { ...testProcess(), notReady: () => 'the journal is being replayed' }
    const answer = await get('/ready', { process })
    expect(answer.status).toBe(503)
    expect(JSON.stringify(await answer.json())).toContain('the journal is being replayed')
  })

  test('the demo is switched by a body that says so and by no other', async () => {
    const process = testProcess()
    const { app } = open({ process })
    const post = (body: string): Response | Promise<Response> =>
      app.request('/api/demo', { method: 'POST', body, headers: LOCAL_HOST }, LOCAL)
    expect(await (await post('{"running":true}')).json()).toEqual({ running: true })
    expect(process.demoRunning()).toBe(true)
    for (const body of ['', '{}', '{"running":1}', '{"running":true,"more":1}', 'null']) {
      expect((await post(body)).status).toBe(400)
    }
  })

  test('dead letters are asked for by limit, place and choice', async () => {
    const asked: Parameters<Reader['deadLetters']>[0][] = []
    const reader: Reader = {
      ...session,
      deadLetters: async (options) => {
        asked.push(options)
        return []
      },
    }
    expect((await get('/api/dead-letters', { reader })).status).toBe(200)
    await get('/api/dead-letters?limit=5&before=1790000000000&code=invalid_ping', { reader })
    await get('/api/dead-letters?before=0-17-1&path=timestamp&source=depot&retried=no', { reader })
    await get('/api/dead-letters?since=2026-09-21T12:53:20.000Z&outcome=refused', { reader })
    await get('/api/dead-letters?since=2026-09-21', { reader })
    expect(asked).toEqual([
      { limit: 100 },
      { limit: 5, beforeMs: 1_790_000_000_000, code: 'invalid_ping' },
      {
        limit: 100,
        before: { partition: 0, offset: 17, part: 1 },
        path: 'timestamp',
        source: 'depot',
        retried: false,
      },
      { limit: 100, sinceMs: Date.UTC(2026, 8, 21, 12, 53, 20), outcome: 'refused' },
      { limit: 100, sinceMs: Date.UTC(2026, 8, 21) },
    ])
    const wrong = [
      'before=-1',
      'before=0-1',
      'since=soon',
      'since=2026-02-30',
      'retried=1',
      'outcome=lost',
      'codes=x',
    ]
    for (const query of ['limit=0', 'limit=501', 'limit=x', 'code=%27', 'limit=1e9', ...wrong]) {
      const answer = await get(`/api/dead-letters?${query}`, { reader })
      expect(answer.status).toBe(400)
      expect(await answer.json()).toMatchObject({ error: { code: 'bad_query' } })
    }
  })

  test('a session that is not stored is 404, a trail is asked for by minutes', async () => {
    expect((await get('/api/sessions/nobody')).status).toBe(404)
    const sinceMs: number[] = []
    const reader: Reader = {
      ...session,
      trail: async (_id, since) => {
        sinceMs.push(since)
        return []
      },
    }
    const clock = new VirtualClock(10_000_000)
    await get('/api/sessions/s%2F1/trail', { reader, clock })
    await get('/api/sessions/s1/trail?minutes=60', { reader, clock })
    expect(sinceMs).toEqual([10_000_000 - 1_800_000, 10_000_000 - 3_600_000])
    expect((await get('/api/sessions/s1/trail?minutes=0', { reader })).status).toBe(400)
  })

  test('a store that does not answer is 503, any other failure 500 without its text', async () => {
    const failing = (error: Error): Partial<GatewayPorts> => ({
      reader: { ...session, session: () => Promise.reject(error) },
    })
    const away = new OrreryError('store_away', 'the store does not answer', { retriable: true })
    const answer = await get('/api/sessions/s1', failing(away))
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    const broken = await get('/api/sessions/s1', failing(new Error('secret path /srv/x')))
    expect(broken.status).toBe(500)
    expect(await broken.text()).not.toContain('secret')
  })

  test('unknown addresses: JSON for programs, a page for people; wrong methods are 405', async () => {
    const { app } = open()
    const json = await app.request('/nothing', {}, REMOTE)
    expect([json.status, json.headers.get('content-type')]).toEqual([
      404,
      'application/json;charset=utf-8',
    ])
    const page = await app.request('/nothing', { headers: { accept: 'text/html' } }, REMOTE)
    expect([page.status, page.headers.get('content-type')]).toEqual([
      404,
      'text/html; charset=UTF-8',
    ])
    expect((await app.request('/ingest', {}, REMOTE)).status).toBe(405)
    expect((await app.request('/api/demo', {}, LOCAL)).status).toBe(405)
    for (const path of ['/health', '/metrics', '/docs']) {
      const refused = await app.request(path, { method: 'POST' }, LOCAL)
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'GET'])
    }
    expect((await app.request('/api/dead-letters/retry', {}, LOCAL)).status).toBe(405)
    expect((await app.request('/api/dead-letters/0-1-0/retry', {}, LOCAL)).status).toBe(405)
  })
})

describe('where everybody may see', () => {
  const from = (origin: string): RequestInit => ({ headers: { origin, host: 'orrery.example' } })

  test('pages of other sites may read, and change nothing', async () => {
    const { app } = open({}, { viewers: 'anyone' })
    const read = await app.request('/metrics', from('http://grafana.example'), REMOTE)
    expect([read.status, read.headers.get('access-control-allow-origin')]).toEqual([200, '*'])
    for (const [path, init] of [
      ['/api/demo', { method: 'POST', body: '{"running":true}' }],
      ['/api/dead-letters', {}],
    ] as const) {
      const refused = await app.request(path, { ...from('http://x.example'), ...init }, LOCAL)
      expect(refused.status).toBe(403)
    }
  })

  test('is not where only this machine may', async () => {
    const { app } = open()
    const refused = await app.request('/metrics', from('http://grafana.example'), LOCAL)
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([
      403,
      null,
    ])
  })
})

describe('assets', () => {
  const body = new TextEncoder().encode('console.log("orrery");'.repeat(200))
  const small = new TextEncoder().encode('x')
  const pages: GatewayPorts['pages'] = {
    live: () => '',
    regions: () => '',
    signIn: () => '',
    asset(path) {
      if (path === '/assets/a-1.js') return { body, type: 'text/javascript', immutable: true }
      if (path === '/favicon.svg') return { body: small, type: 'image/svg+xml', immutable: false }
      return null
    },
  }
  const get = (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    Promise.resolve(open({ pages }).app.request(path, { headers }, REMOTE))

  test('files named by content are immutable, others are asked for again', async () => {
    const answer = await get('/assets/a-1.js')
    expect(answer.headers.get('cache-control')).toContain('immutable')
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(body)
    expect((await get('/favicon.svg')).headers.get('cache-control')).toBe('no-cache')
    expect((await get('/assets/../secret')).status).toBe(404)
  })

  test('they are compressed for who takes it, and tagged by content and coding', async () => {
    const zstd = await get('/assets/a-1.js', { 'accept-encoding': 'gzip, br, zstd' })
    expect(zstd.headers.get('content-encoding')).toBe('zstd')
    expect(Bun.zstdDecompressSync(await zstd.arrayBuffer()).byteLength).toBe(body.byteLength)
    const gzip = await get('/assets/a-1.js', { 'accept-encoding': 'gzip' })
    expect(Bun.gunzipSync(await gzip.arrayBuffer()).byteLength).toBe(body.byteLength)
    expect(gzip.headers.get('etag')).not.toBe(zstd.headers.get('etag'))
    const tag = gzip.headers.get('etag') ?? ''
    const again = await get('/assets/a-1.js', { 'accept-encoding': 'gzip', 'if-none-match': tag })
    expect(again.status).toBe(304)
    expect((await again.arrayBuffer()).byteLength).toBe(0)
  })
})
