import type { Clock, Random } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import { type Backoff, retry } from '../sinks/retry.ts'

/** What a store that may be away is opened with. */
export type PatientOptions = Readonly<{
  clock: Clock
  random: Random
  log: Log
  /** Ends the waiting; its reason is thrown. */
  signal: AbortSignal
  /** `host:port` of the store, without secrets. */
  where: string
  /** What a person should look at while it does not answer. */
  check: string
  /** Hears of it when the store is missing, and when it is there. */
  parts?: Parts
  backoff?: Backoff
}>

/** What a process waits with for its stores. */
export type Waiting = Readonly<{ parts: Parts; signal: AbortSignal }>

/** The first try again is soon, since stores are often started together with this process. */
const BACKOFF: Backoff = { firstMs: 250, longestMs: 10_000 }
/** Between two lines about the same store. */
const SAY_AGAIN_MS = 60_000
const ERROR_CHARACTERS_MAX = 300

/**
 * Opens something outside of this process that may be away, again and again until it is there or `signal` ends it. The
 * first failure is one line in the log that says where, why and what to check, then one a minute. A failure that is
 * not `retriable` is thrown at once.
 */
export async function patiently<Store>(
  name: string,
  open: (signal: AbortSignal) => Promise<Store>,
  options: PatientOptions,
): Promise<Store> {
  const { clock, random, log, signal, where, check, parts } = options
  const startMs = clock.monotonicMs()
  let saidMs: number | null = null
  let tries = 0
  const judge = (thrown: unknown): 'again' | 'stop' => {
    if (signal.aborted || !isRetriable(thrown)) return 'stop'
    tries++
    const nowMs = clock.monotonicMs()
    const error = messageOf(thrown).split('\n', 1)[0] ?? ''
    parts?.missing(name, where, error)
    if (saidMs !== null && nowMs - saidMs < SAY_AGAIN_MS) return 'again'
    saidMs = nowMs
    const forMs = Math.round(nowMs - startMs)
    log.warn({ store: name, where, error, check, tries, forMs }, 'a store is away: trying again')
    return 'again'
  }
  const store = await retry(() => open(signal), {
    ...{ clock, random, signal, judge },
    backoff: options.backoff ?? BACKOFF,
    deadlineMs: null,
  })
  parts?.present(name, where)
  if (tries > 0) {
    const forMs = Math.round(clock.monotonicMs() - startMs)
    log.info({ store: name, where, tries, forMs }, 'a store is there')
  }
  return store
}

type PartState = Readonly<{ status: 'healthy' | 'unhealthy'; detail: string }>

/** Which parts outside of this process are needed and whether they are there, for `/ready` and `/health`. */
export class Parts {
  readonly #where = new Map<string, string>()
  /** By name, why the last try failed; empty before the first. */
  readonly #missing = new Map<string, string>()

  /** A part that is needed; missing until it is said to be there. */
  needed(name: string, where: string): void {
    this.missing(name, where)
  }

  /** `error` is for people: one line, without secrets. */
  missing(name: string, where: string, error = ''): void {
    this.#where.set(name, where)
    this.#missing.set(name, error.slice(0, ERROR_CHARACTERS_MAX))
  }

  present(name: string, where: string): void {
    this.#where.set(name, where)
    this.#missing.delete(name)
  }

  /** Names the parts that are missing, or null. */
  notReady(): string | null {
    const missing = [...this.#missing.keys()].map((name) => `${name} (${this.#where.get(name)})`)
    if (missing.length === 0) return null
    return `${missing.join(', ')} ${missing.length === 1 ? 'does' : 'do'} not answer`
  }

  /** State of each part, by name. */
  health(): Readonly<
    Record<string, Readonly<{ status: 'healthy' | 'unhealthy'; detail: string }>>
  > {
    const states = [...this.#where].map(([name, where]): [string, PartState] => {
      const error = this.#missing.get(name)
      if (error === undefined) return [name, { status: 'healthy', detail: `${where} answered` }]
      const why = error === '' ? '' : `: ${error}`
      return [name, { status: 'unhealthy', detail: `${where} does not answer${why}` }]
    })
    return Object.fromEntries(states)
  }
}

function isRetriable(thrown: unknown): boolean {
  return thrown instanceof OrreryError && thrown.retriable
}
