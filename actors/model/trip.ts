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
