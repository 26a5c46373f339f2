import { raiseFloor, readCheckpoint, readFloor } from './checkpoint.ts'
import type { Clock, Random } from './clock.ts'
import { assert, messageOf, OrreryError } from './errors.ts'
import { HeldHead, type SwapBounds } from './shared-claim.ts'
import { type SharedThread, SnapshotPublisher } from './shared-publisher.ts'
import { restoreSnapshot } from './shared-restore.ts'
import type { SharedStateStore, SnapshotObjects } from './snapshots.ts'
import { SqliteStateStore } from './sqlite-state-store.ts'
import type { StoredState } from './state-store.ts'
import { StateThread } from './state-thread.ts'
import { type Log, Telemetry } from './telemetry.ts'

export type SharedBounds = SwapBounds &
  Readonly<{
    /** Compressed bytes of states at which an object is uploaded. */
    partBytes: number
  }>

export const SHARED_BOUNDS: SharedBounds = {
  triesMax: 12,
  pauseMs: 50,
  partBytes: 4 * 1024 * 1024,
}

export type SharedStatesOptions = Readonly<{
  objects: SnapshotObjects
  /** A SQLite file of this process alone; what is there is wiped. */
  path: string
  log: Log
  clock: Clock
  telemetry?: Telemetry
  bounds?: Partial<SharedBounds>
  /** Draws the claim's id, which no other process may draw. */
  random?: Random
  /** Aborted when the partition is given to somebody else: then it is not claimed any more. */
  signal?: AbortSignal
  /** Starts the threads beside the event loop; the simulation has its own, in virtual time. */
  threads?: StateThreads
}>

/** What stands for a thread of each kind. */
export type StateThreads = Readonly<{ shared: () => Worker; tables: () => Worker }>

/** Saved keys that are handed to the worker together. */
const KEYS_PER_MESSAGE = 1_000

const systemRandom: Random = () =>
  (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) / 4_294_967_296

/**
 * Claims a partition's snapshots and brings the newest here, ready for `planRecovery`; an empty store when there is
 * none. Throws OrreryError `snapshot_damaged`, `snapshot_missing` or `snapshot_newer` for what cannot be used, and what
 * the store of objects throws.
 */
export async function openSharedStates(options: SharedStatesOptions): Promise<SharedStateStore> {
  const { objects, path, log, clock, random = systemRandom } = options
  const bounds = { ...SHARED_BOUNDS, ...options.bounds }
  const startedMs = clock.monotonicMs()
  const wanted = options.signal ? { signal: options.signal } : {}
  const held = await HeldHead.claim({ objects, clock, random, log, bounds, ...wanted })
  const { threads } = options
  const worker = threads?.shared() ?? new Worker(new URL('./shared-worker.ts', import.meta.url))
  const thread: SharedThread = new StateThread(path, worker)
  try {
    await thread.ask({ ask: 'open', path })
    const { bytes } = await restoreSnapshot({ head: held.head, objects, thread })
    const local = await SqliteStateStore.open({
      ...{ path, log, scratch: true },
      ...(threads ? { thread: threads.tables } : {}),
    })
    local.setFloor(held.head.through)
    const { epoch, through } = held.head
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    log.info({ epoch, through, actors: local.count, bytes, tookMs }, 'partition claimed')
    return new SharedStates({ ...options, held, thread, local, partBytes: bounds.partBytes })
  } catch (cause) {
    thread.end()
    throw cause
  }
}

type Parts = SharedStatesOptions &
  Readonly<{ held: HeldHead; thread: SharedThread; local: SqliteStateStore; partBytes: number }>

class SharedStates implements SharedStateStore {
  readonly #local: SqliteStateStore
  readonly #thread: SharedThread
  readonly #publisher: SnapshotPublisher
  readonly #clock: Clock
  readonly #log: Log
  readonly #took
  readonly #bytes
  readonly epoch: number
  /** Writes under way. */
  readonly #writes = new Set<Promise<void>>()
  /** Keys of states that were saved, not handed to the worker yet. */
  #keys: string[] = []
  /** While a snapshot begins: marks and floors wait, so that it has those of its call. */
  #beginning: Promise<void> | null = null
  #floor: number
  /** The last of those that were called, while it is not done. */
  #publishing: Promise<void> | null = null
  #closing: Promise<void> | null = null

  constructor(parts: Parts) {
    const { held, objects, thread, local, log, clock, partBytes } = parts
    this.#local = local
    this.#thread = thread
    this.#clock = clock
    this.#log = log
    this.epoch = held.head.epoch
    this.#floor = held.head.through
    this.#publisher = new SnapshotPublisher({ held, objects, thread, log, partBytes })
    const telemetry = parts.telemetry ?? new Telemetry()
    this.#took = telemetry.histogram('orrery_snapshot_ms', 'Milliseconds that a snapshot took')
    this.#bytes = telemetry.counter('orrery_snapshot_bytes_total', 'Bytes written for snapshots')
    telemetry
      .gauge('orrery_snapshot_segments', 'Segments that the newest snapshot consists of')
      .from(() => held.head.segments.length)
    void this.#publisher.sweep().catch((cause: unknown) => {
      log.warn({ error: messageOf(cause) }, 'unused snapshot objects not looked for')
    })
  }

  get count(): number {
    return this.#local.count
  }

  load(key: string): StoredState | null {
    return this.#local.load(key)
  }

  save(states: readonly StoredState[]): Promise<void> {
    const keys = states.map(({ key }) => key)
    // Afterwards, and even when it failed in part: what is stored later than the snapshot is changed for the next.
    return this.#track(this.#local.save(states).finally(() => this.#change(keys)))
  }

  saveMark(name: string, value: Uint8Array): Promise<void> {
    if (!this.#beginning) return this.#track(this.#local.saveMark(name, value))
    const copy = value.slice()
    return this.#beginning.then(() => this.#track(this.#local.saveMark(name, copy)))
  }

  loadMark(name: string): Uint8Array | null {
    return this.#local.loadMark(name)
  }

  setFloor(offset: number): void {
    this.#floor = Math.max(this.#floor, offset)
    // A version that the snapshot wants must not be dropped before it has begun.
    if (!this.#beginning) this.#local.setFloor(this.#floor)
  }

  rewind(offset: number): Promise<void> {
    return this.#track(this.#local.rewind(offset))
  }

  live(): Iterable<StoredState> {
    return this.#local.live()
  }

  due(nowMs: number, limit: number): readonly StoredState[] {
    return this.#local.due(nowMs, limit)
  }

  publish(bound: number): Promise<void> {
    // At once, when it can: the snapshot is of this moment.
    const before = this.#publishing
    const publishing = before
      ? before.catch(() => {}).then(() => this.#publish(bound))
      : this.#publish(bound)
    this.#publishing = publishing
    const done = (): void => {
      if (this.#publishing === publishing) this.#publishing = null
    }
    publishing.then(done, done)
    return publishing
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #publish(bound: number): Promise<void> {
    if (this.#closing) throw new OrreryError('state_closed', 'the state store is closed')
    const startedMs = this.#clock.monotonicMs()
    const { promise, resolve } = Promise.withResolvers<void>()
    const began = (): void => {
      this.#beginning = null
      this.#local.setFloor(this.#floor)
      resolve()
    }
    this.#beginning = promise
    try {
      const through = await this.#settleAt(bound)
      const { states, bytes, segments } = await this.#publisher.publish(through, began)
      const tookMs = this.#clock.monotonicMs() - startedMs
      this.#took.observe(tookMs)
      this.#bytes.add(bytes)
      const { epoch } = this
      const fields = { epoch, through, states, bytes, segments, tookMs: Math.round(tookMs) }
      this.#log.debug(fields, 'snapshot published')
    } finally {
      if (this.#beginning === promise) began()
    }
  }

  /** Lets what was offered reach the file, and finds how far the snapshot goes. */
  async #settleAt(bound: number): Promise<number> {
    const floor = this.#floor
    await Promise.allSettled([...this.#writes])
    const marked = Math.max(readCheckpoint(this.#local), readFloor(this.#local))
    const through = Math.max(bound, marked, floor)
    assert(Number.isSafeInteger(through), 'a snapshot needs an offset as its bound')
    // A recovery from this snapshot finds no older states; a sink that came back with less must stop it.
    await raiseFloor(this.#local, through)
    this.#floor = Math.max(this.#floor, through)
    await this.#handOver()
    return through
  }

  async #close(): Promise<void> {
    // A snapshot on its way fails at its next step; the worker must let go of the file first.
    await this.#thread.ask({ ask: 'close' }).catch(() => {})
    this.#thread.end()
    await this.#local.close()
  }

  #track(write: Promise<void>): Promise<void> {
    this.#writes.add(write)
    const done = (): void => void this.#writes.delete(write)
    write.then(done, done)
    return write
  }

  #change(keys: readonly string[]): void {
    for (const key of keys) this.#keys.push(key)
    if (this.#keys.length < KEYS_PER_MESSAGE) return
    this.#handOver().catch((cause: unknown) => {
      if (!this.#closing) this.#log.error({ error: messageOf(cause) }, 'saved states not noted')
    })
  }

  /** Tells the worker which states were saved. */
  async #handOver(): Promise<void> {
    const told: Promise<void>[] = []
    while (this.#keys.length > 0) told.push(this.#tell(this.#keys.splice(0, KEYS_PER_MESSAGE)))
    await Promise.all(told)
  }

  async #tell(keys: readonly string[]): Promise<void> {
    try {
      await this.#thread.ask({ ask: 'change', keys })
    } catch (cause) {
      // Else no snapshot would ever have them.
      for (const key of keys) this.#keys.push(key)
      throw cause
    }
  }
}
