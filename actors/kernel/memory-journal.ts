import type { Clock } from './clock.ts'
import { assert } from './errors.ts'
import {
  type AppendOutcome,
  checkReadable,
  type Journal,
  type JournalEntry,
  type JournalRecord,
} from './journal.ts'

export type MemoryJournalOptions = Readonly<{
  partition: number
  clock: Clock
  /** Bytes offered and not yet committed at which appends are refused as busy; default 32 MiB. */
  waitingBytesMax?: number
}>

type Waiting = Readonly<{ entry: JournalEntry; bytes: number; done: (o: AppendOutcome) => void }>

const BATCH_RECORDS = 1_000

/** A journal that lives as long as the process: for tests, and as the measure of what a journal does. */
export class MemoryJournal implements Journal {
  readonly partition: number
  readonly #clock: Clock
  readonly #waitingBytesMax: number
  #records: JournalRecord[] = []
  #waiting: Waiting[] = []
  #firstOffset = 0
  #nextOffset = 0
  #bytesWaiting = 0
  #bytesStored = 0
  #scheduled = false
  #closed = false
  /** A disk that takes nothing, for tests of whoever appends: set it, and set it back to null. */
  trouble: 'full' | 'failed' | null = null

  constructor(options: MemoryJournalOptions) {
    this.partition = options.partition
    this.#clock = options.clock
    this.#waitingBytesMax = options.waitingBytesMax ?? 32 * 1024 * 1024
  }

  get firstOffset(): number {
    return this.#firstOffset
  }

  get nextOffset(): number {
    return this.#nextOffset
  }

  get bytesWaiting(): number {
    return this.#bytesWaiting
  }

  get bytesStored(): number {
    return this.#bytesStored
  }

  get refusing(): 'busy' | 'full' | 'failed' | 'closed' | null {
    if (this.#closed) return 'closed'
    return this.trouble ?? (this.#bytesWaiting >= this.#waitingBytesMax ? 'busy' : null)
  }

  append(entry: JournalEntry, done: (outcome: AppendOutcome) => void): boolean {
    if (this.refusing !== null) return false
    assert(entry.count >= 1, 'a journal entry takes at least one offset')
    const payload = bytesOf(entry.payload)
    const bytes = payload.byteLength + Buffer.byteLength(entry.source)
    this.#waiting.push({ entry: { ...entry, payload }, bytes, done })
    this.#bytesWaiting += bytes
    if (!this.#scheduled) {
      this.#scheduled = true
      this.#clock.soon(() => this.#commit())
    }
    return true
  }

  async *read(offset: number): AsyncGenerator<JournalRecord> {
    for await (const records of this.readBatches(offset)) yield* records
  }

  readBatches(offset: number): AsyncGenerator<readonly JournalRecord[]> {
    checkReadable(this, offset)
    return batches(this.#records.filter((record) => record.offset + record.count > offset))
  }

  async trim(offset: number): Promise<void> {
    const kept = this.#records.findIndex((record) => record.offset + record.count > offset)
    const dropped = this.#records.splice(0, kept < 0 ? this.#records.length : kept)
    for (const { payload, source } of dropped) {
      this.#bytesStored -= payload.byteLength + Buffer.byteLength(source)
    }
    this.#firstOffset = this.#records[0]?.offset ?? this.#nextOffset
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#scheduled) this.#commit()
  }

  #commit(): void {
    const committed = this.#waiting
    this.#waiting = []
    this.#scheduled = false
    for (const { entry, bytes, done } of committed) {
      this.#bytesWaiting -= bytes
      if (this.trouble) {
        done({ ok: false, reason: this.trouble, message: `the journal is ${this.trouble}` })
        continue
      }
      const offset = this.#nextOffset
      this.#records.push({ ...entry, payload: bytesOf(entry.payload), offset })
      this.#nextOffset += entry.count
      this.#bytesStored += bytes
      done({ ok: true, offset })
    }
  }
}

async function* batches(
  records: readonly JournalRecord[],
): AsyncGenerator<readonly JournalRecord[]> {
  for (let at = 0; at < records.length; at += BATCH_RECORDS) {
    yield records.slice(at, at + BATCH_RECORDS)
  }
}

function bytesOf(payload: Uint8Array | string): Uint8Array {
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : payload.slice()
}
