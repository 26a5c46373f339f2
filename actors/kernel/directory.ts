import type { HistoryPage } from '../model/history.ts'
import type { Behavior } from './behavior.ts'
import { Cell } from './cell.ts'
import type { Clock } from './clock.ts'
import { OrreryError } from './errors.ts'
import type { StateStore, StoredState } from './state-store.ts'
import type { Histogram, Telemetry } from './telemetry.ts'

/** One activation in so many is timed: reading the clock twice is not for free. */
const TIMED_EVERY = 16
const ACTIVATION_BOUNDS_MS = [
  0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1, 2, 5, 10, 20, 50, 100, 1_000,
]

/**
 * All actors of one behavior in a partition that are awake, by id; the others are in the store, under
 * their address `<behavior>:<id>`.
 */
export class Directory<State, Message, Page = HistoryPage> {
  readonly #behavior: Behavior<State, Message, Page>
  readonly #store: StateStore
  readonly #cells = new Map<string, Cell<State, Message>>()
  readonly #timing: Readonly<{ clock: Clock; tookMs: Histogram }> | null
  /** Times an actor was woken. */
  activations = 0
  /** No state handed to the store has seen a message beyond this offset. */
  storedThrough = -1

  constructor(
    behavior: Behavior<State, Message, Page>,
    store: StateStore,
    watch?: Readonly<{ clock: Clock; telemetry: Telemetry }>,
  ) {
    this.#behavior = behavior
    this.#store = store
    this.#timing = watch ? { clock: watch.clock, tookMs: activationMs(watch.telemetry) } : null
  }

  get awake(): number {
    return this.#cells.size
  }

  peek(id: string): Cell<State, Message> | undefined {
    return this.#cells.get(id)
  }

  /** The address under which an actor is stored. */
  keyOf(id: string): string {
    return `${this.#behavior.name}:${id}`
  }

  /** The id within an address. */
  idOf(key: string): string {
    return key.slice(this.#behavior.name.length + 1)
  }

  /** The actor, woken when it was away. Throws when its stored state cannot be read. */
  get(id: string): Cell<State, Message> {
    return this.#cells.get(id) ?? this.#activate(id)
  }

  /** All awake actors in the order they woke; tolerates changes on the way. */
  cells(): IterableIterator<Cell<State, Message>> {
    return this.#cells.values()
  }

  /** Lets go of an actor whose newest state is stored. */
  drop(cell: Cell<State, Message>): void {
    this.#cells.delete(cell.id)
  }

  /** The actor's state as bytes, with what the store's indexes need. */
  stored(cell: Cell<State, Message>): StoredState {
    const state = this.#behavior.forgotten(cell.state)
    this.storedThrough = Math.max(this.storedThrough, cell.offset)
    return {
      key: this.keyOf(cell.id),
      offset: cell.offset,
      version: this.#behavior.version,
      state: this.#behavior.encode(state),
      timerMs: this.#behavior.timer(state)?.dueMs ?? null,
      live: this.#behavior.live(state),
    }
  }

  /** A state as it was put away. */
  decode(stored: StoredState): State {
    try {
      return this.#behavior.decode(stored.state, stored.version)
    } catch (cause) {
      const message = `state of ${stored.key} (version ${stored.version}) cannot be read`
      throw new OrreryError('state_unreadable', message, { cause })
    }
  }

  #activate(id: string): Cell<State, Message> {
    const timing = this.activations % TIMED_EVERY === 0 ? this.#timing : null
    const startedMs = timing?.clock.monotonicMs() ?? 0
    const stored = this.#store.load(this.keyOf(id))
    const state = stored ? this.decode(stored) : this.#behavior.initial()
    if (stored && timing) timing.tookMs.observe(timing.clock.monotonicMs() - startedMs)
    const cell = new Cell<State, Message>(id, state, stored?.offset ?? -1)
    this.#cells.set(id, cell)
    this.activations++
    return cell
  }
}

function activationMs(telemetry: Telemetry): Histogram {
  const help = 'Milliseconds to load and decode an actor that was put away; one in 16 is timed'
  return telemetry.histogram('orrery_activation_ms', help, {}, ACTIVATION_BOUNDS_MS)
}
