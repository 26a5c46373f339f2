import { parseEventTimeUs } from '../../actors/model/time.ts'
import { TextDictionary } from './text-dictionary.ts'

const DAY_MS = 86_400_000

/** Text columns of a ping on the wire. */
export const TEXT_FIELDS = ['device_id', 'vehicle_id', 'session_id', 'order_id', 'status'] as const
/** Coordinate columns of a ping on the wire. */
export const NUMBER_FIELDS = [
  'start_lat',
  'start_lon',
  'end_lat',
  'end_lon',
  'current_lat',
  'current_lon',
] as const
// What a session says again in each of its pings.
const LIKE_BEFORE = ['device_id', 'vehicle_id', 'order_id', 'status'] as const

export type TextField = (typeof TEXT_FIELDS)[number]
export type NumberField = (typeof NUMBER_FIELDS)[number]
type WireFields = Readonly<Record<string, unknown>>
type Extras = Record<string, unknown>

const KNOWN: ReadonlySet<string> = new Set([...TEXT_FIELDS, 'timestamp', ...NUMBER_FIELDS])

/** Whence a ping came. */
export type PingOrigin = Readonly<{ offset: number; receivedMs: number; source: string }>

/**
 * Rows of the bronze table as columns, reused from batch to batch. A field that is none of the type its
 * column has (which the gateway refuses) is null there and kept among the extras: nothing is lost here.
 */
export class PingColumns {
  rows = 0
  readonly texts: Readonly<Record<TextField, TextDictionary>>
  readonly numbers: Record<NumberField, Float64Array>
  /** Rows of a column that are null though its array holds a number. */
  readonly nulls = new Map<string, Set<number>>()
  /** Whole numbers, all below 2^53. */
  timestampUs: Float64Array
  offset: Float64Array
  receivedUs: Float64Array
  day: Int32Array
  readonly source: TextDictionary
  readonly extras: TextDictionary
  readonly timestampText: (string | null)[] = []
  #capacity: number
  /** The latest row of each session, by the number of its text; and that row's extras, when comparable. */
  readonly #latestRow: number[] = []
  readonly #latestExtras: (Extras | null | undefined)[] = []

  constructor(capacity = 16_384) {
    this.#capacity = capacity
    const text = () => new TextDictionary(capacity)
    const number = () => new Float64Array(capacity)
    this.texts = {
      device_id: text(),
      vehicle_id: text(),
      session_id: text(),
      order_id: text(),
      status: text(),
    }
    this.numbers = {
      start_lat: number(),
      start_lon: number(),
      end_lat: number(),
      end_lon: number(),
      current_lat: number(),
      current_lon: number(),
    }
    this.source = text()
    this.extras = text()
    this.timestampUs = number()
    this.offset = number()
    this.receivedUs = number()
    this.day = new Int32Array(capacity)
  }

  /** Forgets all rows; the memory stays for the next batch. */
  clear(): void {
    this.rows = 0
    this.nulls.clear()
    for (const field of TEXT_FIELDS) this.texts[field].clear()
    this.source.clear()
    this.extras.clear()
    this.timestampText.length = this.#latestRow.length = this.#latestExtras.length = 0
  }

  /** Adds a ping as it was sent. `extras` overrides the text of its other fields. */
  push(wire: WireFields, { offset, receivedMs, source }: PingOrigin, extras?: string | null): void {
    const row = this.rows
    if (row === this.#capacity) this.#grow()
    this.rows = row + 1
    const { texts } = this
    let misfits = 0
    const sessionId = textOf(wire['session_id'])
    const session = texts.session_id.set(row, sessionId)
    if (sessionId === null && wire['session_id'] !== undefined) misfits++
    const earlier = this.#latestRow[session] ?? row
    for (const field of LIKE_BEFORE) {
      const value = wire[field]
      const text = textOf(value)
      if (text === null && value !== undefined) misfits++
      if (earlier === row) texts[field].set(row, text)
      else texts[field].setLike(row, earlier, text)
    }
    misfits += this.#pushNumbers(row, wire)
    misfits += this.#pushTime(row, wire['timestamp'], receivedMs)
    this.offset[row] = offset
    this.receivedUs[row] = receivedMs * 1_000
    if (row > 0) this.source.setLike(row, row - 1, source)
    else this.source.set(row, source)
    let latest: Extras | null | undefined
    if (extras !== undefined) this.extras.set(row, extras)
    else latest = this.#pushExtras(row, wire, { session, earlier, misfits })
    if (session < 0) return
    this.#latestRow[session] = row
    this.#latestExtras[session] = latest
  }

  #pushNumbers(row: number, wire: WireFields): number {
    let misfits = 0
    for (const field of NUMBER_FIELDS) {
      const value = wire[field]
      const number = typeof value === 'number' ? value : numeral(value)
      this.numbers[field][row] = number
      if (Number.isFinite(number)) continue
      this.#setNull(field, row)
      if (value !== undefined) misfits++
    }
    return misfits
  }

  /** The time and its day; the day of receipt when there is no time. */
  #pushTime(row: number, value: unknown, receivedMs: number): number {
    const text = textOf(value)
    const us = text === null ? null : parseEventTimeUs(text)
    this.timestampText.push(text)
    if (us === null) this.#setNull('timestamp', row)
    this.timestampUs[row] = us ?? 0
    this.day[row] = Math.floor((us === null ? receivedMs : us / 1_000) / DAY_MS)
    return text === null && value !== undefined ? 1 : 0
  }

  /** A session's extras rarely change: when they are what they were, their text need not be made again. */
  #pushExtras(
    row: number,
    wire: WireFields,
    about: Readonly<{ session: number; earlier: number; misfits: number }>,
  ): Extras | null | undefined {
    const { session, earlier, misfits } = about
    const before = this.#latestExtras[session]
    if (misfits === 0 && before !== undefined && sameExtras(wire, before)) {
      this.extras.ids[row] = this.extras.ids[earlier] ?? -1
      return before
    }
    const extras = extrasOf(wire, misfits > 0)
    this.extras.set(row, extras === null ? null : JSON.stringify(extras))
    return misfits === 0 ? extras : undefined
  }

  #setNull(column: string, row: number): void {
    const rows = this.nulls.get(column)
    if (rows) rows.add(row)
    else this.nulls.set(column, new Set([row]))
  }

  #grow(): void {
    const capacity = (this.#capacity *= 2)
    for (const field of TEXT_FIELDS) this.texts[field].grow(capacity)
    this.source.grow(capacity)
    this.extras.grow(capacity)
    for (const field of NUMBER_FIELDS) this.numbers[field] = grown(this.numbers[field], capacity)
    this.timestampUs = grown(this.timestampUs, capacity)
    this.offset = grown(this.offset, capacity)
    this.receivedUs = grown(this.receivedUs, capacity)
    const day = new Int32Array(capacity)
    day.set(this.day)
    this.day = day
  }
}

/** Is this one of the twelve fields that have a column of their own. */
export function isKnownField(name: string): boolean {
  return KNOWN.has(name)
}

function grown(numbers: Float64Array, capacity: number): Float64Array {
  const more = new Float64Array(capacity)
  more.set(numbers)
  return more
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
}

// Numbers in quotes are taken: the old gateway did, and some vehicles send them.
function numeral(value: unknown): number {
  return typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN
}

/** True when the fields beyond the known ones are these, all of them plain values. */
function sameExtras(wire: WireFields, before: Extras | null): boolean {
  let same = 0
  for (const name in wire) {
    if (KNOWN.has(name)) continue
    const value = wire[name]
    if (before === null || typeof value === 'object' || !Object.is(before[name], value))
      return false
    same++
  }
  return same === (before === null ? 0 : Object.keys(before).length)
}

function extrasOf(wire: WireFields, misfits: boolean): Extras | null {
  let extras: Extras | null = null
  for (const name in wire) {
    if (KNOWN.has(name) && !(misfits && isMisfit(name, wire[name]))) continue
    extras ??= Object.create(null) as Extras
    extras[name] = wire[name]
  }
  return extras
}

function isMisfit(name: string, value: unknown): boolean {
  const number = NUMBER_FIELDS.some((field) => field === name)
  if (!number) return typeof value !== 'string'
  return !Number.isFinite(typeof value === 'number' ? value : numeral(value))
}
