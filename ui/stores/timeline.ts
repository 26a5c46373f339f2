import type { RegionWindow, WindowSizeS } from '../../actors/model/window.ts'

/** Windows on one screen of the timeline. */
export const SLOTS = 60

/** One place of the timeline, with or without a window. */
export type Slot = Readonly<{ startMs: number; window: RegionWindow | null }>

/** The last 60 places up to `endStartMs`: a minute without trips is a gap, not a bar that moved up. */
export function slotsUpTo(
  endStartMs: number,
  sizeS: WindowSizeS,
  windows: readonly RegionWindow[],
): readonly Slot[] {
  const byStart = new Map(windows.map((window) => [window.startMs, window]))
  return Array.from({ length: SLOTS }, (_, index) => {
    const startMs = endStartMs - (SLOTS - 1 - index) * sizeS * 1_000
    return { startMs, window: byStart.get(startMs) ?? null }
  })
}

/** Late trips of a window's own, 0 to 1. */
export function lateShareOf(window: RegionWindow): number {
  return window.tripCount > 0 ? window.lateCount / window.tripCount : 0
}

/** How a bar is drawn. */
export function stateOf(window: RegionWindow): 'provisional' | 'final' | 'revised' {
  if (!window.final) return 'provisional'
  return window.revision > 0 ? 'revised' : 'final'
}

/** A span of time for people: `12:05–12:06`. */
export function spanText(startMs: number, sizeS: number): string {
  return `${hourMinute(new Date(startMs))}–${hourMinute(new Date(startMs + sizeS * 1_000))}`
}

/** The day of a moment, or nothing when that is today: `17 Aug`, `17 Aug 2025`. */
export function dayText(ms: number, nowMs: number): string {
  const [at, now] = [new Date(ms), new Date(nowMs)]
  if (at.toDateString() === now.toDateString()) return ''
  const year = at.getFullYear() === now.getFullYear() ? '' : ` ${at.getFullYear()}`
  return `${at.getDate()} ${MONTHS[at.getMonth()]}${year}`
}

/** HH:MM of the reader's own day. */
export function hourMinute(at: Date): string {
  return `${String(at.getHours()).padStart(2, '0')}:${String(at.getMinutes()).padStart(2, '0')}`
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ')
