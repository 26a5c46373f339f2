import type { Clock, Random } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { Trigger } from './batcher.ts'
import { type Backoff, retry, type Verdict } from './retry.ts'
import { type Batch, type Sink, SinkError, SinkFenced } from './sink.ts'

/** Why the last try of a batch failed, and whether trying again may help by itself. */
export type Failure = Readonly<{
  message: string
  retriable: boolean
  attempts: number
  /** The store refuses this writer: no try of the batch can succeed. */
  fenced?: true
}>

/** What is known of a batch beside its rows, for bounds and metrics. */
export type About = Readonly<{
  trigger: Trigger
  bytes: number
  /** When the message behind each row was received, wall clock. */
  receivedMs: readonly number[]
}>

/** What a flight needs of the one who starts it. */
export type FlightContext<Row> = Readonly<{
  sink: Sink<Row>
  clock: Clock
  random: Random
  backoff: Backoff
  /** A write that takes longer is aborted: its outcome is unknown, and the same batch goes again. */
  writeMsMax: number
  /** Whoever is refused for good is told so, and tries no more. */
  endsFenced: boolean
  onTry(tookMs: number): void
  onFailure(failure: Failure): void
}>

/** One batch being written: the same batch object, again and again, until the store has it. */
export class Flight<Row> {
  readonly batch: Batch<Row>
  readonly about: About
  /** True when the store has it. */
  written = false
  /** Null while nothing has failed since the last success. */
  failure: Failure | null = null
  readonly #context: FlightContext<Row>
  readonly #stop = new AbortController()
  #attempts = 0

  constructor(batch: Batch<Row>, about: About, context: FlightContext<Row>) {
    this.batch = batch
    this.about = about
    this.#context = context
  }

  /** Resolves when the batch is written, or when `stop` ended the attempts. Never rejects. */
  async run(): Promise<void> {
    const { clock, random, backoff } = this.#context
    try {
      await retry(() => this.#try(), {
        clock,
        random,
        backoff,
        deadlineMs: null,
        signal: this.#stop.signal,
        judge: (thrown) => this.#judge(thrown),
      })
      this.written = true
      this.failure = null
    } catch (thrown) {
      this.failure = { ...describe(thrown), attempts: this.#attempts }
    }
  }

  /** Aborts the write and tries no more; what the store has by then stays unknown. */
  stop(): void {
    this.#stop.abort(new SinkError('the sink is closing', { retriable: true }))
  }

  async #try(): Promise<void> {
    const { sink, clock, writeMsMax, onTry } = this.#context
    const controller = new AbortController()
    const abort = (): void => controller.abort(this.#stop.signal.reason)
    this.#stop.signal.addEventListener('abort', abort)
    const cancel = clock.after(writeMsMax, () => {
      const overdue = new SinkError(`no answer within ${writeMsMax} ms`, { retriable: true })
      this.#failed(overdue)
      controller.abort(overdue)
    })
    const startMs = clock.monotonicMs()
    try {
      // Awaited to its end, aborted or not: two writes of one batch never run at once (D4).
      await sink.write(this.batch, controller.signal)
    } catch (cause) {
      const reason: unknown = controller.signal.aborted ? controller.signal.reason : cause
      throw reason
    } finally {
      cancel()
      this.#stop.signal.removeEventListener('abort', abort)
      onTry(clock.monotonicMs() - startMs)
    }
  }

  #judge(thrown: unknown): Verdict {
    if (this.#stop.signal.aborted) return 'stop'
    this.#attempts++
    this.#failed(thrown)
    if (this.failure?.fenced && this.#context.endsFenced) return 'stop'
    return this.failure?.retriable === false ? 'slowly' : 'again'
  }

  #failed(thrown: unknown): void {
    const failure = { ...describe(thrown), attempts: this.#attempts }
    this.failure = failure
    this.#context.onFailure(failure)
  }
}

// Whatever is no SinkError is a fault of the sink itself: it is tried again, but seldom.
function describe(thrown: unknown): Omit<Failure, 'attempts'> {
  return {
    message: messageOf(thrown),
    retriable: thrown instanceof SinkError && thrown.retriable,
    ...(thrown instanceof SinkFenced ? { fenced: true } : {}),
  }
}
