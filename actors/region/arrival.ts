import type { Trip } from '../model/trip.ts'

/** A trip as it reaches its region: with how far the partition's stream had come before it. */
export type TripArrival = Readonly<{
  trip: Trip
  /** Watermark before this trip, milliseconds since 1970 UTC; −Infinity at the beginning. */
  watermarkMs: number
}>
