import { OrreryError } from './errors.ts'
import { StateFrame, type StateOperation } from './state-frame.ts'
import { StateReader } from './state-reader.ts'
import type { StateStore, StoredState } from './state-store.ts'
import { StateThread } from './state-thread.ts'
import type { WorkerReply, WorkerRequest } from './state-worker.ts'
import type { Log } from './telemetry.ts'

/** One transaction: encoding it holds the event loop up for about 2 ms. */
const FRAME_BYTES = 2 * 1024 * 1024
const FRAME_OPERATIONS_MAX = 5_000

type Thread = StateThread<WorkerRequest, WorkerReply>

type Job = {
  readonly states: readonly StoredState[]
  /** Comes after the states. */
  readonly last: StateOperation | null
  /** How many of them are in a frame. */
  sent: number
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Actors in a SQLite file. Reads are look-ups on this thread; writes go through a worker, a frame at a
 * time, and what is offered meanwhile shares the next frame and its sync. A state is loaded as saved
 * from the moment of `save`, though it is durable only when the promise resolves: should a crash take
 * it away, the journal brings it back.
 */
export class SqliteStateStore implements StateStore {
  readonly #log: Log
  readonly #thread: Thread
  readonly #reader: StateReader
  /** What is on its way to the file: newest of each actor. */
  readonly #pending = new Map<string, StoredState>()
  #jobs: Job[] = []
  #memory: ArrayBuffer | null = null
  #writing: Promise<void> | null = null
  #floor = -1
  #count: number
  #closing: Promise<void> | null = null

  private constructor(log: Log, thread: Thread, reader: StateReader, count: number) {
    this.#log = log
    this.#thread = thread
    this.#reader = reader
    this.#count = count
  }

  /**
   * Opens or makes the file; refuses one that is damaged, newer or another program's. A `scratch` file is not synced: a
   * resolved save is in it for readers, and no start reads it again.
   */
  static async open(options: {
    path: string
    log: Log
    scratch?: boolean
    /** Starts its thread; the simulation has its own, in virtual time. */
    thread?: () => Worker
  }): Promise<SqliteStateStore> {
    const { path, log, scratch = false } = options
    const worker = options.thread?.() ?? new Worker(new URL('./state-worker.ts', import.meta.url))
    const thread: Thread = new StateThread(path, worker)
    try {
      const { count } = await thread.ask({ ask: 'open', path, scratch })
      log.info({ path, actors: count }, 'state store opened')
      return new SqliteStateStore(log, thread, new StateReader(path), count)
    } catch (cause) {
      thread.end()
      throw cause
    }
  }

  get count(): number {
    return this.#count
  }

  load(key: string): StoredState | null {
    return this.#pending.get(key) ?? this.#reader.load(key)
  }

  /** The states, and their bytes, must not change until the promise resolves. */
  save(states: readonly StoredState[]): Promise<void> {
    for (const state of states) {
      const before = this.#pending.get(state.key)
      if (!before || before.offset <= state.offset) this.#pending.set(state.key, state)
    }
    return this.#offer(states, null)
  }

  saveMark(name: string, value: Uint8Array): Promise<void> {
    return this.#offer([], { kind: 'mark', name, value: value.slice() })
  }

  loadMark(name: string): Uint8Array | null {
    return this.#reader.loadMark(name)
  }

  setFloor(offset: number): void {
    this.#floor = Math.max(this.#floor, offset)
  }

  rewind(offset: number): Promise<void> {
    for (const state of this.#pending.values()) {
      if (state.offset > offset) this.#pending.delete(state.key)
    }
    return this.#offer([], { kind: 'rewind', offset })
  }

  *live(): Iterable<StoredState> {
    // As it is now: a state stored on the way would be missed in both.
    const pending = new Map(this.#pending)
    for (const state of this.#reader.live()) if (!pending.has(state.key)) yield state
    for (const state of pending.values()) if (state.live) yield state
  }

  due(nowMs: number, limit: number): readonly StoredState[] {
    const stored = this.#reader.due(nowMs, limit + this.#pending.size)
    const due = stored.filter((state) => !this.#pending.has(state.key))
    for (const state of this.#pending.values()) if (dueMs(state) <= nowMs) due.push(state)
    return due.sort((a, b) => dueMs(a) - dueMs(b)).slice(0, limit)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#writing) await this.#writing
    this.#reader.close()
    try {
      await this.#thread.ask({ ask: 'close' })
    } finally {
      this.#thread.end()
    }
  }

  #offer(states: readonly StoredState[], last: StateOperation | null): Promise<void> {
    if (this.#closing) {
      return Promise.reject(new OrreryError('state_closed', 'the state store is closed'))
    }
    return new Promise((resolve, reject) => {
      this.#jobs.push({ states, last, sent: 0, resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  async #writeAll(): Promise<void> {
    // Whatever else is saved in this turn of the event loop comes along.
    await Promise.resolve()
    while (this.#jobs.length > 0) await this.#writeFrame()
    this.#writing = null
  }

  async #writeFrame(): Promise<void> {
    const frame = new StateFrame(this.#memory ?? new ArrayBuffer(FRAME_BYTES))
    const jobs = this.#fill(frame)
    const { memory, bytes } = frame.seal(this.#floor)
    try {
      const reply = await this.#thread.ask({ ask: 'apply', memory, bytes }, memory)
      this.#count = reply.count
      this.#memory = reply.memory?.byteLength === FRAME_BYTES ? reply.memory : null
    } catch (cause) {
      this.#memory = null
      this.#log.warn({ error: String(cause), saves: jobs.length }, 'actor states not stored')
      this.#finish(jobs, cause)
      return
    }
    this.#finish(
      jobs.filter((job) => job.sent === lengthOf(job)),
      null,
    )
  }

  /** Puts as many operations into the frame as fit; gives the jobs they belong to. */
  #fill(frame: StateFrame): Job[] {
    const jobs: Job[] = []
    for (const job of this.#jobs) {
      jobs.push(job)
      for (; job.sent < lengthOf(job); job.sent++) {
        const state = job.states[job.sent]
        const operation: StateOperation | null = state ? { kind: 'state', state } : job.last
        if (frame.operations >= FRAME_OPERATIONS_MAX) return jobs
        if (operation && !frame.add(operation)) return jobs
      }
    }
    return jobs
  }

  #finish(jobs: readonly Job[], error: unknown): void {
    const finished = new Set(jobs)
    this.#jobs = this.#jobs.filter((job) => !finished.has(job))
    for (const job of jobs) {
      for (const state of job.states) {
        if (this.#pending.get(state.key) === state) this.#pending.delete(state.key)
      }
      if (error === null) job.resolve()
      else job.reject(error)
    }
  }
}

function lengthOf(job: Job): number {
  return job.states.length + (job.last ? 1 : 0)
}

function dueMs(state: StoredState): number {
  return state.timerMs ?? Infinity
}
