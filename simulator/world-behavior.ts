import type { Behavior } from '../actors/kernel/behavior.ts'
import type { Ping } from '../actors/model/ping.ts'
import { sessionBehavior } from '../actors/session/behavior.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { Plan } from './world-plan.ts'
import { FLAKY, POISON } from './world-traffic.ts'

type SessionBehavior = Behavior<SessionState, Ping>

/** Where the estimated arrival stands in a state of version 2, and how long it is. */
const ETA_AT = 25
const ETA_BYTES = 8

/** The session's behavior in a life of a run: it chokes on what asks for it, and may be the one of before. */
export function simBehavior({ limits, livesOfOld }: Plan, life: number): SessionBehavior {
  const options = { silentAfterMs: limits.silentMs, overdueAfterMs: limits.overdueMs }
  const behavior = choking(sessionBehavior(options))
  return life < livesOfOld ? ofVersionOne(behavior) : behavior
}

/** Throws at poison each time, and at what is flaky the first time. */
function choking(behavior: SessionBehavior): SessionBehavior {
  let turns = 0
  return {
    ...behavior,
    receive(state, ping, turn) {
      if (ping.orderId === POISON) throw new TypeError('this ping is poison')
      if (ping.orderId === FLAKY && turns++ % 2 === 0) throw new TypeError('just this once')
      return behavior.receive(state, ping, turn)
    },
  }
}

/** The program of before: it knew no arrival, and its states are of version 1. */
function ofVersionOne(behavior: SessionBehavior): SessionBehavior {
  return {
    ...behavior,
    version: 1,
    receive(state, ping, turn) {
      const step = behavior.receive(state, ping, turn)
      return { ...step, state: { ...step.state, etaMs: null } }
    },
    encode(state) {
      const bytes = behavior.encode(state)
      return Buffer.concat([bytes.subarray(0, ETA_AT), bytes.subarray(ETA_AT + ETA_BYTES)])
    },
  }
}
