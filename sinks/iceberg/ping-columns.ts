import { parseEventTimeUs } from '../../actors/model/time.ts'
import type { ColumnEncoder, Rows } from './column-encoder.ts'
import type { EncodedValues } from './parquet-pages.ts'
import {
  grown,
  noColumn,
  type Origin,
  ReceivedColumns,
  type WireFields,
} from './received-columns.ts'
import { LAYOUTS } from './table-schema.ts'
import { TextDictionary } from './text-dictionary.ts'

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
type Extras = Record<string, unknown>

const KNOWN: ReadonlySet<string> = new Set([...TEXT_FIELDS, 'timestamp', ...NUMBER_FIELDS])

/**
 * Rows of the table of pings. A field that is none of the type its
 * column has (which the gateway refuses) is null there and kept among the extras: nothing is lost here.
 */
export class PingColumns extends ReceivedColumns {
  override readonly layout = LAYOUTS.pings
  readonly texts: Readonly<Record<TextField, TextDictionary>>
  readonly numbers: Record<NumberField, Float64Array>
  /** The latest row of each session, by the number of its text; and that row's extras, when comparable. */
  readonly #latestRow: number[] = []
  readonly #latestExtras: (Extras | null | undefined)[] = []

  constructor(capacity = 16_384) {
    super(capacity)
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
  }

  override clear(): void {
    super.clear()
    for (const field of TEXT_FIELDS) this.texts[field].clear()
    this.#latestRow.length = this.#latestExtras.length = 0
  }

  override isKnown(name: string): boolean {
    return KNOWN.has(name)
  }

  override push(wire: WireFields, origin: Origin, exact?: WireFields): void {
    const row = this.pushRow(origin)
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
    misfits += this.#pushTimestamp(row, wire['timestamp'], origin.receivedMs)
    let latest: Extras | null | undefined
    if (exact !== undefined) this.extras.set(row, exactExtras(exact))
    else latest = this.#pushExtras(row, wire, { session, earlier, misfits })
    if (session < 0) return
    this.#latestRow[session] = row
    this.#latestExtras[session] = latest
  }

  protected override encodeOwn(name: string, encoder: ColumnEncoder, rows: Rows): EncodedValues {
    const { texts, numbers, nulls } = this
    switch (name) {
      case 'device_id':
      case 'vehicle_id':
      case 'session_id':
      case 'order_id':
      case 'status':
        return encoder.repeated(texts[name], rows, true)
      case 'start_lat':
      case 'start_lon':
      case 'end_lat':
      case 'end_lon':
        return encoder.doubles(numbers[name], rows, nulls.get(name), texts.session_id.ids)
      case 'current_lat':
      case 'current_lon':
        return encoder.doubles(numbers[name], rows, nulls.get(name), null)
      case 'timestamp':
        return encoder.longs(this.eventTimeUs, rows, nulls.get(name))
      case 'timestamp_text':
        return encoder.texts(this.timeText, rows)
      default:
        throw noColumn(name)
    }
  }

  protected override growOwn(capacity: number): void {
    for (const field of TEXT_FIELDS) this.texts[field].grow(capacity)
    for (const field of NUMBER_FIELDS) this.numbers[field] = grown(this.numbers[field], capacity)
  }

  #pushNumbers(row: number, wire: WireFields): number {
    let misfits = 0
    for (const field of NUMBER_FIELDS) {
      const value = wire[field]
      const number = typeof value === 'number' ? value : numeral(value)
      this.numbers[field][row] = number
      if (Number.isFinite(number)) continue
      this.setNull(field, row)
      if (value !== undefined) misfits++
    }
    return misfits
  }

  #pushTimestamp(row: number, value: unknown, receivedMs: number): number {
    const text = textOf(value)
    const us = text === null ? null : parseEventTimeUs(text)
    if (us === null) this.setNull('timestamp', row)
    this.pushTime(row, { text, us, receivedMs })
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

function exactExtras(exact: WireFields): string {
  const extras = Object.entries(exact).filter(([name]) => !KNOWN.has(name))
  return JSON.stringify(Object.fromEntries(extras))
}

function isMisfit(name: string, value: unknown): boolean {
  const number = NUMBER_FIELDS.some((field) => field === name)
  if (!number) return typeof value !== 'string'
  return !Number.isFinite(typeof value === 'number' ? value : numeral(value))
}
