import { signal } from '@preact/signals'

import {
  type RegionsDelta,
  type RegionsSnapshot,
  SNAPSHOT_WINDOWS_MAX,
} from '../../actors/model/live-regions.ts'
import type { RegionTotals, RegionWindow, WindowSizeS } from '../../actors/model/window.ts'
import type { Applied } from './fleet.ts'

/** Windows of one region and size that the stream may leave here: two screens of them. */
export const HELD_MAX = 2 * SNAPSHOT_WINDOWS_MAX
/** Older ones, fetched for the region on screen. */
export const OLDER_MAX = 1_440

type Series = Readonly<{ key: string; windows: readonly RegionWindow[] }>

/** Everything that the stream says of the regions; one for the page. */
export class Regions {
  /** Goes up once a message; whoever shows figures reads it. */
  readonly revision = signal(0)
  readonly watermarkMs = signal<number | null>(null)
  /** True once a snapshot came. */
  readonly known = signal(false)

  readonly #totals = new Map<number, RegionTotals>()
  /** Oldest first; the arrays are replaced and never changed. */
  readonly #series = new Map<string, readonly RegionWindow[]>()
  #older: Series = { key: '', windows: [] }
  #epoch = ''
  #seq = -1

  /** `<epoch>-<seq>` of the newest message, to resume from. */
  get lastEventId(): string {
    return this.#seq < 0 ? '' : `${this.#epoch}-${this.#seq}`
  }

  /** In order of region ids. */
  get totals(): readonly RegionTotals[] {
    return [...this.#totals.values()].sort((one, other) => one.regionId - other.regionId)
  }

  totalsOf(regionId: number): RegionTotals | null {
    return this.#totals.get(regionId) ?? null
  }

  /** Windows of a region, oldest first, with the older ones that were fetched for it. */
  windows(regionId: number, sizeS: WindowSizeS): readonly RegionWindow[] {
    const key = keyOf(regionId, sizeS)
    const held = this.#series.get(key) ?? []
    return this.#older.key === key ? merged(this.#older.windows, held) : held
  }

  /** Windows of all regions, of one size. */
  allOf(sizeS: WindowSizeS): RegionWindow[] {
    const found: RegionWindow[] = []
    for (const { regionId } of this.totals) found.push(...this.windows(regionId, sizeS))
    return found
  }

  applySnapshot(epoch: string, seq: number, snapshot: RegionsSnapshot): void {
    this.#epoch = epoch
    this.#seq = seq
    this.#totals.clear()
    this.#series.clear()
    this.#older = { key: '', windows: [] }
    this.known.value = true
    this.#take(snapshot)
  }

  /** Applies what changed in one tick, if it is the next one. */
  applyDelta(epoch: string, seq: number, delta: RegionsDelta): Applied {
    if (epoch !== this.#epoch) return 'other_epoch'
    if (seq <= this.#seq) return 'repeat'
    if (seq !== this.#seq + 1) return 'gap'
    this.#seq = seq
    this.#take(delta)
    return 'applied'
  }

  /** Takes windows that were asked for; what the stream said of them since is newer and stands. */
  addOlder(regionId: number, sizeS: WindowSizeS, windows: readonly RegionWindow[]): void {
    const key = keyOf(regionId, sizeS)
    const before = this.#older.key === key ? this.#older.windows : []
    this.#older = { key, windows: merged(before, windows).slice(-OLDER_MAX) }
    this.revision.value += 1
  }

  #take(message: RegionsSnapshot | RegionsDelta): void {
    for (const totals of message.regions) this.#totals.set(totals.regionId, totals)
    const fresh = new Map<string, RegionWindow[]>()
    for (const window of message.windows) {
      const key = keyOf(window.regionId, window.sizeS)
      const list = fresh.get(key)
      if (list) list.push(window)
      else fresh.set(key, [window])
    }
    for (const [key, windows] of fresh) {
      this.#series.set(key, merged(this.#series.get(key) ?? [], windows).slice(-HELD_MAX))
    }
    this.watermarkMs.value = message.watermarkMs
    this.revision.value += 1
  }
}

/** Both lists by start; a window of `newer` replaces the one of the same start. */
export function merged(
  older: readonly RegionWindow[],
  newer: readonly RegionWindow[],
): readonly RegionWindow[] {
  if (older.length === 0 && newer.length <= 1) return newer
  const byStart = new Map<number, RegionWindow>()
  for (const window of older) byStart.set(window.startMs, window)
  for (const window of newer) byStart.set(window.startMs, window)
  return [...byStart.values()].sort((one, other) => one.startMs - other.startMs)
}

function keyOf(regionId: number, sizeS: WindowSizeS): string {
  return `${sizeS}:${regionId}`
}
