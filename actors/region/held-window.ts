import type { Trip } from '../model/trip.ts'
import { WINDOW_SIZES_S } from '../model/window.ts'
import type { RegionWindow, WindowSizeS } from '../model/window.ts'
import { Durations } from './durations.ts'
import { ExactSum } from './exact-sum.ts'

export const MINUTE_US = 60_000_000

/** Minutes in a window of each size, in the order of WINDOW_SIZES_S. */
export const WINDOW_MINUTES: readonly number[] = WINDOW_SIZES_S.map((sizeS) => sizeS / 60)

/** One window that still takes trips, or waits to be told. Changed in place. */
export class HeldWindow {
  readonly sizeS: WindowSizeS
  /** Its start in windows of its size since 1970 UTC. */
  readonly index: number
  readonly startMs: number
  /** The last millisecond within: final when the watermark stands there. */
  readonly lastMs: number
  readonly fares = new ExactSum()
  readonly distances = new ExactSum()
  readonly durations = new Durations()
  minFare = Infinity
  maxFare = -Infinity
  minDistance = Infinity
  maxDistance = -Infinity
  lateCount = 0
  final = false
  /** Changed since it was told last. */
  dirty = false
  /**
   * The ids of its trips, when it is of one minute. Null when they are not at hand and must be looked
   * up: a large set is not stored with the state.
   */
  ids: Set<string> | null = null

  constructor(
    sizeS: WindowSizeS,
    index: number,
    sums: Readonly<{ fares: ExactSum; distances: ExactSum }> | null = null,
  ) {
    this.sizeS = sizeS
    this.index = index
    this.startMs = index * sizeS * 1_000
    this.lastMs = this.startMs + sizeS * 1_000 - 1
    if (sums) {
      this.fares = sums.fares
      this.distances = sums.distances
    }
  }

  add(trip: Trip): void {
    // A negative zero would make the least fare depend on the order.
    const fare = trip.fareUsd + 0
    const distance = trip.distanceKm + 0
    this.fares.add(fare)
    this.distances.add(distance)
    this.durations.add(trip.durationS)
    if (fare < this.minFare) this.minFare = fare
    if (fare > this.maxFare) this.maxFare = fare
    if (distance < this.minDistance) this.minDistance = distance
    if (distance > this.maxDistance) this.maxDistance = distance
  }

  /** As it stands; at least one trip is in it. */
  figures(regionId: number): RegionWindow {
    const { durations } = this
    const { count } = durations
    const totalFare = this.fares.total()
    const totalDistance = this.distances.total()
    return {
      regionId,
      sizeS: this.sizeS,
      startMs: this.startMs,
      tripCount: count,
      totalFare,
      avgFare: totalFare / count,
      minFare: this.minFare,
      maxFare: this.maxFare,
      totalDistance,
      minDistance: this.minDistance,
      maxDistance: this.maxDistance,
      avgDuration: durations.sum / count,
      minDuration: durations.at(1),
      maxDuration: durations.at(count),
      p50Duration: durations.at(Math.ceil(count / 2)),
      p95Duration: durations.at(Math.ceil((count * 19) / 20)),
      lateCount: this.lateCount,
      final: this.final,
      revision: this.lateCount,
    }
  }
}
