import type { Clock } from '../actors/kernel/clock.ts'
import type { Trip } from '../actors/model/trip.ts'
import { notTaken, refusedUnread, withKey } from './ingest-http.ts'
import type { Intake } from './intake.ts'
import type { Keys } from './keys.ts'
import type { OfferOutcome, TripsIngest } from './ports.ts'

/** `POST /ingest/trips/flush`: the end of an input, said so that its last windows become final. */
export class TripsFlush {
  readonly #ingest: TripsIngest
  readonly #intake: Intake<Trip>
  readonly #keys: Keys
  readonly #clock: Clock

  constructor(ingest: TripsIngest, intake: Intake<Trip>, keys: Keys, clock: Clock) {
    this.#ingest = ingest
    this.#intake = intake
    this.#keys = keys
    this.#clock = clock
  }

  /** Answers a request of a sender that shows its key. */
  post(request: Request): Promise<Response> {
    return withKey(request, this.#keys, (source) => this.postAs(source))
  }

  /** Answers a sender that is known already, when its flush is on disk and every region has heard of it. */
  async postAs(source: string): Promise<Response> {
    const sender = this.#intake.sender(source)
    const refused = refusedUnread(this.#intake, sender)
    if (refused) return refused
    sender.bucket.take(1)
    const outcome = await new Promise<OfferOutcome>((done) =>
      this.#ingest.flush(source, this.#clock.nowMs(), done),
    )
    return outcome.ok ? Response.json({ flushed: true }) : notTaken(outcome)
  }
}
