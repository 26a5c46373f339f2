import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { messageOf } from '../actors/kernel/errors.ts'
import { type RedisServer, startRedis } from '../actors/testing/servers.ts'
import { skipped } from '../actors/testing/services.ts'
import { ClickHouseTestServer } from '../sinks/clickhouse/server-testing.ts'
import { Lake, rowsOf } from '../sinks/iceberg/lake-testing.ts'
import type { S3Warehouse } from '../sinks/iceberg/s3-sink.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

const SHORT = { SNAPSHOT_INTERVAL_MS: '300', ICEBERG_BATCH_AGE_MS: '300' }
const PINGS = 200
const ROUNDS = 3

let server: ServerUnderTest | null = null
let clickHouse: ClickHouseTestServer | null = null
const folder = mkdtempSync(join(tmpdir(), 'orrery-outside-'))
afterEach(async () => {
  await server?.dispose()
  await clickHouse?.close()
  server = clickHouse = null
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Free now, and not asked for by anybody but the test. */
async function freePort(): Promise<number> {
  const probe = Bun.serve({ port: 0, hostname: '127.0.0.1', fetch: () => new Response() })
  const { port } = probe
  await probe.stop(true)
  return port ?? 0
}

const openClickHouse = async (port?: number): Promise<ClickHouseTestServer> =>
  ClickHouseTestServer.open({
    directory: join(folder, 'clickhouse'),
    ...(port === undefined ? {} : { port }),
  })

const pingsOf = (round: number): string =>
  Array.from({ length: PINGS }, (_, index) =>
    JSON.stringify({
      device_id: 'd',
      vehicle_id: `v${index % 10}`,
      session_id: `s${index % 10}`,
      order_id: `o${index % 10}`,
      status: 'en_route',
      timestamp: new Date(Date.UTC(2026, 10, 21, 9, round, 0, index)).toISOString(),
      ...{ start_lat: 37.98, start_lon: 23.72, end_lat: 37.94, end_lon: 23.64 },
      ...{ current_lat: 37.9 + index / 10_000, current_lon: 23.71 + round / 10_000 },
    }),
  ).join('\n')

const tripsOf = (round: number): string =>
  Array.from({ length: PINGS }, (_, index) =>
    JSON.stringify({
      trip_id: `t${round}-${index}`,
      region_id: 1 + (index % 5),
      event_time: new Date(Date.UTC(2026, 10, 21, 9, round, index % 60)).toISOString(),
      ...{ fare: 10, duration: 600, distance: 2 },
    }),
  ).join('\n')

/** Sends until it is taken: a machine that is busy says so. */
async function post(path: string, body: string): Promise<void> {
  const headers = { 'x-api-key': TEST_KEY, 'content-type': 'application/x-ndjson' }
  for (let left = 100; ; left--) {
    const answer = await fetch(`${server?.url}${path}`, { method: 'POST', headers, body })
    const text = await answer.text()
    if (answer.status === 200) return
    if (answer.status !== 503 || left === 0) throw new Error(`${answer.status}: ${text}`)
    // Real time: as a sender does that is told to come again.
    await Bun.sleep(Number(answer.headers.get('retry-after')) * 1_000)
  }
}

/** A killed process between the rounds, and each round sent again after it. */
async function sendAndKill(running: ServerUnderTest): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    await post('/ingest', pingsOf(round))
    await post('/ingest/trips', tripsOf(round))
    await running.end('SIGKILL')
    await running.start()
    await post('/ingest', pingsOf(round))
    await post('/ingest/trips', tripsOf(round))
  }
  // The word makes it wait for bronze too.
  await running.sql("SELECT 'bronze' AS waits_for")
}

async function expectSilverOnce(running: ServerUnderTest): Promise<void> {
  const [sums] = await running.sql(`SELECT
    (SELECT count() FROM session_movements) AS movements,
    (SELECT uniqExact(movement_id) FROM session_movements) AS names,
    (SELECT count() FROM sessions_base) AS sessions,
    (SELECT count() FROM trips) AS trips,
    (SELECT sum(trip_count) FROM region_windows WHERE window_size_s = 3600) AS counted`)
  const all = PINGS * ROUNDS
  const numbers = Object.fromEntries(Object.entries(sums ?? {}).map(([k, v]) => [k, Number(v)]))
  expect(numbers).toEqual({ movements: all, names: all, sessions: 10, trips: all, counted: all })
}

describe.skipIf(skipped(['s3', 'catalog', 'redis'], process.env))('one process over', () => {
  let lake: Lake | null = null
  let redis: RedisServer | null = null
  beforeAll(async () => {
    ;[lake, redis] = await Promise.all([Lake.start(process.env), startRedis({ env: process.env })])
  }, 120_000)
  afterAll(async () => {
    await lake?.[Symbol.asyncDispose]()
    await redis?.[Symbol.asyncDispose]()
  })

  const lakeSettings = (warehouse: S3Warehouse): Record<string, string> => ({
    ICEBERG_WAREHOUSE: warehouse.location ?? '',
    MINIO_ENDPOINT: warehouse.access.endpoint ?? '',
    MINIO_ACCESS_KEY: warehouse.access.credentials?.accessKeyId ?? '',
    MINIO_SECRET_KEY: warehouse.access.credentials?.secretAccessKey ?? '',
    ...(warehouse.catalog && {
      ICEBERG_REST_URL: warehouse.catalog.uri,
      ICEBERG_REST_NAMESPACE: warehouse.catalog.namespace?.join('.') ?? '',
    }),
  })

  /** What was accepted is there by its name, once, and nothing else is. */
  async function expectBronzeOnce(warehouse: S3Warehouse): Promise<void> {
    for (const table of ['pings', 'trips'] as const) {
      const rows = await rowsOf(warehouse, table)
      const all = PINGS * ROUNDS * 2
      const names = new Set(rows.map((row) => `${row['partition']}/${row['offset']}`))
      expect({ table, rows: rows.length, names: names.size }).toEqual({
        ...{ table, rows: all, names: all },
      })
    }
  }

  test('a ClickHouse server, S3 with a catalog and Redis: each once, through kill -9', async () => {
    const warehouse = lake?.cataloged()
    if (!warehouse || !redis) throw new TypeError('nothing was started')
    clickHouse = await openClickHouse()
    server = new ServerUnderTest({
      ...{ ...SHORT, ...lakeSettings(warehouse), REDIS_URL: redis.url },
      ...{ CLICKHOUSE_HOST: '127.0.0.1', CLICKHOUSE_PORT: String(clickHouse.port) },
      CLICKHOUSE_DATABASE: 'everything_outside',
    })
    await server.start()
    await sendAndKill(server)
    await expectSilverOnce(server)
    await expectBronzeOnce(warehouse)
    const client = new Bun.RedisClient(redis.url)
    expect((await client.keys('*')).length).toBeGreaterThan(4)
    client.close()
    // Nothing of the embedded engine was made.
    expect(readdirSync(server.dataDir)).not.toContain('clickhouse')
    expect(readdirSync(server.dataDir)).not.toContain('bronze')
    expect(readFileSync(join(server.dataDir, 'installation'), 'utf8')).toMatch(/^[0-9a-f-]{36}\n$/)
    expect(await server.end()).toBe(0)
    // The same question, while no process runs.
    await expectSilverOnce(server)
  }, 180_000)

  test('S3 alone, without a catalog, beside the embedded engine', async () => {
    const warehouse = lake?.alone()
    if (!warehouse) throw new TypeError('nothing was started')
    server = new ServerUnderTest({ ...SHORT, ...lakeSettings(warehouse) })
    await server.start()
    await sendAndKill(server)
    await expectSilverOnce(server)
    await expectBronzeOnce(warehouse)
    // A new journal counts from 0 again: the tables would take its messages for ones that they have.
    await server.end()
    server.dataDir = join(server.root, 'another')
    expect(await server.start().catch(messageOf)).toContain('they are of another data folder')
  }, 180_000)
})

describe('a ClickHouse server', () => {
  test('that is away at the start is waited for; /ready names it meanwhile', async () => {
    const [port, ownPort] = [await freePort(), await freePort()]
    server = new ServerUnderTest({
      ...{ ...SHORT, CLICKHOUSE_HOST: `http://127.0.0.1:${port}`, PORT: String(ownPort) },
      CLICKHOUSE_DATABASE: 'late',
    })
    const starting = server.start()
    const url = `http://127.0.0.1:${ownPort}`
    const told = async (path: string): Promise<string> => {
      const answer = await fetch(`${url}${path}`).catch(() => null)
      return answer?.status === 503 ? answer.text() : ''
    }
    let health = ''
    while (!health.includes('ECONNREFUSED')) health = await told('/health')
    expect(await told('/ready')).toContain(`clickhouse (127.0.0.1:${port}) does not answer`)
    clickHouse = await openClickHouse(port)
    await starting
    expect((await fetch(`${url}/ready`)).status).toBe(200)
    await post('/ingest', pingsOf(0))
    const [row] = await server.sql('SELECT count() AS rows FROM session_movements')
    expect(Number(row?.['rows'])).toBe(PINGS)
    expect(await server.end()).toBe(0)
    const [line] = (await server.log()).filter(({ level }) => level === 'warn')
    expect(line).toMatchObject({ store: 'clickhouse', where: `127.0.0.1:${port}` })
  }, 60_000)

  test('whose tables are of another data folder stops the start', async () => {
    clickHouse = await openClickHouse()
    const settings = {
      ...{ ...SHORT, CLICKHOUSE_HOST: `127.0.0.1:${clickHouse.port}` },
      CLICKHOUSE_DATABASE: 'taken',
    }
    server = new ServerUnderTest(settings)
    await server.start()
    expect(await server.end()).toBe(0)
    server.dataDir = join(server.root, 'another')
    expect(await server.start().catch(messageOf)).toContain('belongs to the installation')
  }, 60_000)
})
