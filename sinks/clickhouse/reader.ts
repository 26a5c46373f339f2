import type {
  DeadLetterFilter,
  DeadLetterRow,
  OpenDeadLetters,
  StoredDeadLetter,
} from '../../actors/model/dead-letter.ts'
import type { FactName } from '../../actors/model/fact.ts'
import {
  countDeadLetters,
  countOpenDeadLetters,
  type DeadLetterPage,
  findDeadLetter,
  listDeadLetters,
  listOpenDeadLetters,
  type OpenDeadLetterPage,
} from './dead-letters.ts'
import { type ClickHouse, numberOf, numberOrNullOf, textOf } from './engine.ts'
import { READER_ROWS_MAX, sqlLimit, sqlText, sqlTime } from './sql-text.ts'

export { READER_ROWS_MAX }

/** One point of a session's track. */
export type TrailPoint = Readonly<{
  atMs: number
  lat: number
  lng: number
  speedKmh: number | null
  status: string
}>

/** A session's header, status events and sums over its movements. */
export type SessionDetail = Readonly<{
  sessionId: string
  vehicleId: string
  orderId: string
  deviceId: string
  startLat: number
  startLng: number
  endLat: number
  endLng: number
  createdAtMs: number
  pings: number
  distanceM: number
  events: readonly Readonly<{ status: string; atMs: number }>[]
}>

/** Questions to the clean tables, for the gateway. Every foreign value goes in as an escaped literal. */
export class ClickHouseReader {
  readonly #engine: ClickHouse

  constructor(engine: ClickHouse) {
    this.#engine = engine
  }

  /** A session with its events in order of event time; null when nothing of it is stored. */
  async session(sessionId: string): Promise<SessionDetail | null> {
    const id = sqlText(sessionId)
    const [headers, events, sums] = await Promise.all([
      this.#engine.query(
        `SELECT session_id, vehicle_id, order_id, device_id, start_lat, start_lon, end_lat, end_lon, ` +
          `toUnixTimestamp64Milli(created_at) FROM sessions_base WHERE session_id = ${id}`,
      ),
      this.#engine.query(
        `SELECT status, toUnixTimestamp64Milli(timestamp) FROM session_events ` +
          `WHERE session_id = ${id} ORDER BY event_time_us, status = 'completed', status = 'en_route'`,
      ),
      this.#engine.query(
        `SELECT count(), sum(distance_cm) FROM session_movements WHERE session_id = ${id}`,
      ),
    ])
    const [header] = headers
    const [sum] = sums
    if (!header) return null
    return {
      sessionId: textOf(header[0]),
      vehicleId: textOf(header[1]),
      orderId: textOf(header[2]),
      deviceId: textOf(header[3]),
      startLat: numberOf(header[4]),
      startLng: numberOf(header[5]),
      endLat: numberOf(header[6]),
      endLng: numberOf(header[7]),
      createdAtMs: numberOf(header[8]),
      pings: numberOf(sum?.[0]),
      distanceM: numberOf(sum?.[1]) / 100,
      events: events.map(([status, atMs]) => ({ status: textOf(status), atMs: numberOf(atMs) })),
    }
  }

  /** The newest `limit` points from an event time on, oldest first. */
  async trail(sessionId: string, sinceMs: number, limit: number): Promise<readonly TrailPoint[]> {
    const rows = await this.#engine.query(
      `SELECT toUnixTimestamp64Milli(timestamp), current_lat, current_lon, speed_kmh, status ` +
        `FROM session_movements WHERE session_id = ${sqlText(sessionId)} ` +
        `AND timestamp >= ${sqlTime(sinceMs)} ` +
        `ORDER BY timestamp DESC, event_time_us DESC LIMIT ${sqlLimit(limit)}`,
    )
    return rows
      .map(([atMs, lat, lng, speedKmh, status]) => ({
        atMs: numberOf(atMs),
        lat: numberOf(lat),
        lng: numberOf(lng),
        speedKmh: numberOrNullOf(speedKmh),
        status: textOf(status),
      }))
      .reverse()
  }

  /** Dead letters, newest first, and what came of those that were read again; null when `before` is none. */
  deadLetters(options: DeadLetterPage): Promise<readonly DeadLetterRow[] | null> {
    return listDeadLetters(this.#engine, options)
  }

  /** How many dead letters there are of each code, the most first. */
  deadLetterCounts(filter: DeadLetterFilter): Promise<Readonly<Record<string, number>>> {
    return countDeadLetters(this.#engine, filter)
  }

  /** One dead letter with its bytes, to be read again; null when there is none. */
  deadLetter(name: FactName): Promise<StoredDeadLetter | null> {
    return findDeadLetter(this.#engine, name)
  }

  /** Dead letters that can be read again and were not accepted yet, oldest first, after one of them. */
  openDeadLetters(options: OpenDeadLetterPage): Promise<readonly StoredDeadLetter[]> {
    return listOpenDeadLetters(this.#engine, options)
  }

  /** How many of these there are, and how many of which only a part was kept. */
  countOpenDeadLetters(options: Omit<OpenDeadLetterPage, 'limit'>): Promise<OpenDeadLetters> {
    return countOpenDeadLetters(this.#engine, options)
  }
}
