import { WINDOW_NAMES, WINDOW_SIZES_S, type WindowSizeS } from '../actors/model/window.ts'
import { asRecord, parseJson } from '../simulator/wire.ts'
import type { ServerUnderTest } from './server.ts'

export const SILVER_TRIPS = 'trips'
export const BRONZE_TRIPS = 'bronze.trips'

/** What the tables hold of trips. */
export type TripCounts = Readonly<{
  silverRows: number
  /** Different ones: one a region, minute of event time and id. */
  silverUnique: number
  bronzeRows: number
  bronzeUnique: number
  late: number
}>

/** Region windows as they can be read: how many, how many are final, and one number from all their content. */
export type WindowContent = Readonly<{ windows: number; final: number; hash: string }>

export async function countRows(server: ServerUnderTest, table: string): Promise<number> {
  // Its view is there once something is in it.
  const [row] = await server.sql(`SELECT count() AS n FROM ${table}`).catch((cause: unknown) => {
    if (String(cause).includes('UNKNOWN_TABLE') || String(cause).includes('UNKNOWN_DATABASE'))
      return [{ n: 0 }]
    throw cause
  })
  return Number(row?.n ?? 0)
}

export async function countTrips(server: ServerUnderTest): Promise<TripCounts> {
  const [silver] = await server.sql(
    'SELECT count() AS n, uniqExact(region_id, intDiv(event_time_us, 60000000), trip_id) AS unique, ' +
      `countIf(late) AS late FROM ${SILVER_TRIPS}`,
  )
  const [bronze] = await server.sql(
    `SELECT count() AS n, uniqExact(region_id, toString(event_time), trip_id) AS unique FROM ${BRONZE_TRIPS}`,
  )
  return {
    silverRows: Number(silver?.n),
    silverUnique: Number(silver?.unique),
    bronzeRows: Number(bronze?.n),
    bronzeUnique: Number(bronze?.unique),
    late: Number(silver?.late),
  }
}

/** The same number for the same windows, whatever the order in which they came to be. */
export async function windowContent(server: ServerUnderTest): Promise<WindowContent> {
  const [row] = await server.sql(
    `SELECT count() AS n, countIf(final) AS finals, toString(sum(sipHash64(
       region_id, window_start, window_size_s, trip_count, avg_fare, total_distance, avg_duration,
       p50_duration, p95_duration, total_fare, min_fare, max_fare, min_duration, max_duration,
       min_distance, max_distance, late_count, final, revision))) AS hash FROM region_windows`,
  )
  return { windows: Number(row?.n), final: Number(row?.finals), hash: String(row?.hash) }
}

/** Windows, of all sizes, that are not what their trips say, reckoned anew by SQL. */
export async function countWrongWindows(server: ServerUnderTest): Promise<number> {
  let wrong = 0
  for (const sizeS of WINDOW_SIZES_S) {
    const [row] = await server.sql(wrongWindowsSql(sizeS))
    wrong += Number(row?.n ?? Number.NaN)
  }
  return wrong
}

/** Windows that the timeline of a region shows with other figures than the table, or not at all. */
export async function countUnserved(server: ServerUnderTest, regions: number): Promise<number> {
  let unserved = 0
  for (const [name, sizeS] of Object.entries(WINDOW_NAMES)) {
    for (let regionId = 1; regionId <= regions; regionId++) {
      const stored = await server.sql(
        `SELECT toUnixTimestamp(window_start) AS start, trip_count, total_fare, p95_duration, final
         FROM region_windows WHERE region_id = ${regionId} AND window_size_s = ${sizeS}`,
      )
      const shown = new Set(await timeline(server, regionId, name))
      for (const { start, trip_count, total_fare, p95_duration, final } of stored) {
        const figures = [start, trip_count, total_fare, p95_duration].map(Number)
        if (!shown.delete(JSON.stringify([...figures, final]))) unserved++
      }
      unserved += shown.size
    }
  }
  return unserved
}

/** Each window as one text, so that it can be looked up. */
async function timeline(
  { port }: ServerUnderTest,
  regionId: number,
  name: string,
): Promise<readonly string[]> {
  const url = `http://127.0.0.1:${port}/metrics/timeline/${regionId}?hours=168&window=${name}`
  const windows = asRecord(parseJson(await (await fetch(url)).text()))?.windows
  if (!Array.isArray(windows)) return []
  return windows.map((window: unknown) => {
    const { windowStart, tripCount, totalFare, p95Duration, final } = asRecord(window) ?? {}
    const start = Date.parse(String(windowStart)) / 1_000
    return JSON.stringify([start, tripCount, totalFare, p95Duration, final])
  })
}

/** Fares have two decimals and distances one: sums of whole numbers are exact, and show each missing cent. */
function wrongWindowsSql(sizeS: WindowSizeS): string {
  return `SELECT count() AS n FROM (
    SELECT region_id, toDateTime(intDiv(event_time_us, ${sizeS}000000) * ${sizeS}, 'UTC') AS window_start,
      count() AS trips, sum(toInt64(round(fare * 100))) AS cents, sum(toInt64(round(distance * 10))) AS tenths,
      min(fare) AS fare_min, max(fare) AS fare_max, min(distance) AS distance_min,
      max(distance) AS distance_max, sum(duration) AS seconds,
      arraySort(groupArray(toUInt16(duration))) AS durations
    FROM trips GROUP BY region_id, window_start) AS plain
  FULL OUTER JOIN (SELECT * FROM region_windows WHERE window_size_s = ${sizeS}) AS told
    ON told.region_id = plain.region_id AND told.window_start = plain.window_start
  WHERE trips != trip_count OR abs(cents / 100 - total_fare) > 1e-6 OR abs(tenths / 10 - total_distance) > 1e-6
    OR avg_fare != total_fare / trips OR avg_duration != seconds / trips
    OR fare_min != min_fare OR fare_max != max_fare
    OR distance_min != min_distance OR distance_max != max_distance
    OR durations[1] != min_duration OR durations[trips] != max_duration
    OR durations[intDiv(trips + 1, 2)] != p50_duration
    OR durations[intDiv(trips * 19 + 19, 20)] != p95_duration`
}
