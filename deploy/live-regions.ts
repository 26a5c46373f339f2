import { readFileSync } from 'node:fs'

import { nanoid } from 'nanoid'

import { RegionsFeed as Feed, type RegionsStand } from '../actors/feed/regions-feed.ts'
import type { Sequenced } from '../actors/feed/ring.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import {
  type RegionsDelta,
  type RegionsSnapshot,
  SNAPSHOT_WINDOWS_MAX,
} from '../actors/model/live-regions.ts'
import { RegionMap } from '../actors/model/region-map.ts'
import { WINDOW_SIZES_S, type WindowReader } from '../actors/model/window.ts'
import type { RegionsFeed } from '../gateway/ports.ts'
import { TRIPS_PARTITION } from './trips.ts'
import { isWatched } from './watching.ts'

type Listener = Parameters<RegionsFeed['subscribe']>[0]

/** One tick makes one delta: short beside the second in which a provisional window must be seen. */
export const REGIONS_TICK_MS = 250
/** A viewer that was cut off finds the deltas it missed for so long. */
const COME_BACK_MS = 60_000

/** The regions page's feed joined to the facts of trips, with its ticks. */
export class LiveRegions implements RegionsFeed {
  readonly #feed: Feed
  readonly #clock: Clock
  readonly #listeners = new Set<Listener>()
  /** When somebody last watched. */
  #watchedMs = -Infinity
  /** Somebody watched at the last tick, or a moment before and may come back for what it missed. */
  #recently = false
  #cancel = (): void => {}

  constructor(clock: Clock, telemetry: Telemetry) {
    this.#clock = clock
    this.#feed = newRegionsFeed(nanoid(10), [TRIPS_PARTITION])
    telemetry
      .gauge('orrery_watermark_seconds', 'Event time up to which windows are final, since 1970 UTC')
      .from(() => (this.#feed.watermarkMs ?? 0) / 1_000)
  }

  get epoch(): string {
    return this.#feed.epoch
  }

  get seq(): number {
    return this.#feed.seq
  }

  snapshot(): RegionsSnapshot {
    return this.#feed.snapshot(this.#clock.nowMs())
  }

  since(seq: number): readonly Sequenced<RegionsDelta>[] | null {
    return this.#feed.since(seq)
  }

  subscribe(on: Listener): () => void {
    this.#listeners.add(on)
    return () => this.#listeners.delete(on)
  }

  /** Shows what the store has, before the journal's tail is replayed. */
  async restore(windows: WindowReader): Promise<void> {
    this.#feed.restore(await regionsStandOf(windows))
  }

  accept(fact: Fact): void {
    if (fact.kind === 'windows')
      this.#feed.accept(fact, this.#recently || isWatched(this.#listeners))
  }

  start(): void {
    this.#cancel = this.#clock.after(REGIONS_TICK_MS, () => {
      const nowMs = this.#clock.monotonicMs()
      if (isWatched(this.#listeners)) this.#watchedMs = nowMs
      this.#recently = nowMs - this.#watchedMs < COME_BACK_MS
      const delta = this.#feed.tick(this.#clock.nowMs(), this.#recently)
      if (delta) for (const listener of this.#listeners) listener.delta(delta)
      this.start()
    })
  }

  stop(): void {
    this.#cancel()
  }
}

/** A feed of these partitions, within the bounds of one process. */
export function newRegionsFeed(epoch: string, partitions: readonly number[]): Feed {
  const limits = { windowsPerTickMax: 2_000, deltasMax: 240, windowsMax: 50_000 }
  return new Feed({ epoch, partitions, limits })
}

/** What a store of windows has: where a feed begins. */
export async function regionsStandOf(windows: WindowReader): Promise<RegionsStand> {
  const totals = await windows.totals()
  const held = []
  for (const { regionId } of totals) {
    for (const sizeS of WINDOW_SIZES_S) {
      const range = { regionId, sizeS, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER }
      held.push(...(await windows.range({ ...range, limit: SNAPSHOT_WINDOWS_MAX })))
    }
  }
  return { totals, windows: held, watermarkMs: await windows.watermarkMs() }
}

/** The regions of the configured file, or the grid over the city; a file that cannot be used stops the start. */
export function readRegionMap(path: string): RegionMap {
  if (path === '') return RegionMap.ofGrid()
  const parsed = RegionMap.parse(textOf(path))
  if (parsed.ok) return parsed.map
  throw new OrreryError('invalid_regions', `REGIONS_FILE ${path}: ${parsed.reason}`)
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    const message = `REGIONS_FILE ${path} cannot be read: ${messageOf(cause)}`
    throw new OrreryError('invalid_regions', message, { cause })
  }
}
