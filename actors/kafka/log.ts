import type { Clock } from '../kernel/clock.ts'
import { assert, messageOf, OrreryError } from '../kernel/errors.ts'
import type { JournalEntry, JournalRecord } from '../kernel/journal.ts'
import { foreignEntry } from './foreign.ts'
import { KAFKA_OFFSET_MAX, kafkaOffsetOf, offsetOf } from './places.ts'
import type { Ending, Fetching, IncomingBatch, IncomingRecord, Marks, Reading } from './reading.ts'
import { Repeats } from './repeats.ts'
import { parseStamp, type SenderStamp, STAMP_HEADER } from './stamp.ts'

/** How long a full reader waits before it looks for room again. */
const LOOK_MS = 20

export type KafkaLogOptions = Readonly<{
  topic: string
  kafkaPartition: number
  /** Its number in the names of facts. */
  partition: number
  /** What a record without a stamp holds. */
  kind: 'pings' | 'trips'
  marks: Marks
  fetching: Fetching
  clock: Clock
  /** Called once, when nothing more can be read of it: a person has to look. */
  failed: (error: OrreryError) => void
}>

/**
 * One partition of a topic, as a journal that others write: what comes is handed on in order of offsets, repeats left
 * out. Offsets rise and have gaps (SPEC.md D1); nothing is committed to Kafka, the stores know how far they are.
 */
export class KafkaLog {
  readonly topic: string
  readonly kafkaPartition: number
  readonly partition: number
  readonly #options: KafkaLogOptions
  #reading: Reading | null = null
  #repeats = new Repeats()
  /** Kafka offset of the next record to take. */
  #position = 0
  #high: number
  #nextOffset = 0
  #ending: Ending | null = null
  readonly #ended = new AbortController()
  #failure: OrreryError | null = null
  #isFull = false
  #cancelLook = (): void => {}
  readonly #caughtUp = Promise.withResolvers<void>()
  readonly #highAtFirst: number
  #duplicates = 0

  constructor(options: KafkaLogOptions) {
    this.#options = options
    this.topic = options.topic
    this.kafkaPartition = options.kafkaPartition
    this.partition = options.partition
    this.#high = this.#highAtFirst = options.marks.high
  }

  /** The oldest offset that could be read when the partition was assigned. */
  get firstOffset(): number {
    return offsetOf(this.#options.marks.low)
  }

  /** One more than the last offset handed on. */
  get nextOffset(): number {
    return this.#nextOffset
  }

  /** Kafka records (and markers) that are there and not read yet, as far as is known. */
  get behind(): number {
    return Math.max(0, this.#high - this.#position)
  }

  /** Repeats left out since the partition was assigned. */
  get duplicates(): number {
    return this.#duplicates
  }

  /** Kafka offset of the next record to take. */
  get position(): number {
    return this.#position
  }

  get isReading(): boolean {
    return this.#reading !== null && this.#ending === null && this.#failure === null
  }

  /** Is fetching to stand still? */
  get isPaused(): boolean {
    return !this.isReading || this.#isFull
  }

  get ending(): Ending | null {
    return this.#ending
  }

  /** Aborted when the partition is not ours any more. */
  get signal(): AbortSignal {
    return this.#ended.signal
  }

  /** Resolves when everything has been handed on that was there when the partition was assigned; never once it ended. */
  get caughtUp(): Promise<void> {
    return this.#caughtUp.promise
  }

  /**
   * Looks again how far the log goes. To be called once the partition's states are claimed: whoever had them until then
   * may have read on since the partition was assigned to us, and `start` must not take that for a log that lost its end.
   */
  async refresh(): Promise<void> {
    const marks = await this.#options.fetching.marks()
    if (marks) this.#high = Math.max(this.#high, marks.high)
  }

  /** Begins to read. Throws when the log does not hold what is needed: it never jumps (SPEC.md L1). */
  start(reading: Reading): void {
    assert(this.#reading === null, 'a log is read once')
    if (this.#ending !== null) return
    this.#repeats = new Repeats(reading.note)
    this.#position = this.#checked(reading.from)
    this.#nextOffset = reading.from === 'beginning' ? offsetOf(this.#position) : reading.from
    this.#reading = reading
    this.#options.fetching.seek(this.#position)
    // It has stood still until now.
    this.#isFull = true
    this.#look()
    this.#checkCaughtUp()
  }

  /** For a checkpoint at any offset not below the last `trim`: what a restart needs to find the same repeats. */
  note(): string {
    return this.#repeats.note()
  }

  /** Every store is past this offset (exclusive). What Kafka keeps is decided by the topic's retention. */
  trim(offset: number): void {
    this.#repeats.forget(kafkaOffsetOf(offset))
  }

  /** Hands on what a fetch brought; whatever is wrong with it ends the reading and is told. */
  async deliver(batch: IncomingBatch): Promise<void> {
    if (!this.isReading) return
    try {
      this.#high = batch.high
      const first = Number(batch.records[0]?.offset ?? this.#position)
      if (first > this.#position) await this.#checkGap()
      if (first < this.#position && batch.high < this.#position) throw this.#lostItsEnd()
      if (this.isReading) this.#take(batch)
    } catch (thrown) {
      this.#fail(thrown)
    }
  }

  /** There was nothing for us up to this Kafka offset: markers of transactions only. */
  passed(last: number): void {
    if (!this.isReading || last < this.#position) return
    this.#position = last + 1
    this.#checkCaughtUp()
  }

  /** Nothing is handed on from now on. */
  end(ending: Ending): void {
    this.#ending ??= ending
    this.#cancelLook()
    const message = `partition ${this.kafkaPartition} of topic ${this.topic} is not ours any more`
    this.#ended.abort(new OrreryError('partition_ended', message))
  }

  #take({ records, last }: IncomingBatch): void {
    const taken: JournalRecord[] = []
    const from = this.#nextOffset
    for (const record of records) {
      const kafkaOffset = Number(record.offset)
      // A fetch may begin before the place that was asked for.
      if (kafkaOffset < this.#position) continue
      assert(kafkaOffset <= KAFKA_OFFSET_MAX, 'the partition holds more than offsets can name')
      const { stamp, entry } = this.#read(record)
      if (stamp && this.#repeats.isRepeat(kafkaOffset, stamp)) {
        this.#duplicates++
        continue
      }
      const offset = offsetOf(kafkaOffset)
      if (offset + entry.count <= from) continue
      taken.push({ ...entry, payload: entry.payload, offset })
    }
    // Before it is handed on: should that fail, the reading has ended anyway.
    this.#position = Math.max(this.#position, last + 1)
    const newest = taken.at(-1)
    if (newest) {
      this.#nextOffset = newest.offset + newest.count
      this.#reading?.take(taken)
    }
    this.#checkCaughtUp()
    this.#look()
  }

  #read({ value, timestamp, headers }: IncomingRecord): Readonly<{
    stamp: SenderStamp | null
    entry: JournalEntry & Readonly<{ payload: Uint8Array }>
  }> {
    const header = headers?.[STAMP_HEADER]
    const text = header instanceof Uint8Array ? header.toString('utf8') : header
    const stamp = typeof text === 'string' ? parseStamp(text) : null
    if (stamp && value) {
      const { kind, count, receivedMs, source } = stamp
      return { stamp, entry: { kind, count, receivedMs, source, payload: value } }
    }
    const entry = foreignEntry(value, this.#options.kind, Number(timestamp))
    const { payload } = entry
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload
    return { stamp: null, entry: { ...entry, payload: bytes } }
  }

  /** The Kafka offset to begin with. */
  #checked(from: number | 'beginning'): number {
    const { topic, kafkaPartition, marks } = this.#options
    const { low } = marks
    const high = this.#high
    const where = `partition ${kafkaPartition} of topic ${topic}`
    if (this.#repeats.through >= high) throw this.#lostItsEnd(this.#repeats.through + 1)
    if (from === 'beginning') return low
    const needed = kafkaOffsetOf(from)
    if (needed > high) throw this.#lostItsEnd(needed)
    // Not at its first place: the record before was taken, in whole as far as can be told, and may be gone.
    const isTaken = from > offsetOf(needed)
    if (needed < low && !(isTaken && needed + 1 === low)) {
      const message = `${where} begins at Kafka offset ${low}, but a store still needs ${needed}: the topic's retention let it go. Restore the topic, or start with empty stores and a new consumer group; then lengthen the retention`
      throw new OrreryError('journal_trimmed', message)
    }
    return Math.max(needed, low)
  }

  #lostItsEnd(needed = this.#position): OrreryError {
    const { topic, kafkaPartition } = this.#options
    const message = `partition ${kafkaPartition} of topic ${topic} ends at Kafka offset ${this.#high}, but up to ${needed} was read before: the topic was replaced or lost its end. Restore it, or start with empty stores`
    return new OrreryError('journal_behind', message)
  }

  /** Offsets are left out: by compaction or a transaction, which is well, or because they are gone. */
  async #checkGap(): Promise<void> {
    const position = this.#position
    const marks = await this.#options.fetching.marks()
    if (!marks || marks.low <= position) return
    const { topic, kafkaPartition } = this.#options
    const message = `partition ${kafkaPartition} of topic ${topic} begins at Kafka offset ${marks.low} now, but was read up to ${position} only: the topic's retention is shorter than this worker's backlog. Lengthen it`
    throw new OrreryError('journal_trimmed', message)
  }

  #fail(thrown: unknown): void {
    if (this.#failure) return
    const isTyped = thrown instanceof OrreryError
    this.#failure = isTyped
      ? thrown
      : new OrreryError('journal_unreadable', messageOf(thrown), { cause: thrown })
    this.#cancelLook()
    this.#options.fetching.pause()
    this.#options.failed(this.#failure)
  }

  /** Stands still while there is no room, and goes on when there is. */
  #look(): void {
    if (!this.isReading) return
    const { fetching, clock } = this.#options
    const isFull = this.#repeats.full || (this.#reading?.full() ?? false)
    if (isFull !== this.#isFull) {
      this.#isFull = isFull
      if (isFull) fetching.pause()
      else fetching.resume()
    }
    this.#cancelLook()
    if (isFull) this.#cancelLook = clock.after(LOOK_MS, () => this.#look())
  }

  #checkCaughtUp(): void {
    if (this.#position >= this.#highAtFirst) this.#caughtUp.resolve()
  }
}
