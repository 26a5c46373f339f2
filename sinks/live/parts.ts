import type { RegionsSnapshot } from '../../actors/model/live-regions.ts'
import { type LiveSnapshot, POSITION_STRIDE } from '../../actors/model/live.ts'

/** Of a part: its JSON is made in a few milliseconds, in which nothing else is done. */
const VEHICLES_PER_PART = 2_000
const WINDOWS_PER_PART = 2_000

/** A snapshot of the map in parts, each a snapshot of some. */
export function splitLive({ nowMs, vehicles, pos, events }: LiveSnapshot): readonly LiveSnapshot[] {
  const numbers = VEHICLES_PER_PART * POSITION_STRIDE
  const count = countOf(vehicles.length / VEHICLES_PER_PART, pos.length / numbers)
  return Array.from({ length: count }, (_, at) => ({
    nowMs,
    vehicles: vehicles.slice(at * VEHICLES_PER_PART, (at + 1) * VEHICLES_PER_PART),
    pos: pos.slice(at * numbers, (at + 1) * numbers),
    events: at === 0 ? events : [],
  }))
}

export function joinLive(parts: readonly LiveSnapshot[]): LiveSnapshot {
  return {
    nowMs: parts[0]?.nowMs ?? 0,
    vehicles: parts.flatMap(({ vehicles }) => vehicles),
    pos: parts.flatMap(({ pos }) => pos),
    events: parts.flatMap(({ events }) => events),
  }
}

/** A snapshot of the regions in parts, each a snapshot of some. */
export function splitRegions(snapshot: RegionsSnapshot): readonly RegionsSnapshot[] {
  const { windows } = snapshot
  const count = countOf(windows.length / WINDOWS_PER_PART)
  return Array.from({ length: count }, (_, at) => ({
    ...snapshot,
    regions: at === 0 ? snapshot.regions : [],
    windows: windows.slice(at * WINDOWS_PER_PART, (at + 1) * WINDOWS_PER_PART),
  }))
}

export function joinRegions(parts: readonly RegionsSnapshot[]): RegionsSnapshot {
  return {
    nowMs: parts[0]?.nowMs ?? 0,
    watermarkMs: parts[0]?.watermarkMs ?? null,
    regions: parts.flatMap(({ regions }) => regions),
    windows: parts.flatMap(({ windows }) => windows),
  }
}

/** At least one: a snapshot of nothing says so. */
function countOf(...wanted: readonly number[]): number {
  return Math.max(1, ...wanted.map(Math.ceil))
}
