import type { HistoryPage } from '../model/history.ts'
import type { Behavior, TimerMessage } from './behavior.ts'
import type { Cell } from './cell.ts'
import type { Clock } from './clock.ts'
import type { Directory } from './directory.ts'
import { messageOf } from './errors.ts'
import type { StateStore, StoredState } from './state-store.ts'
import type { Log, Telemetry } from './telemetry.ts'

export type SweepOptions<State, Message, Page = HistoryPage> = Readonly<{
  behavior: Behavior<State, Message, Page>
  directory: Directory<State, Message, Page>
  store: StateStore
  clock: Clock
  log: Log
  telemetry: Telemetry
  /** Sends a due timer through the journal; false when it cannot be taken now. */
  fire: (key: string, timer: TimerMessage) => boolean
  /** Called after actors were put away: there is room again. */
  madeRoom: () => void
  limits: Readonly<{ awakeMax: number; idleMs: number; cellsPerStepMax: number; everyMs: number }>
}>

/** How often a look is taken at the number of awake actors, between rounds. */
const CROWD_LOOK_MS = 20

/**
 * Comes by every awake actor in turn, a few at a time: fires due timers, puts away who is idle, and,
 * when more than `awakeMax` are awake, who had no message since it last came by (second chance).
 */
export class Sweep<State, Message, Page = HistoryPage> {
  readonly #options: SweepOptions<State, Message, Page>
  #hand: IterableIterator<Cell<State, Message>> | null = null
  #stopped = false
  #cancel: () => void = () => {}
  #writing: Promise<void> | null = null
  readonly #firing = new Set<string>()
  readonly #passivations

  constructor(options: SweepOptions<State, Message, Page>) {
    this.#options = options
    this.#passivations = options.telemetry.counter('orrery_passivations_total', 'Actors put away')
  }

  start(): void {
    this.#next(this.#options.limits.everyMs)
  }

  /** Ends the sweep; resolves when what it was writing is written. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancel()
    await this.#writing
  }

  /** Forgets that a timer is on its way: its message was handled, or refused. */
  fired(key: string): void {
    this.#firing.delete(key)
  }

  #next(delayMs: number, lookMs = CROWD_LOOK_MS): void {
    const { clock, limits } = this.#options
    const waitMs = Math.min(delayMs, lookMs)
    this.#cancel = clock.after(waitMs, () => {
      if (this.#stopped) return
      // With twice as many awake as there should be the partition stands still: not until the next round.
      if (waitMs < delayMs && !this.#crowded) return this.#next(delayMs - waitMs)
      this.step().then(
        () => this.#next(this.#crowded ? 0 : limits.everyMs),
        (cause: unknown) => {
          this.#options.log.warn(
            { error: messageOf(cause) },
            'putting actors away failed, tried again',
          )
          // A store that fails is left alone for a whole round, crowd or not.
          this.#next(limits.everyMs, limits.everyMs)
        },
      )
    })
  }

  get #crowded(): boolean {
    return this.#options.directory.awake > this.#options.limits.awakeMax
  }

  /** One step: a bounded number of actors looked at, and put away once their state is stored. */
  async step(): Promise<void> {
    const { directory, clock, limits } = this.#options
    const nowMs = clock.nowMs()
    this.#fireStored(nowMs)
    const leaving: Cell<State, Message>[] = []
    const looked = Math.min(limits.cellsPerStepMax, directory.awake)
    for (let count = 0; count < looked; count++) {
      const cell = this.#advanceHand()
      if (!cell) break
      this.#fireDue(cell, nowMs)
      if (this.#mayLeave(cell, nowMs)) leaving.push(cell)
      cell.recent = false
    }
    this.#writing = this.#putAway(leaving)
    await this.#writing
    this.#writing = null
  }

  #advanceHand(): Cell<State, Message> | undefined {
    this.#hand ??= this.#options.directory.cells()
    const next = this.#hand.next()
    if (!next.done) return next.value
    this.#hand = this.#options.directory.cells()
    return this.#hand.next().value
  }

  #mayLeave(cell: Cell<State, Message>, nowMs: number): boolean {
    if (cell.waiting || cell.leaving) return false
    if (nowMs - cell.lastReceivedMs > this.#options.limits.idleMs) return !cell.recent
    return this.#crowded && !cell.recent
  }

  async #putAway(cells: readonly Cell<State, Message>[]): Promise<void> {
    if (cells.length === 0) return
    const { directory, store } = this.#options
    const changed = cells.filter((cell) => cell.changed)
    const states = changed.map((cell) => directory.stored(cell))
    const turns = changed.map((cell) => cell.turns)
    for (const cell of cells) cell.leaving = true
    try {
      if (states.length > 0) await store.save(states)
    } finally {
      for (const cell of cells) cell.leaving = false
    }
    changed.forEach((cell, index) => {
      cell.storedTurns = Math.max(cell.storedTurns, turns[index] ?? 0)
    })
    let dropped = 0
    for (const cell of cells) {
      // A message came in meanwhile: it stays.
      if (cell.waiting || cell.changed) continue
      directory.drop(cell)
      dropped++
    }
    this.#passivations.add(dropped)
    if (dropped > 0) this.#options.madeRoom()
  }

  #fireDue(cell: Cell<State, Message>, nowMs: number): void {
    if (cell.waiting) return
    const { behavior, directory } = this.#options
    const timer = behavior.timer(cell.state)
    if (!timer || timer.dueMs > nowMs) return
    this.#fire(directory.keyOf(cell.id), timer)
  }

  /** Timers of actors that are away. */
  #fireStored(nowMs: number): void {
    const { store, directory, limits } = this.#options
    for (const stored of store.due(nowMs, limits.cellsPerStepMax)) {
      if (directory.peek(directory.idOf(stored.key)) || this.#firing.has(stored.key)) continue
      const timer = this.#timerOf(stored)
      if (timer) this.#fire(stored.key, timer)
    }
  }

  /** Null for a state that cannot be understood: one such actor must not stop the others' timers. */
  #timerOf(stored: StoredState): TimerMessage | null {
    const { behavior, directory, log } = this.#options
    try {
      return behavior.timer(directory.decode(stored))
    } catch (thrown) {
      // It stays due, and is passed over silently from now on.
      this.#firing.add(stored.key)
      log.error({ actor: stored.key, error: messageOf(thrown) }, 'timer of an unreadable state')
      return null
    }
  }

  #fire(key: string, timer: TimerMessage): void {
    if (this.#firing.has(key)) return
    this.#firing.add(key)
    if (!this.#options.fire(key, timer)) this.#firing.delete(key)
  }
}
