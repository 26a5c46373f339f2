import type { TimerMessage } from '../kernel/behavior.ts'
import type { Clock } from '../kernel/clock.ts'
import {
  deadLetterEntry,
  flushEntry,
  type FrameKind,
  retryEntry,
  timerEntry,
} from '../kernel/entries.ts'
import { assert } from '../kernel/errors.ts'
import { IntakeDoor } from '../kernel/intake-door.ts'
import type { JournalEntry } from '../kernel/journal.ts'
import type { Log, Telemetry } from '../kernel/telemetry.ts'
import type { Retry } from '../model/fact.ts'
import type { Ingest, NotTaken, Offer, OfferOutcome, RelayStamp } from '../model/offer.ts'
import { entriesOf, type EntriesOptions, type KafkaEntry, stampOf } from './entries.ts'
import type { WriteOutcome } from './send-queue.ts'
import type { KafkaWriter } from './writer.ts'

export type KafkaIntakeOptions<Message> = Readonly<{
  writer: KafkaWriter
  frames: FrameKind<Message>
  /** The session or region of a message: what its partition is chosen by. */
  keyOf: (message: Message) => string
  form: EntriesOptions<Message>['form']
  clock: Clock
  log: Log
  telemetry: Telemetry
  limits: Readonly<{
    /** When to come again, about. */
    retryAfterMs: number
    /** Messages taken in one turn of the event loop, beyond which other work goes first; all when left out. */
    perTurnMax?: number
  }>
  /** Why the process as a whole cannot take more now, or null. */
  overloaded?: () => string | null
}>

type Done = (outcome: OfferOutcome) => void

/**
 * The way in over a topic: an offer is answered when every in-sync replica has all of it, and nobody here knows
 * which of it are repeats. Where there is no room it is answered "busy", and nothing of it is kept (SPEC.md I1–I6).
 */
export class KafkaIntake<Message> implements Ingest<Message> {
  readonly #options: KafkaIntakeOptions<Message>
  readonly #entries: EntriesOptions<Message>
  readonly #door: IntakeDoor
  #letters = 0

  constructor(options: KafkaIntakeOptions<Message>) {
    this.#options = options
    const { frames, keyOf, form, writer } = options
    const { kind } = frames
    this.#door = new IntakeDoor({ ...options, kind })
    this.#entries = { kind, keyOf, form, partitionOf: (key) => writer.partitionOf(key) }
  }

  /** Messages accepted since the start. */
  get acceptedCount(): number {
    return this.#door.accepted.value
  }

  /** Refuses everything from now on; what was offered before is still answered. */
  stop(): void {
    this.#door.stop()
  }

  offer(offer: Offer<Message>, done: Done): void {
    const { messages, deadLetters, relay, retry } = offer
    assert(!relay || /^[^;]{1,200}$/.test(relay.sender), 'a relay is named without a semicolon')
    const refuse = (refusal: NotTaken): void => {
      this.#door.busy.add(messages.length)
      done(refusal)
    }
    const refusal = this.refusal()
    if (refusal) return refuse(refusal)
    this.#door.take(Math.max(1, messages.length))
    const entries = [...this.#lettersOf(offer), ...entriesOf(offer, this.#entries)]
    const stored: Done = (outcome) => {
      if (!outcome.ok) return refuse(outcome)
      this.#door.refused.add(deadLetters.length)
      this.#door.accepted.add(messages.length)
      done(outcome)
    }
    if (retry) this.#storeRetry(offer, { entries, retry }, stored)
    else if (entries.length === 0) done({ ok: true, duplicates: null })
    else this.#store(entries, messages.length, stored)
  }

  /** What any offer would be told now, or null when there is room. */
  refusal(): NotTaken | null {
    const { writer } = this.#options
    const refusal = this.#door.refusal()
    if (refusal) return refusal
    switch (writer.refusing) {
      case null:
        return null
      case 'busy':
        return this.#noRoom()
      case 'failed':
        return this.#door.notTaken('unavailable', 'kafka does not answer')
      case 'closed':
        return this.#door.notTaken('unavailable', 'shutting down')
    }
  }

  /** Tells the actors of every partition that nothing more is expected for now; answered when the broker has it. */
  flush(source: string, receivedMs: number, done: Done, relay?: RelayStamp): void {
    const refusal = this.refusal()
    if (refusal) return done(refusal)
    const entry = flushEntry(source, receivedMs)
    const stamp = relay && { stamp: stampOf(relay, 0) }
    const entries = Array.from(
      { length: this.#options.writer.partitions },
      (_, partition): KafkaEntry => ({ ...at(entry, partition), ...stamp }),
    )
    this.#store(entries, 0, done)
  }

  /**
   * Sends a due timer to its actor by way of the topic's own partition of it, counted from 0. `settled` is told at which
   * offset it stands, to be handled when it is read, or null when it was not taken. False, and `settled` is not
   * called, when there is no room.
   */
  fireTimer(
    partition: number,
    key: string,
    timer: TimerMessage,
    settled: (offset: number | null) => void,
  ): boolean {
    if (this.#door.stopped) return false
    const entry = timerEntry(key, timer, this.#options.clock.nowMs())
    return this.#options.writer.append([at(entry, partition)], (outcome) => {
      settled(outcome.ok ? (outcome.places[0]?.offset ?? null) : null)
    })
  }

  /**
   * Letters come first, and each keeps its bytes. They have no actor, so that any partition is theirs: of an edge the
   * same one whenever they come again, or their repeats would not be known.
   */
  #lettersOf({ deadLetters, messages, relay }: Offer<Message>): KafkaEntry[] {
    const { writer } = this.#options
    return deadLetters.map((letter, index): KafkaEntry => {
      const entry = deadLetterEntry(letter)
      if (!relay) return at(entry, this.#letters++ % writer.partitions)
      const followers = messages.length + deadLetters.length - 1 - index
      return {
        ...at(entry, writer.partitionOf(relay.sender)),
        stamp: stampOf(relay, followers),
      }
    })
  }

  /** What it holds first and for sure: with the mark stored the letter is not looked at again (SPEC.md D10). */
  #storeRetry(
    offer: Offer<Message>,
    { entries, retry }: Readonly<{ entries: readonly KafkaEntry[]; retry: Retry }>,
    done: Done,
  ): void {
    const { partition, offset, part } = retry.letter
    const to = this.#options.writer.partitionOf(`${partition}-${offset}-${part}`)
    const mark = at(retryEntry({ ...offer, messages: [], payload: '' }, retry), to)
    if (entries.length === 0) return this.#store([mark], 0, done)
    this.#store(entries, offer.messages.length, (outcome) => {
      if (outcome.ok) this.#store([mark], 0, done)
      else done(outcome)
    })
  }

  #store(entries: readonly KafkaEntry[], messages: number, done: Done): void {
    const { writer, clock } = this.#options
    const offeredMs = clock.monotonicMs()
    const isTaken = writer.append(entries, (outcome) => {
      if (!outcome.ok) return done(this.#failure(outcome))
      if (messages > 0) this.#door.ackMs.observe(clock.monotonicMs() - offeredMs, messages)
      done({ ok: true, duplicates: null })
    })
    if (!isTaken) done(this.refusal() ?? this.#noRoom())
  }

  #failure(outcome: WriteOutcome & { ok: false }): NotTaken {
    if (outcome.reason !== 'too_large') return this.#door.notTaken('unavailable', outcome.message)
    const { log, frames } = this.#options
    const message =
      'the broker takes no record as large as this one: raise max.message.bytes of the topic'
    log.error({ kind: frames.kind }, message)
    return this.#door.notTaken('unavailable', message)
  }

  #noRoom(): NotTaken {
    return this.#door.notTaken('busy', `more ${this.#options.frames.kind} than kafka takes`)
  }
}

/** An entry that is nobody's key: other consumers pass over it by its header. */
function at(entry: JournalEntry, partition: number): KafkaEntry {
  return { ...entry, partition, key: null }
}
