import { assert } from '../kernel/errors.ts'
import type { KafkaEntry } from './entries.ts'
import { offsetOf } from './places.ts'
import type { OutgoingRecord, ProducedRange } from './producer.ts'
import { stampText } from './stamp.ts'

/** Bytes that a record takes beside its own: lengths, timestamps, what Kafka puts around it. */
const OVERHEAD_BYTES = 72

/** Where an entry went: its first offset, as a worker will say it. */
export type Place = Readonly<{ partition: number; offset: number }>

/** What became of an append. After `ok` every in-sync replica has it; `failed` may be there or not. */
export type WriteOutcome =
  | Readonly<{ ok: true; places: readonly Place[] }>
  | Readonly<{ ok: false; reason: 'failed' | 'too_large' | 'closed'; message: string }>

/** Entries that were appended together, and who waits for them. */
type Append = { open: number; places: Place[]; failure: WriteOutcome | null; done: Done }
type Done = (outcome: WriteOutcome) => void

/** A record on its way, with the append that it is of. */
export type Sending = Readonly<{
  record: OutgoingRecord
  bytes: number
  append: Append
  /** Its place within the append. */
  index: number
}>

/** Records in the order of their appends, cut into batches by bytes. */
export class SendQueue {
  bytes = 0
  readonly #sender: string
  readonly #nowMs: () => number
  readonly #sequences = new Map<number, number>()
  #waiting: Sending[] = []
  #taken = 0

  constructor(sender: string, nowMs: () => number) {
    this.#sender = sender
    this.#nowMs = nowMs
  }

  get size(): number {
    return this.#waiting.length - this.#taken
  }

  add(entries: readonly KafkaEntry[], done: Done): void {
    const append: Append = { open: entries.length, places: [], failure: null, done }
    for (const [index, entry] of entries.entries()) {
      const record = this.#record(entry)
      const { value, key, stamp } = record
      const bytes = value.byteLength + (key?.length ?? 0) + stamp.length + OVERHEAD_BYTES
      this.bytes += bytes
      this.#waiting.push({ record, bytes, append, index })
    }
  }

  /** The next records, no more than these bytes a partition and in all; one that is larger goes alone. */
  take(limits: Readonly<{ partitionBytesMax: number; bytesMax: number }>): Sending[] {
    const bytesOf = new Map<number, number>()
    let total = 0
    let end = this.#taken
    for (; end < this.#waiting.length; end++) {
      const next = this.#waiting[end]
      if (!next) break
      const { partition } = next.record
      const bytes = (bytesOf.get(partition) ?? 0) + next.bytes
      total += next.bytes
      if (end > this.#taken && (bytes > limits.partitionBytesMax || total > limits.bytesMax)) break
      bytesOf.set(partition, bytes)
    }
    const batch = this.#waiting.slice(this.#taken, end)
    this.#taken = end
    if (this.#taken > 1_024 && this.#taken * 2 > this.#waiting.length) {
      this.#waiting = this.#waiting.slice(this.#taken)
      this.#taken = 0
    }
    return batch
  }

  /** Records that were taken go first again. */
  putBack(batch: readonly Sending[]): void {
    this.#waiting = [...batch, ...this.#waiting.slice(this.#taken)]
    this.#taken = 0
  }

  /** The batch is with the broker: tells those whose last record was in it. */
  settle(batch: readonly Sending[], ranges: readonly ProducedRange[], tell: Tell): void {
    const next = new Map(ranges.map(({ partition, kafkaOffset }) => [partition, kafkaOffset]))
    for (const { record, bytes, append, index } of batch) {
      const kafkaOffset = next.get(record.partition)
      assert(kafkaOffset !== undefined, 'the broker answers for every partition')
      next.set(record.partition, kafkaOffset + 1)
      append.places[index] = { partition: record.partition, offset: offsetOf(kafkaOffset) }
      this.#close(append, bytes, tell)
    }
  }

  /** These are given up. */
  fail(batch: readonly Sending[], failure: WriteOutcome, tell: Tell): void {
    for (const { append, bytes } of batch) {
      append.failure ??= failure
      this.#close(append, bytes, tell)
    }
  }

  #close(append: Append, bytes: number, tell: Tell): void {
    this.bytes -= bytes
    append.open--
    if (append.open > 0) return
    const { places, failure } = append
    tell(append.done, failure ?? { ok: true, places })
  }

  #record({ payload, partition, key, stamp, ...entry }: KafkaEntry): OutgoingRecord {
    // Its own copy: the sender may use its bytes again.
    const value = typeof payload === 'string' ? Buffer.from(payload) : Buffer.from(payload)
    const counted = stamp ?? { sender: this.#sender, sequence: this.#next(partition) }
    const text = stampText({ ...entry, ...counted })
    // Not the time of receipt: an edge's backlog may be older than the topic's retention, and would be let go unread.
    return { partition, key, value, stamp: text, timestampMs: this.#nowMs() }
  }

  #next(partition: number): number {
    const sequence = this.#sequences.get(partition) ?? 0
    this.#sequences.set(partition, sequence + 1)
    return sequence
  }
}

/** Calls one who waits, with its outcome. */
type Tell = (done: Done, outcome: WriteOutcome) => void
