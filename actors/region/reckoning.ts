import type { Trip } from '../model/trip.ts'
import { WINDOW_SIZES_S } from '../model/window.ts'
import type { RegionWindow } from '../model/window.ts'

const MINUTE_MS = 60_000

export type ReckoningOptions = Readonly<{ boundMs?: number; allowedLatenessMs?: number }>

/** What a whole stream must lead to; sums are right to 14 digits. */
export type Reckoning = Readonly<{
  /** By region, size and start. */
  windows: readonly RegionWindow[]
  figures: Readonly<{ trips: number; duplicates: number; late: number; tooLate: number }>
  /** Trips that no window takes any more, by `region|size|start`. */
  marks: readonly (readonly [string, number])[]
}>

/** Plain sums of the fares and kilometres, cents and tenths being whole. */
const plain = (values: readonly number[], unit: number): number =>
  values.reduce((sum, value) => sum + Math.round(value * unit), 0) / unit

type Reckoned = { trips: Trip[]; late: number; flushed: boolean }

/**
 * The windows of a stream in the order of the journal, reckoned plainly from all of it, without accumulators,
 * tides or bounds on memory: what the actors must show. For tests.
 */
export function reckon(
  stream: readonly (Trip | 'flush')[],
  options: ReckoningOptions = {},
): Reckoning {
  const { boundMs = 300_000, allowedLatenessMs = 0 } = options
  const windows = new Map<string, Reckoned>()
  const seen = new Set<string>()
  const figures = { trips: 0, duplicates: 0, late: 0, tooLate: 0 }
  const marks = new Map<string, number>()
  let newestMs = -Infinity
  for (const trip of stream) {
    if (trip === 'flush') {
      for (const window of windows.values()) window.flushed = true
      continue
    }
    const timeMs = Math.floor(trip.eventTimeUs / 1_000)
    const id = [trip.regionId, Math.floor(timeMs / MINUTE_MS), trip.tripId].join('|')
    const watermarkMs = newestMs - boundMs - 1
    newestMs = Math.max(newestMs, timeMs)
    if (seen.has(id)) {
      figures.duplicates++
      continue
    }
    seen.add(id)
    figures.trips++
    for (const sizeS of WINDOW_SIZES_S) {
      const startMs = timeMs - (timeMs % (sizeS * 1_000))
      const lastMs = startMs + sizeS * 1_000 - 1
      const key = [trip.regionId, sizeS, startMs].join('|')
      const gone = lastMs + allowedLatenessMs <= watermarkMs
      const window = windows.get(key) ?? { trips: [], late: 0, flushed: false }
      const late = lastMs <= watermarkMs || window.flushed
      if (sizeS === 60 && late) figures.late++
      if (sizeS === 60 && gone) figures.tooLate++
      if (gone) {
        marks.set(key, (marks.get(key) ?? 0) + 1)
        continue
      }
      if (late) window.late++
      window.trips.push(trip)
      windows.set(key, window)
    }
  }
  const watermarkMs = newestMs - boundMs - 1
  const windowRows = [...windows].map(([key, window]) => rowOf(key, window, watermarkMs))
  return { windows: windowRows.sort(compareRows), figures, marks: [...marks].sort() }
}

function rowOf(key: string, { trips, late, flushed }: Reckoned, watermarkMs: number): RegionWindow {
  const [regionId = 0, size = 0, startMs = 0] = key.split('|').map(Number)
  const sizeS = WINDOW_SIZES_S.find((known) => known === size) ?? 60
  const durations = trips.map(({ durationS }) => durationS).sort((a, b) => a - b)
  const fares = trips.map(({ fareUsd }) => fareUsd)
  const distances = trips.map(({ distanceKm }) => distanceKm)
  const count = trips.length
  const totalFare = plain(fares, 100)
  const totalDistance = plain(distances, 10)
  return {
    regionId,
    sizeS,
    startMs,
    tripCount: count,
    totalFare,
    avgFare: totalFare / count,
    minFare: Math.min(...fares),
    maxFare: Math.max(...fares),
    totalDistance,
    minDistance: Math.min(...distances),
    maxDistance: Math.max(...distances),
    avgDuration: durations.reduce((sum, value) => sum + value, 0) / count,
    minDuration: durations[0] ?? 0,
    maxDuration: durations.at(-1) ?? 0,
    p50Duration: durations[Math.max(0, Math.ceil((50 / 100) * count) - 1)] ?? 0,
    p95Duration: durations[Math.max(0, Math.ceil((95 / 100) * count) - 1)] ?? 0,
    lateCount: late,
    final: flushed || startMs + sizeS * 1_000 - 1 <= watermarkMs,
    revision: late,
  }
}

const compareRows = (a: RegionWindow, b: RegionWindow): number =>
  a.regionId - b.regionId || a.sizeS - b.sizeS || a.startMs - b.startMs
