import type { NumberedLine } from './lines.ts'

const FIRST_ROWS = 65_536

/**
 * Where each row of a file stands and when it happened: 24 bytes a row, so that a file of millions is sorted
 * without its rows in memory.
 */
export class RowIndex {
  #size = 0
  /** Microseconds since 1970 UTC; Infinity for a time that cannot be read, which so comes last. */
  #times = new Float64Array(FIRST_ROWS)
  #offsets = new Float64Array(FIRST_ROWS)
  #lengths = new Uint32Array(FIRST_ROWS)
  #lines = new Uint32Array(FIRST_ROWS)
  #inOrder = true

  get size(): number {
    return this.#size
  }

  add(line: NumberedLine, timeUs: number | null): void {
    if (this.#size === this.#times.length) this.#grow()
    const at = this.#size++
    this.#times[at] = timeUs ?? Number.POSITIVE_INFINITY
    this.#offsets[at] = line.offset
    // No bytes: a line that was too long to be held, and has no row to be read.
    this.#lengths[at] = line.bytes?.byteLength ?? 0
    this.#lines[at] = line.number
    if (at > 0 && (this.#times[at - 1] ?? 0) > (this.#times[at] ?? 0)) this.#inOrder = false
  }

  /** The rows by event time; those of one moment stay as in the file. */
  sorted(): Uint32Array<ArrayBuffer> {
    const order = Uint32Array.from({ length: this.#size }, (_, row) => row)
    return this.#inOrder ? order : mergeSort(order, this.#times)
  }

  row(at: number): { line: number; offset: number; length: number; timeUs: number | null } {
    const timeUs = this.#times[at] ?? Number.POSITIVE_INFINITY
    return {
      line: this.#lines[at] ?? 0,
      offset: this.#offsets[at] ?? 0,
      length: this.#lengths[at] ?? 0,
      timeUs: Number.isFinite(timeUs) ? timeUs : null,
    }
  }

  #grow(): void {
    const rows = this.#times.length * 2
    const larger = <A extends Float64Array | Uint32Array>(into: A, from: A): A => {
      into.set(from)
      return into
    }
    this.#times = larger(new Float64Array(rows), this.#times)
    this.#offsets = larger(new Float64Array(rows), this.#offsets)
    this.#lengths = larger(new Uint32Array(rows), this.#lengths)
    this.#lines = larger(new Uint32Array(rows), this.#lines)
  }
}

/** Stable, from the bottom up; runs that follow each other already are not merged. */
function mergeSort(rows: Uint32Array<ArrayBuffer>, keys: Float64Array): Uint32Array<ArrayBuffer> {
  let from = rows
  let into = new Uint32Array(rows.length)
  const key = (row: number | undefined): number => keys[row ?? 0] ?? 0
  for (let width = 1; width < rows.length; width *= 2) {
    for (let start = 0; start < rows.length; start += 2 * width) {
      const middle = Math.min(start + width, rows.length)
      const end = Math.min(start + 2 * width, rows.length)
      if (middle === end || key(from[middle - 1]) <= key(from[middle])) {
        into.set(from.subarray(start, end), start)
        continue
      }
      let left = start
      let right = middle
      for (let at = start; at < end; at++) {
        const takeLeft = right === end || (left < middle && key(from[left]) <= key(from[right]))
        into[at] = from[takeLeft ? left++ : right++] ?? 0
      }
    }
    const done = into
    into = from
    from = done
  }
  return from
}
