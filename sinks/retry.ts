import type { Clock, Random } from '../actors/kernel/clock.ts'

/** The wait before try n is random between 0 and `firstMs` × 2ⁿ, at most `longestMs`. */
export type Backoff = Readonly<{ firstMs: number; longestMs: number }>

/** What to do after a failure: soon (backing off), as seldom as the back-off allows, or not again. */
export type Verdict = 'again' | 'slowly' | 'stop'

export type RetryOptions = Readonly<{
  clock: Clock
  random: Random
  backoff: Backoff
  /** No further try begins later than this after the first; null for trying for ever. */
  deadlineMs: number | null
  /** Ends the waiting; its reason is thrown. */
  signal: AbortSignal
  judge(thrown: unknown, attempt: number): Verdict
}>

/** Full jitter: many clients that failed together do not come back together. */
export function backoffMs(attempt: number, backoff: Backoff, random: Random): number {
  return random() * Math.min(backoff.longestMs, backoff.firstMs * 2 ** Math.min(attempt, 52))
}

/** Calls until it succeeds, `judge` says stop, the deadline passes or the signal aborts. */
export async function retry<T>(call: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { clock, random, backoff, deadlineMs, signal } = options
  const startMs = clock.monotonicMs()
  for (let attempt = 0; ; attempt++) {
    signal.throwIfAborted()
    try {
      return await call()
    } catch (thrown) {
      const verdict = options.judge(thrown, attempt)
      signal.throwIfAborted()
      if (verdict === 'stop') throw thrown
      const delayMs =
        verdict === 'again' ? backoffMs(attempt, backoff, random) : slowMs(backoff, random)
      const spentMs = clock.monotonicMs() - startMs
      if (deadlineMs !== null && spentMs + delayMs > deadlineMs) throw thrown
      await pause(clock, delayMs, signal)
    }
  }
}

/** Waits on the clock, or less when the signal aborts. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      cancel()
      signal.removeEventListener('abort', end)
      resolve()
    }
    const cancel = clock.after(delayMs, end)
    signal.addEventListener('abort', end)
  })
}

/** Waits until it is done, but not longer than `withinMs`. */
export async function settleWithin(
  clock: Clock,
  withinMs: number,
  done: Promise<void>,
): Promise<void> {
  const waiting = new AbortController()
  await Promise.race([done, pause(clock, withinMs, waiting.signal)])
  waiting.abort()
}

// Half fixed, half random: seldom for certain, and still not all at once.
function slowMs(backoff: Backoff, random: Random): number {
  return backoff.longestMs * (0.5 + random() / 2)
}
