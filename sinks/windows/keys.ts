import {
  type RegionWindow,
  WINDOW_NAMES,
  WINDOW_SIZES_S,
  type WindowName,
  type WindowSizeS,
} from '../../actors/model/window.ts'

/** Sizes as they are told apart in numeric keys. */
export const WINDOW_KEY_SIZES = WINDOW_SIZES_S.length
/** More than there are regions. */
const REGIONS_SPAN = 1_024
const MINUTE_MS = 60_000

/** The place of a size among all sizes. */
export function orderOf(sizeS: WindowSizeS): number {
  return WINDOW_SIZES_S.indexOf(sizeS)
}

/** One number a window: every start is a whole minute, so nothing is lost. */
export function windowKey(regionId: number, sizeS: WindowSizeS, startMs: number): number {
  const start = (startMs / MINUTE_MS) * WINDOW_KEY_SIZES + orderOf(sizeS)
  return start * REGIONS_SPAN + regionId
}

/** `1m` for 60. */
export function sizeName(sizeS: WindowSizeS): WindowName {
  for (const [name, size] of Object.entries(WINDOW_NAMES)) {
    if (size === sizeS && isName(name)) return name
  }
  throw new Error(`no window of ${String(sizeS)} s`)
}

/**
 * The part of a Redis key before the start: as StreamPulse has it for one minute. Those of other sizes do not match
 * `region:3:window:*`, which its readers scan for, believing that the greatest start is the newest minute.
 */
export function redisPrefix(regionId: number, sizeS: WindowSizeS): string {
  const size = sizeS === WINDOW_NAMES['1m'] ? '' : `-${sizeName(sizeS)}`
  return `region:${regionId}:window${size}:`
}

/** `region:3:window:1755470640`. */
export function redisKey(window: Pick<RegionWindow, 'regionId' | 'sizeS' | 'startMs'>): string {
  return `${redisPrefix(window.regionId, window.sizeS)}${window.startMs / 1_000}`
}

function isName(name: string): name is WindowName {
  return name in WINDOW_NAMES
}
