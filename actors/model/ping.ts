/** A delivery's three statuses, in the order a delivery goes through them. */
export const STATUSES = ['started', 'en_route', 'completed'] as const
export type Status = (typeof STATUSES)[number]

/** One GPS report, checked. The raw bytes stay beside it; fields beyond these are kept in bronze. */
export type Ping = Readonly<{
  deviceId: string
  vehicleId: string
  sessionId: string
  orderId: string
  status: Status
  /** When it happened, microseconds since 1970 UTC (exact: below 2^53 until 2255). */
  eventTimeUs: number
  startLat: number
  startLng: number
  endLat: number
  endLng: number
  lat: number
  lng: number
}>
