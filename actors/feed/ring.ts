import type { LiveDelta } from '../model/live.ts'

/** One delta as sent: `seq` is dense within an epoch. */
export type Sequenced<Delta> = Readonly<{ seq: number; delta: Delta }>
/** A delta of the live map. */
export type SequencedDelta = Sequenced<LiveDelta>

/** The bounds of what is held for clients that come back. */
export type RingLimits<Delta> = Readonly<{
  deltasMax: number
  /** Of all of them together. */
  weightMax: number
  /** How many positions, or windows, a delta holds: what it weighs. */
  weightOf: (delta: Delta) => number
}>

/** The newest deltas, so that a client that was cut off for a moment misses none. */
export class DeltaRing<Delta> {
  readonly #limits: RingLimits<Delta>
  #held: Sequenced<Delta>[] = []
  #first = 0
  #weight = 0
  #seq = 0

  constructor(limits: RingLimits<Delta>) {
    this.#limits = limits
  }

  get seq(): number {
    return this.#seq
  }

  push(delta: Delta): Sequenced<Delta> {
    const next = { seq: ++this.#seq, delta }
    const { deltasMax, weightMax, weightOf } = this.#limits
    this.#held.push(next)
    this.#weight += weightOf(delta)
    while (this.#held.length - this.#first > deltasMax || this.#weight > weightMax) {
      const oldest = this.#held[this.#first]
      // The newest stays, however heavy.
      if (!oldest || oldest === next) break
      this.#weight -= weightOf(oldest.delta)
      this.#first++
    }
    // In strides, so that a push costs no shift of the whole list.
    if (this.#first > 64 && this.#first * 2 > this.#held.length) this.#compact()
    return next
  }

  /** Something changed that nobody wanted to know: whoever comes back takes a snapshot. */
  skip(): void {
    this.#seq++
    this.#first = this.#held.length
    this.#weight = 0
    this.#compact()
  }

  /** Deltas after `seq`, oldest first; null when some are no longer held, or `seq` is of another run. */
  since(seq: number): readonly Sequenced<Delta>[] | null {
    if (seq > this.#seq || seq < 0) return null
    if (seq === this.#seq) return []
    const first = this.#held[this.#first]
    if (!first || first.seq > seq + 1) return null
    return this.#held.slice(this.#first + seq + 1 - first.seq)
  }

  #compact(): void {
    this.#held = this.#held.slice(this.#first)
    this.#first = 0
  }
}
