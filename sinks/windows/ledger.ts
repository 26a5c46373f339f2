import type {
  RegionTotals,
  RegionWindow,
  WindowRange,
  WindowSizeS,
} from '../../actors/model/window.ts'
import { orderOf, WINDOW_KEY_SIZES, windowKey } from './keys.ts'
import type { WindowsChange } from './store.ts'

/** A window as it was last written. Never changed: a later write puts another one in its place. */
export type HeldWindow = Readonly<{
  window: RegionWindow
  /** Where the fence stood when it was written. */
  offset: number
  /** Wall clock of that write. */
  writtenMs: number
}>

/** A region's totals as they were last written. */
export type HeldTotals = Readonly<{ totals: RegionTotals; offset: number }>

/** What one change leaves in the ring of marks: the change, and what the overwritten entry alone still held. */
export type LedgerEntry = Readonly<{
  sequence: number
  /** Entries before this one are over. */
  oldest: number
  fence: number
  watermarkMs: number | null
  /** Of every region of the partition. */
  totals: readonly HeldTotals[]
  windows: readonly HeldWindow[]
}>

export type LedgerLimits = Readonly<{
  /** A window goes so long after its last write. */
  ttlMs: number
  /** Entries kept: the marks of a partition. */
  slots: number
  /** Windows kept; the longest unwritten go first. */
  windowsMax: number
}>

/** What was written after an offset: absolute values, so that a store that stands there gets up to date. */
export type WindowsSince = Readonly<{
  fence: number
  watermarkMs: number | null
  totals: readonly RegionTotals[]
  windows: readonly HeldWindow[]
}>

type Kept = HeldWindow & {
  /** The entry that holds it as it is now. */
  sequence: number
}

/** Of an entry, what is still to be known: which windows were in it. */
type Kin = Readonly<{ sequence: number; fence: number; keys: Float64Array }>

/**
 * The windows of one partition: all values in memory, indexed for reading, and which of the last entries
 * holds each of them as it is now.
 */
export class PartitionLedger {
  readonly #limits: LedgerLimits
  /** In order of their last write. */
  readonly #windows = new Map<number, Kept>()
  /** Starts in order, by region and size. */
  readonly #starts = new Map<number, number[]>()
  readonly #totals = new Map<number, HeldTotals>()
  readonly #entries: Kin[] = []
  #watermarkMs: number | null = null

  /** Entries are those of the ring, in order of their sequence; none for a new partition. */
  constructor(limits: LedgerLimits, entries: readonly LedgerEntry[] = []) {
    this.#limits = limits
    const last = new Map<number, Kept>()
    for (const { sequence, windows } of entries) {
      for (const held of windows) last.set(keyOf(held), { ...held, sequence })
    }
    // Carried windows stand in later entries than they were written in.
    const written = [...last].sort(([, a], [, b]) => a.offset - b.offset)
    for (const [key, kept] of written) this.#put(key, kept)
    for (const entry of entries) this.#remember(entry)
  }

  get fence(): number {
    return this.#entries.at(-1)?.fence ?? -1
  }

  get watermarkMs(): number | null {
    return this.#watermarkMs
  }

  get size(): number {
    return this.#windows.size
  }

  /** The entry that a change leaves; nothing changes here. */
  entryOf(change: WindowsChange): LedgerEntry {
    const { fenceTo: fence, nowMs } = change
    const sequence = (this.#entries.at(-1)?.sequence ?? -1) + 1
    const oldest = Math.max(0, sequence - this.#limits.slots + 1)
    const windows = new Map<number, HeldWindow>()
    for (const window of change.windows) {
      const held = { window, offset: fence, writtenMs: nowMs }
      windows.set(keyOf(held), held)
    }
    const first = this.#entries[0]
    const over = first && first.sequence < oldest ? first.keys : []
    for (const key of over) {
      const kept = this.#windows.get(key)
      if (kept?.sequence !== first?.sequence || !kept || windows.has(key)) continue
      if (!this.#isOver(kept, nowMs)) windows.set(key, kept)
    }
    const totals = new Map(this.#totals)
    for (const one of change.totals) totals.set(one.regionId, { totals: one, offset: fence })
    return {
      ...{ sequence, oldest, fence, watermarkMs: change.watermarkMs ?? this.watermarkMs },
      ...{ totals: [...totals.values()], windows: [...windows.values()] },
    }
  }

  /** Takes over an entry that is durable. */
  take(entry: LedgerEntry): void {
    const { sequence } = entry
    for (const held of entry.windows) {
      const key = keyOf(held)
      const kept = this.#windows.get(key)
      // Carried only: its place in the order of writing stays.
      if (kept?.offset === held.offset) kept.sequence = sequence
      // A carried one that is not there has gone while the entry was being saved.
      else if (held.offset === entry.fence) this.#put(key, { ...held, sequence })
    }
    this.#remember(entry)
  }

  /** Lets go of windows whose time to live is over, and of the longest unwritten beyond the bound. */
  expire(nowMs: number): void {
    for (const [key, held] of this.#windows) {
      if (this.#windows.size <= this.#limits.windowsMax && !this.#isOver(held, nowMs)) return
      this.#windows.delete(key)
      const { regionId, sizeS, startMs } = held.window
      const series = seriesOf(regionId, sizeS)
      const starts = this.#starts.get(series) ?? []
      starts.splice(placeOf(starts, startMs), 1)
      if (starts.length === 0) this.#starts.delete(series)
    }
  }

  /** What was written after the fence stood at `offset`. Looks at the entries after it only. */
  since(offset: number): WindowsSince {
    const windows: HeldWindow[] = []
    for (let at = this.#entries.length - 1; at >= 0; at--) {
      const entry = this.#entries[at]
      if (!entry || entry.fence <= offset) break
      for (const key of entry.keys) {
        const kept = this.#windows.get(key)
        if (kept && kept.sequence === entry.sequence && kept.offset > offset) windows.push(kept)
      }
    }
    const totals = [...this.#totals.values()].filter((held) => held.offset > offset)
    return {
      ...{ fence: this.fence, watermarkMs: this.watermarkMs, windows },
      totals: totals.map((held) => held.totals),
    }
  }

  /** Regions that were ever heard of. */
  regions(): Iterable<number> {
    return this.#totals.keys()
  }

  totals(): readonly RegionTotals[] {
    return [...this.#totals.values()].map((held) => held.totals)
  }

  window(regionId: number, sizeS: WindowSizeS, startMs: number): RegionWindow | null {
    return this.#windows.get(windowKey(regionId, sizeS, startMs))?.window ?? null
  }

  latest(regionId: number, sizeS: WindowSizeS): RegionWindow | null {
    const startMs = this.#starts.get(seriesOf(regionId, sizeS))?.at(-1)
    return startMs === undefined ? null : this.window(regionId, sizeS, startMs)
  }

  /** Oldest first; the newest `limit` of them. */
  range({ regionId, sizeS, fromMs, toMs, limit }: WindowRange): RegionWindow[] {
    const starts = this.#starts.get(seriesOf(regionId, sizeS)) ?? []
    const end = placeOf(starts, toMs + 1)
    const first = Math.max(placeOf(starts, fromMs), end - limit)
    return starts
      .slice(first, Math.max(first, end))
      .flatMap((startMs) => this.window(regionId, sizeS, startMs) ?? [])
  }

  #remember({ sequence, oldest, fence, watermarkMs, totals, windows }: LedgerEntry): void {
    while (this.#entries[0] && this.#entries[0].sequence < oldest) this.#entries.shift()
    this.#entries.push({ sequence, fence, keys: Float64Array.from(windows, keyOf) })
    this.#watermarkMs = watermarkMs
    for (const held of totals) this.#totals.set(held.totals.regionId, held)
  }

  #put(key: number, kept: Kept): void {
    // Deleted first, so that it stands last in order of writing.
    if (!this.#windows.delete(key)) {
      const { regionId, sizeS, startMs } = kept.window
      const series = seriesOf(regionId, sizeS)
      const starts = this.#starts.get(series)
      if (starts) starts.splice(placeOf(starts, startMs), 0, startMs)
      else this.#starts.set(series, [startMs])
    }
    this.#windows.set(key, kept)
  }

  #isOver(held: HeldWindow, nowMs: number): boolean {
    return held.writtenMs + this.#limits.ttlMs <= nowMs
  }
}

function keyOf({ window }: HeldWindow): number {
  return windowKey(window.regionId, window.sizeS, window.startMs)
}

function seriesOf(regionId: number, sizeS: WindowSizeS): number {
  return regionId * WINDOW_KEY_SIZES + orderOf(sizeS)
}

/** Where `startMs` stands, or would stand. New windows come at the end: that is looked at first. */
function placeOf(starts: readonly number[], startMs: number): number {
  if ((starts.at(-1) ?? -Infinity) < startMs) return starts.length
  let low = 0
  let high = starts.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((starts[middle] ?? Infinity) < startMs) low = middle + 1
    else high = middle
  }
  return low
}
