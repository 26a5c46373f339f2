import { cutRows } from './batcher.ts'
import type { BatchLimits } from './sink.ts'

/** Rows that left the buffer for one batch, with what the batch's bookkeeping needs. */
export type TakenRows<Row> = Readonly<{
  rows: readonly Row[]
  bytes: number
  /** When the message behind each row was received, wall clock. */
  receivedMs: readonly number[]
  /** The last offset that is covered by these rows. */
  offsetLast: number
}>

/**
 * Rows waiting for a batch, in order of offset up to the watermark. Rows above the watermark may come
 * in any order; they are sorted when the watermark reaches them, rows of one offset as they came.
 */
export class RowBuffer<Row> {
  #rows: Row[] = []
  #offsets: number[] = []
  #bytes: number[] = []
  #receivedMs: number[] = []
  #sorted = true
  #newestOffset = -1
  #bytesHeld = 0
  #covered = 0
  #coveredBytes = 0

  /** Rows held, covered or not. */
  get rows(): number {
    return this.#rows.length
  }

  /** The rows themselves, covered or not. */
  all(): readonly Row[] {
    return this.#rows
  }

  /** Bytes held, covered or not. */
  get bytes(): number {
    return this.#bytesHeld
  }

  /** Rows at or below the watermark. */
  get covered(): number {
    return this.#covered
  }

  /** Bytes of the rows at or below the watermark. */
  get coveredBytes(): number {
    return this.#coveredBytes
  }

  /** When the earliest received of the rows was received; null when there are none. */
  get oldestMs(): number | null {
    let oldestMs = Infinity
    for (const receivedMs of this.#receivedMs) if (receivedMs < oldestMs) oldestMs = receivedMs
    return oldestMs === Infinity ? null : oldestMs
  }

  /** Adds a row above the watermark. */
  push(offset: number, row: Row, bytes: number, receivedMs: number): void {
    this.#rows.push(row)
    this.#offsets.push(offset)
    this.#bytes.push(bytes)
    this.#receivedMs.push(receivedMs)
    this.#bytesHeld += bytes
    if (offset < this.#newestOffset) this.#sorted = false
    else this.#newestOffset = offset
  }

  /** Counts the rows up to `watermark` as covered: their range is complete. */
  cover(watermark: number): void {
    if (!this.#sorted) this.#sortUncovered()
    const offsets = this.#offsets
    while (this.#covered < offsets.length && (offsets[this.#covered] ?? Infinity) <= watermark) {
      this.#coveredBytes += this.#bytes[this.#covered] ?? 0
      this.#covered++
    }
  }

  /** Takes out covered rows for one batch that ends at `watermark`, or earlier when the limits say so. */
  take(limits: Pick<BatchLimits, 'rowsMax' | 'bytesMax'>, watermark: number): TakenRows<Row> {
    const fits = this.#covered <= limits.rowsMax && this.#coveredBytes <= limits.bytesMax
    const cut = fits ? this.#covered : cutRows(this.#offsets, this.#bytes, this.#covered, limits)
    const offsetLast = cut < this.#covered ? (this.#offsets[cut] ?? 0) - 1 : watermark
    let bytes = 0
    for (const size of this.#bytes.splice(0, cut)) bytes += size
    this.#offsets.splice(0, cut)
    this.#covered -= cut
    this.#coveredBytes -= bytes
    this.#bytesHeld -= bytes
    const rows = this.#rows.splice(0, cut)
    return { rows, bytes, receivedMs: this.#receivedMs.splice(0, cut), offsetLast }
  }

  #sortUncovered(): void {
    const covered = this.#covered
    const waiting: { offset: number; row: Row; bytes: number; receivedMs: number }[] = []
    for (const [index, row] of this.#rows.entries()) {
      if (index < covered) continue
      const [offset, bytes] = [this.#offsets[index] ?? 0, this.#bytes[index] ?? 0]
      waiting.push({ offset, row, bytes, receivedMs: this.#receivedMs[index] ?? 0 })
    }
    // The sort is stable, so rows of one offset stay in the order of their parts.
    waiting.sort((a, b) => a.offset - b.offset)
    this.#rows.length = this.#offsets.length = covered
    this.#bytes.length = this.#receivedMs.length = covered
    for (const { offset, row, bytes, receivedMs } of waiting) {
      this.#rows.push(row)
      this.#offsets.push(offset)
      this.#bytes.push(bytes)
      this.#receivedMs.push(receivedMs)
    }
    this.#sorted = true
  }
}
