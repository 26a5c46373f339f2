import { type Counts, minuteOf, noCounts, sumOf } from './counts.ts'
import type { MetricsChange, MetricsState } from './store.ts'
import { MINUTES_AHEAD, MINUTES_KEPT } from './store.ts'
import type { Tally } from './tally.ts'

/** The counts of one partition as this process knows them: the last state of the store. */
export class Ledger implements MetricsState {
  readonly minutes: Map<number, Counts>
  #offset: number
  #totals: Counts

  constructor(state: MetricsState) {
    this.minutes = new Map(state.minutes)
    this.#offset = state.offset
    this.#totals = state.totals
  }

  /** The ledger of a partition of which nothing was stored. */
  static empty(): Ledger {
    return new Ledger({ offset: -1, totals: noCounts(), minutes: new Map() })
  }

  get offset(): number {
    return this.#offset
  }

  get totals(): Counts {
    return this.#totals
  }

  /** What the store must hold after a tally of the facts up to `fenceTo`; changes nothing here. */
  changeBy(
    tally: Tally,
    about: { partition: number; fenceTo: number; nowMs: number },
  ): MetricsChange {
    const nowMinute = minuteOf(about.nowMs)
    const expireBefore = nowMinute - MINUTES_KEPT
    const minutes = new Map<number, Counts>()
    for (const [minute, counts] of tally.minutes) {
      if (minute < expireBefore || minute > nowMinute + MINUTES_AHEAD) continue
      minutes.set(minute, sumOf(this.minutes.get(minute) ?? noCounts(), counts))
    }
    return {
      partition: about.partition,
      fenceFrom: this.#offset,
      fenceTo: about.fenceTo,
      totals: sumOf(this.#totals, tally.totals),
      minutes,
      expireBefore,
    }
  }

  /** Takes over a change that the store has taken. */
  apply(change: MetricsChange): void {
    this.#offset = change.fenceTo
    this.#totals = change.totals
    for (const [minute, counts] of change.minutes) this.minutes.set(minute, counts)
    for (const minute of this.minutes.keys()) {
      if (minute < change.expireBefore) this.minutes.delete(minute)
    }
  }
}
