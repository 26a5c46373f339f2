import type { MadeTrip } from '../../trips.ts'
import { asRecord, parseJson } from '../../wire.ts'
import type { Finding } from '../check.ts'
import { linesOf } from './bronze.ts'
import { askClickHouse, type ClickHousePlace } from './clickhouse-server.ts'
import { compareWindows, type Figures, reckonWindows, type WindowsVerdict } from './windows.ts'

const MINUTE_US = 60_000_000

/** The windows' figures in the table, by the names that they have in Redis. */
const WINDOW_FIGURES: Readonly<Record<string, string>> = {
  tripCount: 'trip_count',
  totalFare: 'total_fare',
  avgFare: 'avg_fare',
  minFare: 'min_fare',
  maxFare: 'max_fare',
  totalDistance: 'total_distance',
  minDistance: 'min_distance',
  maxDistance: 'max_distance',
  avgDuration: 'avg_duration',
  minDuration: 'min_duration',
  maxDuration: 'max_duration',
  p50Duration: 'p50_duration',
  p95Duration: 'p95_duration',
  lateCount: 'late_count',
}
const WORDS: Readonly<Record<number, string>> = {
  60: 'window',
  300: 'window-5m',
  900: 'window-15m',
  3_600: 'window-1h',
}

export type TripsEvidence = Readonly<{
  place: ClickHousePlace
  database: string
  /** Trips that were acknowledged, one a line. */
  record: string
  /** Trips that were made and never acknowledged: they may be stored or not. */
  left: number
  /** Rows of bronze, one a line. */
  bronzeFile: string
  /** Values of windows in Redis by their keys. */
  redis: ReadonlyMap<string, string>
}>

export type TripsVerdict = Readonly<{
  acknowledged: number
  windows: number
  findings: readonly Finding[]
  examples: readonly string[]
}>

/** Each trip once in bronze's names, once in silver, and once in each of its windows, in ClickHouse and in Redis. */
export async function checkTrips(evidence: TripsEvidence): Promise<TripsVerdict> {
  const { place, database, record, left, bronzeFile, redis } = evidence
  const acknowledged = await readTrips(record)
  const bronze = new Set<string>()
  for await (const lines of linesOf(bronzeFile, 10_000)) {
    for (const line of lines) {
      const row = asRecord(parseJson(line)) ?? {}
      bronze.add(nameOf(row['region_id'], row['trip_id'], Number(row['event_time'])))
    }
  }
  const ask = (sql: string) => askClickHouse(place, sql, { database })
  const silver = new Map<string, number>()
  for (const [region, id, us] of await ask(
    'SELECT region_id, trip_id, toString(event_time_us) FROM trips',
  )) {
    const name = nameOf(region, id, Number(us))
    silver.set(name, (silver.get(name) ?? 0) + 1)
  }
  const missing = (from: { has(name: string): boolean }): string[] =>
    [...acknowledged.keys()].filter((name) => !from.has(name))
  const others = [...silver.keys()].filter((name) => !acknowledged.has(name))
  const twice = [...silver].filter(([, count]) => count > 1).map(([name]) => name)
  // One that nobody was told of is in the windows as well: then its trip must come from the store.
  const expected = reckonWindows(acknowledged.values())
  const inSilver = compareWindows(expected, await windowsInSilver(ask))
  const inRedis = compareWindows(expected, redis)
  const examples = [...missing(bronze), ...missing(silver)].slice(0, 5)
  return {
    acknowledged: acknowledged.size,
    windows: expected.size,
    findings: [
      { kind: 'lost', what: 'trips acknowledged and not in bronze', count: missing(bronze).length },
      { kind: 'lost', what: 'trips acknowledged and not in silver', count: missing(silver).length },
      { kind: 'double', what: 'trips twice in silver', count: twice.length },
      { kind: 'wrong', what: 'trips that nobody sent', count: Math.max(0, others.length - left) },
      ...ofWindows('in silver', inSilver),
      ...ofWindows('in Redis', inRedis),
    ],
    examples: [...examples, ...inSilver.examples, ...inRedis.examples],
  }
}

/** Windows as the table has them, as if they stood in Redis. */
async function windowsInSilver(
  ask: (sql: string) => Promise<readonly (readonly unknown[])[]>,
): Promise<ReadonlyMap<string, string>> {
  const names = Object.keys(WINDOW_FIGURES)
  const rows = await ask(
    `SELECT region_id, window_size_s, toUnixTimestamp(window_start), ${Object.values(WINDOW_FIGURES).join(', ')} FROM region_windows`,
  )
  return new Map(
    rows.map(([region, size, start, ...values]) => {
      const figures: Figures = Object.fromEntries(
        names.map((name, index) => [name, Number(values[index])]),
      )
      const key = `region:${Number(region)}:${WORDS[Number(size)]}:${Number(start)}`
      return [key, JSON.stringify(figures)]
    }),
  )
}

function ofWindows(where: string, verdict: WindowsVerdict): readonly Finding[] {
  const { lost, double, wrong } = verdict
  return [
    { kind: 'lost', what: `trips that windows ${where} lack`, count: lost },
    { kind: 'double', what: `trips that windows ${where} count too often`, count: double },
    { kind: 'wrong', what: `windows ${where} with other figures`, count: wrong },
  ]
}

async function readTrips(file: string): Promise<ReadonlyMap<string, MadeTrip>> {
  const trips = new Map<string, MadeTrip>()
  for await (const lines of linesOf(file, 10_000)) {
    for (const line of lines) {
      const trip = JSON.parse(line) as MadeTrip
      trips.set(nameOf(trip.region_id, trip.trip_id, Date.parse(trip.event_time) * 1_000), trip)
    }
  }
  return trips
}

/** A trip is known by its region, its minute and its id. */
function nameOf(region: unknown, id: unknown, us: number): string {
  return `${Number(region)}|${Math.floor(us / MINUTE_US)}|${String(id)}`
}
