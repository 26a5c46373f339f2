import type { BatchLimits } from './sink.ts'

/** Why a batch was closed; the label of its counter. `progress` is an empty range that moves the store's offset along. */
export type Trigger = 'rows' | 'bytes' | 'age' | 'close' | 'progress'

/** What has been handed over and is in no batch yet. Times are monotonic. */
export type OpenRange = Readonly<{
  /** Messages in the range, with or without rows. */
  offsets: number
  rows: number
  bytes: number
  /** When the oldest of the rows was handed over. */
  sinceMs: number
  /** When a batch was last closed, so that a range without rows is written now and then. */
  closedMs: number
  /** True when a flush waits for this range. */
  closing: boolean
}>

/** Limits of a batch, and how long a range without rows may go without moving the store's offset. */
export type BatcherLimits = BatchLimits & Readonly<{ progressMsMax: number }>

/** Why the range should become a batch now, or null when it should wait. */
export function dueTrigger(open: OpenRange, limits: BatcherLimits, nowMs: number): Trigger | null {
  if (open.offsets === 0) return null
  if (open.rows >= limits.rowsMax) return 'rows'
  if (open.bytes >= limits.bytesMax && open.rows > 0) return 'bytes'
  if (open.closing) return 'close'
  if (nowMs < dueAtMs(open, limits)) return null
  return open.rows > 0 ? 'age' : 'progress'
}

/** When the range falls due by time alone; Infinity when there is nothing to wait for. */
export function dueAtMs(open: OpenRange, limits: BatcherLimits): number {
  if (open.offsets === 0) return Infinity
  return open.rows > 0 ? open.sinceMs + limits.ageMsMax : open.closedMs + limits.progressMsMax
}

/**
 * How many of the first `count` rows make one batch: as many as the limits allow, and never a part of
 * what one message made, because a batch is a range of whole offsets.
 */
export function cutRows(
  offsets: readonly number[],
  bytes: readonly number[],
  count: number,
  limits: Pick<BatchLimits, 'rowsMax' | 'bytesMax'>,
): number {
  let cut = 0
  let bytesSoFar = 0
  for (let end = 1; end <= count; end++) {
    bytesSoFar += bytes[end - 1] ?? 0
    const over = end > limits.rowsMax || bytesSoFar > limits.bytesMax
    if (over && cut > 0) return cut
    if (end === count || offsets[end] !== offsets[end - 1]) cut = end
  }
  return cut
}
