import type { WindowsFact } from '../model/fact.ts'
import {
  type RegionsDelta,
  type RegionsSnapshot,
  SNAPSHOT_WINDOWS_MAX,
} from '../model/live-regions.ts'
import type { RegionTotals, RegionWindow } from '../model/window.ts'
import { DeltaRing, type Sequenced } from './ring.ts'

export type RegionsFeedOptions = Readonly<{
  /** Names this run of the process: event ids of another run mean nothing. */
  epoch: string
  /** Partitions of trips as far as they are known: of those heard of, the slowest is the watermark that is shown. */
  partitions: readonly number[]
  limits: Readonly<{
    /** Windows that one tick says; what is left comes with the next. */
    windowsPerTickMax: number
    /** Deltas held for clients that come back, and the windows in all of them. */
    deltasMax: number
    windowsMax: number
  }>
}>

/** What a fact, or another feed, says of a partition; null for a watermark that is not known. */
export type RegionsChange = Pick<RegionsDelta, 'regions' | 'windows' | 'watermarkMs'>

/** Where the regions stand before the first fact: as the store has them. */
export type RegionsStand = Readonly<{
  totals: readonly RegionTotals[]
  windows: readonly RegionWindow[]
  watermarkMs: number | null
}>

/** More than any window has seconds: tells the lists of regions apart. */
const LIST_STRIDE = 10_000

/**
 * The regions page's source: the newest windows of every region and size, and what changed since the
 * last tick. Facts come in; a tick makes one delta of them, however many there were.
 */
export class RegionsFeed {
  readonly epoch: string
  readonly #limits: RegionsFeedOptions['limits']
  readonly #ring: DeltaRing<RegionsDelta>
  /** By region and size, oldest first. */
  readonly #windows = new Map<number, RegionWindow[]>()
  readonly #totals = new Map<number, RegionTotals>()
  readonly #watermarks: Map<number, number | null>
  /** What the next ticks say, in the order in which it first changed. */
  readonly #changed = new Map<string, RegionWindow>()
  readonly #told = new Set<number>()
  /** Something changed that no delta will say. */
  #missed = false

  constructor(options: RegionsFeedOptions) {
    this.epoch = options.epoch
    this.#limits = options.limits
    this.#watermarks = new Map(options.partitions.map((partition) => [partition, null]))
    const { deltasMax, windowsMax } = options.limits
    const weightOf = (delta: RegionsDelta): number => delta.windows.length
    this.#ring = new DeltaRing({ deltasMax, weightMax: windowsMax, weightOf })
  }

  get seq(): number {
    this.#skipMissed()
    return this.#ring.seq
  }

  /** Windows held, of all regions and sizes. */
  get windows(): number {
    let count = 0
    for (const held of this.#windows.values()) count += held.length
    return count
  }

  /** The lowest of the partitions that have had a trip. */
  get watermarkMs(): number | null {
    let lowest: number | null = null
    for (const watermark of this.#watermarks.values()) {
      if (watermark !== null && (lowest === null || watermark < lowest)) lowest = watermark
    }
    return lowest
  }

  /** Takes what the store had, before the journal's tail is replayed. */
  restore({ totals, windows, watermarkMs }: RegionsStand): void {
    for (const total of totals) this.#totals.set(total.regionId, total)
    for (const window of windows) this.#hold(window)
    for (const partition of this.#watermarks.keys()) this.#watermarks.set(partition, watermarkMs)
  }

  /**
   * Takes a fact. Figures only grow: an older fact, read again, takes nothing back. While nobody is there to see it
   * (`wanted`) no delta is prepared, and who comes takes a snapshot.
   */
  accept(fact: WindowsFact, wanted = true): void {
    const { partition, totals, windows, watermarkMs } = fact
    this.take(partition, { regions: [totals], windows, watermarkMs }, wanted)
  }

  /** As `accept`, for what another feed says of a partition: a delta of it, or its snapshot. */
  take(partition: number, change: RegionsChange, wanted = true): void {
    const { regions, windows, watermarkMs } = change
    const before = this.#watermarks.get(partition) ?? null
    const after = before !== null && (watermarkMs ?? -Infinity) < before ? before : watermarkMs
    this.#watermarks.set(partition, after)
    for (const totals of regions) {
      const { regionId } = totals
      const known = this.#totals.get(regionId)
      if (known && seenOf(totals) < seenOf(known)) continue
      this.#totals.set(regionId, totals)
      if (wanted) this.#told.add(regionId)
    }
    for (const window of windows) {
      if (!this.#hold(window)) continue
      // What waits to be said must not be older than a snapshot that is taken meanwhile.
      if (wanted || this.#changed.size > 0) this.#changed.set(nameOf(window), window)
    }
    if (!wanted) this.#missed = true
  }

  /**
   * Makes one delta of what changed since the last tick; null when nothing did, or when nobody is
   * there to see it (`wanted`): then none is made, and who comes takes a snapshot.
   */
  tick(nowMs: number, wanted = true): Sequenced<RegionsDelta> | null {
    this.#skipMissed()
    if (this.#changed.size + this.#told.size === 0) return null
    if (!wanted) {
      this.#changed.clear()
      this.#told.clear()
      this.#ring.skip()
      return null
    }
    const windows: RegionWindow[] = []
    for (const [name, window] of this.#changed) {
      if (windows.length === this.#limits.windowsPerTickMax) break
      windows.push(window)
      this.#changed.delete(name)
    }
    const regions = [...this.#told].flatMap((regionId) => this.#totals.get(regionId) ?? [])
    this.#told.clear()
    return this.#ring.push({ nowMs, watermarkMs: this.watermarkMs, regions, windows })
  }

  snapshot(nowMs: number): RegionsSnapshot {
    const regions = [...this.#totals.values()].sort((a, b) => a.regionId - b.regionId)
    const windows = [...this.#windows.values()].flat()
    return { nowMs, watermarkMs: this.watermarkMs, regions, windows }
  }

  /** Deltas after `seq`, or null when some of them are no longer held. */
  since(seq: number): readonly Sequenced<RegionsDelta>[] | null {
    this.#skipMissed()
    return this.#ring.since(seq)
  }

  /** Before anybody is told a number: who stands before what was missed cannot go on from there. */
  #skipMissed(): void {
    if (!this.#missed) return
    this.#missed = false
    this.#ring.skip()
  }

  /** False when it is older than what is held, or than the newest that are. */
  #hold(window: RegionWindow): boolean {
    const list = window.regionId * LIST_STRIDE + window.sizeS
    const held = this.#windows.get(list) ?? []
    this.#windows.set(list, held)
    // Nearly all are of the newest windows: from the end.
    let place = held.length
    while (place > 0 && (held[place - 1]?.startMs ?? 0) > window.startMs) place--
    const same = held[place - 1]
    if (same?.startMs === window.startMs) {
      if (isOlder(window, same)) return false
      held[place - 1] = window
      return true
    }
    if (held.length < SNAPSHOT_WINDOWS_MAX) {
      held.splice(place, 0, window)
      return true
    }
    if (place === 0) return false
    held.splice(place, 0, window)
    const gone = held.shift()
    // Nobody is told of what nobody keeps.
    if (gone) this.#changed.delete(nameOf(gone))
    return true
  }
}

function isOlder(window: RegionWindow, than: RegionWindow): boolean {
  if (window.tripCount !== than.tripCount) return window.tripCount < than.tripCount
  return than.final && !window.final
}

function seenOf({ trips, duplicates }: RegionTotals): number {
  return trips + duplicates
}

function nameOf({ regionId, sizeS, startMs }: RegionWindow): string {
  return `${regionId} ${sizeS} ${startMs}`
}
