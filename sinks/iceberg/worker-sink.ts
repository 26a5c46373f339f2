import type { Clock } from '../../actors/kernel/clock.ts'
import { assert, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { type Batch, type BatchLimits, type Sink, SinkError, SinkFenced } from '../sink.ts'
import { packFrames } from './frames.ts'
import { ICEBERG_LIMITS } from './sink.ts'
import { type BronzeTable, type FrameOf, LAYOUTS } from './table-schema.ts'
import type { WarehouseSettings } from './warehouse.ts'
import { type Answer, type Call, parseMessage } from './worker-protocol.ts'

/** What the sink on the main thread needs. */
export type WorkerSinkOptions<Kind extends BronzeTable = 'pings'> = WarehouseSettings<Kind> &
  Readonly<{
    clock: Clock
    log: Log
    /** After this many deaths of the worker within the window the sink gives up. */
    deathsMax?: number
    deathsWindowMs?: number
    /** A close, or an aborted call, that is not answered in this time ends the worker: it hangs. */
    answerMsMax?: number
  }>

type Waiting = Readonly<{
  resolve: (offset: number) => void
  reject: (error: SinkError) => void
}>
type Asked = Exclude<Call, { call: 'start' | 'abort' }>
type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never

const SPARE_BYTES_MAX = 64_000_000
const ANSWER_MS_MAX = 30_000

/** The Iceberg sink in a Worker of its own: the event loop only packs the bytes and hands them over. */
export class WorkerIcebergSink<Kind extends BronzeTable = 'pings'> implements Sink<FrameOf<Kind>> {
  readonly name: string
  readonly limits: BatchLimits
  readonly #table: BronzeTable
  readonly #options: WorkerSinkOptions<Kind>
  readonly #partitions = new Set<number>()
  readonly #waiting = new Map<number, Waiting>()
  #deathsMs: number[] = []
  #worker: Worker | null = null
  /** What was open in the worker before this one, and must be opened again before anything else. */
  readonly #unopened = new Set<number>()
  #nextId = 0
  /** Memory of the last batch, for the next. */
  #spare: ArrayBuffer | undefined
  #closed = false

  constructor(options: WorkerSinkOptions<Kind>) {
    this.#options = options
    this.#table = options.table ?? 'pings'
    this.name = LAYOUTS[this.#table].sink
    this.limits = options.limits ?? ICEBERG_LIMITS
    assert(this.limits.inFlightMax === 1, 'the Iceberg sink writes one batch at a time')
  }

  /** Is a worker running now. */
  get running(): boolean {
    return this.#worker !== null
  }

  async open(partition: number, signal: AbortSignal): Promise<number> {
    await this.#alive(signal)
    const offset = await this.#ask({ call: 'open', partition }, signal)
    this.#partitions.add(partition)
    this.#unopened.delete(partition)
    return offset
  }

  async write(batch: Batch<FrameOf<Kind>>, signal: AbortSignal): Promise<void> {
    await this.#alive(signal)
    const packed = this.#pack(batch)
    await this.#ask({ call: 'write', packed }, signal, [packed.buffer])
  }

  /** A Worker that is started anew does not open this partition again. */
  leave(partition: number): void {
    this.#partitions.delete(partition)
    this.#unopened.delete(partition)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const worker = this.#worker
    if (!worker) return
    const { clock, answerMsMax = ANSWER_MS_MAX } = this.#options
    const cancel = clock.after(answerMsMax, () => void ended(worker))
    try {
      await this.#ask({ call: 'close' }, new AbortController().signal)
    } finally {
      cancel()
      if (this.#worker) await ended(worker)
    }
  }

  /** Ends the worker at once, in the middle of what it does, as a crash would. */
  async kill(): Promise<void> {
    if (this.#worker) await ended(this.#worker)
  }

  #pack(batch: Batch<FrameOf<Kind>>) {
    try {
      const spare = this.#spare
      this.#spare = undefined
      return packFrames(batch, { table: this.#table, spare })
    } catch (cause) {
      throw new SinkError(`bronze: batch ${batch.id} is malformed`, { retriable: false, cause })
    }
  }

  /** A running worker with all partitions open, started anew when the last one died. */
  async #alive(signal: AbortSignal): Promise<void> {
    if (signal.aborted) throw aborted(signal)
    if (this.#closed) throw new SinkError('bronze: the sink is closed', { retriable: false })
    if (!this.#worker) this.#start()
    for (const partition of this.#unopened) {
      await this.#ask({ call: 'open', partition }, signal)
      this.#unopened.delete(partition)
    }
  }

  #start(): void {
    const {
      clock,
      deathsMax = 5,
      deathsWindowMs = 60_000,
      warehouse,
      limits,
      policy,
    } = this.#options
    const sinceMs = clock.monotonicMs() - deathsWindowMs
    this.#deathsMs = this.#deathsMs.filter((atMs) => atMs > sinceMs)
    if (this.#deathsMs.length >= deathsMax) {
      const message = `bronze: the worker died ${deathsMax} times within ${deathsWindowMs} ms`
      throw new SinkError(message, { retriable: false })
    }
    const worker = new Worker(new URL('./worker.ts', import.meta.url).href)
    this.#worker = worker
    worker.onmessage = (event: MessageEvent): void => this.#hear(parseMessage<Answer>(event))
    worker.onerror = (event: ErrorEvent): void => {
      event.preventDefault()
      this.#died(worker, event.message)
    }
    worker.addEventListener('close', () => this.#died(worker, 'it ended'))
    const settings: WarehouseSettings<BronzeTable> = {
      warehouse,
      table: this.#table,
      ...(limits ? { limits } : {}),
      ...(policy ? { policy } : {}),
    }
    worker.postMessage({ call: 'start', settings } satisfies Call)
    for (const partition of this.#partitions) this.#unopened.add(partition)
  }

  #ask(call: WithoutId<Asked>, signal: AbortSignal, transfer: ArrayBuffer[] = []): Promise<number> {
    const worker = this.#worker
    if (signal.aborted) return Promise.reject(aborted(signal))
    if (!worker) return Promise.reject(this.#gone('it is not running'))
    const id = this.#nextId++
    return new Promise<number>((resolve, reject) => {
      let cancel = (): void => {}
      const abort = (): void => {
        worker.postMessage({ call: 'abort', id } satisfies Call)
        const { clock, answerMsMax = ANSWER_MS_MAX } = this.#options
        cancel = clock.after(answerMsMax, () => void ended(worker))
      }
      const settle = (): void => {
        this.#waiting.delete(id)
        signal.removeEventListener('abort', abort)
        cancel()
      }
      this.#waiting.set(id, {
        resolve: (offset) => (settle(), resolve(offset)),
        reject: (error) => (settle(), reject(error)),
      })
      signal.addEventListener('abort', abort)
      worker.postMessage({ ...call, id }, transfer)
    })
  }

  #hear(answer: Answer): void {
    if (answer.answer === 'log') {
      this.#options.log[answer.level](answer.fields, answer.message)
      return
    }
    const { buffer } = answer
    if (buffer && buffer.byteLength <= SPARE_BYTES_MAX) this.#spare = buffer
    const waiting = this.#waiting.get(answer.id)
    if (answer.answer === 'done') waiting?.resolve(answer.offset)
    else if (answer.fenced) waiting?.reject(new SinkFenced(answer.message))
    else waiting?.reject(new SinkError(answer.message, { retriable: answer.retriable }))
  }

  /** What it was doing has an unknown outcome: the table tells when the same batch comes again. */
  #died(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return
    this.#worker = null
    this.#spare = undefined
    if (!this.#closed) {
      this.#deathsMs.push(this.#options.clock.monotonicMs())
      this.#options.log.error({ sink: this.name, reason }, 'the bronze worker died')
    }
    worker.terminate()
    for (const waiting of [...this.#waiting.values()]) waiting.reject(this.#gone(reason))
  }

  #gone(reason: string): SinkError {
    const cause = new OrreryError('worker', reason)
    return new SinkError(`bronze: the worker died: ${reason}`, { retriable: true, cause })
  }
}

function aborted(signal: AbortSignal): SinkError {
  return new SinkError('bronze: aborted before it began', { retriable: true, cause: signal.reason })
}

function ended(worker: Worker): Promise<void> {
  return new Promise((resolve) => {
    worker.addEventListener('close', () => resolve())
    worker.terminate()
  })
}
