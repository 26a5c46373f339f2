import type { StateStore } from './state-store.ts'

/** An object as it was read, and which version of it. */
export type SnapshotObject = Readonly<{ bytes: Uint8Array; version: string }>

/**
 * Where the snapshots of one partition are kept, for every worker to read: a folder of an object store. Names are
 * relative to it. What a call has written is durable when its promise resolves. Throws OrreryError, `retriable` when
 * the same call may succeed later.
 */
export interface SnapshotObjects {
  /** Null when there is none of the name. */
  get(name: string): Promise<SnapshotObject | null>
  /** Writes an object under a name that nobody else uses. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /**
   * Writes an object only when it is still the version `expected`, null for "not there": the new version, or null when
   * somebody else was faster. Of many callers with the same expectation at most one wins.
   */
  swap(name: string, bytes: Uint8Array, expected: string | null): Promise<string | null>
  list(): AsyncIterable<string>
  remove(names: readonly string[]): Promise<void>
}

/** States of actors on this machine's disk, of which snapshots go to where the partition's next owner finds them. */
export interface SharedStateStore extends StateStore {
  /** Which claim of the partition this is: one more than that of the owner before. Stores refuse older ones. */
  readonly epoch: number
  /**
   * Makes a snapshot durable for others: every mark, and of each actor the newest state that is not newer than
   * `bound`, an offset that every sink of derived facts has acknowledged. Throws OrreryError `fenced` when the partition
   * was claimed by another owner meanwhile.
   */
  publish(bound: number): Promise<void>
}
