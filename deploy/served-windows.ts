import type { Clock } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type {
  RegionTotals,
  RegionWindow,
  WindowRange,
  WindowReader,
  WindowSizeS,
} from '../actors/model/window.ts'
import type { WindowHistory } from '../sinks/clickhouse/windows.ts'

export type ServedWindowsOptions = Readonly<{
  /** Redis, as the workers fill it. */
  served: WindowReader
  /** Everything that was ever stored. */
  history: Pick<WindowHistory, 'range' | 'atStart' | 'newestStartMs' | 'totals'>
  /** The watermark as far as it is known otherwise: from the regions' feed. */
  watermarkMs: () => number | null
  clock: Clock
  log: Log
}>

/** After a failure Redis is left alone for so long: nobody waits for it again and again. */
const AWAY_MS = 1_000
/** Totals from the tables read all trips. */
const TOTALS_MS = 10_000
const EVER = { fromMs: 0, toMs: Date.UTC(2100, 0, 1) } as const

/**
 * Windows for a web process: from Redis, and from the clean tables while Redis is away or has nothing,
 * as after a flush. What the tables have is a second or two older.
 */
export class ServedWindows implements WindowReader {
  readonly #options: ServedWindowsOptions
  #trouble: string | null = null
  #awayUntilMs = -Infinity
  #totals: Readonly<{ atMs: number; found: Promise<readonly RegionTotals[]> }> | null = null

  constructor(options: ServedWindowsOptions) {
    this.#options = options
  }

  /** Why windows come from the tables; null while they do not. */
  get trouble(): string | null {
    return this.#trouble
  }

  latest(regionId: number, sizeS: WindowSizeS): Promise<RegionWindow | null> {
    return this.#either(
      (served) => served.latest(regionId, sizeS),
      async (history) =>
        (await history.range({ regionId, sizeS, ...EVER, limit: 1 })).at(-1) ?? null,
    )
  }

  /** From the tables: those of the newest start only. */
  latestOfAll(sizeS: WindowSizeS): Promise<readonly RegionWindow[]> {
    return this.#either(
      (served) => served.latestOfAll(sizeS),
      async (history) => {
        const startMs = await history.newestStartMs(sizeS)
        return startMs === null ? [] : history.atStart(sizeS, startMs)
      },
    )
  }

  atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]> {
    return this.#either(
      (served) => served.atStart(sizeS, startMs),
      (history) => history.atStart(sizeS, startMs),
    )
  }

  range(range: WindowRange): Promise<readonly RegionWindow[]> {
    return this.#either(
      (served) => served.range(range),
      (history) => history.range(range),
    )
  }

  /** From the tables: without repeats, which leave no trace in them. */
  totals(): Promise<readonly RegionTotals[]> {
    return this.#either(
      (served) => served.totals(),
      () => this.#storedTotals(),
    )
  }

  /** The lowest of the partitions that have had a trip: what is before it is final everywhere. */
  watermarkMs(): Promise<number | null> {
    const { watermarkMs } = this.#options
    return this.#either(
      (served) => served.watermarkMs(),
      async () => watermarkMs(),
    )
  }

  async #either<Found extends RegionWindow | number | null | readonly object[]>(
    ofServed: (served: WindowReader) => Promise<Found>,
    ofHistory: (history: ServedWindowsOptions['history']) => Promise<Found>,
  ): Promise<Found> {
    const { served, history, clock } = this.#options
    if (clock.monotonicMs() < this.#awayUntilMs) return ofHistory(history)
    let found: Found
    try {
      found = await ofServed(served)
    } catch (thrown) {
      this.#awayUntilMs = clock.monotonicMs() + AWAY_MS
      this.#say(messageOf(thrown))
      return ofHistory(history)
    }
    this.#say(null)
    return isNothing(found) ? ofHistory(history) : found
  }

  #storedTotals(): Promise<readonly RegionTotals[]> {
    const nowMs = this.#options.clock.monotonicMs()
    if (this.#totals && nowMs - this.#totals.atMs < TOTALS_MS) return this.#totals.found
    const found = this.#options.history
      .totals()
      .then((all) => all.map((one) => ({ ...one, duplicates: 0 })))
    this.#totals = { atMs: nowMs, found }
    found.catch(() => {
      this.#totals = null
    })
    return found
  }

  #say(trouble: string | null): void {
    if (trouble === this.#trouble) return
    const { log } = this.#options
    if (this.#trouble === null) log.warn({ error: trouble }, 'windows come from the tables')
    else if (trouble === null) log.info({}, 'windows come from redis again')
    this.#trouble = trouble
  }
}

function isNothing(found: unknown): boolean {
  return found === null || (Array.isArray(found) && found.length === 0)
}
