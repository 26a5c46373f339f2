import { z } from 'zod'

import type { Refusal } from './fact.ts'
import { parseEventTimeUs } from './time.ts'
import {
  believableTimeUs,
  refusalsOf,
  type TimeLimits,
  wellFormed,
  wireLatitude,
  wireLongitude,
  wireNumber,
} from './wire.ts'

/** What is known of a trip beyond its six required fields; null for what its sender did not say. */
export type TripExtras = Readonly<{
  pickupLat: number | null
  pickupLng: number | null
  dropoffLat: number | null
  dropoffLng: number | null
  driverId: string | null
  vehicleType: string | null
  paymentMethod: string | null
}>

/** One finished trip, checked. The raw bytes stay beside it; unknown fields are kept in bronze. */
export type Trip = Readonly<{
  tripId: string
  /** 1 to 100. */
  regionId: number
  /** When it happened, microseconds since 1970 UTC. */
  eventTimeUs: number
  fareUsd: number
  durationS: number
  distanceKm: number
  /** Null when its sender gave none of them. */
  extras: TripExtras | null
}>

/** Regions of trips are numbered from 1 to this. */
export const REGION_ID_MAX = 100

/** Longest trip id, in UTF-16 units, before the space around it is taken away. */
export const TRIP_ID_LENGTH_MAX = 50

/** Longest driver, vehicle type or payment method that is kept. */
export const TRIP_WORD_LENGTH_MAX = 64

/** What a trip may be: US dollars, seconds, kilometres. */
const BOUNDS = {
  fare: { min: 0, max: 1_000 },
  duration: { min: 60, max: 7_200 },
  distance: { min: 0.1, max: 200 },
} as const

/** Which event times of trips are believed. */
export type TripLimits = TimeLimits

/** Five minutes ahead: one trip of tomorrow would close every window of today. Nothing before 2000. */
export const TRIP_LIMITS: TripLimits = { aheadMsMax: 300_000, oldestMs: 946_684_800_000 }

export type ParsedTrip =
  Readonly<{ ok: true; trip: Trip }> | Readonly<{ ok: false; refusals: readonly Refusal[] }>

const TIME_FIELD = { code: 'invalid_trip', path: 'event_time' }

const within = ({ min, max }: Readonly<{ min: number; max: number }>) =>
  z.number().min(min).max(max)
// The id's length counts before the trim, and a blank one is none: as in the producer it comes from.
const tripId = wellFormed(z.string().max(TRIP_ID_LENGTH_MAX))
  .refine((text) => text.trim() !== '', { error: 'an id that is not blank' })
  .meta({ minLength: 1 })
const location = z.looseObject({ lat: wireLatitude, lon: wireLongitude }).nullish().catch(null)
const word = wellFormed(z.string().min(1).max(TRIP_WORD_LENGTH_MAX)).nullish().catch(null)

/**
 * The wire schema of a trip: StreamPulse's six fields, required, and those of its longer schema. What is
 * wrong with an optional field costs that field, never the trip: the producer that set the rules does not look
 * at them. More fields are kept, not judged.
 */
export const wireTrip = z.looseObject({
  trip_id: tripId,
  region_id: wireNumber.pipe(within({ min: 1, max: REGION_ID_MAX }).int()),
  event_time: z.string().max(64),
  fare: wireNumber.pipe(within(BOUNDS.fare)).describe('US dollars'),
  duration: wireNumber.pipe(within(BOUNDS.duration).int()).describe('Seconds'),
  distance: wireNumber.pipe(within(BOUNDS.distance)).describe('Kilometres'),
  pickup_location: location,
  dropoff_location: location,
  driver_id: word.describe('Such as driver_17'),
  vehicle_type: word.describe('economy, premium, luxury, shared; any other text is kept'),
  payment_method: word.describe(
    'cash, credit_card, digital_wallet, corporate; any other text is kept',
  ),
})

/**
 * Checks one trip. A trip is what the schema and the time limits accept; the first look is a hand-written
 * check, which a property test holds to the schema.
 */
export function parseTrip(
  value: unknown,
  receivedMs: number,
  limits: TripLimits = TRIP_LIMITS,
): ParsedTrip {
  const fast = fastTrip(value, receivedMs, limits)
  return fast ? { ok: true, trip: fast } : parseTripBySchema(value, receivedMs, limits)
}

/** The same by the schema alone: the reference, and the source of every reason. */
export function parseTripBySchema(
  value: unknown,
  receivedMs: number,
  limits: TripLimits,
): ParsedTrip {
  const parsed = wireTrip.safeParse(value)
  if (!parsed.success) {
    return { ok: false, refusals: refusalsOf(parsed.error, value, 'invalid_trip') }
  }
  const wire = parsed.data
  const time = believableTimeUs(wire.event_time, receivedMs, limits, TIME_FIELD)
  if (typeof time !== 'number') return { ok: false, refusals: [time] }
  return {
    ok: true,
    trip: {
      tripId: wire.trip_id.trim(),
      regionId: wire.region_id,
      eventTimeUs: time,
      fareUsd: unsigned(wire.fare),
      durationS: wire.duration,
      distanceKm: wire.distance,
      extras: extrasOf({
        pickupLat: wire.pickup_location?.lat ?? null,
        pickupLng: wire.pickup_location?.lon ?? null,
        dropoffLat: wire.dropoff_location?.lat ?? null,
        dropoffLng: wire.dropoff_location?.lon ?? null,
        driverId: wire.driver_id ?? null,
        vehicleType: wire.vehicle_type ?? null,
        paymentMethod: wire.payment_method ?? null,
      }),
    },
  }
}

/** A trip that was accepted once and comes back from the journal; the time limits had their say then. */
export function parseAcceptedTrip(value: unknown): Trip {
  const parsed = parseTrip(value, Number.POSITIVE_INFINITY, { aheadMsMax: 0, oldestMs: -Infinity })
  if (parsed.ok) return parsed.trip
  throw new TypeError(`journal holds a trip that is none: ${parsed.refusals[0]?.message ?? ''}`)
}

function extrasOf(extras: TripExtras): TripExtras | null {
  return Object.values(extras).some((one) => one !== null) ? extras : null
}

/** −0 is written as 0 in some places and not in others: it is 0 everywhere. */
function unsigned(amount: number): number {
  return amount === 0 ? 0 : amount
}

function isWithin(value: unknown, { min, max }: { min: number; max: number }): value is number {
  return typeof value === 'number' && value >= min && value <= max
}

function isWhole(value: unknown, bounds: { min: number; max: number }): value is number {
  return isWithin(value, bounds) && Number.isInteger(value)
}

const REGIONS = { min: 1, max: REGION_ID_MAX }
const LATITUDES = { min: -90, max: 90 }
const LONGITUDES = { min: -180, max: 180 }

function fastTrip(value: unknown, receivedMs: number, limits: TripLimits): Trip | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const wire = value as Record<string, unknown>
  const { trip_id, region_id, event_time, fare, duration, distance } = wire
  if (typeof trip_id !== 'string' || trip_id.length > TRIP_ID_LENGTH_MAX) return null
  const tripId = trip_id.trim()
  if (tripId === '' || !tripId.isWellFormed()) return null
  if (!isWhole(region_id, REGIONS) || !isWhole(duration, BOUNDS.duration)) return null
  if (!isWithin(fare, BOUNDS.fare) || !isWithin(distance, BOUNDS.distance)) return null
  if (typeof event_time !== 'string') return null
  const eventTimeUs = parseEventTimeUs(event_time)
  if (eventTimeUs === null) return null
  if (eventTimeUs > (receivedMs + limits.aheadMsMax) * 1_000) return null
  if (eventTimeUs < limits.oldestMs * 1_000) return null
  const extras = fastExtras(wire)
  if (extras === undefined) return null
  return {
    tripId,
    regionId: region_id,
    eventTimeUs,
    fareUsd: unsigned(fare),
    durationS: duration,
    distanceKm: distance,
    extras,
  }
}

/** Undefined when one of them needs a closer look. */
function fastExtras(wire: Record<string, unknown>): TripExtras | null | undefined {
  const { pickup_location, dropoff_location, driver_id, vehicle_type, payment_method } = wire
  if (
    pickup_location === undefined &&
    dropoff_location === undefined &&
    driver_id === undefined &&
    vehicle_type === undefined &&
    payment_method === undefined
  ) {
    return null
  }
  const pickup = fastLocation(pickup_location)
  const dropoff = fastLocation(dropoff_location)
  if (!pickup || !dropoff) return undefined
  if (!isWord(driver_id) || !isWord(vehicle_type) || !isWord(payment_method)) return undefined
  return extrasOf({
    pickupLat: pickup.lat,
    pickupLng: pickup.lng,
    dropoffLat: dropoff.lat,
    dropoffLng: dropoff.lng,
    driverId: driver_id ?? null,
    vehicleType: vehicle_type ?? null,
    paymentMethod: payment_method ?? null,
  })
}

const NOWHERE = { lat: null, lng: null }

function fastLocation(value: unknown): { lat: number | null; lng: number | null } | null {
  if (value === undefined || value === null) return NOWHERE
  if (typeof value !== 'object' || !('lat' in value) || !('lon' in value)) return null
  const { lat, lon: lng } = value
  return isWithin(lat, LATITUDES) && isWithin(lng, LONGITUDES) ? { lat, lng } : null
}

function isWord(value: unknown): value is string | null | undefined {
  if (value === undefined || value === null) return true
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= TRIP_WORD_LENGTH_MAX &&
    value.isWellFormed()
  )
}
