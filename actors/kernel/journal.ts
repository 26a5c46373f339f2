import { OrreryError } from './errors.ts'

/**
 * What an entry of the journal holds. `pings` and `trips` take an offset a message, `retry` one more than it
 * has messages; the others take one. `relayed` is one of the others with the place it has at the edge gateway that
 * forwarded it, and takes as many as that one does.
 */
export type EntryKind = 'pings' | 'dead_letter' | 'timer' | 'trips' | 'retry' | 'flush' | 'relayed'

/** One thing to append: a frame of pings, a dead letter, a timer that fired. */
export type JournalEntry = Readonly<{
  kind: EntryKind
  /** Offsets it takes: the number of messages within, at least 1. */
  count: number
  /** When it came, wall clock; kept, so that a replay sees the time of the first run. */
  receivedMs: number
  /** Who sent it (the key's name); at most 255 bytes of UTF-8. */
  source: string
  payload: Uint8Array | string
}>

/** An entry as read back: its first offset, and its bytes. */
export type JournalRecord = Readonly<{
  kind: EntryKind
  offset: number
  count: number
  receivedMs: number
  source: string
  payload: Uint8Array
}>

/** What became of an append. After `ok` the entry is on disk, synced. */
export type AppendOutcome =
  | Readonly<{ ok: true; offset: number }>
  | Readonly<{ ok: false; reason: 'full' | 'failed' | 'closed'; message: string }>

/**
 * The one log of a partition. Offsets are dense from 0 in commit order.
 * `append` returns false when the bound on waiting bytes is reached or the disk cannot take more:
 * the caller answers "busy" and nothing was kept. Otherwise `done` is called once, in append order.
 */
export interface Journal {
  readonly partition: number
  /** The oldest offset that can be read. */
  readonly firstOffset: number
  /** The offset that the next committed message will get. */
  readonly nextOffset: number
  /** Bytes offered and not yet synced. */
  readonly bytesWaiting: number
  /** Bytes on disk. */
  readonly bytesStored: number
  /** Why appends are refused now, or null. */
  readonly refusing: 'busy' | 'full' | 'failed' | 'closed' | null
  append(entry: JournalEntry, done: (outcome: AppendOutcome) => void): boolean
  /** Records from the one that holds `offset` on, up to what was committed when called. */
  read(offset: number): AsyncIterable<JournalRecord>
  /** The same in batches of bounded size, for replay: one promise a batch and not one a record. */
  readBatches(offset: number): AsyncIterable<readonly JournalRecord[]>
  /** Lets go of whole segments that end at or before `offset` (exclusive). */
  trim(offset: number): Promise<void>
  /** Commits what was offered, refuses the rest, closes files. */
  close(): Promise<void>
}

/** Throws unless reading can begin at `offset`: a journal that ends before it has lost entries. */
export function checkReadable(journal: Journal, offset: number): void {
  const { firstOffset, nextOffset } = journal
  if (offset < firstOffset) {
    const message = `offset ${offset} was trimmed; the journal begins at ${firstOffset}`
    throw new OrreryError('journal_trimmed', message)
  }
  if (offset > nextOffset) {
    const message = `offset ${offset} is beyond the journal, which ends at ${nextOffset}`
    throw new OrreryError('journal_behind', message)
  }
}
