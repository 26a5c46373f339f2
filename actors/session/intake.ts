import type { TimerMessage } from '../kernel/behavior.ts'
import type { Clock } from '../kernel/clock.ts'
import type { AppendOutcome, Journal } from '../kernel/journal.ts'
import type { Partition } from '../kernel/partition.ts'
import type { Histogram, Telemetry } from '../kernel/telemetry.ts'
import type { DeadLetter, PingsFact, Retry } from '../model/fact.ts'
import type { NotTaken, Offer, OfferOutcome } from '../model/offer.ts'
import type { Ping } from '../model/ping.ts'
import { deadLetterEntry, deliveryOf, retryEntry, timerEntry } from './entries.ts'

/** Where committed entries go on to: the partition, or who stands before it. */
export type Inlet<State> = Pick<Partition<State, Ping>, 'enqueue' | 'backlog'>

export type IntakeOptions<State> = Readonly<{
  journal: Journal
  partition: Inlet<State>
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
export class Intake<State> {
  readonly #options: IntakeOptions<State>
  readonly #accepted
  readonly #refused
  readonly #busy
  readonly #ackMs: Histogram
  #stopped = false
  #takenInTurn = 0
  #spread = 0

  constructor(options: IntakeOptions<State>) {
    this.#options = options
    const { telemetry } = options
    this.#accepted = telemetry.counter(
      'orrery_pings_accepted_total',
      'Pings on disk and acknowledged',
    )
    this.#refused = telemetry.counter(
      'orrery_pings_refused_total',
      'Messages refused and kept as dead letters',
    )
    this.#busy = telemetry.counter(
      'orrery_pings_busy_total',
      'Pings answered busy: not taken, to be sent again',
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

  offer(offer: Offer, done: (outcome: OfferOutcome) => void): void {
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
    const { journal, partition, limits, overloaded } = this.#options
    if (this.#stopped) return this.#notTaken('unavailable', 'shutting down')
    if (partition.backlog >= limits.backlogMax) {
      return this.#notTaken('busy', 'more pings than the stores take')
    }
    if (this.#takenInTurn >= (limits.perTurnMax ?? Infinity)) {
      return this.#notTaken('busy', 'more pings at once than this machine takes')
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
  #offerMixed(offer: Offer, done: (outcome: OfferOutcome) => void): void {
    let open = offer.deadLetters.length + (offer.messages.length > 0 ? 1 : 0)
    let worst: OfferOutcome = { ok: true, duplicates: offer.countDuplicates ? 0 : null }
    const one = (outcome: OfferOutcome): void => {
      if (!outcome.ok || (worst.ok && outcome.duplicates)) worst = outcome
      if (--open === 0) done(worst)
    }
    for (const letter of offer.deadLetters) this.#offerDeadLetter(letter, one)
    if (offer.messages.length > 0) this.#offerPings(offer, one)
  }

  /** What is refused of it goes first and for sure: with the retry on disk the letter is not looked at again. */
  #offerRetry(offer: Offer, retry: Retry, done: (outcome: OfferOutcome) => void): void {
    if (offer.deadLetters.length === 0) return this.#appendRetry(offer, retry, done)
    this.#offerMixed({ ...offer, messages: [] }, (outcome) => {
      if (outcome.ok) this.#appendRetry(offer, retry, done)
      else done(outcome)
    })
  }

  #appendRetry(offer: Offer, retry: Retry, done: (outcome: OfferOutcome) => void): void {
    const { journal, partition } = this.#options
    const entry = retryEntry(offer, retry)
    const taken = journal.append(entry, (outcome) => {
      if (!outcome.ok) return done(this.#failure(outcome))
      this.#accepted.add(offer.messages.length)
      // As a replay would read it: retries are rare, and so there is but one way to understand them.
      partition.enqueue(deliveryOf({ ...entry, offset: outcome.offset }, journal.partition))
      done({ ok: true, duplicates: null })
    })
    if (!taken) done(this.refusal() ?? this.#noRoom())
  }

  #offerDeadLetter(letter: DeadLetter, done: (outcome: OfferOutcome) => void): void {
    const { journal, partition } = this.#options
    const taken = journal.append(deadLetterEntry(letter), (outcome) => {
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
      })
      done({ ok: true, duplicates: null })
    })
    if (!taken) done(this.refusal() ?? this.#noRoom())
  }

  #offerPings(offer: Offer, done: (outcome: OfferOutcome) => void): void {
    const { journal, partition, clock } = this.#options
    const { source, receivedMs, messages, payload } = offer
    const count = messages.length
    const offeredMs = clock.monotonicMs()
    const taken = journal.append(
      { kind: 'pings', count, receivedMs, source, payload },
      (outcome) => {
        if (!outcome.ok) return done(this.#failure(outcome))
        this.#accepted.value += count
        this.#ackMs.observe(clock.monotonicMs() - offeredMs, count)
        const { offset } = outcome
        const frame: PingsFact = {
          kind: 'pings',
          partition: journal.partition,
          offset,
          part: 0,
          count,
          receivedMs,
          source,
          payload,
        }
        const applied = offer.countDuplicates
          ? (duplicates: number): void => done({ ok: true, duplicates })
          : null
        partition.enqueue({
          kind: 'messages',
          messages,
          frame,
          applied,
          offset,
          count,
          receivedMs,
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
    return this.#notTaken('busy', 'more pings than the disk takes')
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
