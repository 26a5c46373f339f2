import type { Turn } from '../kernel/behavior.ts'
import type { AlertFact } from '../model/fact.ts'
import type { SessionState } from './state.ts'

export type SessionOptions = Readonly<{
  /** No ping for this long on a delivery under way: the session counts as silent. */
  silentAfterMs: number
  /** Not completed so long after its estimated arrival: the session counts as overdue. */
  overdueAfterMs: number
}>

/** A timer of a session, with when it is due. */
export type SessionTimer = Readonly<{ timer: AlertFact['alert']; dueMs: number }>

/** A timer that fires this much later than due was due while nobody could fire it. */
const LATE_MS = 60_000

/** The session's next timer: a delivery under way falls silent, or is not there when it should be. */
export function dueTimer(state: SessionState, options: SessionOptions): SessionTimer | null {
  if (!state.header || state.completed) return null
  const silentMs = state.silent ? Infinity : state.lastReceivedMs + options.silentAfterMs
  const overdueMs =
    state.overdue || state.etaMs === null ? Infinity : state.etaMs + options.overdueAfterMs
  if (silentMs === Infinity && overdueMs === Infinity) return null
  return silentMs <= overdueMs
    ? { timer: 'silent', dueMs: silentMs }
    : { timer: 'overdue', dueMs: overdueMs }
}

/** What is told when a timer has fired; due when the state says, whenever its message was sent. */
export function timerFact(
  state: SessionState,
  { timer, dueMs }: SessionTimer,
  turn: Turn,
): AlertFact {
  return {
    kind: 'alert',
    partition: turn.partition,
    offset: turn.offset,
    part: 0,
    sessionId: state.header?.ping.sessionId ?? '',
    alert: timer,
    dueMs,
    firedMs: turn.receivedMs,
    late: turn.receivedMs - dueMs > LATE_MS,
  }
}
