import type { Clock } from '../actors/kernel/clock.ts'
import type { Telemetry } from '../actors/kernel/telemetry.ts'
import type { PartHealth } from '../gateway/ports.ts'

/** How often the event loop is asked whether it comes on time. */
const EVERY_MS = 50
/** Time over which lateness is smoothed: one long pause is no overload, being late all the time is. */
const SMOOTHED_OVER_MS = 1_000
/** One reading counts for at most so many limits: after a halt of the process there is nothing to shed for long. */
const LIMITS_A_READING_MAX = 4

export type EventLoopLagOptions = Readonly<{
  clock: Clock
  telemetry: Telemetry
  /** Smoothed lateness from which on senders are told busy, until it has fallen to half. */
  limitMs: number
}>

/**
 * How late the event loop is: a timer's lateness, again and again. Everything in this process waits
 * that long for its turn, so that new work is turned away before acknowledgements become slow.
 */
export class EventLoopLag {
  readonly #options: EventLoopLagOptions
  readonly #late
  #recentMs = 0
  #shedding = false
  #cancel: () => void = () => {}

  constructor(options: EventLoopLagOptions) {
    this.#options = options
    const { telemetry, limitMs } = options
    this.#late = telemetry.histogram(
      'orrery_event_loop_lag_ms',
      'Milliseconds by which the event loop came late to a timer',
    )
    telemetry
      .gauge('orrery_event_loop_lag_recent_ms', 'The same, smoothed over a second')
      .from(() => this.#recentMs)
    telemetry
      .gauge('orrery_event_loop_lag_limit_ms', 'Smoothed lag beyond which senders are told busy')
      .set(limitMs)
    telemetry
      .gauge('orrery_shedding', '1 while senders are told busy because the event loop is late')
      .from(() => (this.#shedding ? 1 : 0))
  }

  start(): void {
    const { clock } = this.#options
    const fromMs = clock.monotonicMs()
    this.#cancel = clock.after(EVERY_MS, () => {
      this.#read(clock.monotonicMs() - fromMs)
      this.start()
    })
  }

  stop(): void {
    this.#cancel()
  }

  /** Lateness now, smoothed over a second. */
  get recentMs(): number {
    return this.#recentMs
  }

  /** What to tell a sender while new work must wait, or null. */
  overloaded(): string | null {
    return this.#shedding ? 'more than this machine takes' : null
  }

  health(): PartHealth {
    const late = `${Math.round(this.#recentMs)} ms late`
    if (!this.#shedding) return { status: 'healthy', detail: late }
    return { status: 'degraded', detail: `${late}: senders are told busy` }
  }

  #read(tookMs: number): void {
    const { limitMs } = this.#options
    const lateMs = Math.max(0, tookMs - EVERY_MS)
    this.#late.observe(lateMs)
    // A reading weighs as much as the time it covers.
    const weight = 1 - Math.exp(-tookMs / SMOOTHED_OVER_MS)
    const counted = Math.min(lateMs, limitMs * LIMITS_A_READING_MAX)
    this.#recentMs += (counted - this.#recentMs) * weight
    this.#shedding = this.#recentMs > (this.#shedding ? limitMs / 2 : limitMs)
  }
}
