import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { ServerProcess } from '../../../actors/testing/server-process.ts'
import { type MadeTrip, TripMaker } from '../../trips.ts'
import { clickHousePlan, tellClickHouse } from './clickhouse-server.ts'
import { Ports } from './ports.ts'
import { checkTrips } from './trips-check.ts'
import { reckonWindows } from './windows.ts'

const START_MS = Date.UTC(2026, 10, 21, 9, 58, 30)
const COLUMNS = [
  ...['trip_count', 'total_fare', 'avg_fare', 'min_fare', 'max_fare', 'total_distance'],
  ...['min_distance', 'max_distance', 'avg_duration', 'min_duration', 'max_duration'],
  ...['p50_duration', 'p95_duration', 'late_count'],
]
const SIZES: Readonly<Record<string, number>> = {
  window: 60,
  'window-5m': 300,
  'window-15m': 900,
  'window-1h': 3_600,
}

let root = ''
let server: ServerProcess
const place = { port: 0, password: 'secret' }
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'orrery-trips-check-'))
  place.port = await new Ports().take()
  server = new ServerProcess(clickHousePlan({ env: process.env, dir: root, ...place }))
  await server.start()
})
afterAll(async () => {
  await server.kill()
  rmSync(root, { recursive: true })
})
beforeEach(async () => {
  await tellClickHouse(place, 'DROP TABLE IF EXISTS trips', null)
  await tellClickHouse(place, 'DROP TABLE IF EXISTS region_windows', null)
  const trips = 'region_id UInt16, trip_id String, event_time_us Int64'
  await tellClickHouse(place, `CREATE TABLE trips (${trips}) ENGINE = Memory`, null)
  const windows =
    "region_id UInt16, window_size_s UInt32, window_start DateTime('UTC'), " +
    COLUMNS.map((name) => `${name} Float64`).join(', ')
  await tellClickHouse(place, `CREATE TABLE region_windows (${windows}) ENGINE = Memory`, null)
})

const made = (): readonly MadeTrip[] => {
  const maker = new TripMaker(7, 5)
  return Array.from({ length: 100 }, (_, n) => maker.make(`t${n}`, START_MS + n * 1_000))
}
const micros = ({ event_time }: MadeTrip): number => Date.parse(event_time) * 1_000
const ndjson = (rows: readonly unknown[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('')

/** Puts some trips into each place and compares. */
async function verdictOf(
  acknowledged: readonly MadeTrip[],
  stored: Readonly<{
    bronze: readonly MadeTrip[]
    silver: readonly MadeTrip[]
    windows: readonly MadeTrip[]
  }>,
) {
  const rows = stored.silver.map((trip) => ({
    ...{ region_id: trip.region_id, trip_id: trip.trip_id, event_time_us: micros(trip) },
  }))
  await tellClickHouse(place, 'INSERT INTO trips FORMAT JSONEachRow', ndjson(rows))
  const windows = reckonWindows(stored.windows)
  const values = [...windows].map(([key, figures]) => {
    const [, region, word = '', start] = key.split(':')
    return `(${region}, ${SIZES[word]}, ${start}, ${Object.values(figures).join(', ')})`
  })
  const order = [
    ...['tripCount', 'totalFare', 'avgFare', 'minFare', 'maxFare', 'totalDistance', 'minDistance'],
    ...['maxDistance', 'avgDuration', 'minDuration', 'maxDuration', 'p50Duration', 'p95Duration'],
    'lateCount',
  ]
  for (const figures of windows.values()) expect(Object.keys(figures)).toEqual(order)
  await tellClickHouse(place, `INSERT INTO region_windows VALUES ${values.join(', ')}`, null)
  const [record, bronzeFile] = [join(root, 'record'), join(root, 'bronze')]
  writeFileSync(record, ndjson(acknowledged))
  writeFileSync(
    bronzeFile,
    ndjson(stored.bronze.map((trip) => ({ ...trip, event_time: micros(trip) }))),
  )
  const redis = new Map([...windows].map(([key, figures]) => [key, JSON.stringify(figures)]))
  const { findings } = await checkTrips({
    ...{ place, database: 'default', record, left: 0, bronzeFile, redis },
  })
  return Object.fromEntries(
    findings.flatMap(({ kind, what, count }) => (count === 0 ? [] : [[`${kind}: ${what}`, count]])),
  )
}

test('nothing is found where every trip is everywhere once', async () => {
  const trips = made()
  expect(await verdictOf(trips, { bronze: trips, silver: trips, windows: trips })).toEqual({})
})

test('what a place lacks, has twice, or made up is found there', async () => {
  const trips = made()
  const [first] = trips
  if (!first) throw new Error('no trip')
  const other = { ...first, trip_id: 'of nobody' }
  expect(
    await verdictOf(trips, {
      bronze: trips.slice(1),
      silver: [...trips.slice(2), ...trips.slice(-3), other],
      windows: trips.slice(4),
    }),
  ).toEqual({
    'lost: trips acknowledged and not in bronze': 1,
    'lost: trips acknowledged and not in silver': 2,
    'double: trips twice in silver': 3,
    'wrong: trips that nobody sent': 1,
    'lost: trips that windows in silver lack': 16,
    'lost: trips that windows in Redis lack': 16,
  })
})
