import type { Tide } from '../kernel/behavior.ts'
import type { Trip } from '../model/trip.ts'
import type { TripArrival } from './arrival.ts'

/** How far behind the newest event time the watermark stays, unless said otherwise. */
export const WATERMARK_BOUND_MS = 300_000

/**
 * Says how far a partition's stream has come, from its frames in the order of the journal. A restart replays from
 * a checkpoint: the gauge starts from what it noted there, and every trip gets the watermark that it had before.
 */
export class TideGauge {
  readonly #boundMs: number
  #newestUs: number | null
  /** The last offsets of the frames that brought a newer event time, and that time. */
  readonly #noteOffsets: number[] = [-Infinity]
  readonly #noteUs: (number | null)[]

  private constructor(noteUs: number | null, boundMs: number) {
    this.#newestUs = noteUs
    this.#noteUs = [noteUs]
    this.#boundMs = boundMs
  }

  /** From what `noteAt` said of the offset behind which the frames begin; null for the beginning. */
  static from(noteUs: number | null, boundMs = WATERMARK_BOUND_MS): TideGauge {
    return new TideGauge(noteUs, boundMs)
  }

  /** The newest event time of all frames so far less the bound and a millisecond; −Infinity before the first trip. */
  get watermarkMs(): number {
    const newestUs = this.#newestUs
    return newestUs === null ? -Infinity : Math.floor(newestUs / 1_000) - this.#boundMs - 1
  }

  /** How far the stream has come by now. */
  tide(flush = false): Tide {
    return { watermarkMs: this.watermarkMs, flush }
  }

  /**
   * The next frame: its trips, each with the watermark before it, and the tide after it. A frame that holds more
   * than its trips (a retry's own line) says where it ends.
   */
  stamp(
    trips: readonly Trip[],
    offsetFirst: number,
    offsetLast = offsetFirst + trips.length - 1,
  ): Readonly<{ arrivals: TripArrival[]; tide: Tide }> {
    const beforeUs = this.#newestUs
    let { watermarkMs } = this
    const arrivals = trips.map((trip): TripArrival => {
      const arrival = { trip, watermarkMs }
      if (this.#newestUs === null || trip.eventTimeUs > this.#newestUs) {
        this.#newestUs = trip.eventTimeUs
        watermarkMs = this.watermarkMs
      }
      return arrival
    })
    if (this.#newestUs !== beforeUs) {
      this.#noteOffsets.push(offsetLast)
      this.#noteUs.push(this.#newestUs)
    }
    return { arrivals, tide: this.tide() }
  }

  /**
   * The newest event time, microseconds, of the frames that end at or before an offset; null when they have no
   * trip. Offsets are asked for in rising order: what came before the last one is forgotten.
   */
  noteAt(offset: number): number | null {
    let passed = 0
    while (
      passed + 1 < this.#noteOffsets.length &&
      (this.#noteOffsets[passed + 1] ?? 0) <= offset
    ) {
      passed++
    }
    this.#noteOffsets.splice(0, passed)
    this.#noteUs.splice(0, passed)
    return this.#noteUs[0] ?? null
  }
}
