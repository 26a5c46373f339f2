import {
  type RegionTotals,
  type RegionWindow,
  WINDOW_SIZES_S,
  type WindowRange,
  type WindowReader,
  type WindowSizeS,
} from '../../actors/model/window.ts'
import { type Cell, type ClickHouse, numberOf, type Row } from './engine.ts'
import { sqlInt, sqlLimit } from './sql-text.ts'

/** What the stored trips tell of a region; repeats leave no trace in them. */
export type StoredTotals = Omit<RegionTotals, 'duplicates'>

/** Windows of regions older than a metrics store keeps them. Foreign numbers go in as literals, bounded. */
export class WindowHistory implements Pick<WindowReader, 'range' | 'atStart'> {
  readonly #engine: ClickHouse

  constructor(engine: ClickHouse) {
    this.#engine = engine
  }

  /**
   * The newest windows of a range, oldest first. Unlike the region's own, their late counts have the trips
   * that came when the window was held no longer.
   */
  async range(range: WindowRange): Promise<readonly RegionWindow[]> {
    const { regionId, sizeS, fromMs, toMs, limit } = range
    const rows = await this.#windows(
      `region_id = ${sqlInt(regionId)} AND window_size_s = ${sqlInt(sizeS)} ` +
        `AND window_start >= ${sqlStart(Math.ceil(fromMs / 1_000))} ` +
        `AND window_start <= ${sqlStart(Math.floor(toMs / 1_000))} ` +
        `ORDER BY window_start DESC LIMIT ${sqlLimit(limit)}`,
    )
    return rows.reverse()
  }

  /** Every region's window of one start, in order of region ids. */
  atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]> {
    return this.#windows(
      `window_size_s = ${sqlInt(sizeS)} AND window_start = ${sqlStart(startMs / 1_000)} ` +
        `ORDER BY region_id LIMIT ${sqlLimit(Infinity)}`,
    )
  }

  /** The start of the newest window of a size, of whatever region; null while there is none. */
  async newestStartMs(sizeS: WindowSizeS): Promise<number | null> {
    const rows = await this.#engine.query(
      // Versions have the starts of their windows, and are read without merging them.
      'SELECT count(), toUnixTimestamp(max(window_start)) FROM region_window_versions ' +
        `WHERE window_size_s = ${sqlInt(sizeS)}`,
    )
    const [count, startS] = rows[0] ?? []
    return numberOf(count) === 0 ? null : numberOf(startS) * 1_000
  }

  /** Of every region that ever had a trip, in order of region ids; reads all trips, for a look now and then. */
  async totals(): Promise<readonly StoredTotals[]> {
    const rows = await this.#engine.query(
      'SELECT region_id, count(), countIf(late), countIf(NOT counted), max(event_time_us) FROM trips ' +
        `GROUP BY region_id ORDER BY region_id LIMIT ${sqlLimit(Infinity)}`,
    )
    return rows.map((row) => ({
      regionId: numberOf(row[0]),
      trips: numberOf(row[1]),
      late: numberOf(row[2]),
      tooLate: numberOf(row[3]),
      newestMs: Math.floor(numberOf(row[4]) / 1_000),
    }))
  }

  async #windows(rest: string): Promise<RegionWindow[]> {
    const rows = await this.#engine.query(`SELECT ${COLUMNS} FROM region_windows WHERE ${rest}`)
    return rows.map(toWindow)
  }
}

const COLUMNS =
  'region_id, window_size_s, toUnixTimestamp(window_start), trip_count, total_fare, avg_fare, min_fare, ' +
  'max_fare, total_distance, min_distance, max_distance, avg_duration, min_duration, max_duration, ' +
  'p50_duration, p95_duration, late_count, revision, final'

function toWindow(row: Row): RegionWindow {
  const at = (index: number): number => numberOf(row[index])
  return {
    regionId: at(0),
    sizeS: sizeOf(row[1]),
    startMs: at(2) * 1_000,
    tripCount: at(3),
    totalFare: at(4),
    avgFare: at(5),
    minFare: at(6),
    maxFare: at(7),
    totalDistance: at(8),
    minDistance: at(9),
    maxDistance: at(10),
    avgDuration: at(11),
    minDuration: at(12),
    maxDuration: at(13),
    p50Duration: at(14),
    p95Duration: at(15),
    lateCount: at(16),
    revision: at(17),
    final: row[18] === true,
  }
}

/** A start as the tables have it: whole seconds, held within the years that the type has. */
function sqlStart(seconds: number): string {
  const inRange = Math.min(4_294_967_295, Math.max(0, Math.floor(seconds)))
  return `toDateTime(${sqlInt(inRange)}, 'UTC')`
}

function sizeOf(cell: Cell | undefined): WindowSizeS {
  const sizeS = numberOf(cell)
  return WINDOW_SIZES_S.find((known) => known === sizeS) ?? 60
}
