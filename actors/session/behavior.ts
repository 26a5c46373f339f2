import type { Behavior, Step, TimerMessage, Turn } from '../kernel/behavior.ts'
import type { Fact } from '../model/fact.ts'
import type { Fix, HistoryPage } from '../model/history.ts'
import type { Ping } from '../model/ping.ts'
import { estimatedArrivalMs } from './arrival.ts'
import { decodeSession, encodeSession, SESSION_STATE_VERSION } from './codec.ts'
import {
  addedCm,
  headerAfter,
  headerFact,
  movementFact,
  statusAfter,
  statusFact,
} from './derive.ts'
import type { Neighbours } from './derive.ts'
import { compareFixes, placeOf, withFix } from './fixes.ts'
import { FIXES_MAX, holdsWholeLife, UNKNOWN_SESSION } from './state.ts'
import type { Recollection, SessionState } from './state.ts'
import { dueTimer, firedBy, timerFact } from './timers.ts'
import type { SessionOptions } from './timers.ts'

/**
 * One delivery. Its final header, status events, movements and totals depend on the set of its pings
 * alone, not on their order or repetition (SPEC.md I1–I5).
 */
export function sessionBehavior(options: SessionOptions): Behavior<SessionState, Ping> {
  return {
    name: 'session',
    version: SESSION_STATE_VERSION,
    initial: () => UNKNOWN_SESSION,
    recalls,
    recalled: (state, page: HistoryPage) => ({
      ...state,
      recollection: { ...page, fixes: page.fixes.toSorted(compareFixes) },
    }),
    forgotten: (state) => (state.recollection ? { ...state, recollection: null } : state),
    receive,
    onTimer,
    timer: (state) => dueTimer(state, options),
    live: (state) => state.header !== null && state.completed === null,
    encode: encodeSession,
    decode: decodeSession,
  }
}

/** Event time to look around when a ping is older than what the actor holds; else null. */
function recalls(state: SessionState, ping: Ping): number | null {
  if (holdsWholeLife(state)) return null
  const oldest = state.fixes[0]
  if (oldest && compareFixes(ping, oldest) >= 0) return null
  return covers(state, ping) ? null : ping.eventTimeUs
}

/** Whether the recalled page holds the ping's time and, unless life ends there, a neighbour on each side. */
function covers(state: SessionState, ping: Ping): boolean {
  const page = state.recollection
  if (!page || ping.eventTimeUs < page.fromUs || ping.eventTimeUs > page.toUs) return false
  const { index, known } = placeOf(page.fixes, ping)
  if (known) return true
  const bounded = page.fromUs === -Infinity || index > 0
  return bounded && (page.toUs === Infinity || index < page.fixes.length)
}

function receive(state: SessionState, ping: Ping, turn: Turn): Step<SessionState> {
  const revised = headerAfter(state, ping)
  const header = revised ?? state.header
  if (!header) throw new TypeError('a session with a ping has a header')
  const lastReceivedMs = Math.max(state.lastReceivedMs, turn.receivedMs)
  const facts: Fact[] = []
  if (revised) facts.push(headerFact(revised, turn, facts.length))

  const recollected = recollectionFor(state, ping)
  const known = recollected ?? state.fixes
  const { index, known: repeated } = placeOf(known, ping)
  if (repeated) {
    return { state: { ...state, header, lastReceivedMs, silent: false }, facts, duplicate: true }
  }

  const reached = statusAfter(state, ping)
  if (reached) facts.push(statusFact(state, ping, reached, turn, facts.length))
  const neighbours: Neighbours = { before: known[index - 1], after: known[index] }
  const added = addedCm(ping, neighbours)
  const travelledCm = state.travelledCm + added
  const newest = state.fixes.at(-1)
  const late = newest !== undefined && compareFixes(ping, newest) < 0
  const travelled = { addedCm: added, totalCm: travelledCm, late }
  facts.push(movementFact(ping, header, neighbours, travelled, turn, facts.length))

  const { status, eventTimeUs, lat, lng } = ping
  const fix: Fix = { eventTimeUs, status, lat, lng }
  const { recollection } = state
  // One literal: this runs for every ping.
  return {
    state: {
      header,
      started: reached && status === 'started' ? reached : state.started,
      enRoute: reached && status === 'en_route' ? reached : state.enRoute,
      completed: reached && status === 'completed' ? reached : state.completed,
      fixes: recollected ? state.fixes : withFix(state.fixes, index, fix, FIXES_MAX),
      fixCount: state.fixCount + 1,
      travelledCm,
      lastReceivedMs,
      silent: false,
      etaMs: state.etaMs ?? estimatedArrivalMs(state, ping, header.ping, travelledCm, turn),
      overdue: state.overdue,
      recollection: recollection && withRecalled(recollection, fix),
    },
    facts,
  }
}

/** The recalled fixes, when the ping is older than what the actor holds. */
function recollectionFor(state: SessionState, ping: Ping): readonly Fix[] | null {
  const oldest = state.fixes[0]
  if (holdsWholeLife(state) || (oldest && compareFixes(ping, oldest) >= 0)) return null
  if (!state.recollection || !covers(state, ping)) {
    throw new TypeError('a ping older than the held fixes needs its past recalled')
  }
  return state.recollection.fixes
}

/** Keeps a recalled page complete while fixes come, older and newer. */
function withRecalled(page: Recollection, fix: Fix): Recollection {
  if (fix.eventTimeUs < page.fromUs || fix.eventTimeUs > page.toUs) return page
  return { ...page, fixes: withFix(page.fixes, placeOf(page.fixes, fix).index, fix, Infinity) }
}

function onTimer(state: SessionState, message: TimerMessage, turn: Turn): Step<SessionState> {
  const fired = firedBy(state, message)
  if (!fired) return { state, facts: [] }
  return { state: fired.state, facts: [timerFact(state, fired.alert, message.dueMs, turn)] }
}
