import type { LiveDelta } from '../model/live.ts'
import { POSITION_STRIDE } from '../model/live.ts'

/** One delta as sent: `seq` is dense within an epoch. */
export type SequencedDelta = Readonly<{ seq: number; delta: LiveDelta }>

/** The bounds of what is held for clients that come back. */
export type RingLimits = Readonly<{
  deltasMax: number
  /** Positions in all of them: what they weigh. */
  positionsMax: number
}>

/** The newest deltas, so that a client that was cut off for a moment misses none. */
export class DeltaRing {
  readonly #limits: RingLimits
  #held: SequencedDelta[] = []
  #first = 0
  #positions = 0
  #seq = 0

  constructor(limits: RingLimits) {
    this.#limits = limits
  }

  get seq(): number {
    return this.#seq
  }

  push(delta: LiveDelta): SequencedDelta {
    const next = { seq: ++this.#seq, delta }
    this.#held.push(next)
    this.#positions += positionsOf(next)
    const { deltasMax, positionsMax } = this.#limits
    while (this.#held.length - this.#first > deltasMax || this.#positions > positionsMax) {
      const oldest = this.#held[this.#first]
      // The newest stays, however heavy.
      if (!oldest || oldest === next) break
      this.#positions -= positionsOf(oldest)
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
    this.#positions = 0
    this.#compact()
  }

  /** Deltas after `seq`, oldest first; null when some are no longer held, or `seq` is of another run. */
  since(seq: number): readonly SequencedDelta[] | null {
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

function positionsOf({ delta }: SequencedDelta): number {
  return (delta.pos?.length ?? 0) / POSITION_STRIDE + (delta.add?.length ?? 0)
}
