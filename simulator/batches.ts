import type { Clock } from '../actors/kernel/clock.ts'
import type { ReplayRow } from './replay-rows.ts'

/** Bodies stay well below what a server takes. */
const BATCH_BYTES_MAX = 2 * 1_048_576
/** Timers of more than 24 days would fire at once. */
const WAIT_MS_MAX = 86_400_000

export type BatchOptions = Readonly<{
  batchRows: number
  /** Null: no pauses. */
  speed: number | null
  rowsMax: number | null
  clock: Clock
}>

/**
 * Groups rows into bodies, each given out when its rows are due. What is due is counted from the first row and the
 * monotonic clock, so that pauses never add up; a replay that fell behind catches up without them.
 */
export async function* batchesOf(
  pieces: AsyncIterable<readonly ReplayRow[]>,
  options: BatchOptions,
): AsyncGenerator<readonly ReplayRow[], void> {
  const pace = options.speed === null ? null : new Pace(options.speed, options.clock)
  let batch: ReplayRow[] = []
  let bytes = 0
  let left = options.rowsMax ?? Number.POSITIVE_INFINITY
  for await (const piece of pieces) {
    for (const row of piece) {
      if (left-- <= 0) break
      const isFull = batch.length >= options.batchRows || bytes + row.bytes > BATCH_BYTES_MAX
      if (batch.length > 0 && (isFull || !(pace?.isDue(row) ?? true))) {
        yield batch
        batch = []
        bytes = 0
      }
      await pace?.untilDue(row)
      batch.push(row)
      bytes += row.bytes
    }
    if (left <= 0) break
  }
  if (batch.length > 0) yield batch
}

class Pace {
  readonly #speed: number
  readonly #clock: Clock
  #startedMs: number | null = null
  #firstUs = 0
  /** Event time so far: a row from the past is due at once, and moves nothing. */
  #reachedUs = 0

  constructor(speed: number, clock: Clock) {
    this.#speed = speed
    this.#clock = clock
  }

  isDue(row: ReplayRow): boolean {
    return this.#waitMs(row) <= 0
  }

  /** A promise only when there is something to wait for. */
  untilDue(row: ReplayRow): Promise<void> | undefined {
    return this.isDue(row) ? undefined : this.#wait(row)
  }

  async #wait(row: ReplayRow): Promise<void> {
    for (let waitMs = this.#waitMs(row); waitMs > 0; waitMs = this.#waitMs(row)) {
      const delayMs = Math.min(waitMs, WAIT_MS_MAX)
      await new Promise<void>((resolve) => this.#clock.after(delayMs, resolve))
    }
  }

  #waitMs({ timeUs }: ReplayRow): number {
    if (timeUs === null) return 0
    const nowMs = this.#clock.monotonicMs()
    if (this.#startedMs === null) {
      this.#startedMs = nowMs
      this.#firstUs = timeUs
      this.#reachedUs = timeUs
    }
    this.#reachedUs = Math.max(this.#reachedUs, timeUs)
    return this.#startedMs + (this.#reachedUs - this.#firstUs) / 1_000 / this.#speed - nowMs
  }
}
