import type { Status } from './ping.ts'

/**
 * The live map's wire, shared by the feed, the gateway and the browser.
 *
 * SSE events on `GET /live`, each with `id: <epoch>-<seq>`:
 * - `snapshot`: everything now (a `LiveSnapshot`); replaces what the client had.
 * - `delta`: what changed in one tick (a `LiveDelta`), applied in order.
 * - `kpi`: figures of the whole system, once a second (a `LiveKpi`); no id, no history.
 * A comment line `:` is a heartbeat.
 *
 * Vehicles are named once (`add`) and then referred to by `handle`, a small number valid in one epoch.
 */
export type LiveVehicle = Readonly<{
  handle: number
  sessionId: string
  vehicleId: string
  orderId: string
  startLat: number
  startLng: number
  endLat: number
  endLng: number
}>

/** Numbers a position takes in `pos`: see `packPosition`. */
export const POSITION_STRIDE = 9

/** Where a vehicle is: the newest fix in event time. */
export type LivePosition = Readonly<{
  handle: number
  lat: number
  lng: number
  /** Degrees clockwise from north, 0 to 359; −1 when unknown. */
  headingDeg: number
  speedKmh: number
  status: LiveStatus
  /** Event time of the fix, milliseconds since 1970 UTC. */
  fixMs: number
  travelledM: number
  remainingM: number
}>

/** A session's status, or `silent` when nothing was heard for long. */
export type LiveStatus = Status | 'silent'

const STATUSES: readonly LiveStatus[] = ['started', 'en_route', 'completed', 'silent']

export type LiveEvent = Readonly<{
  sessionId: string
  vehicleId: string
  orderId: string
  status: LiveStatus
  atMs: number
}>

export type LiveSnapshot = Readonly<{
  nowMs: number
  vehicles: readonly LiveVehicle[]
  /** Flat: POSITION_STRIDE numbers a vehicle. */
  pos: readonly number[]
  /** Newest last; at most 20. */
  events: readonly LiveEvent[]
}>

export type LiveDelta = Readonly<{
  nowMs: number
  add?: readonly LiveVehicle[]
  pos?: readonly number[]
  /** Handles that leave the map. */
  gone?: readonly number[]
  events?: readonly LiveEvent[]
}>

export type LiveKpi = Readonly<{
  nowMs: number
  activeSessions: number
  silentSessions: number
  completedToday: number
  pingsPerSecond: number
  /** Acknowledged after the disk's sync, 95th percentile of the last seconds; null where gateways are other processes. */
  ackP95Ms: number | null
  /** Received to visible to a query, 95th percentile of the last seconds; null before the first. */
  queryableP95Ms: number | null
  meanSpeedKmh: number
  distanceKmToday: number
  /** Everything received up to this wall-clock time is in every store. */
  completeUpToMs: number
}>

/** Appends one position to a flat list: handle, lat e6, lng e6, heading, speed × 10, status, fix ms, travelled m, remaining m. */
export function packPosition(into: number[], position: LivePosition): void {
  into.push(
    position.handle,
    Math.round(position.lat * 1e6),
    Math.round(position.lng * 1e6),
    Math.round(position.headingDeg),
    Math.round(position.speedKmh * 10),
    STATUSES.indexOf(position.status),
    position.fixMs,
    Math.round(position.travelledM),
    Math.round(position.remainingM),
  )
}

/** Reads the position that starts at `index` of a flat list. */
export function unpackPosition(from: readonly number[], index: number): LivePosition {
  const at = (place: number): number => from[index + place] ?? 0
  return {
    handle: at(0),
    lat: at(1) / 1e6,
    lng: at(2) / 1e6,
    headingDeg: at(3),
    speedKmh: at(4) / 10,
    status: STATUSES[at(5)] ?? 'silent',
    fixMs: at(6),
    travelledM: at(7),
    remainingM: at(8),
  }
}
