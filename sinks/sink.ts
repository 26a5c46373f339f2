import { OrreryError } from '../actors/kernel/errors.ts'

/** When a batch is due, and how many may be written at once. */
export type BatchLimits = Readonly<{
  rowsMax: number
  bytesMax: number
  ageMsMax: number
  inFlightMax: number
}>

/** An immutable range of offsets of one partition, with what a sink makes of it. May have no rows. */
export type Batch<Row> = Readonly<{
  /** `<partition>:<offsetFirst>-<offsetLast>`: the same batch when it is sent again. */
  id: string
  partition: number
  offsetFirst: number
  offsetLast: number
  rows: readonly Row[]
}>

/**
 * Where facts end. The acknowledged offset lives in the store, with the data: `open` returns it.
 * `write` is called with batches in offset order, never two at once unless `inFlightMax` says so;
 * the same batch may come again after a failure or an unknown outcome, and must do no harm.
 */
export interface Sink<Row> {
  readonly name: string
  readonly limits: BatchLimits
  /** Prepares the store; the highest offset up to which everything is stored, −1 for nothing. */
  open(partition: number, signal: AbortSignal): Promise<number>
  /** Writes a batch and then its `offsetLast`; both are visible to readers when it resolves. Throws SinkError. */
  write(batch: Batch<Row>, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}

/** The one error that `write` throws on purpose. */
export class SinkError extends OrreryError {
  override readonly name: string = 'SinkError'
  constructor(message: string, options: { retriable: boolean; cause?: unknown }) {
    super('sink', message, options)
  }
}

/**
 * The store refuses this writer: another one has claimed the partition, or has written some of the range. No try of the
 * same batch can succeed; whoever still has the partition opens it anew.
 */
export class SinkFenced extends SinkError {
  override readonly name = 'SinkFenced'
  constructor(message: string, options: { cause?: unknown } = {}) {
    super(message, { retriable: false, ...options })
  }
}
