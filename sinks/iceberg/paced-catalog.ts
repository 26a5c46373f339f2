import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { type Backoff, backoffMs, pause } from '../retry.ts'
import type { Catalog, CommitOutcome, Table } from './catalog.ts'
import type { Change, TableDefinition } from './metadata.ts'

/** A commit far away takes 50 to 100 ms: whoever lost lets about one other through first. */
export const CONFLICT_BACKOFF: Backoff = { firstMs: 100, longestMs: 1_000 }

/**
 * A catalog whose losers wait a random time before they look again. Without it, many writers of one table
 * make each other's commits fail, and the catalog does the work of all of them (D15).
 */
export class PacedCatalog implements Catalog {
  readonly #inner: Catalog
  readonly #clock: Clock
  readonly #random: Random
  #lost = 0

  constructor(inner: Catalog, about: Readonly<{ clock: Clock; random: Random }>) {
    this.#inner = inner
    this.#clock = about.clock
    this.#random = about.random
  }

  load(known: Table | null): Promise<Table | null> {
    return this.#inner.load(known)
  }

  create(definition: TableDefinition): Promise<Table> {
    return this.#inner.create(definition)
  }

  async commit(base: Table, change: Change): Promise<CommitOutcome> {
    const outcome = await this.#inner.commit(base, change)
    if (outcome.state === 'committed') this.#lost = 0
    else {
      const waitMs = backoffMs(this.#lost++, CONFLICT_BACKOFF, this.#random)
      await pause(this.#clock, waitMs, new AbortController().signal)
    }
    return outcome
  }
}
