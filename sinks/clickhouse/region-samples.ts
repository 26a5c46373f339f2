import { type Fact, type TripFact, type WindowsFact, windowsPart } from '../../actors/model/fact.ts'
import type { Trip } from '../../actors/model/trip.ts'
import { type RegionWindow, WINDOW_SIZES_S } from '../../actors/model/window.ts'

/** Where the samples' time begins. */
export const START_MS = 1_790_000_000_000

/** One trip, on time when nothing else is given. */
export function sampleTrip(
  given: Partial<Omit<TripFact, 'trip'>> & Readonly<{ trip?: Partial<Trip> }>,
): TripFact {
  const offset = given.offset ?? 0
  return {
    kind: 'trip',
    partition: 0,
    offset,
    part: 0,
    late: false,
    counted: true,
    receivedMs: START_MS + offset * 1_000,
    ...given,
    trip: {
      tripId: `trip_${String(offset).padStart(6, '0')}`,
      regionId: 3,
      eventTimeUs: START_MS * 1_000 + offset * 1_000_000,
      fareUsd: 99.42,
      durationS: 3_836,
      distanceKm: 26.9,
      extras: null,
      ...given.trip,
    },
  }
}

/** One window with a single trip. */
export function sampleWindow(given: Partial<RegionWindow>): RegionWindow {
  return {
    regionId: 3,
    sizeS: 60,
    startMs: 1_755_470_640_000,
    tripCount: 1,
    totalFare: 99.42,
    avgFare: 99.42,
    minFare: 99.42,
    maxFare: 99.42,
    totalDistance: 26.9,
    minDistance: 26.9,
    maxDistance: 26.9,
    avgDuration: 3_836,
    minDuration: 3_836,
    maxDuration: 3_836,
    p50Duration: 3_836,
    p95Duration: 3_836,
    lateCount: 0,
    final: false,
    revision: 0,
    ...given,
  }
}

/** What one region said, of no windows when none are given. */
export function sampleWindows(given: Partial<WindowsFact>): WindowsFact {
  const { offset = 0, regionId = 3 } = given
  const newestMs = START_MS + offset * 1_000
  return {
    kind: 'windows',
    partition: 0,
    offset,
    part: windowsPart(regionId),
    regionId,
    windows: [],
    lateMarks: [],
    totals: { regionId, trips: 1, duplicates: 0, late: 0, tooLate: 0, newestMs },
    watermarkMs: newestMs - 300_001,
    receivedMs: newestMs,
    ...given,
  }
}

/** A trip and what its region says then: windows and late marks that no other offset has. */
export function regionFacts(
  name: Readonly<{ partition: number; offset: number }>,
  random: () => number,
  text?: string,
): Fact[] {
  const { offset } = name
  const regionId = 1 + (offset % 100)
  const startMs = START_MS - (START_MS % 3_600_000) + offset * 3_600_000
  const figure = (): number => random() * 1_000
  const extras = {
    pickupLat: random(),
    pickupLng: random(),
    dropoffLat: null,
    dropoffLng: random(),
    driverId: text ?? `driver_${offset}`,
    vehicleType: text ?? 'economy',
    paymentMethod: text ?? null,
  }
  const trip = {
    tripId: text ?? `trip_${offset}`,
    regionId,
    eventTimeUs: startMs * 1_000 + Math.floor(random() * 3_600_000_000),
    fareUsd: figure(),
    distanceKm: figure(),
    ...(offset % 2 === 0 && { extras }),
  }
  const windows = WINDOW_SIZES_S.map((sizeS) =>
    sampleWindow({
      regionId,
      sizeS,
      startMs,
      tripCount: offset,
      totalFare: figure(),
      avgFare: figure(),
      maxDistance: figure(),
      p95Duration: figure(),
      lateCount: offset % 3,
      final: offset % 2 === 1,
      revision: offset % 5,
    }),
  )
  const lateMarks = WINDOW_SIZES_S.slice(0, offset % 4).map((sizeS, at) => ({
    sizeS,
    startMs: startMs - 86_400_000,
    count: at + 1,
  }))
  return [
    sampleTrip({ ...name, part: 6, late: offset % 3 === 0, counted: offset % 4 > 0, trip }),
    sampleWindows({ ...name, regionId, part: 6 + windowsPart(regionId), windows, lateMarks }),
  ]
}
