/** Window sizes, seconds. Tumbling, aligned to the epoch in UTC. */
export const WINDOW_SIZES_S = [60, 300, 900, 3_600] as const
export type WindowSizeS = (typeof WINDOW_SIZES_S)[number]

/** What users call the sizes. */
export const WINDOW_NAMES = { '1m': 60, '5m': 300, '15m': 900, '1h': 3_600 } as const
export type WindowName = keyof typeof WINDOW_NAMES

/**
 * A window of a region as it stands: figures are absolute, a later one of the same region, size and
 * start replaces an earlier one. Nothing in it depends on a clock.
 */
export type RegionWindow = Readonly<{
  regionId: number
  sizeS: WindowSizeS
  /** Milliseconds since 1970 UTC; it ends, exclusive, `sizeS` later. */
  startMs: number
  tripCount: number
  totalFare: number
  avgFare: number
  minFare: number
  maxFare: number
  /** Kilometres. */
  totalDistance: number
  minDistance: number
  maxDistance: number
  /** Seconds; percentiles are exact, by nearest rank. */
  avgDuration: number
  minDuration: number
  maxDuration: number
  p50Duration: number
  p95Duration: number
  /** Trips in it that came after it was final. */
  lateCount: number
  /** The watermark has passed its end, or a flush closed it. */
  final: boolean
  /** 0 until a trip changes it after it was final; then the number of such trips. */
  revision: number
}>

/** Trips that came when their window was no longer held: counted, and kept in the trips table. */
export type LateMark = Readonly<{ sizeS: WindowSizeS; startMs: number; count: number }>

/** A region since its first trip; absolute figures. */
export type RegionTotals = Readonly<{
  regionId: number
  /** Trips that are no repeats. */
  trips: number
  duplicates: number
  /** Trips that came after their one-minute window was final. */
  late: number
  /** Of these, the ones that came when the window was no longer held, and are in no one-minute window. */
  tooLate: number
  /** Event time of the newest trip, milliseconds since 1970 UTC. */
  newestMs: number
}>

/** What a reader of windows asks for: one size of one region, by start. */
export type WindowRange = Readonly<{
  regionId: number
  sizeS: WindowSizeS
  /** First start, inclusive, and last start, inclusive; milliseconds since 1970 UTC. */
  fromMs: number
  toMs: number
  /** The newest so many of them. */
  limit: number
}>

/** Region windows as they are served; throws OrreryError, retriable when the store does not answer. */
export interface WindowReader {
  /** The newest window of a region, provisional ones included, or null. */
  latest(regionId: number, sizeS: WindowSizeS): Promise<RegionWindow | null>
  /** The newest window of every region, those without any left out; in order of region ids. */
  latestOfAll(sizeS: WindowSizeS): Promise<readonly RegionWindow[]>
  /** Every region's window of one start. */
  atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]>
  /** Oldest first. */
  range(range: WindowRange): Promise<readonly RegionWindow[]>
  /** In order of region ids. */
  totals(): Promise<readonly RegionTotals[]>
  /** The lowest watermark of all partitions, milliseconds since 1970 UTC; null before the first trip. */
  watermarkMs(): Promise<number | null>
}
