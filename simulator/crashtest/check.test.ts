import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Fact } from '../../actors/model/fact.ts'
import type { Ping } from '../../actors/model/ping.ts'
import { naiveIsoUs } from '../../actors/model/time.ts'
import { sessionBehavior } from '../../actors/session/behavior.ts'
import type { ClickHouse } from '../../sinks/clickhouse/engine.ts'
import { ClickHouseSink } from '../../sinks/clickhouse/sink.ts'
import { openTestClickHouse } from '../../sinks/clickhouse/testing.ts'
import { Tally } from '../../sinks/metrics/tally.ts'
import { type Ask, check, recount } from './check.ts'

const BRONZE = 'bronze_rows'
const NOTHING_LEFT = { unacknowledged: 0, overflowed: 0, refused: 0 }
const START_US = Date.UTC(2026, 10, 21, 9) * 1_000

/** Two deliveries of five fixes; one late, one sent twice. */
const SENT: readonly Ping[] = ['a', 'b'].flatMap((id) =>
  [0, 1, 3, 2, 3, 4].map((step): Ping => ({
    ...{ sessionId: id, deviceId: `d${id}`, vehicleId: `v${id}`, orderId: `o${id}` },
    status: step === 0 ? 'started' : step === 4 ? 'completed' : 'en_route',
    eventTimeUs: START_US + step * 1_000_123,
    ...{ lat: 37.9 + step / 700, lng: 23.7 + step / 900 },
    ...{ startLat: 37.9, startLng: 23.7, endLat: 38, endLng: 23.8 },
  })),
)

let keep: ClickHouse
let engine: ClickHouse
let root = ''
let metrics = ''
let record = ''
// The engine stays up between the tests.
beforeAll(async () => void (keep = await openTestClickHouse()))
afterAll(() => keep.close())
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'orrery-check-'))
  engine = await openTestClickHouse()
  const { facts, tally } = derive(SENT)
  const sink = new ClickHouseSink(engine)
  await sink.open(0, new AbortController().signal)
  const range = { offsetFirst: 0, offsetLast: SENT.length - 1 }
  await sink.write({ id: 'all', partition: 0, ...range, rows: facts }, new AbortController().signal)
  await fillBronze()
  metrics = metricsText(tally)
  record = join(root, 'record.ndjson')
  writeFileSync(record, SENT.map((ping) => `${lineOf(ping)}\n`).join(''))
})
afterEach(async () => {
  await engine.close()
  rmSync(root, { recursive: true })
})

/** What the shipped actors make of pings. */
function derive(pings: readonly Ping[]): { facts: Fact[]; tally: Tally } {
  const behavior = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 300_000 })
  const states = new Map<string, ReturnType<typeof behavior.initial>>()
  const tally = new Tally()
  const facts = pings.flatMap((ping, offset) => {
    const turn = { partition: 0, offset, receivedMs: START_US / 1_000 + offset }
    const step = behavior.receive(states.get(ping.sessionId) ?? behavior.initial(), ping, turn)
    states.set(ping.sessionId, step.state)
    return step.facts
  })
  for (const fact of facts) tally.add(fact)
  return { facts, tally }
}

async function fillBronze(): Promise<void> {
  await engine.command(`CREATE TABLE ${BRONZE} (device_id String, vehicle_id String, session_id String,
    order_id String, status String, timestamp DateTime64(6, 'UTC'), start_lat Float64, start_lon Float64,
    end_lat Float64, end_lon Float64, current_lat Float64, current_lon Float64, \`partition\` Int32,
    offset Int64) ENGINE = MergeTree ORDER BY offset`)
  const rows = SENT.map((ping, offset) => {
    const texts = [ping.deviceId, ping.vehicleId, ping.sessionId, ping.orderId, ping.status]
    const numbers = [ping.startLat, ping.startLng, ping.endLat, ping.endLng, ping.lat, ping.lng]
    const time = `fromUnixTimestamp64Micro(${ping.eventTimeUs}, 'UTC')`
    return `(${texts.map((text) => `'${text}'`).join()}, ${time}, ${numbers.join()}, 0, ${offset})`
  })
  await engine.command(`INSERT INTO ${BRONZE} VALUES ${rows.join()}`)
}

function metricsText({ totals }: Tally): string {
  const { opened, finished, started, enRoute, completed, distanceCm } = totals
  const figures = {
    ...{ pings: SENT.length, sessions: opened, sessions_active: opened - finished },
    ...{ sessions_started: started, sessions_en_route: enRoute, sessions_completed: completed },
    ...{ refused: 0, distance_km: distanceCm / 100_000 },
  }
  return Object.entries(figures)
    .map(([name, value]) => `orrery_counted_${name} ${value}\n`)
    .join('')
}

function lineOf({ sessionId, status, eventTimeUs, lat, lng }: Ping): string {
  const timestamp = naiveIsoUs(eventTimeUs)
  return JSON.stringify({
    ...{ session_id: sessionId, status, timestamp, current_lat: lat, current_lon: lng },
  })
}

const ask: Ask = (query) => engine.query(query.replaceAll('bronze.raw_delivery_data', BRONZE))
const look = () =>
  check({ ask, metrics: async () => metrics, records: [record], sums: NOTHING_LEFT })
const found = async (): Promise<string[]> =>
  (await look()).findings
    .filter(({ count }) => count !== 0)
    .map(({ kind, what }) => `${kind}: ${what}`)

/** Changes a table as a fault of the system might have. */
const change = (sql: string): Promise<void> =>
  engine.command(`${sql} SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1`)

test('nothing is found where nothing is wrong, and three witnesses have one hash', async () => {
  const { findings, hashes, acknowledged } = await look()
  expect(findings.filter(({ count }) => count !== 0)).toEqual([])
  expect(acknowledged).toBe(10)
  expect(hashes.bronze).toBe(hashes.clients)
  expect(hashes.silver).toBe(hashes.clients)
})

test('a ping that is missing in a store is lost', async () => {
  await change(`ALTER TABLE ${BRONZE} DELETE WHERE session_id = 'a' AND status = 'started'`)
  expect(await found()).toContain('lost: acknowledged and not in bronze')
  await change(`ALTER TABLE session_movements DELETE WHERE session_id = 'b' AND status = 'started'`)
  expect(await found()).toContain('lost: acknowledged and not in silver')
})

test('a row that is there twice is double', async () => {
  for (const [table, columns, what] of [
    [BRONZE, '*', 'double: offsets twice in bronze'],
    ['session_movements', '* EXCEPT (id, event_tsp)', 'double: movements twice in silver'],
    ['session_statuses', '*', 'double: other facts twice'],
  ] as const) {
    await engine.command(`INSERT INTO ${table} SELECT ${columns} FROM ${table} LIMIT 1`)
    expect(await found()).toContain(what)
  }
})

test('each kind of wrong content is found', async () => {
  for (const [sql, what] of [
    [
      `ALTER TABLE session_movements UPDATE distance_cm = distance_cm + 1 WHERE session_id = 'a' AND status = 'completed'`,
      'wrong: sessions with another distance',
    ],
    [
      `ALTER TABLE session_movements UPDATE remaining_cm = remaining_cm - 1 WHERE session_id = 'a' AND status = 'completed'`,
      'wrong: movements with another distance left',
    ],
    [
      `ALTER TABLE session_headers UPDATE vehicle_id = 'x' WHERE session_id = 'a'`,
      'wrong: sessions with another header',
    ],
    [
      `ALTER TABLE session_statuses UPDATE event_time_us = event_time_us + 1 WHERE session_id = 'b' AND status = 'completed'`,
      'wrong: statuses with another time',
    ],
  ] as const) {
    await change(sql)
    expect(await found()).toContain(what)
  }
})

test('a ping that nobody sent, or that only one store has, is wrong', async () => {
  writeFileSync(
    record,
    SENT.slice(1)
      .map((ping) => `${lineOf(ping)}\n`)
      .join(''),
  )
  expect(await found()).toEqual(['wrong: pings in bronze or silver that nobody sent'])
  await change(`ALTER TABLE session_movements DELETE WHERE session_id = 'a' AND status = 'started'`)
  expect(await found()).toContain('wrong: pings in only one of bronze and silver')
})

test('a figure of metrics that the tables do not bear out is wrong', async () => {
  metrics = metrics.replace('sessions_completed 2', 'sessions_completed 3')
  expect(await found()).toEqual(['wrong: orrery_counted_sessions_completed is 3, the tables say 2'])
  metrics = ''
  expect((await found()).length).toBe(8)
})

test('a second look that sees other counts says so', async () => {
  const before = await recount(ask)
  await engine.command(`INSERT INTO ${BRONZE} SELECT * FROM ${BRONZE} LIMIT 1`)
  expect(await recount(ask)).not.toBe(before)
})
