import type { FactName, TripFact, WindowsFact } from '../../actors/model/fact.ts'
import type { LateMark, RegionWindow } from '../../actors/model/window.ts'
import { BoolColumn, FloatColumn, IntColumn, TextColumn } from './columns.ts'
import { FactColumns } from './fact-columns.ts'

/** Columns of `trips`; its `event_time` follows from the microseconds. */
export class TripColumns extends FactColumns {
  readonly table = 'trips'
  readonly #tripId = new TextColumn('trip_id')
  readonly #regionId = new IntColumn('region_id')
  readonly #fare = new FloatColumn('fare')
  readonly #duration = new IntColumn('duration')
  readonly #distance = new FloatColumn('distance')
  readonly #pickupLat = new FloatColumn('pickup_lat')
  readonly #pickupLng = new FloatColumn('pickup_lon')
  readonly #dropoffLat = new FloatColumn('dropoff_lat')
  readonly #dropoffLng = new FloatColumn('dropoff_lon')
  readonly #driverId = new TextColumn('driver_id')
  readonly #vehicleType = new TextColumn('vehicle_type')
  readonly #paymentMethod = new TextColumn('payment_method')
  readonly #late = new BoolColumn('late')
  readonly #counted = new BoolColumn('counted')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  readonly #eventTimeUs = new IntColumn('event_time_us')
  protected readonly own = [
    this.#tripId,
    this.#regionId,
    this.#fare,
    this.#duration,
    this.#distance,
    this.#pickupLat,
    this.#pickupLng,
    this.#dropoffLat,
    this.#dropoffLng,
    this.#driverId,
    this.#vehicleType,
    this.#paymentMethod,
    this.#late,
    this.#counted,
    this.#receivedAt,
    this.#eventTimeUs,
  ]

  add(fact: TripFact): void {
    const { trip } = fact
    const { extras } = trip
    this.name(fact)
    this.#tripId.add(trip.tripId)
    this.#regionId.add(trip.regionId)
    this.#fare.add(trip.fareUsd)
    this.#duration.add(trip.durationS)
    this.#distance.add(trip.distanceKm)
    this.#pickupLat.add(extras?.pickupLat ?? null)
    this.#pickupLng.add(extras?.pickupLng ?? null)
    this.#dropoffLat.add(extras?.dropoffLat ?? null)
    this.#dropoffLng.add(extras?.dropoffLng ?? null)
    this.#driverId.add(extras?.driverId ?? '')
    this.#vehicleType.add(extras?.vehicleType ?? '')
    this.#paymentMethod.add(extras?.paymentMethod ?? '')
    this.#late.add(fact.late)
    this.#counted.add(fact.counted)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
    this.#eventTimeUs.add(trip.eventTimeUs)
  }
}

/** What a row keeps of the fact behind it. */
type SaidBy = FactName & Pick<WindowsFact, 'regionId' | 'receivedMs'>

/** Columns of `region_window_versions`. */
export class WindowColumns extends FactColumns {
  readonly table = 'region_window_versions'
  readonly #regionId = new IntColumn('region_id')
  readonly #windowStart = new IntColumn('window_start', 'time')
  readonly #windowSizeS = new IntColumn('window_size_s')
  readonly #tripCount = new IntColumn('trip_count')
  readonly #avgFare = new FloatColumn('avg_fare')
  readonly #totalDistance = new FloatColumn('total_distance')
  readonly #avgDuration = new FloatColumn('avg_duration')
  readonly #p50Duration = new FloatColumn('p50_duration')
  readonly #p95Duration = new FloatColumn('p95_duration')
  readonly #totalFare = new FloatColumn('total_fare')
  readonly #minFare = new FloatColumn('min_fare')
  readonly #maxFare = new FloatColumn('max_fare')
  readonly #minDuration = new IntColumn('min_duration')
  readonly #maxDuration = new IntColumn('max_duration')
  readonly #minDistance = new FloatColumn('min_distance')
  readonly #maxDistance = new FloatColumn('max_distance')
  readonly #lateCount = new IntColumn('late_count')
  readonly #final = new BoolColumn('final')
  readonly #revision = new IntColumn('revision')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  protected readonly own = [
    this.#regionId,
    this.#windowStart,
    this.#windowSizeS,
    this.#tripCount,
    this.#avgFare,
    this.#totalDistance,
    this.#avgDuration,
    this.#p50Duration,
    this.#p95Duration,
    this.#totalFare,
    this.#minFare,
    this.#maxFare,
    this.#minDuration,
    this.#maxDuration,
    this.#minDistance,
    this.#maxDistance,
    this.#lateCount,
    this.#final,
    this.#revision,
    this.#receivedAt,
  ]

  add(fact: SaidBy, window: RegionWindow): void {
    this.name(fact)
    this.#regionId.add(window.regionId)
    this.#windowStart.add(window.startMs)
    this.#windowSizeS.add(window.sizeS)
    this.#tripCount.add(window.tripCount)
    this.#avgFare.add(window.avgFare)
    this.#totalDistance.add(window.totalDistance)
    this.#avgDuration.add(window.avgDuration)
    this.#p50Duration.add(window.p50Duration)
    this.#p95Duration.add(window.p95Duration)
    this.#totalFare.add(window.totalFare)
    this.#minFare.add(window.minFare)
    this.#maxFare.add(window.maxFare)
    this.#minDuration.add(window.minDuration)
    this.#maxDuration.add(window.maxDuration)
    this.#minDistance.add(window.minDistance)
    this.#maxDistance.add(window.maxDistance)
    this.#lateCount.add(window.lateCount)
    this.#final.add(window.final)
    this.#revision.add(window.revision)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
  }
}

/** Columns of `region_late`; a mark is named by its place in its fact. */
export class LateColumns extends FactColumns {
  readonly table = 'region_late'
  readonly #regionId = new IntColumn('region_id')
  readonly #windowStart = new IntColumn('window_start', 'time')
  readonly #windowSizeS = new IntColumn('window_size_s')
  readonly #trips = new IntColumn('trips')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  readonly #mark = new IntColumn('mark')
  protected readonly own = [
    this.#regionId,
    this.#windowStart,
    this.#windowSizeS,
    this.#trips,
    this.#receivedAt,
    this.#mark,
  ]

  add(fact: SaidBy, late: LateMark, mark: number): void {
    this.name(fact)
    this.#regionId.add(fact.regionId)
    this.#windowStart.add(late.startMs)
    this.#windowSizeS.add(late.sizeS)
    this.#trips.add(late.count)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
    this.#mark.add(mark)
  }
}
