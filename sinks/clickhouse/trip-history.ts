import type { HistoryRequest, TripsPage } from '../../actors/model/history.ts'
import { type ClickHouse, numberOf, textOf } from './engine.ts'
import { sqlInt } from './sql-text.ts'

const MINUTE_US = 60_000_000
/** Minutes put into one statement: more than regions of one partition ever ask for at once. */
const MINUTES_MAX = 128

/** A trip as it is looked up. */
type StoredTrip = Readonly<{ offset: number; tripId: string }>

/**
 * The stored trips of a region's minute; facts on their way to the store are merged in by the pipeline. The
 * table is read once for all requests, by its key: what it costs is its parts and the trips found.
 */
export class ClickHouseTripHistory {
  readonly #engine: ClickHouse

  constructor(engine: ClickHouse) {
    this.#engine = engine
  }

  /**
   * Ids of all trips in the minute of each request's event time, in order of the requests, from messages up
   * to `storedThrough` and below the request's own: what was written above it by a run before is left out.
   */
  async load(
    requests: readonly HistoryRequest[],
    options: Readonly<{ storedThrough: number }>,
  ): Promise<readonly TripsPage[]> {
    const minutes = new Map(requests.map((request) => [minuteKey(request), request]))
    const asked = [...minutes.values()]
    const found = new Map<string, StoredTrip[]>()
    for (let first = 0; first < asked.length; first += MINUTES_MAX) {
      await this.#find(asked.slice(first, first + MINUTES_MAX), options.storedThrough, found)
    }
    return requests.map((request) => {
      const through = Math.min(options.storedThrough, request.beforeOffset - 1)
      const trips = found.get(minuteKey(request)) ?? []
      return {
        minuteMs: minuteOf(request) * 60_000,
        tripIds: trips.filter(({ offset }) => offset <= through).map(({ tripId }) => tripId),
      }
    })
  }

  async #find(
    asked: readonly HistoryRequest[],
    storedThrough: number,
    found: Map<string, StoredTrip[]>,
  ): Promise<void> {
    // The key is read by both columns: `toStartOfMinute` keeps the order of `event_time`.
    const minutes = asked.map(
      (request) => `(${sqlInt(Number(request.id))}, ${sqlInt(minuteOf(request) * 60)})`,
    )
    const partitions = new Set(asked.map(({ partition }) => sqlInt(partition)))
    const rows = await this.#engine.query(
      `SELECT region_id, \`partition\`, intDiv(event_time_us, ${sqlInt(MINUTE_US)}), \`offset\`, trip_id ` +
        `FROM trips WHERE (region_id, toStartOfMinute(event_time)) IN (${minutes.join(', ')}) ` +
        `AND \`partition\` IN (${[...partitions].join(', ')}) ` +
        `AND toInt64(\`offset\`) <= ${sqlInt(storedThrough)}`,
    )
    for (const [regionId, partition, minute, offset, tripId] of rows) {
      const key = `${numberOf(partition)} ${numberOf(regionId)} ${numberOf(minute)}`
      const trip = { offset: numberOf(offset), tripId: textOf(tripId) }
      const trips = found.get(key)
      if (trips) trips.push(trip)
      else found.set(key, [trip])
    }
  }
}

function minuteOf(request: HistoryRequest): number {
  return Math.floor(request.eventTimeUs / MINUTE_US)
}

function minuteKey(request: HistoryRequest): string {
  return `${request.partition} ${Number(request.id)} ${minuteOf(request)}`
}
