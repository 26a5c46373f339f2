import { type Cell, type ClickHouse, numberOf, numberOrNullOf, textOf } from './engine.ts'
import { sqlInt, sqlText } from './sql-text.ts'

/** Rows that one question may bring, whatever was asked. */
export const READER_ROWS_MAX = 10_000

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

/** A dead letter as listed. */
export type DeadLetterRow = Readonly<{
  id: string
  code: string
  path: string
  expected: string
  received: string
  message: string
  /** As text when it is UTF-8, else base64. */
  raw: string
  rawEncoding: 'utf8' | 'base64'
  truncated: boolean
  receivedMs: number
  source: string
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

  /** Dead letters, newest first. */
  async deadLetters(
    options: Readonly<{ limit: number; beforeMs?: number; code?: string }>,
  ): Promise<readonly DeadLetterRow[]> {
    const conditions = ['1']
    if (options.beforeMs !== undefined) {
      conditions.push(`received_at < ${sqlTime(options.beforeMs)}`)
    }
    if (options.code !== undefined) conditions.push(`code = ${sqlText(options.code)}`)
    const rows = await this.#engine.query(
      `SELECT id, code, path, expected, received, message, base64Encode(raw), truncated, ` +
        `toUnixTimestamp64Milli(dead_letters.received_at), source FROM dead_letters ` +
        `WHERE ${conditions.join(' AND ')} ` +
        'ORDER BY received_at DESC, `partition` DESC, `offset` DESC, `part` DESC ' +
        `LIMIT ${sqlLimit(options.limit)}`,
    )
    return rows.map((row) => ({
      id: textOf(row[0]),
      code: textOf(row[1]),
      path: textOf(row[2]),
      expected: textOf(row[3]),
      received: textOf(row[4]),
      message: textOf(row[5]),
      ...rawOf(row[6]),
      truncated: row[7] === true,
      receivedMs: numberOf(row[8]),
      source: textOf(row[9]),
    }))
  }
}

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function rawOf(cell: Cell | undefined): Pick<DeadLetterRow, 'raw' | 'rawEncoding'> {
  const base64 = textOf(cell)
  try {
    return { raw: strictUtf8.decode(Buffer.from(base64, 'base64')), rawEncoding: 'utf8' }
  } catch {
    return { raw: base64, rawEncoding: 'base64' }
  }
}

function sqlLimit(limit: number): string {
  return sqlInt(Math.min(READER_ROWS_MAX, Math.max(1, Math.floor(limit))))
}

/** A time as a literal of the tables' type, held within the years that the type has. */
function sqlTime(timeMs: number): string {
  const inRange = Math.min(9_000_000_000_000, Math.max(-2_000_000_000_000, Math.floor(timeMs)))
  return `fromUnixTimestamp64Milli(toInt64(${sqlInt(inRange)}), 'UTC')`
}
