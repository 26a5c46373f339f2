import { afterEach, expect, test } from 'bun:test'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

import { seededRandom } from '../actors/kernel/clock.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

let server: ServerUnderTest | null = null
afterEach(() => server?.dispose())

type Line = Readonly<{
  session_id: string
  status: string
  timestamp: string
  current_lat: number
  current_lon: number
}>
const keyOf = (line: Line): string =>
  [line.session_id, line.status, line.timestamp, line.current_lat, line.current_lon].join('|')

test('ten kills in the middle of a run: what was acknowledged is in all three stores, once', async () => {
  server = new ServerUnderTest({ SNAPSHOT_INTERVAL_MS: '500', ICEBERG_BATCH_AGE_MS: '300' })
  const { root } = server
  await server.start()
  const record = join(root, 'acknowledged.ndjson')
  const simulator = Bun.spawn(
    [
      process.execPath,
      join(import.meta.dir, '../simulator/main.ts'),
      ...[
        '--url',
        server.socketUrl,
        '--key',
        TEST_KEY,
        '--vehicles',
        '300',
        '--rate',
        '3',
        '--seed',
        '3',
      ],
      ...[
        '--sockets',
        '5',
        '--frame',
        '20',
        '--speed',
        '50',
        '--faults',
        'duplicate,reorder',
        '--record',
        record,
      ],
    ],
    { env: { PATH: process.env['PATH'] ?? '' }, stdout: 'ignore', stderr: 'ignore' },
  )
  // A simulator that finds nobody at its start gives up.
  while (!existsSync(record) || statSync(record).size === 0) await Bun.sleep(50)
  const random = seededRandom(11)
  for (let kill = 0; kill < 10; kill++) {
    // Real time: the moment of the kill is what is tried.
    await Bun.sleep(300 + random() * 900)
    await server.end('SIGKILL')
    await server.start()
  }
  await Bun.sleep(500)
  simulator.kill('SIGINT')
  expect(await simulator.exited).toBe(0)

  const acknowledged = new Set(
    readFileSync(record, 'utf8')
      .trim()
      .split('\n')
      .map((line): string => keyOf(JSON.parse(line))),
  )
  expect(acknowledged.size).toBeGreaterThan(1_000)
  const [sums] = await server.sql<Record<string, string | number>>(`SELECT
    (SELECT count() FROM bronze.raw_delivery_data) AS bronze,
    (SELECT uniqExact(offset) FROM bronze.raw_delivery_data) AS bronze_offsets,
    (SELECT uniqExact(session_id, status, timestamp_text, current_lat, current_lon) FROM bronze.raw_delivery_data) AS distinct_pings,
    (SELECT count() FROM session_movements) AS movements,
    (SELECT uniqExact(movement_id) FROM session_movements) AS movement_ids,
    (SELECT count() FROM sessions_base) AS headers,
    (SELECT uniqExact(session_id) FROM bronze.raw_delivery_data) AS sessions`)
  const number = (name: string): number => Number(sums?.[name])
  expect(number('bronze')).toBe(number('bronze_offsets'))
  expect(number('movements')).toBe(number('distinct_pings'))
  expect(number('movement_ids')).toBe(number('movements'))
  expect(number('headers')).toBe(number('sessions'))

  const stored = await server.sql<Line & { timestamp_text: string }>(
    'SELECT DISTINCT session_id, status, timestamp_text, current_lat, current_lon FROM bronze.raw_delivery_data',
  )
  const kept = new Set(stored.map((row) => keyOf({ ...row, timestamp: row.timestamp_text })))
  expect([...acknowledged].filter((key) => !kept.has(key))).toEqual([])

  const metrics = await (await fetch(`${server.url}/metrics`)).text()
  const gauge = (name: string): number =>
    Number(new RegExp(`^${name} (.+)$`, 'm').exec(metrics)?.[1])
  expect(gauge('orrery_counted_pings')).toBe(number('bronze'))
  expect(gauge('orrery_counted_sessions')).toBe(number('sessions'))
}, 120_000)
