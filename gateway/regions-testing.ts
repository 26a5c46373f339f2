import { RegionsFeed } from '../actors/feed/regions-feed.ts'
import type { WindowsFact } from '../actors/model/fact.ts'
import type { RegionsSnapshot } from '../actors/model/live-regions.ts'
import { RegionMap } from '../actors/model/region-map.ts'
import type {
  RegionTotals,
  RegionWindow,
  WindowRange,
  WindowReader,
  WindowSizeS,
} from '../actors/model/window.ts'
import type { GatewayPorts, RegionsFeed as RegionsFeedPort, WindowHistory } from './ports.ts'

/** A window with figures that tell it from others. */
export function testWindow(fields: Partial<RegionWindow> = {}): RegionWindow {
  return {
    ...{ regionId: 5, sizeS: 60, startMs: Date.parse('2025-09-01T11:40:00Z'), tripCount: 7 },
    ...{ totalFare: 351.75, avgFare: 50.25, minFare: 12.5, maxFare: 99 },
    ...{ totalDistance: 117.6, minDistance: 2, maxDistance: 29.9 },
    ...{ avgDuration: 1442.5714285714287, minDuration: 300, maxDuration: 2686 },
    ...{ p50Duration: 1602, p95Duration: 2686, lateCount: 0, final: true, revision: 0 },
    ...fields,
  }
}

/** Windows in a list, as a store or the tables would answer. */
export class TestWindows implements WindowReader, WindowHistory {
  windows: RegionWindow[]
  /** What every question is answered with instead. */
  failure: Error | null = null
  readonly ranges: WindowRange[] = []

  constructor(windows: readonly RegionWindow[] = []) {
    this.windows = [...windows]
  }

  async latest(regionId: number, sizeS: WindowSizeS): Promise<RegionWindow | null> {
    return this.#of(sizeS).findLast((window) => window.regionId === regionId) ?? null
  }
  async latestOfAll(sizeS: WindowSizeS): Promise<readonly RegionWindow[]> {
    const newest = new Map(this.#of(sizeS).map((window) => [window.regionId, window]))
    return [...newest.values()].sort((a, b) => a.regionId - b.regionId)
  }
  async atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]> {
    return this.#of(sizeS).filter((window) => window.startMs === startMs)
  }
  async range(range: WindowRange): Promise<readonly RegionWindow[]> {
    this.ranges.push(range)
    const { regionId, sizeS, fromMs, toMs, limit } = range
    return this.#of(sizeS)
      .filter((one) => one.regionId === regionId && one.startMs >= fromMs && one.startMs <= toMs)
      .slice(-limit)
  }
  async newestStartMs(sizeS: WindowSizeS): Promise<number | null> {
    return this.#of(sizeS).at(-1)?.startMs ?? null
  }
  async totals(): Promise<readonly RegionTotals[]> {
    return []
  }
  async watermarkMs(): Promise<number | null> {
    return null
  }

  #of(sizeS: WindowSizeS): RegionWindow[] {
    if (this.failure) throw this.failure
    return this.windows
      .filter((window) => window.sizeS === sizeS)
      .sort((a, b) => a.startMs - b.startMs || a.regionId - b.regionId)
  }
}

/** The real feed of regions, ticked by the test. */
export class TestRegionsFeed implements RegionsFeedPort {
  readonly epoch: string
  readonly #feed: RegionsFeed
  readonly #listeners = new Set<Parameters<RegionsFeedPort['subscribe']>[0]>()

  constructor(epoch = 'r1') {
    this.epoch = epoch
    const limits = { windowsPerTickMax: 1_000, deltasMax: 3, windowsMax: 1_000 }
    this.#feed = new RegionsFeed({ epoch, partitions: [1_000], limits })
  }

  get seq(): number {
    return this.#feed.seq
  }
  get listeners(): number {
    return this.#listeners.size
  }
  snapshot(): RegionsSnapshot {
    return this.#feed.snapshot(0)
  }
  since(seq: number): ReturnType<RegionsFeedPort['since']> {
    return this.#feed.since(seq)
  }
  subscribe(on: Parameters<RegionsFeedPort['subscribe']>[0]): () => void {
    this.#listeners.add(on)
    return () => void this.#listeners.delete(on)
  }

  /** Takes windows of one region as one fact, and ticks. */
  publish(...windows: readonly RegionWindow[]): void {
    const regionId = windows[0]?.regionId ?? 5
    const fact: WindowsFact = {
      ...{ kind: 'windows', partition: 1_000, offset: this.seq, part: 1 + regionId },
      ...{ regionId, windows, lateMarks: [], watermarkMs: 0, receivedMs: 0 },
      totals: { regionId, trips: 7, duplicates: 0, late: 0, tooLate: 0, newestMs: 0 },
    }
    this.#feed.accept(fact)
    const next = this.#feed.tick(0)
    if (next) for (const listener of this.#listeners) listener.delta(next)
  }
}

/** What the gateway is told of regions while there are none. */
export function regionPorts(): Pick<
  GatewayPorts,
  'regionsFeed' | 'regionMap' | 'windows' | 'windowHistory' | 'deliveries'
> {
  return {
    regionsFeed: new TestRegionsFeed(),
    regionMap: RegionMap.ofGrid(),
    windows: new TestWindows(),
    windowHistory: new TestWindows(),
    deliveries: async () => [],
  }
}
