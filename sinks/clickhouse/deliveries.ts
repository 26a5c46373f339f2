import { TIME_LIMITS } from '../../actors/model/ping.ts'
import type { WindowSizeS } from '../../actors/model/window.ts'
import { type ClickHouse, numberOf, numberOrNullOf } from './engine.ts'
import { type RegionGround, sqlRegion } from './region-ground.ts'
import { READER_ROWS_MAX, sqlInt, sqlLimit, sqlTime } from './sql-text.ts'

/** Deliveries in a region's window; windows without a movement have no row. */
export type DeliveryWindow = Readonly<{
  regionId: number
  sizeS: WindowSizeS
  /** Milliseconds since 1970 UTC; it ends, exclusive, `sizeS` later. */
  startMs: number
  /** Sessions with a movement in it. */
  active: number
  /** Sessions that began here, and that were completed here: where they were when they said so. */
  started: number
  completed: number
  /** Over its movements, null when none has a speed. */
  meanSpeedKmh: number | null
  distanceKm: number
  /** The newest movement is 5 minutes past its end: only what comes late can change it. */
  final: boolean
}>

/** Windows by start, both inclusive, of one region or of all. */
export type DeliveryRange = Readonly<{
  sizeS: WindowSizeS
  fromMs: number
  toMs: number
  /** The newest so many rows, the reader's bound when absent: then the oldest window may miss regions. */
  limit?: number
  regionId?: number
}>

export type DeliveryLimits = Readonly<{
  /** Windows of one question: of a longer range the newest. A day of minutes, two months of hours. */
  windowsMax: number
  /** How far ahead of its receipt an event time was ever believed. */
  aheadMsMax: number
  timeSecondsMax: number
  memoryBytesMax: number
}>

export const DELIVERY_LIMITS: DeliveryLimits = {
  windowsMax: 1_440,
  aheadMsMax: TIME_LIMITS.aheadMsMax,
  timeSecondsMax: 10,
  memoryBytesMax: 400_000_000,
}

/** A window is final when the newest movement is so far past its end. */
const SETTLED_MS = 300_000

/**
 * Deliveries by region and window, asked of the stored movements: positions are put into regions as they
 * are read, so that another map needs no other rows.
 */
export class DeliveryHistory {
  readonly #engine: ClickHouse
  readonly #ground: RegionGround
  readonly #limits: DeliveryLimits

  constructor(engine: ClickHouse, ground: RegionGround, limits = DELIVERY_LIMITS) {
    this.#engine = engine
    this.#ground = ground
    this.#limits = limits
  }

  /** In order of starts, then of region ids. */
  async range(range: DeliveryRange): Promise<readonly DeliveryWindow[]> {
    const { sizeS } = range
    const sizeMs = sizeS * 1_000
    const lastMs = Math.floor(range.toMs / sizeMs) * sizeMs
    const firstMs = Math.max(
      Math.ceil(range.fromMs / sizeMs) * sizeMs,
      lastMs - (this.#limits.windowsMax - 1) * sizeMs,
    )
    if (!(firstMs <= lastMs)) return []
    const [rows, newestMs] = await Promise.all([
      this.#engine.query(this.#sql(range, firstMs, lastMs + sizeMs)),
      this.#newestMs(),
    ])
    return rows
      .map((row): DeliveryWindow => {
        const startMs = numberOf(row[1])
        return {
          regionId: numberOf(row[0]),
          sizeS,
          startMs,
          active: numberOf(row[2]),
          started: numberOf(row[3]),
          completed: numberOf(row[4]),
          meanSpeedKmh: numberOrNullOf(row[5]),
          distanceKm: numberOf(row[6]) / 100_000,
          final: startMs + sizeMs <= newestMs - SETTLED_MS,
        }
      })
      .reverse()
  }

  /**
   * Movements are read once for what moves, and again, by session, for the few that began or ended. A status
   * and the movement of the ping that told it have one event time; of several at that time it is the first
   * in the order of fixes. Sessions are told apart by a hash of 64 bits, at half the cost of their ids.
   */
  #sql(
    { sizeS, regionId, limit = READER_ROWS_MAX }: DeliveryRange,
    fromMs: number,
    toMs: number,
  ): string {
    const within = `timestamp >= ${sqlTime(fromMs)} AND timestamp < ${sqlTime(toMs)}`
    // Whole months of what was received before are left out by it.
    const received = `received_at >= ${sqlTime(fromMs - this.#limits.aheadMsMax)}`
    const sizeMs = sqlInt(sizeS * 1_000)
    const where = regionId === undefined ? 'region_id > 0' : `region_id = ${sqlInt(regionId)}`
    const moving =
      `SELECT sipHash64(session_id) AS session, '' AS turn, timestamp AS at, ` +
      'current_lat AS lat, current_lon AS lng, speed_kmh, distance_cm ' +
      `FROM session_movements WHERE ${within} AND ${received}`
    const turning =
      'SELECT 0, status, any(timestamp), (min((current_lat, current_lon)) AS position).1, position.2, ' +
      `NULL, 0 FROM session_movements WHERE ${within} AND ${received} AND status != 'en_route' ` +
      'AND (session_id, status, event_time_us) IN (' +
      'SELECT session_id, status, event_time_us FROM session_statuses FINAL ' +
      `WHERE status != 'en_route' AND ${within}) GROUP BY session_id, status`
    return (
      `SELECT ${sqlRegion(this.#ground, 'lat', 'lng')} AS region_id, ` +
      `intDiv(toUnixTimestamp64Milli(at), ${sizeMs}) * ${sizeMs} AS start_ms, ` +
      `uniqExactIf(session, turn = ''), countIf(turn = 'started'), countIf(turn = 'completed'), ` +
      'if(count(speed_kmh) = 0, NULL, avg(speed_kmh)), sum(distance_cm) ' +
      `FROM (${moving} UNION ALL ${turning}) WHERE ${where} GROUP BY region_id, start_ms ` +
      `ORDER BY start_ms DESC, region_id DESC LIMIT ${sqlLimit(limit)} ` +
      `SETTINGS max_execution_time = ${sqlInt(this.#limits.timeSecondsMax)}, ` +
      `max_memory_usage = ${sqlInt(this.#limits.memoryBytesMax)}, validate_polygons = 0`
    )
  }

  /** The newest event time; one ahead of its receipt counts as that, or a vehicle's clock would end every window. */
  async #newestMs(): Promise<number> {
    const [row] = await this.#engine.query(
      'SELECT max(least(toUnixTimestamp64Milli(timestamp), toUnixTimestamp64Milli(received_at))) ' +
        `FROM session_movements SETTINGS max_execution_time = ${sqlInt(this.#limits.timeSecondsMax)}`,
    )
    return numberOf(row?.[0])
  }
}
