import type { JournalRecord } from '../kernel/journal.ts'

/** A record as kafkajs hands it over. */
export type IncomingRecord = Readonly<{
  offset: string
  timestamp: string
  value: Buffer | null
  headers?: Readonly<Record<string, Buffer | string | (Buffer | string)[] | undefined>>
}>

/** What one fetch brought of a partition. */
export type IncomingBatch = Readonly<{
  records: readonly IncomingRecord[]
  /** Kafka offset of the last thing in it, markers included. */
  last: number
  /** Kafka offset that the next record of the partition will get. */
  high: number
}>

/** Oldest and next offset of a partition, as Kafka counts. */
export type Marks = Readonly<{ low: number; high: number }>

/** What a log asks of who fetches. */
export interface Fetching {
  seek(kafkaOffset: number): void
  pause(): void
  resume(): void
  /** What the partition holds now; null when it is not wanted any more. */
  marks(): Promise<Marks | null>
}

/** Where reading begins, and who takes what is read. */
export type Reading = Readonly<{
  /** The first offset that is needed; or the oldest there is, for stores that have nothing yet. */
  from: number | 'beginning'
  /** What `note()` said at the newest checkpoint; empty for none. */
  note: string
  /** Takes records in order of offsets. One may begin before `from`: stores and states know what they have. */
  take: (records: readonly JournalRecord[]) => void
  /** Is there no room for more just now? Asked after each fetch, and then until there is. */
  full: () => boolean
}>

/** Why a partition is not ours any more: handed over; taken while we did not answer; or we stop. */
export type Ending = 'revoked' | 'fenced' | 'stopped'
