import type { Turn } from '../kernel/behavior.ts'
import type { HeaderFact, MovementFact, StatusFact } from '../model/fact.ts'
import { bearingDeg, distanceCm } from '../model/geo.ts'
import type { Fix } from '../model/history.ts'
import type { Ping } from '../model/ping.ts'
import { eventId, movementId } from './ids.ts'
import { comparePings, statusBefore, statusState } from './state.ts'
import type { HeaderState, SessionState, StatusState } from './state.ts'

/** Two fixes closer than this (cm) give no heading: the noise of a standing vehicle would spin it. */
const HEADING_CM_MIN = 100

/** The header as a ping changes it: the first ping makes it, an earlier one revises it; null for no change. */
export function headerAfter(state: SessionState, ping: Ping): HeaderState | null {
  if (!state.header) return { ping, revision: 0 }
  if (comparePings(ping, state.header.ping) >= 0) return null
  return { ping, revision: state.header.revision + 1 }
}

/** The time of the ping's status as the ping changes it; null for no change. */
export function statusAfter(state: SessionState, ping: Ping): StatusState | null {
  const known = statusState(state, ping.status)
  if (!known) return { eventTimeUs: ping.eventTimeUs, revision: 0 }
  if (ping.eventTimeUs >= known.eventTimeUs) return null
  return { eventTimeUs: ping.eventTimeUs, revision: known.revision + 1 }
}

/** The header fact of a changed header. */
export function headerFact(header: HeaderState, turn: Turn, part: number): HeaderFact {
  const { ping, revision } = header
  return {
    kind: 'header',
    partition: turn.partition,
    offset: turn.offset,
    part,
    sessionId: ping.sessionId,
    revision,
    vehicleId: ping.vehicleId,
    orderId: ping.orderId,
    deviceId: ping.deviceId,
    startLat: ping.startLat,
    startLng: ping.startLng,
    endLat: ping.endLat,
    endLng: ping.endLng,
    createdAtUs: ping.eventTimeUs,
    receivedMs: turn.receivedMs,
  }
}

/** The status fact of a status reached, or found to have been reached earlier; `state` is the one before. */
export function statusFact(
  state: SessionState,
  ping: Ping,
  reached: StatusState,
  turn: Turn,
  part: number,
): StatusFact {
  const known = statusState(state, ping.status)
  return {
    kind: 'status',
    partition: turn.partition,
    offset: turn.offset,
    part,
    sessionId: ping.sessionId,
    eventId: eventId(ping.sessionId, ping.status),
    revision: reached.revision,
    status: ping.status,
    from: statusBefore(state, ping.status, reached.eventTimeUs),
    eventTimeUs: reached.eventTimeUs,
    ...(known && { revisedFromUs: known.eventTimeUs }),
    receivedMs: turn.receivedMs,
  }
}

/** A fix's neighbours in event time, as known now. */
export type Neighbours = Readonly<{ before: Fix | undefined; after: Fix | undefined }>

/** What a fix adds to the travelled distance: with a neighbour after it, the correction of that one too. */
export function addedCm(fix: Fix, { before, after }: Neighbours): number {
  const toBefore = before ? between(before, fix) : 0
  if (!after) return toBefore
  return toBefore + between(fix, after) - (before ? between(before, after) : 0)
}

/** The movement fact of a fix that is no repeat. */
export function movementFact(
  ping: Ping,
  header: HeaderState,
  neighbours: Neighbours,
  travelled: Readonly<{ addedCm: number; totalCm: number; late: boolean }>,
  turn: Turn,
  part: number,
): MovementFact {
  const { before } = neighbours
  const stepCm = before ? between(before, ping) : 0
  const stepUs = before ? ping.eventTimeUs - before.eventTimeUs : 0
  return {
    kind: 'movement',
    partition: turn.partition,
    offset: turn.offset,
    part,
    sessionId: ping.sessionId,
    movementId: movementId(ping),
    status: ping.status,
    lat: ping.lat,
    lng: ping.lng,
    eventTimeUs: ping.eventTimeUs,
    receivedMs: turn.receivedMs,
    distanceCm: travelled.addedCm,
    // cm per µs × 36,000 = km/h
    speedKmh: stepUs > 0 ? Math.round((stepCm / stepUs) * 3_600_000) / 100 : null,
    headingDeg:
      before && stepCm >= HEADING_CM_MIN
        ? Math.round(bearingDeg(before.lat, before.lng, ping.lat, ping.lng) * 10) / 10
        : null,
    travelledCm: travelled.totalCm,
    remainingCm: distanceCm(ping.lat, ping.lng, header.ping.endLat, header.ping.endLng),
    late: travelled.late,
  }
}

function between(a: Fix, b: Fix): number {
  return distanceCm(a.lat, a.lng, b.lat, b.lng)
}
