import type { Clock } from '../../actors/kernel/clock.ts'
import { assert } from '../../actors/kernel/errors.ts'
import type { Fact } from '../../actors/model/fact.ts'
import { type Batch, type BatchLimits, type Sink, SinkError } from '../sink.ts'
import { coalesce } from './coalesce.ts'
import type { WindowsCopy } from './copy.ts'
import type { WindowStore } from './store.ts'

/** A provisional window is to be seen within a second of its trip: a fifth of it is spent here at most. */
export const WINDOWS_LIMITS: BatchLimits = {
  rowsMax: 20_000,
  bytesMax: 32 * 1024 * 1024,
  ageMsMax: 200,
  inFlightMax: 1,
}

/** How often a batch is reckoned anew because another writer moved the fence meanwhile. */
const LOOKS_MAX = 3

export type WindowsSinkOptions = Readonly<{
  /** The truth; `open` goes by its fence. */
  store: Pick<WindowStore, 'fence' | 'apply'>
  /** Has a batch when it is acknowledged, unless it is away: then it gets what it lacks when it is back. One a sink. */
  copy?: WindowsCopy
  clock: Clock
  limits?: BatchLimits
}>

/** Serves region windows; its rows are facts of trips, of which the windows count. One instance serves one partition. */
export class WindowsSink implements Sink<Fact> {
  readonly name = 'windows'
  readonly limits: BatchLimits
  readonly #options: WindowsSinkOptions
  /** Where the store is known to stand; null after a failure. */
  #fence: number | null = null
  #partition = -1

  constructor(options: WindowsSinkOptions) {
    this.#options = options
    this.limits = options.limits ?? WINDOWS_LIMITS
  }

  /** Why the copy may be behind, for health: an idle sink has no failing batch to show it. */
  get trouble(): string | null {
    return this.#options.copy?.trouble ?? null
  }

  async open(partition: number, signal: AbortSignal): Promise<number> {
    this.#partition = partition
    const fence = await this.#look(signal)
    await this.#options.copy?.open(partition, signal)
    return fence
  }

  async write(batch: Batch<Fact>, signal: AbortSignal): Promise<void> {
    const { partition, id } = batch
    assert(partition === this.#partition, `windows of ${partition} in another partition's sink`)
    for (let looks = 0; looks < LOOKS_MAX; looks++) {
      throwIfAborted(signal)
      // After a failure the outcome is unknown: look what the store has, then decide.
      const fence = this.#fence ?? (await this.#look(signal))
      if (batch.offsetFirst > fence + 1) {
        const message = `batch ${id} does not follow ${fence}: windows would be missing`
        throw new SinkError(message, { retriable: false })
      }
      const again = batch.offsetLast <= fence
      if (!again && !(await this.#apply(batch, fence, signal))) continue
      return this.#settleCopy(signal, again)
    }
    throw new SinkError('another writer keeps moving the fence', { retriable: true })
  }

  async close(): Promise<void> {
    await this.#options.copy?.close()
  }

  /** A copy that is away must not hold the trips up: the ledger has everything, and each look puts what it lacks. */
  async #settleCopy(signal: AbortSignal, again: boolean): Promise<void> {
    const { copy } = this.#options
    if (!copy || copy.trouble !== null) return
    try {
      // One that comes again may be one that the store took and the copy did not.
      await copy.settle(signal, again)
    } catch (thrown) {
      if (!(thrown instanceof SinkError && thrown.retriable)) throw thrown
    }
  }

  async #apply(batch: Batch<Fact>, fenceFrom: number, signal: AbortSignal): Promise<boolean> {
    const { store, clock } = this.#options
    const { partition, offsetLast: fenceTo } = batch
    const values = coalesce(batch.rows)
    const change = { partition, fenceFrom, fenceTo, ...values, nowMs: clock.nowMs() }
    this.#fence = null
    if (!(await store.apply(change, signal))) return false
    this.#fence = fenceTo
    return true
  }

  async #look(signal: AbortSignal): Promise<number> {
    throwIfAborted(signal)
    this.#fence = await this.#options.store.fence(this.#partition, signal)
    return this.#fence
  }
}

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new SinkError('aborted', { retriable: true, cause: signal.reason })
}
