import type { HistoryPage } from '../model/history.ts'
import type { Cell } from './cell.ts'
import type { Clock } from './clock.ts'
import type { Directory } from './directory.ts'
import type { StateStore, StoredState } from './state-store.ts'
import type { Log, Telemetry } from './telemetry.ts'

const MARK = 'checkpoint'
const FLOOR = 'floor'
const BEGINNING = 'beginning'
const STATES_PER_SAVE = 2_000
/** Cells encoded before other work goes first: about a millisecond. */
const CELLS_PER_SLICE = 250

export type CheckpointOptions<State, Message, Page = HistoryPage> = Readonly<{
  directory: Directory<State, Message, Page>
  store: StateStore
  clock: Clock
  log: Log
  telemetry: Telemetry
  /** Every message up to this offset has been handled. */
  handledThrough: () => number
  /** What a replay from behind this offset must know of everything before it; stored with the mark. */
  note?: (offset: number) => string
  /** Resolves when every sink of derived facts has acknowledged `offset`. */
  acknowledged: (offset: number) => Promise<void>
}>

/** The offset of the newest checkpoint: replay starts behind it; −1 for none. */
export function readCheckpoint(store: StateStore): number {
  return readOffset(store, MARK)
}

/** Says of an empty store that its log begins at `offset`: nothing before it is ever needed. */
export async function beginAt(store: StateStore, offset: number): Promise<void> {
  await store.saveMark(MARK, new TextEncoder().encode(String(offset - 1)))
  await store.saveMark(BEGINNING, new TextEncoder().encode(String(offset)))
}

/** Where `beginAt` said that the log begins; null when it was never said. */
export function readBeginning(store: StateStore): number | null {
  const mark = store.loadMark(BEGINNING)
  return mark ? Number(new TextDecoder().decode(mark)) : null
}

/** What was noted with the newest checkpoint; empty for none. */
export function readNote(store: StateStore): string {
  const mark = store.loadMark(MARK)
  return mark ? (new TextDecoder().decode(mark).split(' ')[1] ?? '') : ''
}

/** The offset below which no recovery can go any more: older states than it may have been dropped; −1 for none. */
export function readFloor(store: StateStore): number {
  return readOffset(store, FLOOR)
}

/**
 * Lets the store drop what no recovery needs while the sinks keep what they have acknowledged. Noted
 * first, so that a sink which comes back with less is found out.
 */
export async function raiseFloor(store: StateStore, offset: number): Promise<void> {
  if (offset <= readFloor(store)) return
  await store.saveMark(FLOOR, new TextEncoder().encode(String(offset)))
  store.setFloor(offset)
}

function readOffset(store: StateStore, name: string): number {
  const mark = store.loadMark(name)
  return mark ? Number(new TextDecoder().decode(mark).split(' ')[0]) : -1
}

/** An actor whose state was taken for storing, and its turns until then: more may come before it is stored. */
type Encoded<State, Message> = Readonly<{ cell: Cell<State, Message>; turns: number }>

/**
 * Stores every changed state, a few at a time while the actors go on, and then marks the offset from
 * which a replay has to start. The mark waits until the sinks have acknowledged everything that the
 * stored states have seen: recovery drops states newer than the sinks (SPEC.md K6), and must then
 * find older ones that reach up to the mark.
 */
export class Checkpoint<State, Message, Page = HistoryPage> {
  readonly #options: CheckpointOptions<State, Message, Page>
  #running: Promise<number> | null = null
  #last: number
  readonly #took

  constructor(options: CheckpointOptions<State, Message, Page>) {
    this.#options = options
    this.#last = readCheckpoint(options.store)
    this.#took = options.telemetry.histogram(
      'orrery_checkpoint_ms',
      'Milliseconds that a checkpoint took',
    )
    options.telemetry
      .gauge('orrery_checkpoint_offset', 'Offset of the newest checkpoint')
      .from(() => this.#last)
  }

  get last(): number {
    return this.#last
  }

  /** One checkpoint; the offset it reached. A second call while one runs waits for that one. */
  take(): Promise<number> {
    this.#running ??= this.#take().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #take(): Promise<number> {
    const { directory, store, clock, handledThrough, acknowledged, log } = this.#options
    const through = handledThrough()
    if (through <= this.#last) return this.#last
    const startedMs = clock.monotonicMs()
    const states = await this.#storeChanged()
    // Passivation stores states too, and actors behind a waiting one are ahead of `through`.
    await acknowledged(Math.max(through, directory.storedThrough))
    const note = this.#options.note?.(through) ?? ''
    await store.saveMark(MARK, new TextEncoder().encode(`${through} ${note}`.trimEnd()))
    this.#last = through
    const tookMs = clock.monotonicMs() - startedMs
    this.#took.observe(tookMs)
    log.debug({ offset: through, states, tookMs: Math.round(tookMs) }, 'checkpoint taken')
    return through
  }

  async #storeChanged(): Promise<number> {
    const { directory, clock } = this.#options
    let visits = directory.awake
    let sliced = 0
    let total = 0
    let changed: Encoded<State, Message>[] = []
    let states: StoredState[] = []
    for (const cell of directory.cells()) {
      // Actors that woke after the start have nothing from before it to store.
      if (visits-- <= 0) break
      if (cell.changed) {
        changed.push({ cell, turns: cell.turns })
        states.push(directory.stored(cell))
      }
      if (states.length >= STATES_PER_SAVE) {
        total += await this.#save(changed, states)
        changed = []
        states = []
        sliced = 0
      } else if (++sliced >= CELLS_PER_SLICE) {
        sliced = 0
        await new Promise<void>((resolve) => clock.soon(resolve))
      }
    }
    return total + (await this.#save(changed, states))
  }

  async #save(
    encoded: readonly Encoded<State, Message>[],
    states: readonly StoredState[],
  ): Promise<number> {
    if (states.length === 0) return 0
    await this.#options.store.save(states)
    for (const { cell, turns } of encoded) cell.storedTurns = Math.max(cell.storedTurns, turns)
    return states.length
  }
}
