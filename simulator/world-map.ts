import { Feed } from '../actors/feed/feed.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { Directory } from '../actors/kernel/directory.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Fact } from '../actors/model/fact.ts'
import { type LivePosition, POSITION_STRIDE, unpackPosition } from '../actors/model/live.ts'
import type { Ping } from '../actors/model/ping.ts'
import { feedSessionOf, type SessionState } from '../actors/session/state.ts'

const TICK_MS = 1_000
/** Longer than any run: what has left the map cannot be compared. */
const STAY_MS = 100_000_000

/** The live map's feed, joined to the facts as the process does it. */
export class SimMap {
  readonly #clock: Clock
  readonly #directory: Directory<SessionState, Ping>
  readonly #states: StateStore
  readonly #feed: Feed

  constructor(
    options: Readonly<{
      clock: Clock
      directory: Directory<SessionState, Ping>
      states: StateStore
    }>,
  ) {
    this.#clock = options.clock
    this.#directory = options.directory
    this.#states = options.states
    this.#feed = new Feed({
      epoch: 'simulated',
      nowMs: this.#clock.nowMs(),
      limits: {
        vehiclesMax: 1_000,
        completedStayMs: STAY_MS,
        silentStayMs: STAY_MS,
        deltasMax: 20,
        positionsMax: 10_000,
      },
    })
  }

  /** Sessions under way as they were stored, before the journal's tail is replayed. */
  restore(): void {
    for (const stored of this.#states.live()) {
      const id = this.#directory.idOf(stored.key)
      this.#restore(id, this.#directory.decode(stored))
    }
  }

  accept(fact: Fact): void {
    if (this.#feed.accept(fact) || fact.kind !== 'movement') return
    const cell = this.#directory.peek(fact.sessionId)
    if (cell) this.#restore(fact.sessionId, cell.state)
  }

  start(): void {
    this.#clock.after(TICK_MS, () => {
      this.#feed.tick(this.#clock.nowMs())
      this.start()
    })
  }

  /** Where each session is on the map. */
  positions(): ReadonlyMap<string, LivePosition> {
    const { vehicles, pos } = this.#feed.snapshot(this.#clock.nowMs())
    const sessions = new Map(vehicles.map((vehicle) => [vehicle.handle, vehicle.sessionId]))
    const positions = new Map<string, LivePosition>()
    for (let at = 0; at < pos.length; at += POSITION_STRIDE) {
      const position = unpackPosition(pos, at)
      positions.set(sessions.get(position.handle) ?? '', position)
    }
    return positions
  }

  #restore(id: string, state: SessionState): void {
    const session = feedSessionOf(state)
    if (session && !session.completed) this.#feed.restore(id, session)
  }
}
