import type { Turn } from '../kernel/behavior.ts'
import { distanceCm } from '../model/geo.ts'
import type { Ping } from '../model/ping.ts'
import type { SessionState } from './state.ts'

/** No estimate before so much of the way and of the time: the first metres say little about the rest. */
const TRAVELLED_CM_MIN = 50_000
const DRIVEN_US_MIN = 60_000_000
/** Streets are longer than the crow's way: median ratio of PacketPulse's ten routes in Athens. */
const DETOUR = 1.44

/**
 * Estimated arrival, wall clock: the rest of the way at the mean speed so far; null while too little of
 * the way is done. Made once, so that a delivery can be measured against it.
 */
export function estimatedArrivalMs(
  state: SessionState,
  ping: Ping,
  header: Ping,
  travelledCm: number,
  turn: Turn,
): number | null {
  const newest = state.fixes.at(-1)
  if (travelledCm < TRAVELLED_CM_MIN || (newest && ping.eventTimeUs < newest.eventTimeUs))
    return null
  const drivenUs = ping.eventTimeUs - header.eventTimeUs
  if (drivenUs < DRIVEN_US_MIN) return null
  const restCm = distanceCm(ping.lat, ping.lng, header.endLat, header.endLng) * DETOUR
  return Math.round(turn.receivedMs + (restCm * drivenUs) / travelledCm / 1_000)
}
