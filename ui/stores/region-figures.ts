import type { RegionTotals, RegionWindow } from '../../actors/model/window.ts'

/** Deliveries of a region, counted from pings over one window. */
export type DeliveryFigures = Readonly<{
  regionId: number
  startMs: number
  active: number
  completed: number
  meanSpeedKmh: number | null
}>

/** From here on, a late share is worth a word: one trip in fifty, for certain. */
export const LATE_NOTABLE = 0.02
/** Fewer late trips than this are chance, whatever share they are. */
const LATE_TRIPS_MIN = 3

/** Quantile of the normal distribution for 95 %, two-sided. */
const Z = 1.96

/** Late trips of all, 0 to 1. */
export function lateShare({ late, trips }: Pick<RegionTotals, 'late' | 'trips'>): number {
  return trips > 0 ? late / trips : 0
}

/** What the late share is at least (Wilson's lower bound): one late trip of one is no news, thirty of a hundred are. */
export function lateForSure({ late, trips }: Pick<RegionTotals, 'late' | 'trips'>): number {
  if (trips <= 0 || late <= 0) return 0
  const part = late / trips
  const middle = part + (Z * Z) / (2 * trips)
  const reach = Z * Math.sqrt((part * (1 - part)) / trips + (Z * Z) / (4 * trips * trips))
  return Math.max(0, (middle - reach) / (1 + (Z * Z) / trips))
}

/** True when enough of its trips came late that somebody should know. */
export function isLate(totals: Pick<RegionTotals, 'late' | 'trips'>): boolean {
  return totals.late >= LATE_TRIPS_MIN && lateForSure(totals) >= LATE_NOTABLE
}

const STARTS_JUDGED = 10

/**
 * The moment to show: the newest start whose windows together hold half of the usual trips or more.
 * A window that has just begun, or one stray trip ahead of all others, would show a city at rest.
 */
export function momentOf(windows: Iterable<RegionWindow>): number | null {
  const tripsAt = new Map<number, number>()
  for (const { startMs, tripCount } of windows) {
    tripsAt.set(startMs, (tripsAt.get(startMs) ?? 0) + tripCount)
  }
  const newest = [...tripsAt].sort(([one], [other]) => other - one).slice(0, STARTS_JUDGED)
  const counts = newest.map(([, trips]) => trips).sort((one, other) => one - other)
  const usual = counts[Math.floor(counts.length / 2)] ?? 0
  return newest.find(([, trips]) => trips * 2 >= usual)?.[0] ?? null
}

/** Sums over regions. */
export function sumTotals(
  all: readonly RegionTotals[],
): Readonly<{ trips: number; duplicates: number; late: number; tooLate: number }> {
  const sum = { trips: 0, duplicates: 0, late: 0, tooLate: 0 }
  for (const each of all) {
    sum.trips += each.trips
    sum.duplicates += each.duplicates
    sum.late += each.late
    sum.tooLate += each.tooLate
  }
  return sum
}
