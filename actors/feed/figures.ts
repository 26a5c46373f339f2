import { LATENCY_BOUNDS_MS } from '../kernel/telemetry.ts'
import type { LiveKpi } from '../model/live.ts'

/** What one partition, or one process, knows of the figures: of several the sum is the whole system's. */
export type FeedFigures = Readonly<{
  activeSessions: number
  silentSessions: number
  /** Days are UTC, by event time. */
  completedToday: number
  distanceKmToday: number
  pingsPerSecond: number
  /** Of the vehicles under way: their speeds together, km/h, and how many they are. */
  speedSumKmh: number
  speedCount: number
  /** Observations of the last seconds by bucket, as `LATENCY_BOUNDS_MS` has them. */
  ackCounts: readonly number[]
  queryableCounts: readonly number[]
  /** Wall clock up to which everything received is in every store. */
  completeUpToMs: number
}>

/** The figures of the whole system from those of its parts. */
export function kpiOf(parts: readonly FeedFigures[], nowMs: number): LiveKpi {
  const sum = (of: (figures: FeedFigures) => number): number =>
    parts.reduce((total, figures) => total + of(figures), 0)
  const quantile = (of: (figures: FeedFigures) => readonly number[]): number | null =>
    quantileOf(
      LATENCY_BOUNDS_MS.map((_, at) => sum((one) => of(one)[at] ?? 0)),
      {
        quantile: 0.95,
        over: sum((one) => of(one)[LATENCY_BOUNDS_MS.length] ?? 0),
      },
    )
  const speedCount = sum((one) => one.speedCount)
  return {
    nowMs,
    activeSessions: sum((one) => one.activeSessions),
    silentSessions: sum((one) => one.silentSessions),
    completedToday: sum((one) => one.completedToday),
    pingsPerSecond: Math.round(sum((one) => one.pingsPerSecond)),
    ackP95Ms: quantile((one) => one.ackCounts),
    queryableP95Ms: quantile((one) => one.queryableCounts),
    meanSpeedKmh: speedCount === 0 ? 0 : sum((one) => one.speedSumKmh) / speedCount,
    distanceKmToday: sum((one) => one.distanceKmToday),
    // What one partition has not stored yet is missing in the whole.
    completeUpToMs: parts.reduce((least, one) => Math.min(least, one.completeUpToMs), nowMs),
  }
}

/** The bound under which the quantile lies, the last one for what is beyond it; null when there is nothing. */
function quantileOf(
  counts: readonly number[],
  { quantile, over }: Readonly<{ quantile: number; over: number }>,
): number | null {
  const total = counts.reduce((sum, count) => sum + count, over)
  if (total === 0) return null
  let seen = 0
  for (const [index, count] of counts.entries()) {
    seen += count
    if (seen >= total * quantile) return LATENCY_BOUNDS_MS[index] ?? null
  }
  return LATENCY_BOUNDS_MS.at(-1) ?? null
}
