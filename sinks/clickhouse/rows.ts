import type {
  AlertFact,
  DeadLetterFact,
  Fact,
  FactName,
  HeaderFact,
  MovementFact,
  RetryFact,
  StatusFact,
  TripFact,
  WindowsFact,
} from '../../actors/model/fact.ts'
import type { RegionWindow } from '../../actors/model/window.ts'
import type { Column } from './engine.ts'
import {
  AlertColumns,
  DeadLetterColumns,
  HeaderColumns,
  MovementColumns,
  RetryColumns,
  StatusColumns,
} from './fact-columns.ts'
import { LateColumns, TripColumns, WindowColumns } from './region-columns.ts'

/** The facts that silver keeps; frames as received are bronze's. */
export type SilverFact =
  | HeaderFact
  | StatusFact
  | MovementFact
  | AlertFact
  | DeadLetterFact
  | RetryFact
  | TripFact
  | WindowsFact

/** Tables that facts are written to; the order says nothing. */
export const FACT_TABLES = [
  'session_movements',
  'session_headers',
  'session_statuses',
  'session_alerts',
  'dead_letters',
  'dead_letter_retries',
  'trips',
  'region_window_versions',
  'region_late',
] as const

/** What is stored once because its name is looked up first: the select list of a row's name, by table. */
export const NAMED_TABLES: readonly Readonly<{ table: string; name: string }>[] =
  FACT_TABLES.filter(
    // A window's row may be written again: the newest of them is what a reader sees.
    (table) => table !== 'region_window_versions',
  ).map((table) => ({
    table,
    name: table === 'region_late' ? '`offset`, `part`, `mark`' : '`offset`, `part`, -1',
  }))

/** A row's name within its partition; `mark` tells the late marks of one fact from each other, −1 for none. */
export function rowName({ offset, part }: Pick<FactName, 'offset' | 'part'>, mark = -1): string {
  return mark < 0 ? `${offset}.${part}` : `${offset}.${part}.${mark}`
}

/** True for a fact that has a table here. */
export function isSilver(fact: Fact): fact is SilverFact {
  return fact.kind !== 'pings' && fact.kind !== 'trips'
}

/** Gathers the rows of a batch, one set of columns a table; the memory serves the next batch again. */
export class SilverRows {
  readonly #movements = new MovementColumns()
  readonly #headers = new HeaderColumns()
  readonly #statuses = new StatusColumns()
  readonly #alerts = new AlertColumns()
  readonly #deadLetters = new DeadLetterColumns()
  readonly #retries = new RetryColumns()
  readonly #trips = new TripColumns()
  readonly #windows = new WindowColumns()
  /** Of each window the last that was added: it replaces the others. */
  readonly #newest = new Map<number, Readonly<{ fact: WindowsFact; window: RegionWindow }>>()
  readonly #late = new LateColumns()
  readonly #all = [
    this.#movements,
    this.#headers,
    this.#statuses,
    this.#alerts,
    this.#deadLetters,
    this.#retries,
    this.#trips,
    this.#windows,
    this.#late,
  ]

  /**
   * Takes what the store does not have yet: `stored` holds the names of rows above its offset. Facts come in
   * the order of their offsets.
   */
  add(fact: SilverFact, stored: ReadonlySet<string>): void {
    if (fact.kind === 'windows') return this.#addWindows(fact, stored)
    if (stored.size > 0 && stored.has(rowName(fact))) return
    switch (fact.kind) {
      case 'movement':
        return this.#movements.add(fact)
      case 'header':
        return this.#headers.add(fact)
      case 'status':
        return this.#statuses.add(fact)
      case 'alert':
        return this.#alerts.add(fact)
      case 'dead_letter':
        return this.#deadLetters.add(fact)
      case 'retry':
        return this.#retries.add(fact)
      case 'trip':
        return this.#trips.add(fact)
    }
  }

  /** Puts the newest of each window into columns, so many at a time: called again until it says true. */
  settle(rowsMax: number): boolean {
    let rows = 0
    for (const [key, { fact, window }] of this.#newest) {
      if (rows++ === rowsMax) return false
      this.#windows.add(fact, window)
      this.#newest.delete(key)
    }
    return true
  }

  /** Columns of each table that has rows; what is not settled is not in them. */
  tables(): { table: string; columns: readonly Column[] }[] {
    return this.#all
      .filter((rows) => rows.count > 0)
      .map((rows) => ({ table: rows.table, columns: rows.columns() }))
  }

  clear(): void {
    this.#newest.clear()
    for (const rows of this.#all) rows.clear()
  }

  /**
   * Windows are written whatever is stored of their fact: of the others in it, a batch that was cut
   * elsewhere may have left out some for a newer row. Late marks add up, so each is looked up by name.
   */
  #addWindows(fact: WindowsFact, stored: ReadonlySet<string>): void {
    for (const window of fact.windows) this.#newest.set(windowKey(window), { fact, window })
    for (const [mark, late] of fact.lateMarks.entries()) {
      if (stored.size > 0 && stored.has(rowName(fact, mark))) continue
      this.#late.add(fact, late, mark)
    }
  }
}

/** A window as one number, exact until the year 2255: a text a window would cost more than its row. */
function windowKey({ regionId, sizeS, startMs }: RegionWindow): number {
  return (startMs / 1_000) * 524_288 + sizeS * 128 + regionId
}
