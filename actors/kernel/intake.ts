import type { DeadLetter, Retry } from '../model/fact.ts'
import type { NotTaken, Offer, OfferOutcome, RelayStamp } from '../model/offer.ts'
import type { TimerMessage } from './behavior.ts'
import type { Clock } from './clock.ts'
import type { Delivery } from './delivery.ts'
import {
  deadLetterEntry,
  deliveryOf,
  FLUSH,
  flushEntry,
  type FrameKind,
  frameOf,
  relayedEntry,
  retryEntry,
  timerEntry,
} from './entries.ts'
import { IntakeDoor } from './intake-door.ts'
import type { AppendOutcome, Journal, JournalEntry } from './journal.ts'
import type { Telemetry } from './telemetry.ts'

/** Where committed entries go on to: the partition, or who stands before it. */
export interface Inlet<Message> {
  /** Committed messages that no actor has handled yet. */
  readonly backlog: number
  /** Takes the next committed entry; entries come in order of offsets, without gaps. */
  enqueue(delivery: Delivery<Message>): void
}

export type IntakeOptions<Message> = Readonly<{
  journal: Journal
  partition: Inlet<Message>
  frames: FrameKind<Message>
  clock: Clock
  telemetry: Telemetry
  limits: Readonly<{
    /** Committed pings that may wait for their turn before senders are told to slow down. */
    backlogMax: number
    /** Pings taken in one turn of the event loop, beyond which other work goes first; all when left out. */
    perTurnMax?: number
    /** When to come again, about. */
    retryAfterMs: number
  }>
  /** Why the process as a whole cannot take more now, or null. */
  overloaded?: () => string | null
}>

/**
 * The way in: an offer is appended to the journal, and when the disk has it, answered and handed to
 * the actors, in this order. Where there is no room it is answered "busy" and nothing of it is kept.
 */
export class Intake<Message> {
  readonly #options: IntakeOptions<Message>
  readonly #door: IntakeDoor

  constructor(options: IntakeOptions<Message>) {
    this.#options = options
    this.#door = new IntakeDoor({ ...options, kind: options.frames.kind })
  }

  /** Pings accepted since the start. */
  get acceptedCount(): number {
    return this.#door.accepted.value
  }

  /** Refuses everything from now on; what was offered before is still answered. */
  stop(): void {
    this.#door.stop()
  }

  offer(offer: Offer<Message>, done: (outcome: OfferOutcome) => void): void {
    const refusal = this.refusal()
    if (refusal) {
      this.#door.busy.add(offer.messages.length)
      done(refusal)
      return
    }
    this.#door.take(Math.max(1, offer.messages.length))
    if (offer.retry) this.#offerRetry(offer, offer.retry, done)
    else if (offer.deadLetters.length > 0) this.#offerMixed(offer, done)
    else if (offer.messages.length > 0) this.#offerPings(offer, done)
    else done({ ok: true, duplicates: offer.countDuplicates ? 0 : null })
  }

  /** What any offer would be told now, or null when there is room. */
  refusal(): NotTaken | null {
    const { journal, partition, limits, frames } = this.#options
    const refusal = this.#door.refusal()
    if (refusal) return refusal
    if (partition.backlog >= limits.backlogMax) {
      return this.#door.notTaken('busy', `more ${frames.kind} than the stores take`)
    }
    switch (journal.refusing) {
      case null:
        return null
      case 'busy':
        return this.#noRoom()
      case 'full':
        return this.#door.notTaken('disk_full', 'no space left for the journal')
      case 'failed':
      case 'closed':
        return this.#door.notTaken('unavailable', 'the journal cannot be written')
    }
  }

  /** Tells all actors that nothing more is expected for now; answered when they have heard. */
  flush(
    source: string,
    receivedMs: number,
    done: (outcome: OfferOutcome) => void,
    relay?: RelayStamp,
  ): void {
    const refusal = this.refusal()
    if (refusal) return done(refusal)
    const { journal, partition } = this.#options
    const taken = journal.append(stamped(flushEntry(source, receivedMs), relay), (outcome) => {
      if (!outcome.ok) return done(this.#failure(outcome))
      const at = { offset: outcome.offset, count: 1, receivedMs, ...(relay ? { relay } : {}) }
      const applied = (): void => done({ ok: true, duplicates: null })
      partition.enqueue({ kind: 'tide', ...at, tide: FLUSH, applied })
    })
    if (!taken) done(this.refusal() ?? this.#noRoom())
  }

  /** Sends a due timer to its actor by way of the journal; `settled` is told when it was handled, or not taken. */
  fireTimer(key: string, timer: TimerMessage, settled: () => void): boolean {
    if (this.#door.stopped) return false
    const { journal, partition, clock } = this.#options
    const receivedMs = clock.nowMs()
    return journal.append(timerEntry(key, timer, receivedMs), (outcome) => {
      if (!outcome.ok) return settled()
      const { offset } = outcome
      const content = { key, timer, applied: settled }
      partition.enqueue({ kind: 'timer', ...content, offset, count: 1, receivedMs })
    })
  }

  /** Dead letters first: should the pings then find no room, the sender hears so and sends all of it again. */
  #offerMixed(offer: Offer<Message>, done: (outcome: OfferOutcome) => void): void {
    let open = offer.deadLetters.length + (offer.messages.length > 0 ? 1 : 0)
    let worst: OfferOutcome = { ok: true, duplicates: offer.countDuplicates ? 0 : null }
    const one = (outcome: OfferOutcome): void => {
      // What was counted is in the answer for the messages; letters have nothing to count.
      if (!outcome.ok || (worst.ok && outcome.duplicates !== null)) worst = outcome
      if (--open === 0) done(worst)
    }
    const { deadLetters, messages, relay } = offer
    for (const [index, letter] of deadLetters.entries()) {
      // Only with the last entry is all of a relayed offer there.
      const isLast = messages.length === 0 && index === deadLetters.length - 1
      this.#offerDeadLetter(letter, isLast ? relay : undefined, one)
    }
    if (offer.messages.length > 0) this.#offerPings(offer, one)
  }

  /** What is refused of it goes first and for sure: with the retry on disk the letter is not looked at again. */
  #offerRetry(offer: Offer<Message>, retry: Retry, done: (outcome: OfferOutcome) => void): void {
    if (offer.deadLetters.length === 0) return this.#appendRetry(offer, retry, done)
    this.#offerMixed({ ...offer, messages: [] }, (outcome) => {
      if (outcome.ok) this.#appendRetry(offer, retry, done)
      else done(outcome)
    })
  }

  #appendRetry(offer: Offer<Message>, retry: Retry, done: (outcome: OfferOutcome) => void): void {
    const { journal, partition, frames } = this.#options
    const entry = retryEntry(offer, retry)
    const taken = journal.append(entry, (outcome) => {
      if (!outcome.ok) return done(this.#failure(outcome))
      this.#door.accepted.add(offer.messages.length)
      // As a replay would read it: retries are rare, and so there is but one way to understand them.
      partition.enqueue(deliveryOf({ ...entry, offset: outcome.offset }, journal.partition, frames))
      done({ ok: true, duplicates: null })
    })
    if (!taken) done(this.refusal() ?? this.#noRoom())
  }

  #offerDeadLetter(
    letter: DeadLetter,
    relay: RelayStamp | undefined,
    done: (outcome: OfferOutcome) => void,
  ): void {
    const { journal, partition } = this.#options
    const taken = journal.append(stamped(deadLetterEntry(letter), relay), (outcome) => {
      if (!outcome.ok) return done(this.#failure(outcome))
      this.#door.refused.add()
      const { offset } = outcome
      const fact = {
        ...letter,
        kind: 'dead_letter',
        partition: journal.partition,
        offset,
        part: 0,
      } as const
      partition.enqueue({
        kind: 'fact',
        fact,
        offset,
        count: 1,
        receivedMs: letter.receivedMs,
        ...(relay ? { relay } : {}),
      })
      done({ ok: true, duplicates: null })
    })
    if (!taken) done(this.refusal() ?? this.#noRoom())
  }

  #offerPings(offer: Offer<Message>, done: (outcome: OfferOutcome) => void): void {
    const { journal, partition, clock, frames } = this.#options
    const { source, receivedMs, messages, payload, relay } = offer
    const count = messages.length
    const offeredMs = clock.monotonicMs()
    const taken = journal.append(
      stamped({ kind: frames.kind, count, receivedMs, source, payload }, relay),
      (outcome) => {
        if (!outcome.ok) return done(this.#failure(outcome))
        this.#door.accepted.value += count
        this.#door.ackMs.observe(clock.monotonicMs() - offeredMs, count)
        const { offset } = outcome
        const canBeLate = frames.kind === 'trips'
        const at = { offset, count, receivedMs, source, payload }
        const frame = frameOf(at, journal.partition, frames.kind)
        const applied = offer.countDuplicates
          ? (duplicates: number, late: number): void =>
              done({ ok: true, duplicates, ...(canBeLate ? { late } : {}) })
          : null
        partition.enqueue({
          kind: 'messages',
          messages,
          frame,
          applied,
          offset,
          count,
          receivedMs,
          ...(relay ? { relay } : {}),
        })
        if (!applied) done({ ok: true, duplicates: null })
      },
    )
    if (taken) return
    this.#door.busy.add(count)
    done(this.refusal() ?? this.#noRoom())
  }

  #failure(outcome: AppendOutcome & { ok: false }): OfferOutcome {
    const code = outcome.reason === 'full' ? 'disk_full' : 'unavailable'
    return this.#door.notTaken(code, outcome.message)
  }

  #noRoom(): NotTaken {
    return this.#door.notTaken('busy', `more ${this.#options.frames.kind} than the disk takes`)
  }
}

function stamped(entry: JournalEntry, relay: RelayStamp | undefined): JournalEntry {
  return relay ? relayedEntry(entry, relay) : entry
}
