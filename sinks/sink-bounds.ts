import type { Backoff } from './retry.ts'
import type { BatchLimits } from './sink.ts'

/** The bounds of a sink actor beside the limits of its batches. */
export type SinkBounds = Readonly<{
  /** Rows held, in flight or not, at which the actor is full; at least two batches. */
  bufferRowsMax: number
  /** Bytes held, in flight or not, at which the actor is full; at least two batches. */
  bufferBytesMax: number
  /** A write that takes longer is aborted, its outcome unknown, and tried again. */
  writeMsMax: number
  /** How long a range without rows may wait for an empty batch that moves the store's offset. */
  progressMsMax: number
  /** How long opening is tried. */
  openMsMax: number
  backoff: Backoff
  /** A failure that lasts is logged again after this long. */
  failureLogMs: number
}>

/** The bounds asked for, with defaults that suit a local store. */
export function boundsFor(limits: BatchLimits, asked: Partial<SinkBounds>): SinkBounds {
  return {
    writeMsMax: 30_000,
    progressMsMax: 5_000,
    openMsMax: 30_000,
    backoff: { firstMs: 100, longestMs: 15_000 },
    failureLogMs: 60_000,
    ...asked,
    // With less, a batch could not fill while another is in flight.
    bufferRowsMax: Math.max(asked.bufferRowsMax ?? 8 * limits.rowsMax, 2 * limits.rowsMax),
    bufferBytesMax: Math.max(asked.bufferBytesMax ?? 8 * limits.bytesMax, 2 * limits.bytesMax),
  }
}
