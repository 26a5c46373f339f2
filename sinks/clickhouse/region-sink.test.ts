import { afterAll, beforeAll, expect, test } from 'bun:test'

import fc from 'fast-check'

import { TRIPS_PARTITION_FIRST, type WindowsFact } from '../../actors/model/fact.ts'
import { WINDOW_SIZES_S } from '../../actors/model/window.ts'
import { rejection, signal } from '../conformance-bench.ts'
import { type ClickHouse, numberOf } from './engine.ts'
import { sampleMovement } from './fact-samples.ts'
import { sampleTrip, sampleWindow, sampleWindows } from './region-samples.ts'
import { ClickHouseSink, readAcknowledged } from './sink.ts'
import { CrashingEngine, openTestClickHouse } from './testing.ts'

const HOUR_MS = 3_600_000
const START_MS = 497_222 * HOUR_MS
const WINDOWS = 4
let engine: ClickHouse
let runs = 0

beforeAll(async () => {
  engine = await openTestClickHouse()
})
afterAll(() => engine.close())

type Where = Readonly<{ partition: number; regionId: number }>
/** Which windows a message changes, and how many trips it finds too late; bits of one number. */
type Message = number

const sizeOf = (window: number) => WINDOW_SIZES_S[window % 2] ?? 60
const startOf = (window: number) => START_MS + (window >> 1) * HOUR_MS

function factOf(where: Where, offset: number, message: Message): WindowsFact {
  const bits = Array.from({ length: WINDOWS }, (_, at) => at)
  return sampleWindows({
    ...where,
    offset,
    windows: bits
      .filter((at) => (message >> at) & 1)
      .map((at) =>
        sampleWindow({
          regionId: where.regionId,
          sizeS: sizeOf(at),
          startMs: startOf(at),
          tripCount: offset,
          totalFare: offset / 8,
        }),
      ),
    lateMarks: bits
      .filter((at) => (message >> (WINDOWS + at)) & 1)
      .map((at) => ({ sizeS: sizeOf(at), startMs: startOf(at), count: 1 + (offset % 3) })),
  })
}

/** What the view must show: of each window the newest offset and the late trips, windows never said left out. */
function expected(where: Where, messages: readonly Message[]): number[][] {
  const newest = new Map<number, number>()
  const late = new Map<number, number>()
  for (const [offset, message] of messages.entries()) {
    for (let at = 0; at < WINDOWS; at += 1) {
      if ((message >> at) & 1) newest.set(at, offset)
      if ((message >> (WINDOWS + at)) & 1) late.set(at, (late.get(at) ?? 0) + 1 + (offset % 3))
    }
  }
  return [...newest]
    .sort(([a], [b]) => a - b)
    .map(([at, offset]) => [at, offset, offset / 8, late.get(at) ?? 0, where.partition, offset])
}

async function shown(regionId: number): Promise<number[][]> {
  const rows = await engine.query(
    `SELECT intDiv(toUnixTimestamp(window_start) - ${START_MS / 1_000}, 3600) * 2 + (window_size_s = 300) AS at, ` +
      'trip_count, total_fare, late_count, `partition`, `offset` FROM region_windows ' +
      `WHERE region_id = ${regionId} ORDER BY at`,
  )
  return rows.map((row) => row.map(numberOf))
}

const POINTS = [
  'before anything',
  'after late marks alone',
  'after windows alone',
  'between the rows and the offset',
  'after the offset, before the answer',
]

test('whatever crashes and however batches are cut, the newest row of a window is seen and late trips add up', async () => {
  const message = fc.nat({ max: 2 ** (2 * WINDOWS) - 1 })
  const step = fc.record({
    rows: fc.integer({ min: 1, max: 6 }),
    crash: fc.option(fc.constantFrom(...POINTS), { nil: null, freq: 2 }),
  })
  const property = fc.asyncProperty(
    fc.array(message, { minLength: 4, maxLength: 20 }),
    fc.array(step, { minLength: 2, maxLength: 8 }),
    async (messages, steps) => {
      runs += 1
      const where = { partition: TRIPS_PARTITION_FIRST + runs, regionId: runs }
      const facts = messages.map((each, offset) => factOf(where, offset, each))
      let crashing = new CrashingEngine(engine)
      let sink = new ClickHouseSink(crashing)
      let stored = await sink.open(where.partition, signal())
      for (const { rows, crash } of [...steps, { rows: messages.length, crash: null }]) {
        const [first, last] = [stored + 1, Math.min(stored + rows, messages.length - 1)]
        if (last < first) break
        if (crash !== null) crashing.crashAt(crash)
        const batch = {
          id: `${where.partition}:${first}-${last}`,
          partition: where.partition,
          offsetFirst: first,
          offsetLast: last,
          rows: facts.slice(first, last + 1),
        }
        const failed = await rejection(sink.write(batch, signal()))
        expect(failed !== null).toBe(crash !== null)
        if (failed !== null) {
          crashing = new CrashingEngine(engine)
          sink = new ClickHouseSink(crashing)
        }
        stored = failed === null ? last : await sink.open(where.partition, signal())
        // What a crash left above the offset may be there already: never anything older than the offset.
        const least = new Map(
          expected(where, messages.slice(0, stored + 1)).map((row) => [row[0], row]),
        )
        for (const row of await shown(where.regionId)) {
          expect(row[5] ?? -1).toBeGreaterThanOrEqual(least.get(row[0])?.[5] ?? -1)
        }
      }
      expect(await shown(where.regionId)).toEqual(expected(where, messages))
      await engine.command('OPTIMIZE TABLE region_window_versions FINAL')
      expect(await shown(where.regionId)).toEqual(expected(where, messages))
    },
  )
  await fc.assert(property, { numRuns: 12, endOnFailure: true })
}, 120_000)

test('of a window’s rows in one batch only the last is written', async () => {
  const where = { partition: TRIPS_PARTITION_FIRST + 900, regionId: 90 }
  const sink = new ClickHouseSink(engine)
  await sink.open(where.partition, signal())
  const facts = [0, 1, 2].map((offset) => factOf(where, offset, 1))
  const batch = { id: 'x', partition: where.partition, offsetFirst: 0, offsetLast: 2, rows: facts }
  await sink.write(batch, signal())
  expect(
    await engine.query('SELECT trip_count FROM region_window_versions WHERE region_id = 90'),
  ).toEqual([[2]])
})

test('more windows than are encoded at once are all written', async () => {
  const where = { partition: TRIPS_PARTITION_FIRST + 902, regionId: 92 }
  const sink = new ClickHouseSink(engine)
  await sink.open(where.partition, signal())
  const windows = Array.from({ length: 9_001 }, (_, at) =>
    sampleWindow({ regionId: 92, startMs: START_MS + at * 60_000, tripCount: at }),
  )
  const rows = [
    sampleWindows({ ...where, offset: 0, windows }),
    sampleWindows({ ...where, offset: 1, windows: windows.slice(4_000, 4_001) }),
  ]
  const batch = { id: 'z', partition: where.partition, offsetFirst: 0, offsetLast: 1, rows }
  await sink.write(batch, signal())
  expect(
    await engine.query(
      'SELECT count(), uniqExact(window_start), sum(trip_count), countIf(`offset` = 1) ' +
        'FROM region_window_versions WHERE region_id = 92',
    ),
  ).toEqual([['9001', '9001', String((9_000 * 9_001) / 2), '1']])
})

test('a window whose trips were all too late is none: they are among the late and the trips', async () => {
  const where = { partition: TRIPS_PARTITION_FIRST + 901, regionId: 91 }
  const sink = new ClickHouseSink(engine)
  await sink.open(where.partition, signal())
  const rows = [
    sampleTrip({ ...where, offset: 0, late: true, counted: false, trip: { regionId: 91 } }),
    factOf(where, 0, 1 << WINDOWS),
  ]
  await sink.write(
    { id: 'y', partition: where.partition, offsetFirst: 0, offsetLast: 0, rows },
    signal(),
  )
  expect(await shown(91)).toEqual([])
  expect(
    await engine.query(
      'SELECT (SELECT sum(trips) FROM region_late WHERE region_id = 91), ' +
        '(SELECT count() FROM trips WHERE region_id = 91 AND late AND NOT counted)',
    ),
  ).toEqual([['1', '1']])
})

test('two sinks over one engine, of sessions and of trips, open and write at the same time', async () => {
  const fresh = await openTestClickHouse()
  const [sessions, trips] = [new ClickHouseSink(fresh), new ClickHouseSink(fresh)]
  const second = TRIPS_PARTITION_FIRST
  expect(await Promise.all([sessions.open(0, signal()), trips.open(second, signal())])).toEqual([
    -1, -1,
  ])
  const write = async (sink: ClickHouseSink, partition: number): Promise<void> => {
    for (let offset = 0; offset < 5; offset += 1) {
      const rows =
        partition === 0 ? [sampleMovement({ offset })] : [sampleTrip({ partition, offset })]
      const id = `${partition}:${offset}-${offset}`
      await sink.write({ id, partition, offsetFirst: offset, offsetLast: offset, rows }, signal())
    }
  }
  await Promise.all([write(sessions, 0), write(trips, second)])
  expect(
    await fresh.query(
      'SELECT (SELECT count() FROM session_movements), (SELECT count() FROM trips), ' +
        '(SELECT count() FROM schema_migrations GROUP BY version LIMIT 1)',
    ),
  ).toEqual([['5', '5', '1']])
  expect([await readAcknowledged(fresh, 0), await readAcknowledged(fresh, second)]).toEqual([4, 4])
  await fresh.close()
})
