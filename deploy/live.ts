import { nanoid } from 'nanoid'

import { kpiOf } from '../actors/feed/figures.ts'
import type { SequencedDelta } from '../actors/feed/ring.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { LiveSnapshot } from '../actors/model/live.ts'
import type { LiveFeed } from '../gateway/ports.ts'
import { LiveFacts, type LiveSources, TICK_MS } from './live-facts.ts'
import { isWatched } from './watching.ts'

type Listener = Parameters<LiveFeed['subscribe']>[0]

const KPI_MS = 1_000
/** A viewer that was cut off finds the deltas it missed for so long. */
const COME_BACK_MS = 60_000

/** The live map's feed joined to the facts, with its ticks and figures. */
export class Live implements LiveFeed {
  readonly #facts: LiveFacts
  readonly #clock: Clock
  readonly #listeners = new Set<Listener>()
  /** When somebody last watched. */
  #watchedMs = -Infinity
  #cancels: (() => void)[] = []

  constructor(clock: Clock, telemetry: Telemetry, log: Log) {
    this.#clock = clock
    this.#facts = new LiveFacts(nanoid(10), { clock, telemetry, log })
  }

  get epoch(): string {
    return this.#facts.feed.epoch
  }

  get seq(): number {
    return this.#facts.feed.seq
  }

  snapshot(): LiveSnapshot {
    return this.#facts.feed.snapshot(this.#clock.nowMs())
  }

  since(seq: number): readonly SequencedDelta[] | null {
    return this.#facts.feed.since(seq)
  }

  subscribe(on: Listener): () => void {
    this.#listeners.add(on)
    return () => this.#listeners.delete(on)
  }

  /** Puts the sessions under way on the map, before the journal's tail is replayed. */
  restore(sources: LiveSources): void {
    this.#facts.restore(sources)
  }

  accept(fact: Fact): void {
    this.#facts.accept(fact)
  }

  start(): void {
    this.#repeat(TICK_MS, () => {
      const nowMs = this.#clock.monotonicMs()
      if (isWatched(this.#listeners)) this.#watchedMs = nowMs
      const watched = nowMs - this.#watchedMs < COME_BACK_MS
      const delta = this.#facts.feed.tick(this.#clock.nowMs(), watched)
      if (delta) for (const listener of this.#listeners) listener.delta(delta)
    })
    this.#repeat(KPI_MS, () => {
      const figures = this.#facts.figures()
      if (!figures) return
      const kpi = kpiOf([figures], this.#clock.nowMs())
      for (const listener of this.#listeners) listener.kpi(kpi)
    })
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
  }

  #repeat(everyMs: number, call: () => void): void {
    const index = this.#cancels.length
    const next = (): void => {
      this.#cancels[index] = this.#clock.after(everyMs, () => {
        next()
        call()
      })
    }
    next()
  }
}
