import type { Batch, BatchLimits, Sink } from '../sink.ts'
import type { BronzeTable, FrameOf } from './table-schema.ts'
import { WorkerIcebergSink, type WorkerSinkOptions } from './worker-sink.ts'

/**
 * Sinks of many partitions of one table over one Worker: each Worker has 20 to 30 MB of its own, and partitions that
 * write at the same time share a commit. Closing one of them lets go of its partitions, and closes nothing else.
 */
export class SharedIcebergSinks<Kind extends BronzeTable = 'pings'> {
  readonly #worker: WorkerIcebergSink<Kind>

  constructor(options: WorkerSinkOptions<Kind>) {
    this.#worker = new WorkerIcebergSink(options)
  }

  /** A sink of its own for an actor. */
  sink(): Sink<FrameOf<Kind>> {
    return new PartitionSink(this.#worker)
  }

  /** Ends the Worker. Its sinks refuse what comes then. */
  close(): Promise<void> {
    return this.#worker.close()
  }
}

class PartitionSink<Kind extends BronzeTable> implements Sink<FrameOf<Kind>> {
  readonly name: string
  readonly limits: BatchLimits
  readonly #worker: WorkerIcebergSink<Kind>
  readonly #partitions = new Set<number>()

  constructor(worker: WorkerIcebergSink<Kind>) {
    this.#worker = worker
    this.name = worker.name
    this.limits = worker.limits
  }

  open(partition: number, signal: AbortSignal): Promise<number> {
    this.#partitions.add(partition)
    return this.#worker.open(partition, signal)
  }

  write(batch: Batch<FrameOf<Kind>>, signal: AbortSignal): Promise<void> {
    return this.#worker.write(batch, signal)
  }

  async close(): Promise<void> {
    for (const partition of this.#partitions) this.#worker.leave(partition)
    this.#partitions.clear()
  }
}
