import { afterEach, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { seededRandom } from '../actors/kernel/clock.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { RegionWindow } from '../actors/model/window.ts'
import { reckon } from '../actors/region/reckoning.ts'
import { byTime, sampleTrips } from '../actors/region/testing.ts'
import { TripMaker } from '../simulator/trips.ts'
import { REDIS_SERVER, RedisServer } from '../sinks/windows/redis-server.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

let server: ServerUnderTest | null = null
let redis: RedisServer | null = null
afterEach(async () => {
  await server?.dispose()
  await redis?.dispose()
  redis = null
})

const SAMPLE = join(import.meta.dir, '../actors/region/fixtures/trips-sample.csv')
const SHORT = { SNAPSHOT_INTERVAL_MS: '300', ICEBERG_BATCH_AGE_MS: '300' }

const wireOf = (trip: Trip): string =>
  JSON.stringify({
    trip_id: trip.tripId,
    region_id: trip.regionId,
    event_time: new Date(trip.eventTimeUs / 1_000).toISOString(),
    fare: trip.fareUsd,
    duration: trip.durationS,
    distance: trip.distanceKm,
  })

/** Sends until it is taken; a line that breaks is tried again. */
async function post(path: string, body: string): Promise<Record<string, unknown>> {
  for (let left = 200; ; left--) {
    try {
      const response = await fetch(`${server?.url}${path}`, {
        method: 'POST',
        headers: { 'x-api-key': TEST_KEY, 'content-type': 'application/x-ndjson' },
        body,
      })
      if (response.ok) return (await response.json()) as Record<string, unknown>
      if (response.status < 500) throw new TypeError(await response.text())
    } catch (thrown) {
      if (left === 0 || thrown instanceof SyntaxError) throw thrown
    }
    // Real time: the server is on its way back.
    await Bun.sleep(100)
  }
}

const ask = async (path: string): Promise<{ status: number; body: Record<string, unknown> }> => {
  const response = await fetch(`${server?.url}${path}`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

/** What `region_windows` says, in the order and form of a reckoning. */
async function storedWindows(): Promise<unknown[]> {
  const rows = await server?.sql<Record<string, number | string | boolean>>(
    `SELECT region_id, window_size_s, toUnixTimestamp(window_start) AS start, trip_count, total_fare,
       total_distance, avg_duration, p50_duration, p95_duration, late_count, final, revision
     FROM region_windows ORDER BY region_id, window_size_s, start`,
  )
  return (rows ?? []).map((row) => [
    ...[row['region_id'], row['window_size_s'], Number(row['start']), Number(row['trip_count'])],
    ...[cents(row['total_fare']), cents(row['total_distance']), cents(row['avg_duration'])],
    ...[row['p50_duration'], row['p95_duration'], Number(row['late_count'])],
    ...[Boolean(row['final']), Number(row['revision'])],
  ])
}

const cents = (value: unknown): number => Math.round(Number(value) * 1e6) / 1e6

/** A reckoned window; its late count in the table has the trips that it no longer took besides. */
const expectedOf = (window: RegionWindow, marks: ReadonlyMap<string, number>): unknown[] => {
  const { regionId, sizeS, startMs } = window
  const tooLate = marks.get([regionId, sizeS, startMs].join('|')) ?? 0
  return [
    ...[regionId, sizeS, startMs / 1_000, window.tripCount, cents(window.totalFare)],
    ...[cents(window.totalDistance), cents(window.avgDuration)],
    ...[window.p50Duration, window.p95Duration, window.lateCount + tooLate],
    ...[window.final, window.revision],
  ]
}

function expectedWindows(stream: readonly (Trip | 'flush')[]): unknown[] {
  const { windows, marks } = reckon(stream)
  const byWindow = new Map(marks)
  return windows.map((window) => expectedOf(window, byWindow))
}

describe('the sample', () => {
  test('gives the windows of the original job, the worked example, and all of it after a flush', async () => {
    server = new ServerUnderTest(SHORT)
    await server.start()
    const replayed = await server.run('replay.ts', [SAMPLE])
    expect({ code: replayed.code, err: replayed.err }).toMatchObject({ code: 0 })
    const count = `SELECT final, count() AS windows, sum(trip_count) AS trips
      FROM region_windows WHERE window_size_s = 60 GROUP BY final ORDER BY final`
    expect(await server.sql<object>(count)).toEqual([
      { final: false, windows: 5, trips: 7 },
      { final: true, windows: 280, trips: 293 },
    ])
    expect(await storedWindows()).toEqual(expectedWindows(byTime(sampleTrips())))
    const timeline = await ask('/metrics/timeline/3?hours=24&window=1m')
    expect(JSON.stringify(timeline.body)).toContain('"avgFare":99.42')
    const [bronze] = await server.sql(
      'SELECT count() AS rows, uniqExact(trip_id) AS trips FROM bronze.trips',
    )
    expect(bronze).toEqual({ rows: 300, trips: 300 })

    const again = await server.run('replay.ts', [SAMPLE, '--flush'])
    expect(again.out).toMatch(/duplicate\D+300/)
    expect(await server.sql<object>(count)).toEqual([{ final: true, windows: 285, trips: 300 }])
    expect(await server.sql('SELECT count() AS trips FROM trips')).toEqual([{ trips: 300 }])
  })
})

/** Trips of three hours in five regions, out of order within the bound, some of them twice. */
function disorderly(count: number, seed: number): Trip[] {
  const random = seededRandom(seed)
  const maker = new TripMaker(seed, 5)
  const startMs = Date.UTC(2026, 5, 1)
  const trips = Array.from({ length: count }, (_, index): Trip => {
    const atMs = startMs + Math.floor((index / count) * 10_800_000 - random() * 240_000)
    const made = maker.make(`trip_${index}`, atMs)
    return {
      tripId: made.trip_id,
      regionId: made.region_id,
      eventTimeUs: atMs * 1_000,
      fareUsd: made.fare,
      durationS: made.duration,
      distanceKm: made.distance,
      extras: null,
    }
  })
  return trips.flatMap((trip) => (random() < 0.05 ? [trip, trip] : [trip]))
}

/** Sends frames one after the other, while `disturb` does its worst between them. */
async function sendAll(trips: readonly Trip[], frame: number, disturb: (sent: number) => void) {
  for (let at = 0; at < trips.length; at += frame) {
    disturb(at)
    const body = trips.slice(at, at + frame).map(wireOf)
    await post('/ingest/trips', body.join('\n'))
  }
}

test('kill -9 during a replay, again and again, ends in the windows of an undisturbed one', async () => {
  server = new ServerUnderTest(SHORT)
  const own = server
  await own.start()
  const trips = disorderly(6_000, 5)
  let restarts = Promise.resolve()
  let kills = 0
  await sendAll(trips, 100, (sent) => {
    if (sent % 1_000 !== 500) return
    kills++
    restarts = restarts.then(() => own.end('SIGKILL')).then(() => own.start())
  })
  await restarts
  expect(kills).toBe(6)
  await post('/ingest/trips/flush', '')
  // A frame that was sent again may stand twice in the journal: no window counts it twice.
  expect(await storedWindows()).toEqual(expectedWindows([...trips, 'flush']))
  const distinct = new Set(trips.map((trip) => trip.tripId)).size
  expect(await own.sql('SELECT count() AS n, uniqExact(trip_id) AS ids FROM trips')).toEqual([
    { n: distinct, ids: distinct },
  ])
  const shown = await ask('/api/regions/windows?window=1h&region=1')
  expect(shown.status).toBe(200)
}, 60_000)

const withRedis = existsSync(REDIS_SERVER) || process.env['CI'] ? test : test.skip

/** The windows under StreamPulse's keys; null for one that is not there. */
async function inRedis(store: RedisServer, windows: readonly RegionWindow[]): Promise<unknown[]> {
  const keys = windows.map(
    ({ regionId, startMs }) => `region:${regionId}:window:${startMs / 1_000}`,
  )
  const texts = await store.send('MGET', ...keys)
  expect(texts).toBeArray()
  return (texts as unknown[]).map((text) => {
    if (text === null) return null
    const json = JSON.parse(String(text)) as Record<string, number | boolean>
    const { regionId, windowStart, tripCount, avgFare, final } = json
    return [regionId, windowStart, tripCount, cents(avgFare), final]
  })
}

/** Every window is in Redis as it was reckoned. Nobody waits for one that was away: a look a second mends it. */
async function expectInRedis(store: RedisServer, stream: readonly (Trip | 'flush')[]) {
  const minutes = reckon(stream).windows.filter((window) => window.sizeS === 60)
  const expected = minutes.map((window) => [
    ...[window.regionId, window.startMs / 1_000, window.tripCount, cents(window.avgFare), true],
  ])
  for (let left = 100; left > 0; left--) {
    if (Bun.deepEquals(await inRedis(store, minutes), expected)) return
    await Bun.sleep(100)
  }
  expect(await inRedis(store, minutes)).toEqual(expected)
}

withRedis(
  'Redis killed in the middle, its last second lost, has every window in the end',
  async () => {
    redis = new RedisServer()
    const store = redis
    await store.start()
    server = new ServerUnderTest({ ...SHORT, REDIS_URL: store.url })
    await server.start()
    const trips = disorderly(3_000, 9)
    let outages = Promise.resolve()
    await sendAll(trips, 100, (sent) => {
      if (sent % 1_000 !== 500) return
      outages = outages.then(() => store.kill()).then(() => store.start())
    })
    await outages
    // Everything it knew is gone: nothing rests on it.
    await store.send('FLUSHALL')
    await post('/ingest/trips/flush', '')
    await server.sql('SELECT count() FROM region_windows')
    await expectInRedis(store, [...trips, 'flush'])
  },
  60_000,
)

withRedis(
  'both killed at once, again and again, and Redis without its data, end in the same windows',
  async () => {
    redis = new RedisServer()
    const store = redis
    await store.start()
    server = new ServerUnderTest({ ...SHORT, REDIS_URL: store.url })
    const own = server
    await own.start()
    const trips = disorderly(4_000, 13)
    let restarts = Promise.resolve()
    await sendAll(trips, 100, (sent) => {
      if (sent % 1_000 !== 500) return
      restarts = restarts
        .then(() => Promise.all([own.end('SIGKILL'), store.kill()]))
        .then(() => {
          if (sent % 2_000 === 500) store.forget()
        })
        .then(() => Promise.all([own.start(), store.start()]))
        .then(() => {})
    })
    await restarts
    await post('/ingest/trips/flush', '')
    expect(await storedWindows()).toEqual(expectedWindows([...trips, 'flush']))
    await expectInRedis(store, [...trips, 'flush'])
  },
  60_000,
)
