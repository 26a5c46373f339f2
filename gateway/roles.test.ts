import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import type { IngestPorts, RolePorts, SharedPorts, ViewPorts } from './ports.ts'
import { type RoleServer, startRoles } from './roles.ts'
import { TestSocket } from './test-socket.ts'
import { TEST_KEY, TestIngest, testPorts, TestTripsIngest, wirePing } from './testing.ts'

const open: RoleServer[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.stop()
})

async function started(ports: RolePorts): Promise<RoleServer> {
  const server = await startRoles(ports, { port: 0, host: '127.0.0.1' })
  open.push(server)
  return server
}

const ask = (server: RoleServer, path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`http://localhost:${server.port}${path}`, { redirect: 'manual', ...init })

function parts(): Readonly<{ shared: SharedPorts; ingest: IngestPorts; views: ViewPorts }> {
  const all = testPorts()
  const { accounts, process, metrics, clock, log, telemetry, ingest, trips, ...views } = all
  const shared = { accounts, process, metrics, clock, log, telemetry }
  return { shared, ingest: { ingest, trips }, views }
}

const key = { authorization: `Bearer ${TEST_KEY}` }
const post = { method: 'POST', headers: key, body: JSON.stringify(wirePing()) }

async function paths(server: RoleServer): Promise<string[]> {
  const document: { paths: object } = JSON.parse(await (await ask(server, '/openapi.json')).text())
  const described = Object.keys(document.paths)
  const html = await (await ask(server, '/docs')).text()
  for (const path of described) expect(html).toContain(`<code>${path}</code>`)
  return described
}

/** Everything that is described and takes a GET answers something else than that it is not here. */
async function servesWhatItDescribes(server: RoleServer): Promise<void> {
  const described = await paths(server)
  for (const path of described) {
    const answer = await ask(server, path.replace(/\{\w+\}/, '5'))
    expect([path, (await answer.text()).includes('not_here')]).toEqual([path, false])
  }
}

describe('a process that is a gateway only', () => {
  const gateway = async (): Promise<RoleServer> => {
    const { shared, ingest } = parts()
    return started({ roles: 'gateway', shared, ingest })
  }

  test('takes messages over HTTP and sockets', async () => {
    const { shared } = parts()
    const ingest = { ingest: new TestIngest(), trips: new TestTripsIngest() }
    const server = await started({ roles: 'gateway', shared, ingest })
    const answer = await ask(server, '/ingest', post)
    expect([answer.status, await answer.json()]).toMatchObject([200, { accepted: 1 }])
    const flush = await ask(server, '/ingest/trips/flush', { method: 'POST', headers: key })
    expect(await flush.json()).toEqual({ flushed: true })
    for (const path of ['/ws', '/ws/trips']) {
      const socket = await TestSocket.open(`ws://localhost:${server.port}${path}`, TEST_KEY)
      socket.close()
    }
    expect(ingest.ingest.itemCount).toBe(1)
  })

  test('says of all else who has it', async () => {
    const server = await gateway()
    for (const path of ['/', '/live', '/api/sessions/s1', '/sign-in', '/metrics/region/5', '/x']) {
      const answer = await ask(server, path, { headers: { accept: 'text/html' } })
      const { error } = (await answer.json()) as { error: { code: string; message: string } }
      expect([path, answer.status, error.code]).toEqual([path, 404, 'not_here'])
      expect(error.message).toContain('ROLES=gateway; pages are at the web processes')
    }
  })

  test('says how it is, and describes what it serves and nothing else', async () => {
    const server = await gateway()
    for (const path of ['/health', '/healthz', '/ready', '/readyz', '/metrics']) {
      expect([path, (await ask(server, path)).status]).toEqual([path, 200])
    }
    await servesWhatItDescribes(server)
    expect((await paths(server)).toSorted()).toEqual(
      [
        ...['/docs', '/health', '/healthz', '/ingest', '/ingest/trips', '/ingest/trips/flush'],
        ...['/metrics', '/openapi.json', '/ready', '/readyz', '/redoc', '/ws', '/ws/trips'],
      ].toSorted(),
    )
  })

  test('sends nobody to a sign-in that it has not', async () => {
    const { shared, ingest } = parts()
    const ports = { roles: 'gateway', shared, ingest }
    const options = { port: 0, host: '127.0.0.1', viewers: 'signed-in' } as const
    const server = await startRoles(ports, options)
    open.push(server)
    expect((await ask(server, '/docs')).status).toBe(401)
  })

  test('is not ready while a part is missing, and says which', async () => {
    const { shared, ingest } = parts()
    const process = {
      ...shared.process,
      health: () => ({}),
      notReady: () => 'kafka at broker:9092 does not answer',
    }
    const server = await started({ roles: 'gateway', shared: { ...shared, process }, ingest })
    const ready = await ask(server, '/ready')
    expect([ready.status, await ready.json()]).toMatchObject([
      503,
      { error: { message: 'kafka at broker:9092 does not answer' } },
    ])
    expect(await (await ask(server, '/health')).json()).toMatchObject({
      status: 'healthy',
      services: { kafka: 'disconnected' },
    })
  })

  test('loads nothing of the pages, the streams or the questions, nor of any engine', () => {
    const loaded = staticallyLoaded(join(import.meta.dir, 'roles.ts'))
    const names = loaded.map((file) => file.slice(dirname(import.meta.dir).length + 1))
    expect(names).toContain('gateway/ingest-socket.ts')
    const views =
      /^gateway\/(views|live|retries|assets|window-reading|openapi|routes\/(?!docs|operations))/
    expect(names.filter((name) => views.test(name))).toEqual([])
    expect(names.filter((name) => !/^(gateway|actors\/(kernel|model))\//.test(name))).toEqual([])
  })
})

describe('a process that is a web process only', () => {
  test('serves pages, streams and questions, and describes them', async () => {
    const { shared, views } = parts()
    const server = await started({ roles: 'web', shared, views })
    for (const path of ['/', '/regions', '/api/dead-letters', '/api/regions/map']) {
      expect([path, (await ask(server, path)).status]).toEqual([path, 200])
    }
    const stream = await ask(server, '/live')
    expect(stream.headers.get('content-type')).toStartWith('text/event-stream')
    await stream.body?.cancel()
    const described = await paths(server)
    expect(described).toContain('/live')
    expect(described.filter((path) => /^\/(ingest|ws)/.test(path))).toEqual([])
  })

  test('tells a sender where messages are taken', async () => {
    const { shared, views } = parts()
    const server = await started({ roles: 'web', shared, views })
    for (const path of ['/ingest', '/ingest/trips', '/ingest/trips/flush', '/ws', '/ws/trips']) {
      const answer = await ask(server, path, path.startsWith('/ws') ? { headers: key } : post)
      const { error } = (await answer.json()) as { error: { code: string; message: string } }
      expect([path, answer.status, error.code]).toEqual([path, 404, 'not_here'])
      expect(error.message).toContain('ROLES=web; pings and trips are taken at the gateway')
    }
  })

  const letter = {
    ...{ name: { partition: 0, offset: 17, part: 0 }, done: null, truncated: false },
    ...{ source: 'van', raw: Buffer.from(JSON.stringify(wirePing())) },
  }
  const retry = (server: RoleServer): Promise<Response> =>
    ask(server, '/api/dead-letters/0-17-0/retry', { method: 'POST' })

  test('retries dead letters by a way in of its own', async () => {
    const { shared, views } = parts()
    const retries = { ingest: new TestIngest(), trips: new TestTripsIngest() }
    const reader = { ...views.reader, deadLetter: async () => letter }
    const server = await started({ roles: 'web', shared, views: { ...views, reader }, retries })
    const answer = await retry(server)
    expect([answer.status, await answer.json()]).toMatchObject([200, { outcome: 'accepted' }])
    expect(retries.ingest.offers[0]?.retry?.letter).toEqual(letter.name)
    expect((await ask(server, '/ingest', post)).status).toBe(404)
  })

  test('without one says so, and lists them', async () => {
    const { shared, views } = parts()
    const server = await started({ roles: 'web', shared, views })
    const answer = await retry(server)
    expect([answer.status, await answer.json()]).toMatchObject([
      503,
      { error: { code: 'not_here' } },
    ])
    expect((await ask(server, '/api/dead-letters')).status).toBe(200)
  })
})

test('a worker only says how it is', async () => {
  const server = await started({ roles: 'worker', shared: parts().shared })
  expect((await ask(server, '/ready')).status).toBe(200)
  expect((await ask(server, '/ingest', post)).status).toBe(404)
  expect((await ask(server, '/')).status).toBe(404)
  await servesWhatItDescribes(server)
})

/** Files of ours that a module brings with it when it is loaded; types bring nothing. */
function staticallyLoaded(entry: string): string[] {
  const transpiler = new Bun.Transpiler({ loader: 'ts' })
  const found = new Set([entry])
  for (const file of found) {
    const source = readFileSync(file, 'utf8')
    for (const { kind, path } of transpiler.scan(source).imports) {
      if (kind === 'import-statement' && path.startsWith('.')) found.add(join(dirname(file), path))
    }
  }
  return [...found]
}
