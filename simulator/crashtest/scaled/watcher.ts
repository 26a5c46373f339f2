import type { Clock } from '../../../actors/kernel/clock.ts'
import { quantile } from '../books.ts'
import { askClickHouse, type ClickHousePlace } from './clickhouse-server.ts'

const EVERY_MS = 250
/** Rows received longer ago are not looked at: a partition that stood still for longer is seen when it goes on. */
const LOOK_BACK_S = 60

/** A partition's newest row in silver, as a moment found it. */
export type Sample = Readonly<{
  /** Monotonic time of the look. */
  atMs: number
  offset: number
  /** From the newest row's receipt to the look. */
  delayMs: number
}>

/** Looks again and again how far each partition is in silver. */
export class Watcher {
  readonly #samples = new Map<number, Sample[]>()
  readonly #place: ClickHousePlace
  readonly #clock: Clock
  readonly #stopped: Promise<void>
  #isStopping = false

  constructor(place: ClickHousePlace, clock: Clock) {
    this.#place = place
    this.#clock = clock
    this.#stopped = this.#run()
  }

  get samples(): ReadonlyMap<number, readonly Sample[]> {
    return this.#samples
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#stopped
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      await this.#look().catch(() => {})
      await new Promise<void>((resolve) => void this.#clock.after(EVERY_MS, resolve))
    }
  }

  async #look(): Promise<void> {
    const rows = await askClickHouse(
      this.#place,
      'SELECT `partition`, max(`offset`), toUnixTimestamp64Milli(max(received_at)) FROM session_movements ' +
        `WHERE received_at > now64(3) - INTERVAL ${LOOK_BACK_S} SECOND GROUP BY \`partition\``,
    )
    const [atMs, nowMs] = [this.#clock.monotonicMs(), this.#clock.nowMs()]
    for (const [partition, offset, receivedMs] of rows) {
      const own = this.#samples.get(Number(partition)) ?? []
      own.push({ atMs, offset: Number(offset), delayMs: nowMs - Number(receivedMs) })
      this.#samples.set(Number(partition), own)
    }
  }
}

/** The longest time within a span in which nothing new of a partition was stored, and when it was over, both ms from the span's start. */
export function longestStandstill(
  samples: readonly Sample[],
  { fromMs, toMs }: Readonly<{ fromMs: number; toMs: number }>,
): Readonly<{ lengthMs: number; overMs: number }> {
  const within = samples.filter(({ atMs }) => atMs <= toMs)
  let longest = { lengthMs: 0, overMs: 0 }
  let last = within.findLast(({ atMs }) => atMs <= fromMs) ?? within[0]
  if (!last) return { lengthMs: toMs - fromMs, overMs: toMs - fromMs }
  for (const sample of within) {
    const isLast = sample === within.at(-1)
    if (sample.atMs <= last.atMs || (sample.offset <= last.offset && !isLast)) continue
    const lengthMs = sample.atMs - last.atMs
    if (lengthMs > longest.lengthMs) longest = { lengthMs, overMs: sample.atMs - fromMs }
    last = sample
  }
  return longest
}

/** The delay that one look in a hundred exceeds, of some partitions within a span. */
export function delayP99Ms(
  samples: Iterable<readonly Sample[]>,
  { fromMs, toMs }: Readonly<{ fromMs: number; toMs: number }>,
): number {
  const delays = [...samples].flatMap((own) =>
    own.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs).map(({ delayMs }) => delayMs),
  )
  return quantile(delays, 0.99)
}
