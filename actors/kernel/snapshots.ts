import type { StateStore } from './state-store.ts'

/** An object as it was read, and which version of it. */
export type SnapshotObject = Readonly<{ bytes: Uint8Array; version: string }>

/**
 * Where the snapshots of one partition are kept, for every worker to read: a folder of an object store. Names are
 * relative to it. What a call has written is durable when its promise resolves. Throws OrreryError, `retriable` when
 * the same call may succeed later; a `put` or `swap` that threw may have been done, or be done later.
 */
export interface SnapshotObjects {
  /** The object that `swap` keeps under the name; null when there is none. */
  get(name: string): Promise<SnapshotObject | null>
  /**
   * Writes the object that `get` reads, only when it is still the version `expected`, null for "not there": the new
   * version, or null when somebody else was faster. Of many callers with the same expectation at most one wins, and
   * none with an expectation that was overtaken, however late its request arrives.
   */
  swap(name: string, bytes: Uint8Array, expected: string | null): Promise<string | null>
  /** An object that was put; null when there is none. */
  read(name: string): Promise<Uint8Array | null>
  /** Writes an object under a name that nobody else uses. */
  put(name: string, bytes: Uint8Array): Promise<void>
  /** Names of what was put, in no order. */
  list(): AsyncIterable<string>
  /** Removes what was put; what is gone already is no failure. */
  remove(names: readonly string[]): Promise<void>
}

/** States of actors on this machine's disk, of which snapshots go to where the partition's next owner finds them. */
export interface SharedStateStore extends StateStore {
  /** Which claim of the partition this is: one more than that of the owner before. Stores refuse older ones. */
  readonly epoch: number
  /**
   * Makes a snapshot durable for others: every mark as it is now, and of each actor the newest state that is not newer
   * than `bound`, an offset that every sink of derived facts has acknowledged. The floor and the newest checkpoint
   * count as bounds too, since both were acknowledged before they were marked. Raises the floor to the bound: no older
   * state is in the snapshot. Throws OrreryError `fenced` when the partition was claimed by another owner meanwhile; after
   * any other error that is `retriable` the snapshot before is still there, and the next one brings everything.
   */
  publish(bound: number): Promise<void>
}
