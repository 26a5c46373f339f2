import type { TimerMessage, Turn } from '../kernel/behavior.ts'
import type { AlertFact } from '../model/fact.ts'
import type { SessionState } from './state.ts'

export type SessionOptions = Readonly<{
  /** No ping for this long on a delivery under way: the session counts as silent. */
  silentAfterMs: number
  /** Not completed so long after its estimated arrival: the session counts as overdue. */
  overdueAfterMs: number
}>

/** A timer of a session, with when it is due. */
export type SessionTimer = TimerMessage & Readonly<{ timer: AlertFact['alert'] }>

/** A timer that fires this much later than due was due while nobody could fire it. */
const LATE_MS = 60_000

/** The session's next timer: a delivery under way falls silent, or is not there when it should be. */
export function dueTimer(state: SessionState, options: SessionOptions): SessionTimer | null {
  if (!state.header || state.completed) return null
  const { silent, lastReceivedMs, overdue, etaMs } = state
  const silence: SessionTimer | null = silent
    ? null
    : { timer: 'silent', dueMs: lastReceivedMs + options.silentAfterMs, basisMs: lastReceivedMs }
  const arrival: SessionTimer | null =
    overdue || etaMs === null
      ? null
      : { timer: 'overdue', dueMs: etaMs + options.overdueAfterMs, basisMs: etaMs }
  if (!silence || !arrival) return silence ?? arrival
  return silence.dueMs <= arrival.dueMs ? silence : arrival
}

/**
 * What a timer's message does to the session; null when it was moved or has fired. It asks nothing of the
 * options: a replay under other settings must see it fire where it fired.
 */
export function firedBy(
  state: SessionState,
  { timer, basisMs }: TimerMessage,
): Readonly<{ alert: AlertFact['alert']; state: SessionState }> | null {
  if (!state.header || state.completed) return null
  if (timer === 'silent' && !state.silent && state.lastReceivedMs === basisMs) {
    return { alert: 'silent', state: { ...state, silent: true } }
  }
  if (timer === 'overdue' && !state.overdue && state.etaMs === basisMs) {
    return { alert: 'overdue', state: { ...state, overdue: true } }
  }
  return null
}

/** What is told when a timer has fired. */
export function timerFact(
  state: SessionState,
  alert: AlertFact['alert'],
  dueMs: number,
  turn: Turn,
): AlertFact {
  return {
    kind: 'alert',
    partition: turn.partition,
    offset: turn.offset,
    part: 0,
    sessionId: state.header?.ping.sessionId ?? '',
    alert,
    dueMs,
    firedMs: turn.receivedMs,
    late: turn.receivedMs - dueMs > LATE_MS,
  }
}
