import type { Clock } from '../../actors/kernel/clock.ts'
import type { Hello } from './protocol.ts'

/** One edge's connection, as those who want its place see it. */
export interface Held {
  /** Asks the other end whether it is there. */
  probe(): void
  /** When the other end was last heard, monotonic milliseconds. */
  readonly heardMs: number
  /** Ends it; nothing more of it is offered. */
  end(code: number, reason: string): void
}

type Place = { identity: string; run: string; held: Held | null; drained: Promise<void> }

/** How long an edge that holds a place has to show that it is there. */
const PROBE_MS_MAX = 3_000

/**
 * Which edge has which connection here. One process with one data folder has an id; another is refused as long as that
 * one answers. A connection of the same process takes the place of its older one at once (SPEC.md R4).
 */
export class Edges {
  readonly #clock: Clock
  readonly #probeMs: number
  readonly #places = new Map<string, Place>()

  constructor(clock: Clock, probeMs = PROBE_MS_MAX) {
    this.#clock = clock
    this.#probeMs = probeMs
  }

  /** Edges that are connected. */
  get size(): number {
    let count = 0
    for (const { held } of this.#places.values()) if (held) count++
    return count
  }

  /** Gives the place to a connection, or false when another process has it and answers. */
  async claim({ edge, identity, run }: Hello, held: Held): Promise<boolean> {
    const other = this.#places.get(edge)
    if (other?.held) {
      const isSame = other.identity === identity && other.run === run
      if (!isSame && (await this.#answers(other.held))) return false
      // Somebody else may have been given it meanwhile.
      if (this.#places.get(edge) !== other) return false
      other.held?.end(1008, isSame ? 'replaced by a newer connection' : 'did not answer')
    }
    const place: Place = { identity, run, held, drained: other?.drained ?? Promise.resolve() }
    this.#places.set(edge, place)
    // What the older connection offered is settled first: only then it is known where to go on.
    await place.drained
    return this.#places.get(edge) === place
  }

  /** The connection is over; `drained` resolves when nothing that it offered is open any more. */
  release(edge: string, held: Held, drained: Promise<void>): void {
    const place = this.#places.get(edge)
    if (!place) return
    const all = Promise.all([place.drained, drained]).then(() => {})
    place.drained = all
    if (place.held !== held) return
    place.held = null
    void all.then(() => {
      if (this.#places.get(edge) === place && !place.held) this.#places.delete(edge)
    })
  }

  #answers(held: Held): Promise<boolean> {
    const askedMs = this.#clock.monotonicMs()
    held.probe()
    return new Promise((resolve) => {
      this.#clock.after(this.#probeMs, () => resolve(held.heardMs > askedMs))
    })
  }
}
