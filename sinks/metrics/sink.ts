import type { Clock } from '../../actors/kernel/clock.ts'
import { assert } from '../../actors/kernel/errors.ts'
import type { Fact } from '../../actors/model/fact.ts'
import { type Batch, type BatchLimits, type Sink, SinkError } from '../sink.ts'
import type { MetricsBoard } from './board.ts'
import { Ledger } from './ledger.ts'
import type { MetricsStore } from './store.ts'
import { Tally } from './tally.ts'

/** Half a second behind at most; one small durable write a batch. */
export const METRICS_LIMITS: BatchLimits = {
  rowsMax: 100_000,
  bytesMax: 32 * 1024 * 1024,
  ageMsMax: 500,
  inFlightMax: 1,
}

/** How often a batch is reckoned anew because another writer moved the fence meanwhile. */
const LOOKS_MAX = 3

/** What a metrics sink is made of. */
export type MetricsSinkOptions = Readonly<{
  store: MetricsStore
  /** Shows the counts of this partition once the sink is open. */
  board: MetricsBoard
  clock: Clock
  limits?: BatchLimits
}>

/** Counts facts in all and by minute; its rows are the facts themselves. One instance serves one partition. */
export class MetricsSink implements Sink<Fact> {
  readonly name = 'metrics'
  readonly limits: BatchLimits
  readonly #options: MetricsSinkOptions
  #ledger: Ledger | null = null
  #partition = -1

  constructor(options: MetricsSinkOptions) {
    this.#options = options
    this.limits = options.limits ?? METRICS_LIMITS
  }

  async open(partition: number, signal: AbortSignal): Promise<number> {
    this.#partition = partition
    const ledger = await this.#look(partition, signal)
    return ledger.offset
  }

  async write(batch: Batch<Fact>, signal: AbortSignal): Promise<void> {
    const { partition, offsetFirst, offsetLast } = batch
    assert(
      partition === this.#partition,
      `metrics of ${partition} in the sink of another partition`,
    )
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      throwIfAborted(signal)
      // After a failure the outcome is unknown: look what the store has, then decide.
      const ledger = this.#ledger ?? (await this.#look(partition, signal))
      if (offsetLast <= ledger.offset) return
      if (offsetFirst > ledger.offset + 1) {
        const message = `batch ${batch.id} does not follow ${ledger.offset}: facts would be missing`
        throw new SinkError(message, { retriable: false })
      }
      const tally = new Tally()
      for (const fact of batch.rows) if (fact.offset > ledger.offset) tally.add(fact)
      const nowMs = this.#options.clock.nowMs()
      const change = ledger.changeBy(tally, { partition, fenceTo: offsetLast, nowMs })
      this.#ledger = null
      if (!(await this.#options.store.apply(change, signal))) continue
      ledger.apply(change)
      this.#ledger = ledger
      return
    }
    throw new SinkError('another writer keeps moving the fence', { retriable: true })
  }

  async close(): Promise<void> {}

  async #look(partition: number, signal: AbortSignal): Promise<Ledger> {
    throwIfAborted(signal)
    const ledger = new Ledger(await this.#options.store.load(partition, signal))
    this.#ledger = ledger
    this.#options.board.show(partition, ledger)
    return ledger
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new SinkError('aborted', { retriable: true, cause: signal.reason })
}
