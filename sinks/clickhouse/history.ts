import type { Fix, HistoryPage, HistoryRequest } from '../../actors/model/history.ts'
import { STATUSES } from '../../actors/model/ping.ts'
import { type ClickHouse, numberOf, type Row, textOf } from './engine.ts'
import { sqlInt, sqlText } from './sql-text.ts'

export type HistoryLimits = Readonly<{
  /** Fixes before, and after, the asked event time; a page ends there. */
  fixesMax: number
  /**
   * Fixes at the asked event time itself. Of more than that the first in the order of fixes are seen, and a
   * repeat of one of the others is taken for new: no vehicle is at so many places in one microsecond.
   */
  tiesMax: number
  /** Sessions put into one statement. */
  requestsMax: number
}>

export const HISTORY_LIMITS: HistoryLimits = { fixesMax: 250, tiesMax: 50_000, requestsMax: 64 }

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
   * A page holds the asked event time, and the nearest fix on both sides where there is one: it may stand
   * just outside of the stretch that is complete.
   */
  async load(
    requests: readonly HistoryRequest[],
    options: Readonly<{ storedThrough: number }>,
  ): Promise<readonly HistoryPage[]> {
    const pages = new Map<HistoryRequest, HistoryPage>()
    for (const some of this.#statements(requests)) {
      const rows = await this.#engine.query(this.#sql(some, options.storedThrough))
      const found = some.map((): Row[] => [])
      for (const row of rows) found[numberOf(row[0]) - 1]?.push(row)
      for (const [index, request] of some.entries()) {
        pages.set(request, await this.#page(request, options.storedThrough, found[index] ?? []))
      }
    }
    return requests.map((request) => pages.get(request) ?? EMPTY_PAGE)
  }

  /** Requests that fit into one statement: so many, and no session twice. */
  #statements(requests: readonly HistoryRequest[]): HistoryRequest[][] {
    const statements: Map<string, HistoryRequest>[] = []
    const seen = new Map<string, number>()
    for (const request of requests) {
      const key = `${request.partition} ${request.id}`
      let place = seen.get(key) ?? 0
      while ((statements[place]?.size ?? 0) >= this.#limits.requestsMax) place += 1
      const statement = statements[place] ?? new Map<string, HistoryRequest>()
      statements[place] = statement.set(key, request)
      seen.set(key, place + 1)
    }
    return statements.map((statement) => [...statement.values()])
  }

  /**
   * One reading of the table for all sessions, the fixes before, at and after the event time nearest first:
   * what it costs is the parts, not the sessions.
   */
  #sql(requests: readonly HistoryRequest[], storedThrough: number): string {
    const ids = requests.map(({ id }) => sqlText(id)).join(', ')
    const list = (of: (request: HistoryRequest, index: number) => number): string =>
      `CAST([${requests.map((request, index) => sqlInt(of(request, index))).join(', ')}], 'Array(Int64)')`
    const through = list(({ beforeOffset }) => Math.min(storedThrough, beforeOffset - 1))
    return (
      `SELECT request, side, event_time_us, status, current_lat, current_lon FROM (` +
      `SELECT transform(session_id, [${ids}], ${list((_, index) => index + 1)}, toInt64(0)) AS request, ` +
      `event_time_us - ${list(({ eventTimeUs }) => eventTimeUs)}[request] AS away, ` +
      `sign(away) AS side, event_time_us, status, current_lat, current_lon ` +
      `FROM session_movements WHERE session_id IN (${ids}) ` +
      `AND \`partition\` = ${list(({ partition }) => partition)}[request] ` +
      `AND toInt64(\`offset\`) <= ${through}[request]) ` +
      `ORDER BY request, side, abs(away), ${inOrder('if(side < 0, -1, 1)')} ` +
      `LIMIT ${sqlInt(this.#limits.fixesMax + 1)} BY request, side`
    )
  }

  async #page(
    request: HistoryRequest,
    storedThrough: number,
    rows: readonly Row[],
  ): Promise<HistoryPage> {
    const { fixesMax } = this.#limits
    const side = (which: number): Fix[] =>
      rows.filter((row) => numberOf(row[1]) === which).map(toFix)
    const [before, at, after] = [side(-1), side(0), side(1)]
    const all = at.length > fixesMax ? await this.#allAt(request, storedThrough) : at
    return {
      fixes: [...before.slice(0, fixesMax).reverse(), ...all, ...after.slice(0, fixesMax)],
      fromUs: endOf(before, fixesMax, 1) ?? -Infinity,
      toUs: endOf(after, fixesMax, -1) ?? Infinity,
    }
  }

  /** The fixes at exactly the event time of a request, when they are too many for a page's side. */
  async #allAt(request: HistoryRequest, storedThrough: number): Promise<Fix[]> {
    const { id, partition, eventTimeUs, beforeOffset } = request
    const rows = await this.#engine.query(
      `SELECT 0, 0, event_time_us, status, current_lat, current_lon FROM session_movements ` +
        `WHERE session_id = ${sqlText(id)} AND event_time_us = ${sqlInt(eventTimeUs)} ` +
        `AND timestamp = fromUnixTimestamp64Milli(toInt64(${sqlInt(Math.floor(eventTimeUs / 1_000))}), 'UTC') ` +
        `AND \`partition\` = ${sqlInt(partition)} ` +
        `AND toInt64(\`offset\`) <= ${sqlInt(Math.min(storedThrough, beforeOffset - 1))} ` +
        `ORDER BY ${inOrder('1')} LIMIT ${sqlInt(this.#limits.tiesMax)}`,
    )
    return rows.map(toFix)
  }
}

const EMPTY_PAGE: HistoryPage = { fixes: [], fromUs: -Infinity, toUs: Infinity }

/** The order that a session puts fixes of one event time in: status, then position; `factor` −1 turns it round. */
function inOrder(factor: string): string {
  const statuses = STATUSES.map(sqlText).join(', ')
  const ranks = STATUSES.map((_, rank) => sqlInt(rank)).join(', ')
  const rank = `transform(status, [${statuses}], [${ranks}], ${sqlInt(STATUSES.length)})`
  return [rank, 'current_lat', 'current_lon'].map((each) => `${factor} * ${each}`).join(', ')
}

/** Up to where a side is complete, null for its whole life. Where fixes of one event time are cut, short of it. */
function endOf(nearestFirst: readonly Fix[], fixesMax: number, inward: number): number | null {
  const last = nearestFirst[fixesMax - 1]
  const next = nearestFirst[fixesMax]
  if (!last || !next) return null
  return next.eventTimeUs === last.eventTimeUs ? last.eventTimeUs + inward : last.eventTimeUs
}

function toFix([, , eventTimeUs, status, lat, lng]: Row): Fix {
  return {
    eventTimeUs: numberOf(eventTimeUs),
    status: textOf(status),
    lat: numberOf(lat),
    lng: numberOf(lng),
  }
}
