import { assert } from './errors.ts'
import type { StateStore, StoredState } from './state-store.ts'

/** States in memory that know what would survive a crash: for tests and the simulation. */
export class MemoryStateStore implements StateStore {
  #current = new Shelf()
  #durable = new Shelf()
  #floor = -1
  #saving = 0
  #crashes = 0
  #closed = false
  readonly #settle: () => Promise<void>
  /** What saves fail with until it is null again: a full disk. */
  failure: Error | null = null

  /** `settle` resolves when what was just written is durable; at once by default. */
  constructor(settle: () => Promise<void> = () => Promise.resolve()) {
    this.#settle = settle
  }

  get count(): number {
    return this.#current.states.size
  }

  /** Saves that are not durable yet. */
  get saving(): number {
    return this.#saving
  }

  load(key: string): StoredState | null {
    return this.#current.newest(key)
  }

  save(states: readonly StoredState[]): Promise<void> {
    const copies = states.map((state) => ({ ...state, state: state.state.slice() }))
    return this.#write((shelf) => shelf.put(copies, this.#floor))
  }

  saveMark(name: string, value: Uint8Array): Promise<void> {
    const copy = value.slice()
    return this.#write((shelf) => shelf.marks.set(name, copy))
  }

  loadMark(name: string): Uint8Array | null {
    return this.#current.marks.get(name)?.slice() ?? null
  }

  setFloor(offset: number): void {
    this.#floor = Math.max(this.#floor, offset)
  }

  rewind(offset: number): Promise<void> {
    return this.#write((shelf) => shelf.rewind(offset))
  }

  *live(): Iterable<StoredState> {
    for (const key of [...this.#current.states.keys()]) {
      const newest = this.load(key)
      if (newest?.live) yield newest
    }
  }

  due(nowMs: number, limit: number): readonly StoredState[] {
    const due: { state: StoredState; timerMs: number }[] = []
    for (const key of this.#current.states.keys()) {
      const state = this.load(key)
      const timerMs = state?.timerMs ?? null
      if (state && timerMs !== null && timerMs <= nowMs) due.push({ state, timerMs })
    }
    due.sort((a, b) => a.timerMs - b.timerMs)
    return due.slice(0, limit).map(({ state }) => state)
  }

  async close(): Promise<void> {
    this.#closed = true
    while (this.#saving > 0) await this.#settle()
  }

  /** Goes back to what was durable, as after a power cut; promises of writes under way never settle. */
  crash(): void {
    this.#crashes++
    this.#saving = 0
    this.#floor = -1
    this.#closed = false
    this.#current = this.#durable.copy()
  }

  async #write(apply: (shelf: Shelf) => void): Promise<void> {
    assert(!this.#closed, 'a state was saved after the store was closed')
    if (this.failure) throw this.failure
    const crashes = this.#crashes
    this.#saving++
    apply(this.#current)
    await this.#settle()
    if (crashes !== this.#crashes) return new Promise(() => {})
    this.#saving--
    apply(this.#durable)
  }
}

/** Versions of each actor by rising offset, and the marks. */
class Shelf {
  readonly states = new Map<string, readonly StoredState[]>()
  readonly marks = new Map<string, Uint8Array>()

  newest(key: string): StoredState | null {
    return this.states.get(key)?.at(-1) ?? null
  }

  put(states: readonly StoredState[], floor: number): void {
    for (const state of states) {
      const others = this.states.get(state.key) ?? []
      const versions = [...others.filter(({ offset }) => offset !== state.offset), state]
      versions.sort((a, b) => a.offset - b.offset)
      const needed = versions.findLastIndex(({ offset }) => offset <= floor)
      this.states.set(state.key, versions.slice(Math.max(0, needed)))
    }
  }

  rewind(offset: number): void {
    for (const [key, versions] of this.states) {
      const kept = versions.filter((version) => version.offset <= offset)
      if (kept.length > 0) this.states.set(key, kept)
      else this.states.delete(key)
    }
  }

  copy(): Shelf {
    const copy = new Shelf()
    for (const [key, versions] of this.states) copy.states.set(key, versions)
    for (const [name, value] of this.marks) copy.marks.set(name, value)
    return copy
  }
}
