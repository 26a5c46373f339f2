import type { Fix } from '../model/history.ts'
import type { Ping, Status } from '../model/ping.ts'
import { compareFixes } from './fixes.ts'

/** How many of its newest fixes (in event time) an actor holds; older ones are looked up in the store. */
export const FIXES_MAX = 8

/** The session's earliest ping, in the order of `comparePings`: its header. */
export type HeaderState = Readonly<{ ping: Ping; revision: number }>

/** The earliest event time at which a status was seen. */
export type StatusState = Readonly<{ eventTimeUs: number; revision: number }>

/** A stretch of the past that was looked up: complete from `fromUs` to `toUs`. Never stored. */
export type Recollection = Readonly<{ fixes: readonly Fix[]; fromUs: number; toUs: number }>

/** What one session's actor knows; under a kilobyte. Never changed in place. */
export type SessionState = Readonly<{
  header: HeaderState | null
  started: StatusState | null
  enRoute: StatusState | null
  completed: StatusState | null
  /** The newest fixes in event-time order, at most FIXES_MAX. */
  fixes: readonly Fix[]
  /** Distinct fixes over the whole life; more than `fixes` holds once the oldest were let go. */
  fixCount: number
  /** Sum of all movements' distances. */
  travelledCm: number
  lastReceivedMs: number
  /** The silence alert has fired and nothing was heard since. */
  silent: boolean
  /** Estimated arrival, wall clock; made once, when enough of the way is done. Null before. */
  etaMs: number | null
  /** The alert that the estimated arrival passed has fired. */
  overdue: boolean
  recollection: Recollection | null
}>

/** A session of which nothing is known. */
export const UNKNOWN_SESSION: SessionState = {
  header: null,
  started: null,
  enRoute: null,
  completed: null,
  fixes: [],
  fixCount: 0,
  travelledCm: 0,
  lastReceivedMs: 0,
  silent: false,
  etaMs: null,
  overdue: false,
  recollection: null,
}

/** The earliest known time of a status. */
export function statusState(state: SessionState, status: Status): StatusState | null {
  switch (status) {
    case 'started':
      return state.started
    case 'en_route':
      return state.enRoute
    case 'completed':
      return state.completed
  }
}

/** The status before the given one in event time; null when there is none. */
export function statusBefore(
  state: SessionState,
  status: Status,
  eventTimeUs: number,
): Status | null {
  let found: Status | null = null
  let foundUs = -Infinity
  for (const other of ['started', 'en_route', 'completed'] as const) {
    const seen = statusState(state, other)
    if (other === status || !seen || seen.eventTimeUs > eventTimeUs) continue
    if (seen.eventTimeUs >= foundUs) {
      found = other
      foundUs = seen.eventTimeUs
    }
  }
  return found
}

/** Whether the actor still holds every fix the session ever had. */
export function holdsWholeLife(state: SessionState): boolean {
  return state.fixCount === state.fixes.length
}

const TIE_FIELDS = [
  'vehicleId',
  'orderId',
  'deviceId',
  'startLat',
  'startLng',
  'endLat',
  'endLng',
] as const

/** A total order of pings: event time, status, position, then every other field; equal only for exact repeats. */
export function comparePings(a: Ping, b: Ping): number {
  const byFix = compareFixes(a, b)
  if (byFix !== 0) return byFix
  for (const field of TIE_FIELDS) {
    const left = a[field]
    const right = b[field]
    if (left < right) return -1
    if (left > right) return 1
  }
  return 0
}

/** What the live map needs of a session; null before its first ping. */
export function feedSessionOf(state: SessionState): Readonly<{
  header: Ping
  newest: Readonly<{ lat: number; lng: number; eventTimeUs: number; status: string }> | null
  travelledCm: number
  completed: boolean
  silent: boolean
}> | null {
  if (!state.header) return null
  const { header, fixes, travelledCm, completed, silent } = state
  const newest = fixes.at(-1) ?? null
  return { header: header.ping, newest, travelledCm, completed: completed !== null, silent }
}
