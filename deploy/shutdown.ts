import type { Clock } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type { Running } from './running.ts'

/** How long parts have to flush, and when the process ends whatever they do. */
export const STOP_MS = 9_000
const END_MS = 9_800
/**
 * A second signal within this time is a copy of the first: on Ctrl-C the terminal signals us and
 * `bun run` as well, which passes it on.
 */
const COPY_MS = 1_000

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
const FAULTS = ['uncaughtException', 'unhandledRejection'] as const

/** Where signals and faults come from: the process, or an emitter in a test. */
export type SignalSource = Readonly<{
  on(name: string, listener: (value: unknown) => void): unknown
  off(name: string, listener: (value: unknown) => void): unknown
}>

/**
 * Waits for a signal or a fault, stops in order, and gives the exit code: 0 when all was flushed, 1 when not or
 * after a fault, 130 when told twice.
 */
export function runUntilStopped(
  running: Running,
  options: Readonly<{ source: SignalSource; clock: Clock; log: Log }>,
): Promise<number> {
  const { source, clock, log } = options
  let stoppingSinceMs: number | null = null
  let failed = false

  return new Promise((resolve) => {
    const end = (exitCode: number): void => {
      cancelEnd()
      for (const name of SIGNALS) source.off(name, onSignal)
      resolve(exitCode)
    }
    let cancelEnd = (): void => {}

    const stop = (reason: string): void => {
      stoppingSinceMs = clock.monotonicMs()
      log.info({ reason }, 'stopping')
      cancelEnd = clock.after(END_MS, () => {
        log.error({ afterMs: END_MS }, 'not stopped in time; the next start replays the rest')
        end(1)
      })
      running.stop(STOP_MS).then(
        ({ clean, unflushed }) => {
          const tookMs = Math.round(clock.monotonicMs() - (stoppingSinceMs ?? 0))
          if (clean) log.info({ tookMs }, 'stopped')
          else log.warn({ tookMs, unflushed }, 'stopped; the next start replays the rest')
          end(clean && !failed ? 0 : 1)
        },
        (cause: unknown) => {
          log.error({ error: messageOf(cause) }, 'stop failed; the next start replays the rest')
          end(1)
        },
      )
    }

    const onSignal = (signal: unknown): void => {
      if (stoppingSinceMs === null) return stop(String(signal))
      if (clock.monotonicMs() - stoppingSinceMs < COPY_MS) return
      log.warn({ signal: String(signal) }, 'stopped at once; the next start replays the rest')
      end(130)
    }
    const onFault = (fault: unknown): void => {
      failed = true
      const stack = fault instanceof Error ? fault.stack : undefined
      log.error({ error: messageOf(fault), stack }, 'unexpected fault')
      if (stoppingSinceMs === null) stop('fault')
    }

    for (const name of SIGNALS) source.on(name, onSignal)
    for (const name of FAULTS) source.on(name, onFault)
  })
}
