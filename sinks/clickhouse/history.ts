import type { Fix, HistoryPage, HistoryRequest } from '../../actors/model/history.ts'
import { type ClickHouse, numberOf, type Row, textOf } from './engine.ts'
import { sqlInt, sqlText } from './sql-text.ts'

export type HistoryLimits = Readonly<{
  /** Fixes on each side of the asked event time; a page ends there. */
  fixesMax: number
  /** Fixes at one event time that are still looked at. */
  tiesMax: number
  /** Requests put into one statement. */
  requestsMax: number
}>

export const HISTORY_LIMITS: HistoryLimits = { fixesMax: 500, tiesMax: 20_000, requestsMax: 32 }

/** The stored part of a session's fixes; facts on their way to the store are merged in by the pipeline. */
export class ClickHouseHistory {
  readonly #engine: ClickHouse
  readonly #limits: HistoryLimits

  constructor(engine: ClickHouse, limits: HistoryLimits = HISTORY_LIMITS) {
    this.#engine = engine
    this.#limits = limits
  }

  /**
   * Pages around each request's event time, in order of the requests, from facts of offsets up to
   * `storedThrough` and below the request's own: what was written above it by a run before is left out.
   * A page holds the asked event time, unless more than `tiesMax` fixes share it.
   */
  async load(
    requests: readonly HistoryRequest[],
    options: Readonly<{ storedThrough: number }>,
  ): Promise<readonly HistoryPage[]> {
    const { requestsMax } = this.#limits
    const pages: HistoryPage[] = []
    for (let first = 0; first < requests.length; first += requestsMax) {
      const some = requests.slice(first, first + requestsMax)
      pages.push(...(await this.#loadSome(some, options.storedThrough)))
    }
    return pages
  }

  async #loadSome(
    requests: readonly HistoryRequest[],
    storedThrough: number,
  ): Promise<HistoryPage[]> {
    const sides = requests.flatMap((request, index) => [
      this.#sideSql(request, storedThrough, index * 2, 'before'),
      this.#sideSql(request, storedThrough, index * 2 + 1, 'after'),
    ])
    const found: Row[][] = sides.map(() => [])
    for (const row of await this.#engine.query(sides.join('\nUNION ALL\n'))) {
      found[numberOf(row[0])]?.push(row)
    }
    return requests.map((_, index) => {
      const before = this.#side(found[index * 2] ?? [])
      const after = this.#side(found[index * 2 + 1] ?? [])
      return {
        fixes: [...before.fixes.reverse(), ...after.fixes],
        fromUs: before.endUs === null ? -Infinity : before.endUs + (before.cut ? 1 : 0),
        toUs: after.endUs === null ? Infinity : after.endUs - (after.cut ? 1 : 0),
      }
    })
  }

  /** One side of a request, nearest first. All fixes at the last event time come too, up to `tiesMax`. */
  #sideSql(
    request: HistoryRequest,
    storedThrough: number,
    side: number,
    which: 'before' | 'after',
  ): string {
    const { fixesMax, tiesMax } = this.#limits
    const [compare, atLeast, order] = which === 'before' ? ['<=', '<=', 'DESC'] : ['>', '>=', 'ASC']
    const eventTimeUs = sqlInt(request.eventTimeUs)
    const milliseconds = sqlInt(Math.floor(request.eventTimeUs / 1_000))
    const through = sqlInt(Math.min(storedThrough, request.beforeOffset - 1))
    return (
      `SELECT ${sqlInt(side)} AS side, event_time_us, status, current_lat, current_lon FROM (` +
      `SELECT event_time_us, status, current_lat, current_lon FROM session_movements ` +
      `WHERE session_id = ${sqlText(request.sessionId)} ` +
      `AND timestamp ${atLeast} fromUnixTimestamp64Milli(toInt64(${milliseconds}), 'UTC') ` +
      `AND event_time_us ${compare} ${eventTimeUs} ` +
      `AND \`partition\` = ${sqlInt(request.partition)} AND toInt64(\`offset\`) <= ${through} ` +
      `ORDER BY timestamp ${order}, event_time_us ${order} ` +
      `LIMIT ${sqlInt(fixesMax)} WITH TIES) LIMIT ${sqlInt(fixesMax + tiesMax)}`
    )
  }

  #side(rows: readonly Row[]): { fixes: Fix[]; endUs: number | null; cut: boolean } {
    const { fixesMax, tiesMax } = this.#limits
    const fixes = rows.map(toFix)
    if (fixes.length < fixesMax) return { fixes, endUs: null, cut: false }
    const endUs = fixes.at(-1)?.eventTimeUs ?? 0
    if (fixes.length < fixesMax + tiesMax) return { fixes, endUs, cut: false }
    // Too many at its last event time: that time is not complete, so the page ends short of it.
    return { fixes: fixes.filter((fix) => fix.eventTimeUs !== endUs), endUs, cut: true }
  }
}

function toFix([, eventTimeUs, status, lat, lng]: Row): Fix {
  return {
    eventTimeUs: numberOf(eventTimeUs),
    status: textOf(status),
    lat: numberOf(lat),
    lng: numberOf(lng),
  }
}
