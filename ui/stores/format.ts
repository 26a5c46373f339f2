import type { LiveStatus } from '../../actors/model/live.ts'

const STATUS_TEXT: Readonly<Record<LiveStatus, string>> = {
  started: 'Started',
  en_route: 'En route',
  completed: 'Completed',
  silent: 'Silent',
}

/** All statuses in the order that they are shown. */
export const STATUS_ORDER: readonly LiveStatus[] = ['en_route', 'started', 'completed', 'silent']

/** A status for people. */
export function statusText(status: string): string {
  return status in STATUS_TEXT ? STATUS_TEXT[status as LiveStatus] : status
}

/** 1234567 as 1,234,567. */
export function count(value: number): string {
  return Math.round(value).toLocaleString('en-GB')
}

/** A figure with about three digits. */
export function figure(value: number): string {
  if (value >= 100) return count(value)
  if (value >= 10) return value.toFixed(1)
  return value === 0 ? '0' : value.toFixed(2)
}

/** Metres as `840 m` or `12.4 km`. */
export function distance(metres: number): string {
  if (metres < 995) return `${Math.round(metres / 10) * 10} m`
  return `${(metres / 1_000).toFixed(metres < 100_000 ? 1 : 0)} km`
}

/** How long ago: `now`, `12 s`, `4 min`, `3 h`, `2 d`. */
export function age(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (seconds < 1) return 'now'
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h`
  return `${Math.floor(seconds / 86_400)} d`
}

/** The age as a phrase: `just now`, `12 s ago`. */
export function ago(ms: number): string {
  return ms < 1_000 ? 'just now' : `${age(ms)} ago`
}

/** The reader's own time of day, HH:MM:SS. */
export function clock(ms: number): string {
  const time = new Date(ms)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${two(time.getHours())}:${two(time.getMinutes())}:${two(time.getSeconds())}`
}

/** A heading as a point of the compass. */
export function compass(headingDeg: number): string {
  if (headingDeg < 0) return '–'
  const points = ['N', 'NE', 'E', 'SE', 'S', 'SW', 'W', 'NW']
  return points[Math.round(headingDeg / 45) % 8] ?? 'N'
}

/** An id short enough for a row: a long one keeps its first eight characters. */
export function shortId(id: string): string {
  return id.length <= 16 ? id : `${id.slice(0, 8)}…`
}

/** How much of a delivery is done, 0 to 1. */
export function progress(travelledM: number, remainingM: number, completed: boolean): number {
  if (completed) return 1
  const whole = travelledM + remainingM
  return whole <= 0 ? 0 : Math.min(1, travelledM / whole)
}
