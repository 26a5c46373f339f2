import type {
  AlertFact,
  DeadLetterFact,
  Fact,
  HeaderFact,
  MovementFact,
  RetryFact,
  StatusFact,
} from '../../actors/model/fact.ts'
import type { Column } from './engine.ts'
import {
  AlertColumns,
  DeadLetterColumns,
  HeaderColumns,
  MovementColumns,
  RetryColumns,
  StatusColumns,
} from './fact-columns.ts'

/** The facts that silver keeps; pings are bronze's. */
export type SilverFact =
  HeaderFact | StatusFact | MovementFact | AlertFact | DeadLetterFact | RetryFact

/** Tables that facts are written to; the order says nothing. */
export const FACT_TABLES = [
  'session_movements',
  'session_headers',
  'session_statuses',
  'session_alerts',
  'dead_letters',
  'dead_letter_retries',
] as const

/** True for a fact that has a table here. */
export function isSilver(fact: Fact): fact is SilverFact {
  return (
    fact.kind !== 'pings' &&
    fact.kind !== 'trips' &&
    fact.kind !== 'trip' &&
    fact.kind !== 'windows'
  )
}

/** Gathers the rows of a batch, one set of columns a table; the memory serves the next batch again. */
export class SilverRows {
  readonly #movements = new MovementColumns()
  readonly #headers = new HeaderColumns()
  readonly #statuses = new StatusColumns()
  readonly #alerts = new AlertColumns()
  readonly #deadLetters = new DeadLetterColumns()
  readonly #retries = new RetryColumns()
  readonly #all = [
    this.#movements,
    this.#headers,
    this.#statuses,
    this.#alerts,
    this.#deadLetters,
    this.#retries,
  ]

  add(fact: SilverFact): void {
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
    }
  }

  /** Columns of each table that has rows. */
  tables(): { table: string; columns: readonly Column[] }[] {
    return this.#all
      .filter((rows) => rows.count > 0)
      .map((rows) => ({ table: rows.table, columns: rows.columns() }))
  }

  clear(): void {
    for (const rows of this.#all) rows.clear()
  }
}
