import type { VirtualClock } from '../../actors/kernel/clock.ts'
import type { Fact, WindowsFact } from '../../actors/model/fact.ts'
import type { RegionTotals, RegionWindow } from '../../actors/model/window.ts'
import { SinkError } from '../sink.ts'
import type { CopyStore } from './copy.ts'
import { redisKey } from './keys.ts'
import { FOREIGN, type WindowsPut } from './redis-store.ts'
import type { WindowsChange } from './store.ts'

/** The worked example of StreamPulse's sample: region 3's minute of 2025-08-17T22:44:00Z. */
export const EXAMPLE_MS = Date.UTC(2025, 7, 17, 22, 44)

/** A window with figures of its own in every field, everything chosen but what is given. */
export function sampleWindow(given: Partial<RegionWindow> = {}, seed = 0): RegionWindow {
  return {
    ...{ regionId: 3, sizeS: 60, startMs: EXAMPLE_MS, tripCount: 1 + seed, lateCount: seed % 3 },
    ...{ totalFare: 99.42 + seed, avgFare: 99.42, minFare: 5.1 + seed, maxFare: 60.7 + seed },
    ...{ totalDistance: 26.9 + seed / 7, minDistance: 0.1, maxDistance: 26.9 },
    ...{ avgDuration: 3_836, minDuration: 60, maxDuration: 7_200 },
    ...{ p50Duration: 3_836 + seed, p95Duration: 3_900, final: seed % 2 === 1, revision: seed % 5 },
    ...given,
  }
}

/** Totals with figures of their own. */
export function sampleTotals(regionId: number, trips: number): RegionTotals {
  return {
    regionId,
    trips,
    duplicates: trips + 1,
    late: 2,
    tooLate: 1,
    newestMs: EXAMPLE_MS + trips,
  }
}

/** A change of nothing but the fence, and what is given. */
export function changeOf(
  fenceFrom: number,
  fenceTo: number,
  given: Partial<WindowsChange> = {},
): WindowsChange {
  return {
    ...{ partition: 0, fenceFrom, fenceTo, windows: [], totals: [], watermarkMs: null },
    ...{ nowMs: Date.now(), ...given },
  }
}

/** What a message made: a window that no other message makes, a day of them in each of 100 regions. */
export function sampleFact(offset: number, seed: number): WindowsFact {
  const regionId = 1 + (offset % 100)
  const startMs = EXAMPLE_MS + Math.floor(offset / 100) * 60_000
  return {
    ...{ kind: 'windows', partition: 0, offset, part: 1 + regionId, regionId, lateMarks: [] },
    windows: [sampleWindow({ regionId, startMs }, seed + (offset % 50))],
    totals: sampleTotals(regionId, offset),
    ...{ watermarkMs: EXAMPLE_MS - 300_001 + offset, receivedMs: EXAMPLE_MS },
  }
}

/** Facts of the messages from `first` to `last`. */
export function sampleFacts(first: number, last: number, seed: number): Fact[] {
  return Array.from({ length: last - first + 1 }, (_, at) => sampleFact(first + at, seed))
}

/** Where a step of a copy stops, as a cut connection would, counted over the steps to come. */
export type CopyFault = 'before' | 'after' | null

type CopyState = Readonly<{
  owner: string | null
  fence: number
  windows: ReadonlyMap<string, RegionWindow>
}>

const NOTHING: CopyState = { owner: null, fence: -1, windows: new Map() }

/** A copy in memory that can forget: all of it, or what came last. One partition. */
export class ForgetfulCopy implements CopyStore {
  /** One a step that changes something: the first is taken off. */
  readonly faults: CopyFault[] = []
  #owner = ''
  #states: CopyState[] = [NOTHING]

  get state(): CopyState {
    return this.#states.at(-1) ?? NOTHING
  }

  /** Goes back by so many steps. */
  forget(steps: number): void {
    this.#states = this.#states.slice(0, Math.max(1, this.#states.length - steps))
  }

  own(owner: string): void {
    this.#owner = owner
  }

  async fence(): Promise<number> {
    const { owner, fence } = this.state
    return owner === null || owner === this.#owner ? fence : FOREIGN
  }

  async put({ fenceFrom, fenceTo, windows }: WindowsPut): Promise<boolean> {
    if ((await this.fence()) !== fenceFrom) return false
    const after = new Map(this.state.windows)
    for (const { window } of windows) after.set(redisKey(window), window)
    return this.#step({ owner: this.#owner, fence: fenceTo, windows: after }, true)
  }

  async clear(): Promise<void> {
    this.#step(NOTHING, true)
  }

  #step<T>(state: CopyState, answer: T): T {
    const fault = this.faults.shift() ?? null
    const lost = new SinkError(`lost ${fault} the step`, { retriable: true })
    if (fault === 'before') throw lost
    this.#states.push(state)
    if (fault === 'after') throw lost
    return answer
  }
}

/** Lets the clock of a connection pass its limits until what waits for an answer has given up. */
export async function giveUp<T>(clock: VirtualClock, waiting: Promise<T>): Promise<T> {
  let over = false
  const end = (): void => {
    over = true
  }
  void waiting.then(end, end)
  while (!over) {
    await clock.advanceMs(10_000)
    // The socket has its say too.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return waiting
}
