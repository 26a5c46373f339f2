import type { FrameFact } from '../model/fact.ts'
import type { NotTaken } from '../model/offer.ts'
import type { Clock } from './clock.ts'
import type { Counter, Histogram, Telemetry } from './telemetry.ts'

export type IntakeDoorOptions = Readonly<{
  kind: FrameFact['kind']
  clock: Clock
  telemetry: Telemetry
  limits: Readonly<{
    /** Messages taken in one turn of the event loop, beyond which other work goes first; all when left out. */
    perTurnMax?: number
    /** When to come again, about. */
    retryAfterMs: number
  }>
  /** Why the process as a whole cannot take more now, or null. */
  overloaded?: () => string | null
}>

const GOLDEN_SECTION = 0.618_033_988_75

/** What every way in has, whatever journal is behind it: counts, the bound of a turn, and how a refusal is said. */
export class IntakeDoor {
  /** Messages on disk and acknowledged. */
  readonly accepted: Counter
  /** Messages refused and kept as dead letters. */
  readonly refused: Counter
  /** Messages answered busy. */
  readonly busy: Counter
  /** From receipt to acknowledgement. */
  readonly ackMs: Histogram
  readonly #options: IntakeDoorOptions
  #stopped = false
  #takenInTurn = 0
  #spread = 0

  constructor(options: IntakeDoorOptions) {
    this.#options = options
    const { telemetry, kind } = options
    this.accepted = telemetry.counter(
      `orrery_${kind}_accepted_total`,
      'Messages on disk and acknowledged',
    )
    this.refused = telemetry.counter(
      `orrery_${kind}_refused_total`,
      'Messages refused and kept as dead letters',
    )
    this.busy = telemetry.counter(
      `orrery_${kind}_busy_total`,
      'Messages answered busy: not taken, to be sent again',
    )
    this.ackMs = telemetry.histogram(
      'orrery_ack_ms',
      'Milliseconds from receipt to acknowledgement after the sync',
    )
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Refuses everything from now on; what was offered before is still answered. */
  stop(): void {
    this.#stopped = true
  }

  /** What anybody would be told now, before the journal is asked; null when it may come in. */
  refusal(): NotTaken | null {
    const { limits, kind, overloaded } = this.#options
    if (this.#stopped) return this.notTaken('unavailable', 'shutting down')
    if (this.#takenInTurn >= (limits.perTurnMax ?? Infinity)) {
      return this.notTaken('busy', `more ${kind} at once than this machine takes`)
    }
    const overload = overloaded?.() ?? null
    return overload === null ? null : this.notTaken('busy', overload)
  }

  notTaken(code: NotTaken['code'], message: string): NotTaken {
    // Spread evenly from half to one and a half: who was refused together must not come again together.
    this.#spread = (this.#spread + GOLDEN_SECTION) % 1
    const retryAfterMs = Math.round(this.#options.limits.retryAfterMs * (0.5 + this.#spread))
    return { ok: false, code, message, retryAfterMs }
  }

  /** So many are taken in this turn of the event loop. */
  take(messages: number): void {
    if (this.#takenInTurn === 0) {
      this.#options.clock.soon(() => {
        this.#takenInTurn = 0
      })
    }
    this.#takenInTurn += messages
  }
}
