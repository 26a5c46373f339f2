import { type RegionWindow, WINDOW_NAMES } from '../actors/model/window.ts'

const NAME_OF: ReadonlyMap<number, string> = new Map(
  Object.entries(WINDOW_NAMES).map(([name, sizeS]) => [sizeS, name]),
)

/** `2025-09-01T11:40:00+00:00`, as Python's `isoformat` writes a time of UTC. */
export function isoTime(timeMs: number): string {
  return new Date(timeMs).toISOString().replace(/(?:\.000)?Z$/, '+00:00')
}

/** What users call a window size. */
export function windowName(sizeS: number): string {
  return NAME_OF.get(sizeS) ?? `${sizeS}s`
}

/** A JSON number that Java and Python wrote as a double: a whole one keeps its `.0`. */
export function doubleJson(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : JSON.stringify(value)
}

/** A window as StreamPulse's API writes it, to the byte, and after that what it did not have. */
export function windowJson(window: RegionWindow): string {
  const { regionId, sizeS, startMs } = window
  return (
    `{"regionId":${regionId},"windowStart":"${isoTime(startMs)}"` +
    `,"windowEnd":"${isoTime(startMs + sizeS * 1_000)}","tripCount":${window.tripCount}` +
    `,"avgFare":${doubleJson(window.avgFare)},"totalDistance":${doubleJson(window.totalDistance)}` +
    `,"avgDuration":${doubleJson(window.avgDuration)},"p50Duration":${doubleJson(window.p50Duration)}` +
    `,"p95Duration":${doubleJson(window.p95Duration)},"windowSize":"${windowName(sizeS)}"` +
    `,"totalFare":${doubleJson(window.totalFare)},"minFare":${doubleJson(window.minFare)}` +
    `,"maxFare":${doubleJson(window.maxFare)},"minDistance":${doubleJson(window.minDistance)}` +
    `,"maxDistance":${doubleJson(window.maxDistance)},"minDuration":${window.minDuration}` +
    `,"maxDuration":${window.maxDuration},"lateCount":${window.lateCount}` +
    `,"final":${window.final},"revision":${window.revision}}`
  )
}
