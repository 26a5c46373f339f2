import type { Clock } from '../../actors/kernel/clock.ts'
import type {
  AppendOutcome,
  Journal,
  JournalEntry,
  JournalRecord,
} from '../../actors/kernel/journal.ts'
import type { Forwarded } from './frame.ts'

export type OutboxOptions = Readonly<{
  journal: Journal
  clock: Clock
  /** Everything before it was acknowledged by a core, as far as is known at the start. */
  acknowledged: number
  /** Bytes of the newest entries kept in memory, so that a line that keeps up reads nothing from disk; default 512 KiB. */
  tailBytesMax?: number
}>

const TAIL_BYTES_MAX = 512 * 1024
/** Whole segments may have to be read to find one entry. */
const LOOK_MS_MIN = 1_000
/** What an entry costs beside its bytes. */
const ENTRY_BYTES = 64

/**
 * A journal whose entries go on to a core: what is on disk is taken from here in order, and let go of when the core has
 * it. It is a journal itself, for who appends.
 */
export class Outbox implements Journal {
  readonly #journal: Journal
  readonly #clock: Clock
  readonly #tailBytesMax: number
  /** The newest entries, without gaps up to the journal's end. */
  #tail: Forwarded[] = []
  #tailBytes = 0
  #reading: AsyncIterator<readonly JournalRecord[]> | null = null
  #read: Forwarded[] = []
  #acknowledged: number
  #oldest: Readonly<{ offset: number; receivedMs: number }> | null = null
  #looking = false
  #lookAgainMs = -Infinity
  #trimming: Promise<void> = Promise.resolve()
  /** Told when there is something new. */
  onCommitted: () => void = () => {}

  constructor({ journal, clock, acknowledged, tailBytesMax = TAIL_BYTES_MAX }: OutboxOptions) {
    this.#journal = journal
    this.#clock = clock
    this.#tailBytesMax = tailBytesMax
    this.#acknowledged = Math.max(acknowledged, journal.firstOffset)
  }

  get partition(): number {
    return this.#journal.partition
  }

  get firstOffset(): number {
    return this.#journal.firstOffset
  }

  get nextOffset(): number {
    return this.#journal.nextOffset
  }

  get bytesWaiting(): number {
    return this.#journal.bytesWaiting
  }

  get bytesStored(): number {
    return this.#journal.bytesStored
  }

  get refusing(): Journal['refusing'] {
    return this.#journal.refusing
  }

  /** Everything before it is at a core. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** Messages that are on disk and at no core yet. */
  get backlog(): number {
    return this.nextOffset - this.#acknowledged
  }

  /** How old the oldest of them is; 0 when there is none. It is read from disk where need be: then the answer before it holds. */
  ageMs(): number {
    if (this.backlog === 0) return 0
    if (this.#oldest?.offset !== this.#acknowledged) void this.#lookForOldest()
    return this.#oldest ? Math.max(0, this.#clock.nowMs() - this.#oldest.receivedMs) : 0
  }

  append(entry: JournalEntry, done: (outcome: AppendOutcome) => void): boolean {
    return this.#journal.append(entry, (outcome) => {
      if (outcome.ok) this.#keep({ ...entry, offset: outcome.offset })
      done(outcome)
      if (outcome.ok) this.onCommitted()
    })
  }

  read(offset: number): AsyncIterable<JournalRecord> {
    return this.#journal.read(offset)
  }

  readBatches(offset: number): AsyncIterable<readonly JournalRecord[]> {
    return this.#journal.readBatches(offset)
  }

  trim(offset: number): Promise<void> {
    return this.#journal.trim(offset)
  }

  async close(): Promise<void> {
    await this.#trimming
    await this.#endReading()
    await this.#journal.close()
  }

  /** Entries from the one that begins at `offset` on: at least one, then up to so many bytes. Empty at the end. */
  async take(offset: number, bytesMax: number): Promise<readonly Forwarded[]> {
    if (offset >= this.nextOffset) return []
    const entries = this.#isInTail(offset) ? this.#tail : await this.#fromDisk(offset)
    const first = indexOf(entries, offset)
    let last = first
    for (let bytes = 0; last < entries.length && (last === first || bytes < bytesMax); last++) {
      bytes += bytesOf(entries[last])
    }
    const taken = entries.slice(first, last)
    if (entries === this.#read) this.#read = this.#read.slice(last)
    return taken
  }

  /** A core has everything before `next`. */
  reached(next: number): void {
    if (next <= this.#acknowledged) return
    this.#acknowledged = next
    // Only whole segments go, and most of the time none is: it costs nothing then.
    this.#trimming = this.#trimming
      .then(() => this.#journal.trim(this.#acknowledged))
      .catch(() => {})
  }

  #keep(entry: Forwarded): void {
    this.#tail.push(entry)
    this.#tailBytes += bytesOf(entry)
    if (this.#tailBytes <= this.#tailBytesMax * 2) return
    let passed = 0
    while (this.#tailBytes > this.#tailBytesMax && passed < this.#tail.length - 1) {
      this.#tailBytes -= bytesOf(this.#tail[passed])
      passed++
    }
    this.#tail = this.#tail.slice(passed)
  }

  #isInTail(offset: number): boolean {
    const first = this.#tail[0]
    return first !== undefined && first.offset <= offset
  }

  /** Goes on with the reading that is open, or begins anew. */
  async #fromDisk(offset: number): Promise<Forwarded[]> {
    if (this.#read[0]?.offset === offset) return this.#read
    if (this.#read.length > 0) await this.#endReading()
    this.#read = []
    for (;;) {
      const isNew = this.#reading === null
      this.#reading ??= this.#journal.readBatches(offset)[Symbol.asyncIterator]()
      const { done, value } = await this.#reading.next()
      if (done) {
        this.#reading = null
        // A reading ends where the journal ended when it began.
        if (isNew) return []
        continue
      }
      if ((value[0]?.offset ?? 0) > offset || endOf(value.at(-1)) <= offset) {
        await this.#endReading()
        continue
      }
      this.#read = value.filter((record) => endOf(record) > offset)
      return this.#read
    }
  }

  async #endReading(): Promise<void> {
    const reading = this.#reading
    this.#reading = null
    this.#read = []
    await reading?.return?.()
  }

  async #lookForOldest(): Promise<void> {
    const offset = this.#acknowledged
    const nowMs = this.#clock.monotonicMs()
    const isInTail = this.#isInTail(offset)
    if (this.#looking || (!isInTail && nowMs < this.#lookAgainMs)) return
    this.#looking = true
    try {
      const kept = isInTail ? this.#tail[indexOf(this.#tail, offset)] : null
      if (kept) this.#oldest = { offset, receivedMs: kept.receivedMs }
      else {
        this.#lookAgainMs = nowMs + LOOK_MS_MIN
        for await (const { receivedMs } of this.#journal.read(offset)) {
          this.#oldest = { offset, receivedMs }
          break
        }
      }
    } catch {
      // It was acknowledged and let go meanwhile: the next look is at another.
    } finally {
      this.#looking = false
    }
  }
}

function bytesOf(entry: Forwarded | undefined): number {
  return entry ? entry.payload.length + ENTRY_BYTES : 0
}

function endOf(entry: Forwarded | undefined): number {
  return entry ? entry.offset + entry.count : 0
}

/** Where the entry that holds an offset is. */
function indexOf(entries: readonly Forwarded[], offset: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (endOf(entries[middle]) <= offset) low = middle + 1
    else high = middle
  }
  return low
}
