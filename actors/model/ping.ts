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
} from './wire.ts'

export type { TimeLimits }

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

/** A day ahead, for clocks that are set to local time; nothing before 2000, for clocks that lost their battery. */
export const TIME_LIMITS: TimeLimits = { aheadMsMax: 86_400_000, oldestMs: 946_684_800_000 }

/** Longest id, in UTF-16 units. */
export const ID_LENGTH_MAX = 64

export type ParsedPing =
  Readonly<{ ok: true; ping: Ping }> | Readonly<{ ok: false; refusals: readonly Refusal[] }>

const id = wellFormed(z.string().min(1).max(ID_LENGTH_MAX))

const TIME_FIELD = { code: 'invalid_ping', path: 'timestamp' }

/** The wire schema of a GPS report: PacketPulse's twelve fields; more are kept, not judged. */
export const wirePing = z.object({
  device_id: id,
  vehicle_id: id,
  session_id: id,
  order_id: id,
  status: z.enum(STATUSES),
  timestamp: z.string().max(64),
  start_lat: wireLatitude,
  start_lon: wireLongitude,
  end_lat: wireLatitude,
  end_lon: wireLongitude,
  current_lat: wireLatitude,
  current_lon: wireLongitude,
})

/**
 * Checks one GPS report. A ping is what the schema and the time limits accept; the first look is a
 * hand-written check, about ten times cheaper, which a property test holds to the schema.
 */
export function parsePing(
  value: unknown,
  receivedMs: number,
  limits: TimeLimits = TIME_LIMITS,
): ParsedPing {
  const fast = fastPing(value, receivedMs, limits)
  return fast ? { ok: true, ping: fast } : parsePingBySchema(value, receivedMs, limits)
}

/** The same by the schema alone: the reference, and the source of every reason. */
export function parsePingBySchema(
  value: unknown,
  receivedMs: number,
  limits: TimeLimits,
): ParsedPing {
  const parsed = wirePing.safeParse(value)
  if (!parsed.success) {
    return { ok: false, refusals: refusalsOf(parsed.error, value, 'invalid_ping') }
  }
  const wire = parsed.data
  const time = believableTimeUs(wire.timestamp, receivedMs, limits, TIME_FIELD)
  if (typeof time !== 'number') return { ok: false, refusals: [time] }
  return {
    ok: true,
    ping: {
      deviceId: wire.device_id,
      vehicleId: wire.vehicle_id,
      sessionId: wire.session_id,
      orderId: wire.order_id,
      status: wire.status,
      eventTimeUs: time,
      startLat: wire.start_lat,
      startLng: wire.start_lon,
      endLat: wire.end_lat,
      endLng: wire.end_lon,
      lat: wire.current_lat,
      lng: wire.current_lon,
    },
  }
}

/** A ping that was accepted once and comes back from the journal; the time limits had their say then. */
export function parseAccepted(value: unknown): Ping {
  const parsed = parsePing(value, Number.POSITIVE_INFINITY, { aheadMsMax: 0, oldestMs: -Infinity })
  if (parsed.ok) return parsed.ping
  throw new TypeError(`journal holds a ping that is none: ${parsed.refusals[0]?.message ?? ''}`)
}

function isId(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    value.length > 0 &&
    value.length <= ID_LENGTH_MAX &&
    value.isWellFormed()
  )
}

function isWithin(value: unknown, bound: number): value is number {
  return typeof value === 'number' && value >= -bound && value <= bound
}

/** The constant, not the text that was parsed: a session would hold one of those for every fix. */
function statusOf(value: unknown): Status | null {
  switch (value) {
    case 'en_route':
      return 'en_route'
    case 'started':
      return 'started'
    case 'completed':
      return 'completed'
    default:
      return null
  }
}

function fastPing(value: unknown, receivedMs: number, limits: TimeLimits): Ping | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null
  const wire = value as Record<string, unknown>
  const { device_id, vehicle_id, session_id, order_id, status, timestamp } = wire
  if (!isId(device_id) || !isId(vehicle_id) || !isId(session_id) || !isId(order_id)) return null
  const known = statusOf(status)
  if (!known) return null
  const { start_lat, start_lon, end_lat, end_lon, current_lat, current_lon } = wire
  if (!isWithin(start_lat, 90) || !isWithin(end_lat, 90) || !isWithin(current_lat, 90)) return null
  if (!isWithin(start_lon, 180) || !isWithin(end_lon, 180) || !isWithin(current_lon, 180))
    return null
  if (typeof timestamp !== 'string') return null
  const eventTimeUs = parseEventTimeUs(timestamp)
  if (eventTimeUs === null) return null
  if (eventTimeUs > (receivedMs + limits.aheadMsMax) * 1_000) return null
  if (eventTimeUs < limits.oldestMs * 1_000) return null
  return {
    deviceId: device_id,
    vehicleId: vehicle_id,
    sessionId: session_id,
    orderId: order_id,
    status: known,
    eventTimeUs,
    startLat: start_lat,
    startLng: start_lon,
    endLat: end_lat,
    endLng: end_lon,
    lat: current_lat,
    lng: current_lon,
  }
}
