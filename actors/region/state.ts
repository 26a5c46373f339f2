import { WINDOW_SIZES_S } from '../model/window.ts'
import type { LateMark, RegionTotals, WindowSizeS } from '../model/window.ts'
import { HeldWindow } from './held-window.ts'
import { PastMinutes } from './past-minutes.ts'

/**
 * What one region's actor knows. It is changed in place, unlike a session's: the counters of a busy
 * window cannot be copied for each trip. So a turn checks whatever may throw before its first change.
 */
export type RegionState = {
  /** 0 before the first trip. */
  regionId: number
  /** The last message or tide that this state has seen, −1 for none. */
  seenOffset: number
  /** The highest watermark heard of. */
  watermarkMs: number
  /** Windows whose last millisecond is not beyond this were let go: they take no trip any more. */
  floorMs: number
  /** At this watermark a window turns final or may leave; −Infinity when that must be found out. */
  nextDueMs: number
  totals: { -readonly [Figure in keyof Omit<RegionTotals, 'regionId'>]: number }
  /** Something in `totals` has not been told. */
  totalsChanged: boolean
  /** Held windows by index, one map a size in the order of WINDOW_SIZES_S. */
  readonly windows: readonly Map<number, HeldWindow>[]
  /** Windows that changed since they were told, each once. */
  dirty: HeldWindow[]
  /** Not told yet; by size and start. */
  lateMarks: Map<number, LateMark>
  /** Never stored. */
  past: PastMinutes
}

/** A region of which nothing is known. */
export function unknownRegion(): RegionState {
  return {
    regionId: 0,
    seenOffset: -1,
    watermarkMs: -Infinity,
    floorMs: -Infinity,
    nextDueMs: Infinity,
    totals: { trips: 0, duplicates: 0, late: 0, tooLate: 0, newestMs: -Infinity },
    totalsChanged: false,
    windows: WINDOW_SIZES_S.map(() => new Map<number, HeldWindow>()),
    dirty: [],
    lateMarks: new Map(),
    past: new PastMinutes(),
  }
}

/** Says that a window must be told at the next tide. */
export function markDirty(state: RegionState, window: HeldWindow): void {
  if (window.dirty) return
  window.dirty = true
  state.dirty.push(window)
}

/** Counts a trip that came when the window of this size was gone. */
export function markLate(
  state: RegionState,
  place: number,
  sizeS: WindowSizeS,
  index: number,
): void {
  const key = index * WINDOW_SIZES_S.length + place
  const count = (state.lateMarks.get(key)?.count ?? 0) + 1
  state.lateMarks.set(key, { sizeS, startMs: index * sizeS * 1_000, count })
}

/** Windows in memory, of all sizes. */
export function heldWindows(state: RegionState): number {
  return state.windows.reduce((sum, windows) => sum + windows.size, 0)
}
