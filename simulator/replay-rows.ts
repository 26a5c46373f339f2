import { basename } from 'node:path'

import { parseEventTimeUs } from '../actors/model/time.ts'
import { type CsvHeader, csvTime, csvTrip, parseHeader } from './csv.ts'
import { LineCutter, linesOf, type NumberedLine } from './lines.ts'
import type { ReplayBytes } from './replay-file.ts'
import { RowIndex } from './replay-sort.ts'
import { asRecord, parseJson } from './wire.ts'

/** One row of a recording, ready to be sent. */
export type ReplayRow = Readonly<{
  line: number
  /** Its line of NDJSON without the line end; null when it is too long to be sent. */
  json: Uint8Array | string | null
  /** How much of the recording it takes. */
  bytes: number
  /** Why it can be no trip, where that is known before it is sent. */
  why: string | null
  /** Microseconds since 1970 UTC; null when it has no time that can be read, or is a ping. */
  timeUs: number | null
}>

/** What the lines of a recording are. */
export type RowKind = 'pings' | 'trips'

export const LINE_BYTES_MAX = 1_048_576

const text = new TextDecoder()
const decode = (bytes: Uint8Array): string => text.decode(bytes)
const ROWS_A_PIECE = 1_000

/** How the lines of a recording become rows. */
export class RowReader {
  readonly #kind: RowKind
  readonly #file: string
  /** True for CSV. */
  readonly #csv: boolean
  #header: CsvHeader | null = null

  constructor(options: Readonly<{ kind: RowKind; csv: boolean; path: string }>) {
    this.#kind = options.kind
    this.#csv = options.csv
    this.#file = basename(options.path)
  }

  /** The rows in the order of the file, a list for each piece that was read. */
  async *inFileOrder(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly ReplayRow[]> {
    for await (const lines of linesOf(chunks, this.#cutter())) {
      const rows = this.#withoutHeader(lines)
      for (let at = 0; at < rows.length; at += ROWS_A_PIECE)
        yield rows.slice(at, at + ROWS_A_PIECE).map((line) => this.#row(line))
    }
    if (this.#csv && !this.#header) parseHeader('')
  }

  /** Where each row stands and when it happened, for rows that are to be sent by event time. */
  async index(bytes: ReplayBytes): Promise<RowIndex> {
    const index = new RowIndex()
    for await (const lines of linesOf(bytes.chunks(), this.#cutter()))
      for (const line of this.#withoutHeader(lines)) {
        const timeUs = line.bytes ? parseEventTimeUs(this.#timeOf(line.bytes)) : null
        index.add(line, timeUs)
      }
    if (this.#csv && !this.#header) parseHeader('')
    return index
  }

  /** The rows by event time, from a place of that order on; only a piece of them is in memory. */
  *inTimeOrder(
    bytes: ReplayBytes,
    index: RowIndex,
    order: Uint32Array,
    from: number,
  ): Generator<readonly ReplayRow[]> {
    for (let at = from; at < order.length; at += ROWS_A_PIECE)
      yield readPiece(bytes, index, order.subarray(at, at + ROWS_A_PIECE)).map((line) =>
        this.#row(line, line.timeUs),
      )
  }

  #cutter(): LineCutter {
    return new LineCutter({ lineBytesMax: LINE_BYTES_MAX, quotes: this.#csv })
  }

  #withoutHeader(lines: readonly NumberedLine[]): readonly NumberedLine[] {
    if (!this.#csv || this.#header || lines.length === 0) return lines
    const [first, ...rest] = lines
    this.#header = parseHeader(first?.bytes ? decode(first.bytes) : '')
    return rest
  }

  #row({ number, bytes }: NumberedLine, knownTimeUs?: number | null): ReplayRow {
    if (!bytes) {
      const why = `longer than ${LINE_BYTES_MAX} bytes; not sent`
      return { line: number, json: null, bytes: 0, why, timeUs: null }
    }
    const size = bytes.byteLength + 1
    const timeUs =
      knownTimeUs !== undefined || this.#kind === 'pings'
        ? (knownTimeUs ?? null)
        : parseEventTimeUs(this.#timeOf(bytes))
    if (!this.#header) return { line: number, json: bytes, bytes: size, why: null, timeUs }
    const { json, why } = csvTrip(decode(bytes), this.#header, { file: this.#file, line: number })
    return { line: number, json, bytes: size, why, timeUs }
  }

  #timeOf(bytes: Uint8Array): string {
    if (this.#header) return csvTime(decode(bytes), this.#header)
    const time = asRecord(parseJson(decode(bytes)))?.event_time
    return typeof time === 'string' ? time : ''
  }
}

type TimedLine = NumberedLine & Readonly<{ timeUs: number | null }>

/** Reads rows that stand anywhere; those that follow each other in the file are read in one go. */
function readPiece(bytes: ReplayBytes, index: RowIndex, order: Uint32Array): TimedLine[] {
  const rows = Array.from(order, (row) => index.row(row))
  const into = new Uint8Array(rows.reduce((sum, { length }) => sum + length + GAP_BYTES, 0))
  const lines: TimedLine[] = []
  let at = 0
  for (let first = 0; first < rows.length;) {
    const start = rows[first]?.offset ?? 0
    let last = first
    let end = start + (rows[first]?.length ?? 0)
    for (let next = rows[last + 1]; next; next = rows[last + 1]) {
      if (!(next.length > 0 && next.offset >= end && next.offset - end <= GAP_BYTES)) break
      end = next.offset + next.length
      last++
    }
    const run = into.subarray(at, at + end - start)
    bytes.read(start, run)
    at += run.byteLength
    for (; first <= last; first++) {
      const row = rows[first]
      if (!row) break
      const { line: number, offset, length, timeUs } = row
      const own = length > 0 ? run.subarray(offset - start, offset - start + length) : null
      lines.push({ number, offset, bytes: own, timeUs })
    }
  }
  return lines
}

/** A line end, and a blank or two. */
const GAP_BYTES = 4
