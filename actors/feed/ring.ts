import type { LiveDelta } from '../model/live.ts'

/** One delta as sent: `seq` is dense within an epoch. */
export type SequencedDelta = Readonly<{ seq: number; delta: LiveDelta }>

/** The newest deltas, so that a client that was cut off for a moment misses none. */
export class DeltaRing {
  readonly #max: number
  #held: SequencedDelta[] = []
  #seq = 0

  constructor(max: number) {
    this.#max = max
  }

  get seq(): number {
    return this.#seq
  }

  push(delta: LiveDelta): SequencedDelta {
    const next = { seq: ++this.#seq, delta }
    this.#held.push(next)
    // In strides, so that a push costs no shift of the whole list.
    if (this.#held.length > this.#max * 2) this.#held = this.#held.slice(-this.#max)
    return next
  }

  /** Deltas after `seq`, oldest first; null when some are no longer held, or `seq` is of another run. */
  since(seq: number): readonly SequencedDelta[] | null {
    if (seq > this.#seq || seq < 0) return null
    if (seq === this.#seq) return []
    const first = this.#held[0]
    if (!first || first.seq > seq + 1) return null
    return this.#held.slice(seq + 1 - first.seq)
  }
}
