import type { Clock } from './clock.ts'
import type { Applied, Delivery } from './delivery.ts'
import { deliveryOf, type FrameKind } from './entries.ts'
import { OrreryError } from './errors.ts'
import type { Inlet } from './intake.ts'
import type { Journal, JournalRecord } from './journal.ts'
import type { RecoveryPlan } from './recover.ts'
import type { Log } from './telemetry.ts'

const LIMITS = { aheadMax: 50_000, heldMax: 20_000 }

export type ReplayOptions<Message> = Readonly<{
  journal: Journal
  partition: Inlet<Message> & Readonly<{ handled(offset: number): Promise<void> }>
  frames: FrameKind<Message>
  clock: Clock
  log: Log
  limits?: Readonly<{
    /** Messages handed over before the replay waits for the actors and the sinks behind them. */
    aheadMax: number
    /** New messages kept in memory while the last stretch before them is read. */
    heldMax: number
  }>
}>

/**
 * Hands the journal's tail to the partition, as fast as the sinks take it. It stands before the
 * partition: what is committed meanwhile waits on disk for its place, so that senders are served long
 * before the replay is done. Once it has caught up, entries go straight on.
 */
export class Replay<Message> implements Inlet<Message> {
  /** Messages that the journal held when it was opened and that are handed over again. */
  readonly total: number
  readonly #options: ReplayOptions<Message>
  readonly #plan: RecoveryPlan
  readonly #limits: typeof LIMITS
  readonly #endAtFirst: number
  /** The message to read next. */
  #position: number
  /** Every entry before it is on disk, and its sender has been told. */
  #end: number
  /** The entries from the end of the stretch that is read now; null when they became too many. */
  #held: Delivery<Message>[] | null = null
  #heldMessages = 0
  /** Who waits for the turns of an entry that will be read from disk. */
  readonly #applied = new Map<number, Applied>()
  #caughtUp = false
  #stopped = false

  /** Throws when the journal does not hold what is to be replayed. */
  constructor(options: ReplayOptions<Message>, plan: RecoveryPlan) {
    const { journal } = options
    this.#options = options
    this.#plan = plan
    this.#limits = options.limits ?? LIMITS
    this.#position = plan.replayFrom
    this.#end = this.#endAtFirst = journal.nextOffset
    this.total = this.#end - this.#position
    if (this.total < 0) {
      // Offsets would be given out again, and the stores would take new pings for old ones.
      const message = `the journal ends before offset ${journal.nextOffset}, but the stores hold ${plan.replayFrom - 1}: it was replaced or lost its end`
      throw new OrreryError('journal_behind', message)
    }
    if (this.total > 0 && plan.replayFrom < journal.firstOffset) {
      const message = `the journal begins at offset ${journal.firstOffset}, but a store still needs ${plan.replayFrom}`
      throw new OrreryError('journal_gap', message)
    }
    this.#caughtUp = this.total === 0
  }

  /** Messages on disk that are not handed over yet. */
  get behind(): number {
    return this.#caughtUp ? 0 : this.#end - this.#position
  }

  /**
   * What counts against the intake's bound. While it catches up: new messages beyond half of what was
   * replayed, so that the replay gains on any sender.
   */
  get backlog(): number {
    if (this.#caughtUp) return this.#options.partition.backlog
    const replayed = this.#position - this.#plan.replayFrom
    return Math.max(0, this.#end - this.#endAtFirst - replayed / 2)
  }

  /** Takes an entry that was committed after the start. */
  enqueue(delivery: Delivery<Message>): void {
    if (this.#caughtUp) {
      this.#options.partition.enqueue(delivery)
      return
    }
    this.#end = delivery.offset + delivery.count
    if (delivery.kind === 'messages' && delivery.applied)
      this.#applied.set(delivery.offset, delivery.applied)
    this.#heldMessages += delivery.count
    if (this.#heldMessages > this.#limits.heldMax) this.#held = null
    this.#held?.push(delivery)
  }

  /** Reads until nothing is left; how many messages that were. Resolves early when it is stopped. */
  async run(): Promise<number> {
    const { partition, clock, log } = this.#options
    if (this.#caughtUp) return 0
    const from = this.#position
    const startedMs = clock.monotonicMs()
    log.info({ from, messages: this.total }, 'replaying the journal')
    while (!this.#caughtUp && !this.#stopped) {
      this.#held = []
      this.#heldMessages = 0
      await this.#readTo(this.#end)
      if (!this.#stopped) this.#handOver()
    }
    const messages = this.#position - from
    await partition.handled(this.#position - 1)
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    const outcome = this.#caughtUp ? 'journal replayed' : 'replay stopped'
    log.info({ messages, behind: this.behind, tookMs }, outcome)
    return messages
  }

  /** Hands nothing more over; true when the next start has to go on. */
  stop(): boolean {
    this.#stopped = true
    return this.behind > 0
  }

  async #readTo(end: number): Promise<void> {
    const { journal, partition } = this.#options
    const { aheadMax } = this.#limits
    for await (const records of journal.readBatches(this.#position)) {
      for (const record of records) {
        // Beyond the end there may be entries whose senders are not told yet.
        if (this.#stopped || record.offset >= end) return
        partition.enqueue(this.#deliveryOf(record))
        this.#position = record.offset + record.count
        if (partition.backlog < aheadMax) continue
        // Not until all are handled: the sinks would have nothing to do meanwhile.
        await partition.handled(this.#position - 1 - (aheadMax >> 1))
      }
    }
  }

  #deliveryOf(record: JournalRecord): Delivery<Message> {
    const { partition } = this.#options.journal
    const { offset, count } = record
    // A record may begin before the place to start from: sinks and states know what they have.
    const skipActors = offset + count - 1 <= this.#plan.checkpoint
    const delivery = deliveryOf(record, partition, this.#options.frames, skipActors)
    const applied = this.#applied.get(offset)
    if (!applied || delivery.kind !== 'messages') return delivery
    this.#applied.delete(offset)
    return { ...delivery, applied }
  }

  /** Ends the catching up when everything after the stretch that was read is at hand. */
  #handOver(): void {
    if (!this.#held) return
    for (const delivery of this.#held) this.#options.partition.enqueue(delivery)
    this.#position = this.#end
    this.#held = null
    this.#applied.clear()
    this.#caughtUp = true
  }
}
