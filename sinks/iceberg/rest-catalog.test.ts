import { afterEach, beforeEach, expect, test } from 'bun:test'

import { systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { bronzeLocation, openBronze } from './bronze-table.ts'
import { describeCatalog, emptyChange } from './catalog-conformance.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { MemoryStorage } from './memory-storage.ts'
import { systemRandom } from './names.ts'
import { storedOffsets } from './offsets.ts'
import { RestCatalog } from './rest-catalog.ts'
import { RestClient, type RestSettings } from './rest-client.ts'
import { CatalogError } from './rest-http.ts'
import { failed, FakeRest } from './rest-testing.ts'
import { s3Table } from './s3-sink.ts'

const FAST = { timeoutMs: 300, triesMax: 4, backoff: { firstMs: 1, longestMs: 5 } }
const storage = new MemoryStorage(systemClock)
let rest: FakeRest

beforeEach(() => {
  rest = new FakeRest()
})
afterEach(() => rest[Symbol.dispose]())

function catalogOf(
  settings: Partial<RestSettings> = {},
  namespace: readonly string[] = ['default'],
) {
  const about = { clock: systemClock, random: systemRandom, bounds: FAST }
  const client = new RestClient({ uri: rest.uri, ...settings }, about)
  return new RestCatalog({ client, namespace, table: 't', clock: systemClock, delegate: true })
}

async function opened(catalog = catalogOf(), location: string | null = 's3://lake/t') {
  return openBronze(catalog, { location, uuid: 'u' })
}

const change = (table: Awaited<ReturnType<typeof opened>>, id = 5, offset = 1) =>
  emptyChange(table, { storage, id, partition: 0, offset })

let folders = 0
describeCatalog('of a folder', async () => {
  const location = bronzeLocation(`memory://lake/${folders++}`)
  const parts = { location, storage, clock: systemClock, log: silentLog }
  return { location, storage, open: () => new FolderCatalog(parts) }
})
describeCatalog('over a small REST', async () => ({
  location: 's3://lake/t',
  storage,
  open: () => catalogOf(),
}))

test('prefix, separator, warehouse and token are used as the catalog and the owner say', async () => {
  rest.config = { defaults: {}, overrides: { prefix: 'main%7Cwh', 'namespace-separator': '%2E' } }
  rest.root = '/v1/main%7Cwh'
  const settings = { uri: `${rest.uri}/v1/`, warehouse: 'w h', token: 'secret-token' }
  const catalog = catalogOf(settings, ['a', 'b c'])
  expect(await catalog.load(null)).toBeNull()
  const [config, load] = rest.requests
  expect(config?.url).toBe(`${rest.uri}/v1/config?warehouse=w%20h`)
  expect(load?.url).toBe(`${rest.uri}/v1/main%7Cwh/namespaces/a%2Eb%20c/tables/t`)
  expect(load?.headers.get('authorization')).toBe('Bearer secret-token')
  expect(load?.headers.get('x-iceberg-access-delegation')).toBe('vended-credentials')
})

test('a catalog that chooses the place of a table is not told one', async () => {
  const table = await opened(catalogOf(), null)
  expect(table.metadata.location).toBe('s3://lake/chosen/default/t')
})

test('an unchanged table is asked for by its tag, and not sent again', async () => {
  const catalog = catalogOf()
  const table = await opened(catalog)
  const answers: number[] = []
  rest.around = async (_request, serve) => {
    const answer = await serve()
    answers.push(answer.status)
    return answer
  }
  expect(await catalog.load(table)).toBe(table)
  expect(answers).toEqual([304])
})

test('a commit whose answer is lost throws as unknown, and the table shows that it landed', async () => {
  const catalog = catalogOf()
  const table = await opened(catalog)
  for (const lost of [
    failed(500, 'x'),
    new Response('<html>', { status: 502 }),
    new Response('{'),
  ]) {
    const base = (await catalog.load(table)) ?? table
    rest.around = async (request, serve) => {
      const answer = await serve()
      return request.method === 'POST' ? lost : answer
    }
    const posts = rest.requests.length
    const offset = (storedOffsets(base.metadata).get(0) ?? -1) + 1
    const attempt = catalog.commit(base, await change(base, 40 + offset, offset))
    const error = await attempt.catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'commit_unknown', retriable: true })
    expect(rest.requests.length - posts).toBe(1)
    const loaded = await catalog.load(base)
    expect(storedOffsets(loaded?.metadata ?? base.metadata).get(0)).toBe(offset)
  }
})

test('a commit that is not answered in time is unknown; landing late, it is in conflict with the next', async () => {
  const catalog = catalogOf()
  const table = await opened(catalog)
  const gate = Promise.withResolvers<void>()
  let late: Promise<Response> | null = null
  rest.around = async (request, serve) => {
    if (request.method !== 'POST' || late) return serve()
    late = gate.promise.then(serve)
    return late
  }
  const error = await catalog.commit(table, await change(table, 51)).catch((e: unknown) => e)
  expect(error).toMatchObject({ code: 'commit_unknown', retriable: true })
  expect(await catalog.load(table)).toBe(table)
  gate.resolve()
  await late
  const second = await catalog.commit(table, await change(table, 52))
  expect(second.state).toBe('conflict')
  expect((await catalog.load(table))?.metadata.snapshots).toHaveLength(1)
})

test('what passes is asked again, what is refused is not, and no token is in a message', async () => {
  const catalog = catalogOf({ token: 'secret-token' })
  const table = await opened(catalog)
  let left = 2
  rest.around = async (_request, serve) => (left-- > 0 ? failed(503, 'busy') : serve())
  expect(await catalog.load(table)).toBe(table)
  for (const [status, retriable] of [
    [400, false],
    [401, false],
    [403, false],
    [429, true],
    [500, true],
    [301, false],
  ] as const) {
    const headers = { location: 'https://elsewhere/' }
    rest.around = async () => new Response('no', { status, headers })
    const error = await catalog.load(table).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CatalogError)
    expect(error).toMatchObject({ retriable })
    expect(Bun.inspect(error)).not.toContain('secret-token')
  }
  const pages = catalogOf({ uri: `${rest.uri}/elsewhere` })
  rest.around = async () => new Response('<html>not here</html>', { status: 404 })
  expect(pages.load(null)).rejects.toMatchObject({ retriable: false })
})

test('a token is fetched once, and again when it is refused', async () => {
  const catalog = catalogOf({ credential: 'orrery:hunter2' })
  const table = await opened(catalog)
  expect(rest.tokens).toBe(1)
  rest.around = async (request, serve) =>
    request.headers.get('authorization') === 'Bearer token-1' ? failed(401, 'expired') : serve()
  expect(await catalog.load(table)).toBe(table)
  expect(rest.tokens).toBe(2)
  const outcome = await catalog.commit(table, await change(table, 61))
  expect(outcome.state).toBe('committed')
})

test('keys that the catalog gives are taken for the longest path, and renewed before they end', async () => {
  const catalog = catalogOf()
  const keys = (id: string, endsMs: number) => ({
    's3.access-key-id': id,
    's3.secret-access-key': 'x',
    's3.session-token-expires-at-ms': String(endsMs),
  })
  rest.vended = {
    config: { 'client.region': 'eu-west-1' },
    'storage-credentials': [
      { prefix: 's3://lake', config: keys('bucket', Date.now() + 30_000) },
      { prefix: 's3://lake/t', config: keys('table', Date.now() + 30_000) },
      { prefix: 's3://other', config: keys('other', Date.now() + 30_000) },
    ],
  }
  await opened(catalog)
  const first = await catalog.fileConfig()
  expect(first).toMatchObject({ 'client.region': 'eu-west-1', 's3.access-key-id': 'table' })
  rest.vended = { config: keys('renewed', Date.now() + 3_600_000) }
  const second = await catalog.fileConfig()
  expect(second['s3.access-key-id']).toBe('renewed')
  expect(await catalog.fileConfig()).toBe(second)
})

test('a warehouse that is no address of S3 is refused in words', () => {
  const about = { clock: systemClock, log: silentLog }
  expect(() => s3Table({ kind: 's3', access: {}, location: '/data' }, 'pings', about)).toThrow(
    /not an address like s3:/,
  )
})
