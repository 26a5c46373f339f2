import { afterAll, beforeAll, expect, test } from 'bun:test'

import { WINDOW_SIZES_S } from '../../actors/model/window.ts'
import { signal } from '../conformance-bench.ts'
import type { ClickHouse } from './engine.ts'
import { sampleTrip, sampleWindow, sampleWindows } from './region-samples.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'
import { WindowHistory } from './windows.ts'

const PARTITION = 1_001
const START_MS = 497_222 * 3_600_000
let engine: ClickHouse
let history: WindowHistory

const windowOf = (regionId: number, minute: number, revision = 0) =>
  sampleWindow({
    regionId,
    sizeS: minute % 60 === 0 ? 3_600 : 60,
    startMs: START_MS + minute * 60_000,
    tripCount: 2 + minute,
    totalFare: 0.1 + 0.2,
    avgFare: (0.1 + 0.2) / 2,
    minFare: 0.1,
    maxFare: 0.2,
    totalDistance: 1 / 3,
    minDistance: 1e-9,
    maxDistance: 200,
    avgDuration: 1_442.571_428_571_428_7,
    minDuration: 60,
    maxDuration: 7_200,
    p50Duration: 1_602,
    p95Duration: 2_686,
    lateCount: revision,
    final: minute % 2 === 1,
    revision,
  })

beforeAll(async () => {
  engine = await openTestClickHouse()
  history = new WindowHistory(engine)
  const sink = new ClickHouseSink(engine)
  await sink.open(PARTITION, signal())
  const minutes = Array.from({ length: 90 }, (_, at) => at)
  const where = { partition: PARTITION }
  const rows = [
    ...[3, 5].map((regionId, offset) =>
      sampleWindows({
        ...where,
        offset,
        regionId,
        windows: minutes.map((minute) => windowOf(regionId, minute)),
      }),
    ),
    sampleTrip({
      ...where,
      offset: 2,
      trip: { regionId: 3, eventTimeUs: START_MS * 1_000 + 1_999 },
    }),
    sampleTrip({ ...where, offset: 3, late: true, trip: { regionId: 3, eventTimeUs: 5_000 } }),
    sampleTrip({ ...where, offset: 4, late: true, counted: false, trip: { regionId: 9 } }),
  ]
  await sink.write({ id: 'first', ...where, offsetFirst: 0, offsetLast: 4, rows }, signal())
  const revised = sampleWindows({
    ...where,
    offset: 5,
    windows: [windowOf(3, 7, 4)],
    lateMarks: [
      { sizeS: 60, startMs: START_MS + 7 * 60_000, count: 2 },
      { sizeS: 60, startMs: START_MS + 8 * 60_000, count: 1 },
    ],
  })
  await sink.write(
    { id: 'second', ...where, offsetFirst: 5, offsetLast: 5, rows: [revised] },
    signal(),
  )
})
afterAll(() => engine.close())

test('a window comes back bit for bit, its newest row, with the late trips that were not in it', async () => {
  const at = START_MS + 7 * 60_000
  const range = { regionId: 3, sizeS: 60, fromMs: at, toMs: at + 60_000, limit: 10 } as const
  expect(await history.range(range)).toEqual([
    { ...windowOf(3, 7, 4), lateCount: 6 },
    { ...windowOf(3, 8), lateCount: 1 },
  ])
  expect(await history.range({ ...range, regionId: 5 })).toEqual([windowOf(5, 7), windowOf(5, 8)])
})

test('a range has the newest of what begins in it, oldest first, of one size', async () => {
  const range = { regionId: 5, sizeS: 60, fromMs: START_MS, limit: 3 } as const
  const minutes = async (toMs: number): Promise<number[]> =>
    (await history.range({ ...range, toMs })).map(({ startMs }) => (startMs - START_MS) / 60_000)
  expect(await minutes(START_MS + 62 * 60_000)).toEqual([59, 61, 62])
  expect(await minutes(START_MS + 62 * 60_000 - 1)).toEqual([58, 59, 61])
  expect(await minutes(START_MS - 1)).toEqual([])
  // Far beyond what the tables' type holds.
  expect(await minutes(8_640_000_000_000_000)).toEqual([87, 88, 89])
  const all = { ...range, fromMs: -8_640_000_000_000_000, toMs: Infinity, limit: 10 ** 9 }
  expect(await history.range(all)).toHaveLength(88)
  expect(await history.range({ ...all, fromMs: START_MS + 89 * 60_000 - 1 })).toHaveLength(1)
})

test('a start has the window of every region', async () => {
  expect(await history.atStart(3_600, START_MS)).toEqual([windowOf(3, 0), windowOf(5, 0)])
  expect(await history.atStart(60, START_MS)).toEqual([])
  expect(await history.newestStartMs(3_600)).toBe(START_MS + 60 * 60_000)
  expect(await history.newestStartMs(60)).toBe(START_MS + 89 * 60_000)
  expect(await history.newestStartMs(300)).toBeNull()
  expect(WINDOW_SIZES_S).toContain(3_600)
})

test('the stored trips give a region’s totals', async () => {
  expect(await history.totals()).toEqual([
    { regionId: 3, trips: 2, late: 1, tooLate: 0, newestMs: START_MS + 1 },
    { regionId: 9, trips: 1, late: 1, tooLate: 1, newestMs: 1_790_000_004_000 },
  ])
})

test('of the table of windows only a region’s own part is read, through the view too', async () => {
  const plan = await engine.query(
    'EXPLAIN indexes = 1 SELECT trip_count FROM region_windows ' +
      "WHERE region_id = 3 AND window_size_s = 60 AND window_start >= '2026-09-22 00:00:00'",
  )
  expect(plan.join('\n')).toMatch(
    /ReadFromMergeTree \(\S+region_window_versions\)[\s\S]*PrimaryKey\s+Keys:\s+region_id\s+window_size_s\s+window_start/,
  )
})
