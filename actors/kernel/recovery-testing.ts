import { expect } from 'bun:test'

import type { Fact } from '../model/fact.ts'
import type { VirtualClock } from './clock.ts'
import type { FactTarget } from './delivery.ts'
import type { JournalRecord } from './journal.ts'
import { MemoryJournal } from './memory-journal.ts'

/** A fact's name within its partition. */
export const nameOf = (fact: Fact): string => `${fact.offset}.${fact.part}`

/** A store that keeps facts by name; what is not flushed is lost in a crash, or half of it is there. */
export class Store {
  readonly facts = new Map<string, Fact>()
  acknowledged = -1

  keep(fact: Fact): void {
    const known = this.facts.get(nameOf(fact))
    if (known) expect(fact).toEqual(known)
    this.facts.set(nameOf(fact), fact)
  }
}

/** The facts of some kinds on their way to a store. */
export class StoreTarget implements FactTarget {
  readonly full = false
  dead = false
  readonly pending: Fact[] = []
  readonly #store: Store
  readonly #kinds: readonly Fact['kind'][]
  #watermark: number
  #waiting: { offset: number; resolve: () => void }[] = []

  constructor(store: Store, kinds: readonly Fact['kind'][]) {
    this.#store = store
    this.#kinds = kinds
    this.#watermark = store.acknowledged
  }

  accept(fact: Fact): void {
    if (fact.offset > this.#store.acknowledged && this.#kinds.includes(fact.kind))
      this.pending.push(fact)
  }

  advance(offset: number): void {
    this.#watermark = Math.max(this.#watermark, offset)
  }

  onRoom(): void {}

  /** Writes up to the watermark; with `tear` the process dies before the offset is written. */
  flush(tear = false): void {
    const due = this.pending.filter((fact) => fact.offset <= this.#watermark)
    for (const fact of tear ? due.slice(0, due.length >> 1) : due) this.#store.keep(fact)
    if (tear) return
    this.pending.splice(
      0,
      Infinity,
      ...this.pending.filter((fact) => fact.offset > this.#watermark),
    )
    this.#store.acknowledged = this.#watermark
    for (const { offset, resolve } of this.#waiting) if (offset <= this.#watermark) resolve()
  }

  acknowledged(offset: number): Promise<void> {
    if (this.dead) return new Promise(() => {})
    if (offset <= this.#store.acknowledged) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ offset, resolve }))
  }
}

/** A record a millisecond: senders come back while it is read. */
export class SlowJournal extends MemoryJournal {
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock, partition = 0) {
    super({ partition, clock })
    this.#clock = clock
  }

  override async *readBatches(offset: number): AsyncGenerator<readonly JournalRecord[]> {
    for await (const records of super.readBatches(offset)) {
      for (const record of records) {
        await new Promise<void>((resolve) => this.#clock.after(1, resolve))
        yield [record]
      }
    }
  }
}

/** All facts, by offset and part. */
export const sortedFacts = (store: Store): Fact[] =>
  [...store.facts.values()].sort((a, b) => a.offset - b.offset || a.part - b.part)
