import type { Delivery } from '../kernel/delivery.ts'
import type { Inlet } from '../kernel/intake.ts'
import type { Trip } from '../model/trip.ts'
import type { TripArrival } from './arrival.ts'
import { TideGauge } from './tide-gauge.ts'

/** The partition behind the inlet. */
type Actors = Inlet<TripArrival> & Readonly<{ handled(offset: number): Promise<void> }>

/**
 * Stands before the regions of a partition: gives every trip the watermark that the stream had before it, and
 * every frame its tide. Entries pass it in the order of the journal, whether they are replayed or new.
 */
export class TideInlet implements Inlet<Trip> {
  readonly #actors: Actors
  readonly #gauge: TideGauge

  /** `note` is what `noteAt` said of the offset behind which the replay begins; empty for the beginning. */
  constructor(actors: Actors, note: string, boundMs: number) {
    this.#actors = actors
    this.#gauge = TideGauge.from(note === '' ? null : Number(note), boundMs)
  }

  get backlog(): number {
    return this.#actors.backlog
  }

  handled(offset: number): Promise<void> {
    return this.#actors.handled(offset)
  }

  /** What a checkpoint at `offset` must note, so that a replay from there sees the same watermarks. */
  noteAt(offset: number): string {
    return String(this.#gauge.noteAt(offset) ?? '')
  }

  enqueue(delivery: Delivery<Trip>): void {
    if (delivery.kind === 'messages') return this.#actors.enqueue(this.#stamped(delivery))
    if (delivery.kind !== 'tide') return this.#actors.enqueue(delivery)
    const tide = delivery.tide && this.#gauge.tide(delivery.tide.flush)
    this.#actors.enqueue({ ...delivery, tide })
  }

  #stamped(delivery: Extract<Delivery<Trip>, { kind: 'messages' }>): Delivery<TripArrival> {
    const { messages, offset, count } = delivery
    // Only its frame is wanted: the regions have had these trips, and the note knows of them.
    if (messages.length === 0) return { ...delivery, messages: [] }
    const stamped = this.#gauge.stamp(messages, offset, offset + count - 1)
    return { ...delivery, messages: stamped.arrivals, tide: stamped.tide }
  }
}
