/** An actor as put away. `offset` is the last message its state has seen. */
export type StoredState = Readonly<{
  key: string
  offset: number
  /** Version of the encoding. */
  version: number
  state: Uint8Array
  /** When its next durable timer is due, wall clock; null for none. */
  timerMs: number | null
  /** True while it belongs on the live map. */
  live: boolean
}>

/**
 * Where actors are put away. Several versions of one actor may be kept; `load` takes the newest that
 * is no newer than the offset recovery started from, because a newer state would swallow the facts
 * between the sinks' lowest acknowledged offset and itself.
 */
export interface StateStore {
  /** Newest stored state of an actor, or null. Synchronous: it is a look-up in a local index. */
  load(key: string): StoredState | null
  /** Writes states, durable when the promise resolves. Off the event loop. */
  save(states: readonly StoredState[]): Promise<void>
  /** Named small values with the data they belong to: the replay offset, metrics. Durable when resolved. */
  saveMark(name: string, value: Uint8Array): Promise<void>
  loadMark(name: string): Uint8Array | null
  /**
   * The lowest acknowledged offset. It only rises, and no later `rewind` goes below it: of each actor,
   * versions older than its newest one at or below the floor may be dropped.
   */
  setFloor(offset: number): void
  /** Drops every state newer than `offset` (facts after it may be missing in a sink). Before first use. */
  rewind(offset: number): Promise<void>
  /** All actors on the live map, for rebuilding it. */
  live(): Iterable<StoredState>
  /** Actors whose timer is due at or before `nowMs`, oldest first, at most `limit`. */
  due(nowMs: number, limit: number): readonly StoredState[]
  /** Number of actors put away. */
  readonly count: number
  close(): Promise<void>
}
