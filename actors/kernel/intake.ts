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
import type { AppendOutcome, Journal, JournalEntry } from './journal.ts'
import type { Histogram, Telemetry } from './telemetry.ts'

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

const GOLDEN_SECTION = 0.618_033_988_75

/**
 * The way in: an offer is appended to the journal, and when the disk has it, answered and handed to
 * the actors, in this order. Where there is no room it is answered "busy" and nothing of it is kept.
 */
export class Intake<Message> {
  readonly #options: IntakeOptions<Message>
  readonly #accepted
  readonly #refused
  readonly #busy
  readonly #ackMs: Histogram
  #stopped = false
  #takenInTurn = 0
  #spread = 0

  constructor(options: IntakeOptions<Message>) {
    this.#options = options
    const { telemetry, frames } = options
    const { kind } = frames
    this.#accepted = telemetry.counter(
      `orrery_${kind}_accepted_total`,
      'Messages on disk and acknowledged',
    )
    this.#refused = telemetry.counter(
      `orrery_${kind}_refused_total`,
      'Messages refused and kept as dead letters',
    )
    this.#busy = telemetry.counter(
      `orrery_${kind}_busy_total`,
      'Messages answered busy: not taken, to be sent again',
    )
    this.#ackMs = telemetry.histogram(
      'orrery_ack_ms',
      'Milliseconds from receipt to acknowledgement after the sync',
    )
  }

  /** Pings accepted since the start. */
  get acceptedCount(): number {
    return this.#accepted.value
  }

  /** Refuses everything from now on; what was offered before is still answered. */
  stop(): void {
    this.#stopped = true
  }

  offer(offer: Offer<Message>, done: (outcome: OfferOutcome) => void): void {
    const refusal = this.refusal()
    if (refusal) {
      this.#busy.add(offer.messages.length)
      done(refusal)
      return
    }
    this.#countTurn(Math.max(1, offer.messages.length))
    if (offer.retry) this.#offerRetry(offer, offer.retry, done)
    else if (offer.deadLetters.length > 0) this.#offerMixed(offer, done)
    else if (offer.messages.length > 0) this.#offerPings(offer, done)
    else done({ ok: true, duplicates: offer.countDuplicates ? 0 : null })
  }

  /** What any offer would be told now, or null when there is room. */
  refusal(): NotTaken | null {
    const { journal, partition, limits, overloaded, frames } = this.#options
    if (this.#stopped) return this.#notTaken('unavailable', 'shutting down')
    if (partition.backlog >= limits.backlogMax) {
      return this.#notTaken('busy', `more ${frames.kind} than the stores take`)
    }
    if (this.#takenInTurn >= (limits.perTurnMax ?? Infinity)) {
      return this.#notTaken('busy', `more ${frames.kind} at once than this machine takes`)
    }
    const overload = overloaded?.() ?? null
    if (overload !== null) return this.#notTaken('busy', overload)
    switch (journal.refusing) {
      case null:
        return null
      case 'busy':
        return this.#noRoom()
      case 'full':
        return this.#notTaken('disk_full', 'no space left for the journal')
      case 'failed':
      case 'closed':
        return this.#notTaken('unavailable', 'the journal cannot be written')
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
    if (this.#stopped) return false
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
      this.#accepted.add(offer.messages.length)
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
      this.#refused.add()
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
        this.#accepted.value += count
        this.#ackMs.observe(clock.monotonicMs() - offeredMs, count)
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
    this.#busy.add(count)
    done(this.refusal() ?? this.#noRoom())
  }

  #failure(outcome: AppendOutcome & { ok: false }): OfferOutcome {
    const code = outcome.reason === 'full' ? 'disk_full' : 'unavailable'
    return this.#notTaken(code, outcome.message)
  }

  #noRoom(): NotTaken {
    return this.#notTaken('busy', `more ${this.#options.frames.kind} than the disk takes`)
  }

  #notTaken(code: NotTaken['code'], message: string): NotTaken {
    // Spread evenly from half to one and a half: who was refused together must not come again together.
    this.#spread = (this.#spread + GOLDEN_SECTION) % 1
    const retryAfterMs = Math.round(this.#options.limits.retryAfterMs * (0.5 + this.#spread))
    return { ok: false, code, message, retryAfterMs }
  }

  #countTurn(pings: number): void {
    if (this.#takenInTurn === 0) {
      this.#options.clock.soon(() => {
        this.#takenInTurn = 0
      })
    }
    this.#takenInTurn += pings
  }
}

function stamped(entry: JournalEntry, relay: RelayStamp | undefined): JournalEntry {
  return relay ? relayedEntry(entry, relay) : entry
}
