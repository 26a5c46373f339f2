import { afterAll, beforeAll, expect, test } from 'bun:test'

import { seededRandom } from '../../actors/kernel/clock.ts'
import type { TripFact } from '../../actors/model/fact.ts'
import type { HistoryRequest } from '../../actors/model/history.ts'
import { signal } from '../conformance-bench.ts'
import type { ClickHouse } from './engine.ts'
import { sampleTrip } from './region-samples.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'
import { ClickHouseTripHistory } from './trip-history.ts'

const PARTITION = 1_000
const MINUTE_US = 60_000_000
const BASE_US = 1_755_470_640_000_000
const TRIPS = 400
const facts: TripFact[] = []
let engine: ClickHouse
let history: ClickHouseTripHistory

beforeAll(async () => {
  engine = await openTestClickHouse()
  history = new ClickHouseTripHistory(engine)
  const random = seededRandom(8)
  for (let offset = 0; offset < TRIPS; offset += 1) {
    const minute = Math.floor(random() * 6)
    // The first and the last microsecond of a minute are in it, each several times.
    const edge = [0, MINUTE_US - 1, Math.floor(random() * MINUTE_US)][offset % 3] ?? 0
    const trip = {
      tripId: offset === 7 ? `it's \\ "7"` : `trip ${offset}`,
      regionId: 1 + (offset % 5),
      eventTimeUs: BASE_US + minute * MINUTE_US + edge,
    }
    facts.push(sampleTrip({ partition: PARTITION, offset, counted: offset % 4 > 0, trip }))
  }
  const sink = new ClickHouseSink(engine)
  await sink.open(PARTITION, signal())
  const batch = { id: 'all', partition: PARTITION, offsetFirst: 0, offsetLast: TRIPS - 1 }
  await sink.write({ ...batch, rows: facts }, signal())
})
afterAll(() => engine.close())

const request = (regionId: number, minute: number, beforeOffset = TRIPS): HistoryRequest => ({
  id: String(regionId),
  partition: PARTITION,
  eventTimeUs: BASE_US + minute * MINUTE_US + 30_000_000,
  beforeOffset,
})

function idsOf({ id, eventTimeUs, beforeOffset }: HistoryRequest, storedThrough: number): string[] {
  const minute = Math.floor(eventTimeUs / MINUTE_US)
  return facts
    .filter(({ trip }) => trip.regionId === Number(id))
    .filter(({ trip }) => Math.floor(trip.eventTimeUs / MINUTE_US) === minute)
    .filter(({ offset }) => offset <= storedThrough && offset < beforeOffset)
    .map(({ trip }) => trip.tripId)
    .sort()
}

async function load(
  requests: readonly HistoryRequest[],
  storedThrough = TRIPS,
): Promise<string[][]> {
  const pages = await history.load(requests, { storedThrough })
  expect(pages.map(({ minuteMs }) => minuteMs)).toEqual(
    requests.map(({ eventTimeUs }) => Math.floor(eventTimeUs / MINUTE_US) * 60_000),
  )
  return pages.map(({ tripIds }) => [...tripIds].sort())
}

test('a page has all trips of the region in that minute, counted or not, and none of another', async () => {
  const asked = [1, 2, 3, 4, 5].flatMap((regionId) =>
    [0, 1, 2, 3, 4, 5].map((minute) => request(regionId, minute)),
  )
  const pages = await load(asked)
  expect(pages).toEqual(asked.map((each) => idsOf(each, TRIPS)))
  expect(pages.flat()).toHaveLength(TRIPS)
  expect(pages.flat()).toContain(`it's \\ "7"`)
})

test('only trips of messages below the request, and stored for sure, are seen', async () => {
  const asked = [request(2, 1, 100), request(2, 1, 300), request(2, 1, 0), request(3, 1, 250)]
  expect(await load(asked, 200)).toEqual(asked.map((each) => idsOf(each, 200)))
  expect((await load(asked, -1)).flat()).toEqual([])
  // Two of the same minute differ, or this would show nothing.
  const [early = [], later = []] = await load(asked)
  expect(early.length).toBeLessThan(later.length)
})

test('another partition, a minute and a region without trips have an empty page; nothing asked is nothing', async () => {
  const asked = [{ ...request(2, 1), partition: PARTITION + 1 }, request(2, 77), request(100, 1)]
  expect(await load(asked)).toEqual([[], [], []])
  expect(await load([])).toEqual([])
})

test('more minutes than fit into one statement are answered in order', async () => {
  const asked = Array.from({ length: 300 }, (_, at) => request(1 + (at % 5), at % 60))
  expect(await load(asked)).toEqual(asked.map((each) => idsOf(each, TRIPS)))
})

test('a minute is found by the table’s key', async () => {
  const statements: string[] = []
  const watching = Object.assign(Object.create(engine) as ClickHouse, {
    query: (sql: string) => {
      statements.push(sql)
      return engine.query(sql)
    },
  })
  await new ClickHouseTripHistory(watching).load([request(1, 1), request(2, 3)], {
    storedThrough: TRIPS,
  })
  expect(statements).toHaveLength(1)
  const plan = (await engine.query(`EXPLAIN indexes = 1 ${statements[0]}`)).join('\n')
  expect(plan).toMatch(/PrimaryKey\s+Keys:\s+region_id\s+event_time/)
})
