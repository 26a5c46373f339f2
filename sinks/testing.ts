import { type Batch, type BatchLimits, type Sink, SinkError } from './sink.ts'

/** What a memory store keeps: rows by the batch's partition, and the acknowledged offset of each. */
export class MemoryStore<Row> {
  readonly rows: Row[] = []
  readonly acknowledged = new Map<number, number>()
}

/** What the next write does instead of working. */
export type Fault = 'retriable' | 'refused' | 'hang' | 'written but unknown' | 'crash'

/** Limits that let a test count batches. */
export const TEST_LIMITS: BatchLimits = {
  rowsMax: 10,
  bytesMax: 1_000,
  ageMsMax: 50,
  inFlightMax: 1,
}

/**
 * A sink over a store in memory, for tests and the simulation: it keeps its promises as a real one does,
 * and breaks them when told. Rows stored above the acknowledged offset are known by `nameOf`.
 */
export class MemorySink<Row> implements Sink<Row> {
  readonly name = 'memory'
  readonly limits: BatchLimits
  readonly store: MemoryStore<Row>
  /** Batches as they were tried, in order. */
  readonly tried: Batch<Row>[] = []
  /** Faults of the writes to come; a write takes the first. */
  readonly faults: Fault[] = []
  /** When set, a write waits for it before it stores anything. */
  gate: Promise<void> | null = null
  closed = false
  /** Writes running now, and the most there ever were. */
  writing = 0
  writingMax = 0
  readonly #ahead = new Map<number, number>()
  readonly #nameOf: (row: Row) => string

  constructor(store: MemoryStore<Row>, nameOf: (row: Row) => string, limits = TEST_LIMITS) {
    this.store = store
    this.#nameOf = nameOf
    this.limits = limits
  }

  async open(partition: number, signal: AbortSignal): Promise<number> {
    const fault = this.faults.shift()
    if (fault === 'hang') await aborted(signal)
    if (fault) throw new SinkError(`fault: ${fault}`, { retriable: fault === 'retriable' })
    return this.store.acknowledged.get(partition) ?? -1
  }

  async write(batch: Batch<Row>, signal: AbortSignal): Promise<void> {
    this.tried.push(batch)
    this.writing++
    this.writingMax = Math.max(this.writingMax, this.writing)
    try {
      await this.#write(batch, signal, this.faults.shift())
    } finally {
      this.writing--
    }
  }

  async close(): Promise<void> {
    this.closed = true
  }

  async #write(batch: Batch<Row>, signal: AbortSignal, fault: Fault | undefined): Promise<void> {
    if (this.gate) await this.gate
    if (fault === 'hang') await aborted(signal)
    if (signal.aborted) throw new SinkError('aborted', { retriable: true, cause: signal.reason })
    if (fault === 'retriable' || fault === 'refused') {
      throw new SinkError(`fault: ${fault}`, { retriable: fault === 'retriable' })
    }
    const acknowledged = this.store.acknowledged.get(batch.partition) ?? -1
    if (batch.offsetLast <= acknowledged) return
    const known = new Set(this.store.rows.map(this.#nameOf))
    this.store.rows.push(...batch.rows.filter((row) => !known.has(this.#nameOf(row))))
    if (fault === 'crash') throw new SinkError('fault: crash', { retriable: true })
    this.#move(batch, acknowledged)
    if (fault) throw new SinkError(`fault: ${fault}`, { retriable: true })
  }

  // With several in flight a later batch may be first: the offset moves only over what is whole.
  #move(batch: Batch<Row>, acknowledged: number): void {
    this.#ahead.set(batch.offsetFirst, batch.offsetLast)
    for (let last = this.#ahead.get(acknowledged + 1); last !== undefined;) {
      this.#ahead.delete(acknowledged + 1)
      this.store.acknowledged.set(batch.partition, last)
      acknowledged = last
      last = this.#ahead.get(acknowledged + 1)
    }
  }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = (): void => reject(new SinkError('aborted', { retriable: true }))
    if (signal.aborted) end()
    else signal.addEventListener('abort', end)
  })
}
