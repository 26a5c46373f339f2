const LINE_FEED = 10
const CARRIAGE_RETURN = 13
const QUOTE = 34
const COMMA = 44
/** A quote that is not closed within so many bytes is a slip, not a field of many lines. */
const QUOTED_BYTES_MAX = 16_384

/** A line of a file with its number, from 1; `bytes` is null when it is longer than allowed. */
export type NumberedLine = Readonly<{
  number: number
  /** Where its bytes begin in the file, the blanks before them left out. */
  offset: number
  bytes: Uint8Array | null
}>

/**
 * Cuts bytes that come in pieces into lines. Blanks around a line are left out; empty lines are too, but
 * counted; a line that is too long is named and never held in memory whole. With `quotes` a line of CSV goes
 * on over line ends within quotes; a quote that is never closed spoils its own line only.
 */
export class LineCutter {
  readonly #lineBytesMax: number
  readonly #quotes: boolean
  #rest: Uint8Array = new Uint8Array(0)
  /** Where `#rest` begins in the file. */
  #offset = 0
  #number = 1
  #skipping = false
  #quoteAt = -1

  constructor(options: Readonly<{ lineBytesMax: number; quotes: boolean }>) {
    this.#lineBytesMax = options.lineBytesMax
    this.#quotes = options.quotes
  }

  /** The lines that end in this chunk. They hold on to its memory. */
  push(chunk: Uint8Array): readonly NumberedLine[] {
    return this.#cut(chunk, false)
  }

  /** What is left when the file ends without a line end. */
  end(): readonly NumberedLine[] {
    return this.#cut(new Uint8Array(0), true)
  }

  #cut(chunk: Uint8Array, last: boolean): readonly NumberedLine[] {
    const all = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const lines: NumberedLine[] = []
    this.#quoteAt = -1
    let from = 0
    if (this.#offset === 0) {
      // Too little to tell whether it begins with a mark.
      if (all.byteLength < 3 && !last) {
        this.#rest = all
        return lines
      }
      if (startsWithMark(all)) from = 3
    }
    while (from < all.byteLength) {
      const end = this.#endOfLine(all, from, last)
      if (end < 0) break
      const line = this.#take(all, from, end)
      if (line) lines.push(line)
      from = end + 1
    }
    if (last && this.#skipping)
      lines.push({ number: this.#number, offset: this.#offset, bytes: null })
    this.#keep(all, Math.min(from, all.byteLength))
    return lines
  }

  /** Where the line ends; -1 when more bytes are needed to know it. */
  #endOfLine(all: Uint8Array, from: number, last: boolean): number {
    const first = all.indexOf(LINE_FEED, from)
    if (first < 0) return last ? all.byteLength : -1
    if (!this.#quotes || this.#nextQuote(all, from) > first) return first
    let end = first
    while (quoteOpen(all, from, end)) {
      if (end - from > QUOTED_BYTES_MAX || end === all.byteLength) return first
      const next = all.indexOf(LINE_FEED, end + 1)
      if (next < 0 && !last) return all.byteLength - from > QUOTED_BYTES_MAX ? first : -1
      end = next < 0 ? all.byteLength : next
    }
    return end
  }

  /** The first quote from here on, looked for once and not in each line again. */
  #nextQuote(all: Uint8Array, from: number): number {
    if (this.#quoteAt >= from) return this.#quoteAt
    const at = all.indexOf(QUOTE, from)
    this.#quoteAt = at < 0 ? Number.POSITIVE_INFINITY : at
    return this.#quoteAt
  }

  #take(all: Uint8Array, from: number, end: number): NumberedLine | null {
    const number = this.#number
    const skipped = this.#skipping
    this.#skipping = false
    this.#number += lineEnds(all, from, end) + 1
    if (skipped || end - from > this.#lineBytesMax)
      return { number, offset: this.#offset + from, bytes: null }
    let start = from
    let stop = end
    while (stop > start && isBlank(all[stop - 1])) stop--
    while (start < stop && isBlank(all[start])) start++
    if (start === stop) return null
    return { number, offset: this.#offset + start, bytes: all.subarray(start, stop) }
  }

  #keep(all: Uint8Array, from: number): void {
    const tooLong = all.byteLength - from > this.#lineBytesMax
    if (tooLong) this.#skipping = true
    this.#offset += tooLong ? all.byteLength : from
    this.#rest = tooLong ? new Uint8Array(0) : all.subarray(from)
  }
}

/** All lines of a stream, a list for each of its pieces. */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  cutter: LineCutter,
): AsyncGenerator<readonly NumberedLine[]> {
  for await (const chunk of chunks) yield cutter.push(chunk)
  yield cutter.end()
}

/** True when a quoted field of CSV is still open at the end. A quote opens a field only at its beginning. */
function quoteOpen(bytes: Uint8Array, from: number, end: number): boolean {
  let open = false
  let fieldStart = true
  for (let at = from; at < end; at++) {
    const code = bytes[at]
    if (open) {
      if (code === QUOTE && bytes[at + 1] === QUOTE) at++
      else if (code === QUOTE) open = false
      continue
    }
    open = code === QUOTE && fieldStart
    fieldStart = code === COMMA || (fieldStart && isBlank(code))
  }
  return open
}

function lineEnds(bytes: Uint8Array, from: number, end: number): number {
  let count = 0
  for (let at = bytes.indexOf(LINE_FEED, from); at >= 0 && at < end; count++)
    at = bytes.indexOf(LINE_FEED, at + 1)
  return count
}

/** The byte order mark that spreadsheets write first. */
function startsWithMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function isBlank(code: number | undefined): boolean {
  return code === CARRIAGE_RETURN || code === 32 || code === 9
}
