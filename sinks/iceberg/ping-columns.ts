import { parseEventTimeUs } from '../../actors/model/time.ts'

const DAY_MS = 86_400_000
const WORD = 4_294_967_296

/** Text columns of a ping on the wire, in order. */
export const TEXT_FIELDS = ['device_id', 'vehicle_id', 'session_id', 'order_id', 'status'] as const
/** Coordinate columns of a ping on the wire, in order. */
export const NUMBER_FIELDS = [
  'start_lat',
  'start_lon',
  'end_lat',
  'end_lon',
  'current_lat',
  'current_lon',
] as const

export type TextField = (typeof TEXT_FIELDS)[number]
export type NumberField = (typeof NUMBER_FIELDS)[number]
type WireFields = Readonly<Record<string, unknown>>

const KNOWN: ReadonlySet<string> = new Set([...TEXT_FIELDS, 'timestamp', ...NUMBER_FIELDS])

/** Whence a ping came. */
export type PingOrigin = Readonly<{ offset: number; receivedMs: number; source: string }>

/**
 * Rows of the bronze table as columns, reused from batch to batch. A field that is none of the type its
 * column has (which the gateway refuses) is null there and kept among the extras: nothing is lost here.
 */
export class PingColumns {
  rows = 0
  readonly texts: Record<TextField, (string | null)[]>
  readonly numbers: Record<NumberField, Float64Array>
  /** Rows of a column that are null though its array holds a number. */
  readonly nulls = new Map<string, Set<number>>()
  timestampUs: BigInt64Array
  day: Int32Array
  offset: BigInt64Array
  receivedUs: BigInt64Array
  readonly source: string[] = []
  readonly extras: (string | null)[] = []
  readonly timestampText: (string | null)[] = []
  #capacity: number
  #timestampWords: Int32Array
  #offsetWords: Int32Array
  #receivedWords: Int32Array

  constructor(capacity = 16_384) {
    this.#capacity = capacity
    this.texts = { device_id: [], vehicle_id: [], session_id: [], order_id: [], status: [] }
    const coordinates = () => new Float64Array(capacity)
    this.numbers = {
      start_lat: coordinates(),
      start_lon: coordinates(),
      end_lat: coordinates(),
      end_lon: coordinates(),
      current_lat: coordinates(),
      current_lon: coordinates(),
    }
    this.timestampUs = new BigInt64Array(capacity)
    this.day = new Int32Array(capacity)
    this.offset = new BigInt64Array(capacity)
    this.receivedUs = new BigInt64Array(capacity)
    this.#timestampWords = new Int32Array(this.timestampUs.buffer)
    this.#offsetWords = new Int32Array(this.offset.buffer)
    this.#receivedWords = new Int32Array(this.receivedUs.buffer)
  }

  /** Forgets all rows; the memory stays for the next batch. */
  clear(): void {
    this.rows = 0
    this.nulls.clear()
    for (const field of TEXT_FIELDS) this.texts[field].length = 0
    this.source.length = this.extras.length = this.timestampText.length = 0
  }

  /** Adds a ping as it was sent. `extras` overrides the text of its other fields. */
  push(wire: WireFields, { offset, receivedMs, source }: PingOrigin, extras?: string | null): void {
    const row = this.rows
    if (row === this.#capacity) this.#grow()
    this.rows = row + 1
    let misfits: string[] | null = null
    for (const field of TEXT_FIELDS) {
      const value = wire[field]
      const fits = typeof value === 'string'
      this.texts[field].push(fits ? value : null)
      if (!fits && value !== undefined) (misfits ??= []).push(field)
    }
    for (const field of NUMBER_FIELDS) {
      const value = wire[field]
      const number = typeof value === 'number' ? value : numeral(value)
      this.numbers[field][row] = number
      if (Number.isNaN(number)) {
        this.#setNull(field, row)
        if (value !== undefined) (misfits ??= []).push(field)
      }
    }
    if (this.#pushTime(row, wire['timestamp'], receivedMs)) (misfits ??= []).push('timestamp')
    writeLong(this.#offsetWords, row, offset)
    writeLong(this.#receivedWords, row, receivedMs * 1_000)
    this.source.push(source)
    this.extras.push(extras === undefined ? extrasText(wire, misfits) : extras)
  }

  /** The time and its day; the day of receipt when there is no time. True when the time is misfit. */
  #pushTime(row: number, value: unknown, receivedMs: number): boolean {
    const text = typeof value === 'string' ? value : null
    const us = text === null ? null : parseEventTimeUs(text)
    this.timestampText.push(text)
    if (us === null) this.#setNull('timestamp', row)
    writeLong(this.#timestampWords, row, us ?? 0)
    const eventMs = us === null ? receivedMs : us / 1_000
    this.day[row] = Math.floor(eventMs / DAY_MS)
    return text === null && value !== undefined
  }

  #setNull(column: string, row: number): void {
    const rows = this.nulls.get(column)
    if (rows) rows.add(row)
    else this.nulls.set(column, new Set([row]))
  }

  #grow(): void {
    this.#capacity *= 2
    for (const field of NUMBER_FIELDS) {
      const grown = new Float64Array(this.#capacity)
      grown.set(this.numbers[field])
      this.numbers[field] = grown
    }
    this.timestampUs = grownLongs(this.timestampUs, this.#capacity)
    this.offset = grownLongs(this.offset, this.#capacity)
    this.receivedUs = grownLongs(this.receivedUs, this.#capacity)
    const day = new Int32Array(this.#capacity)
    day.set(this.day)
    this.day = day
    this.#timestampWords = new Int32Array(this.timestampUs.buffer)
    this.#offsetWords = new Int32Array(this.offset.buffer)
    this.#receivedWords = new Int32Array(this.receivedUs.buffer)
  }
}

/** Is this one of the twelve fields that have a column of their own. */
export function isKnownField(name: string): boolean {
  return KNOWN.has(name)
}

// Writing the two halves makes no bigint for every row.
function writeLong(words: Int32Array, row: number, value: number): void {
  const high = Math.floor(value / WORD)
  words[row * 2] = value - high * WORD
  words[row * 2 + 1] = high
}

function grownLongs(longs: BigInt64Array, capacity: number): BigInt64Array {
  const grown = new BigInt64Array(capacity)
  grown.set(longs)
  return grown
}

// Numbers in quotes are taken: the old gateway did, and some vehicles send them.
function numeral(value: unknown): number {
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

function extrasText(wire: WireFields, misfits: readonly string[] | null): string | null {
  let extras: Record<string, unknown> | null = null
  for (const name in wire) {
    if (KNOWN.has(name) && !misfits?.includes(name)) continue
    extras ??= Object.create(null) as Record<string, unknown>
    extras[name] = wire[name]
  }
  return extras === null ? null : JSON.stringify(extras)
}
