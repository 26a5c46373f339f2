import { OrreryError } from '../../actors/kernel/errors.ts'
import type { ColumnEncoder, Rows } from './column-encoder.ts'
import type { EncodedValues } from './parquet-pages.ts'
import type { TableLayout } from './table-schema.ts'
import { TextDictionary } from './text-dictionary.ts'

const DAY_MS = 86_400_000

/** A message as its sender wrote it. */
export type WireFields = Readonly<Record<string, unknown>>

/** Whence a message came. */
export type Origin = Readonly<{ offset: number; receivedMs: number; source: string }>

/** Rows that go into one file: all of one day and one partition. */
export type FileRows = Readonly<{ rows: Rows; day: number; partition: number }>

/** Rows of a bronze table as columns, reused from batch to batch: what every table has, whatever was received. */
export abstract class ReceivedColumns {
  abstract readonly layout: TableLayout
  rows = 0
  /** Rows of a column that are null though its array holds a number. */
  readonly nulls = new Map<string, Set<number>>()
  /** Whole numbers, all below 2^53. */
  eventTimeUs: Float64Array
  offset: Float64Array
  receivedUs: Float64Array
  day: Int32Array
  readonly source: TextDictionary
  readonly extras: TextDictionary
  readonly timeText: (string | null)[] = []
  #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
    this.source = new TextDictionary(capacity)
    this.extras = new TextDictionary(capacity)
    this.eventTimeUs = new Float64Array(capacity)
    this.offset = new Float64Array(capacity)
    this.receivedUs = new Float64Array(capacity)
    this.day = new Int32Array(capacity)
  }

  /** Adds a message as it was sent. `exact` is the same with its numbers as they were written, when a digit would be lost. */
  abstract push(wire: WireFields, origin: Origin, exact?: WireFields): void

  /** Is this a field that has a column of its own. */
  abstract isKnown(name: string): boolean

  /** Values of a column that only this table has. */
  protected abstract encodeOwn(name: string, encoder: ColumnEncoder, rows: Rows): EncodedValues

  /** Makes room for so many rows in the columns that only this table has. */
  protected abstract growOwn(capacity: number): void

  /** Forgets all rows; the memory stays for the next batch. */
  clear(): void {
    this.rows = 0
    this.nulls.clear()
    this.source.clear()
    this.extras.clear()
    this.timeText.length = 0
  }

  /** A column's values in these rows. */
  encode(name: string, encoder: ColumnEncoder, file: FileRows): EncodedValues {
    const { rows, day, partition } = file
    switch (name) {
      case 'event_date':
        return encoder.constant(day, rows)
      case 'partition':
        return encoder.constant(partition, rows)
      case 'offset':
        return encoder.longs(this.offset, rows, undefined)
      case 'received_at':
        return encoder.longs(this.receivedUs, rows, undefined)
      case 'source':
        return encoder.repeated(this.source, rows, true)
      case 'extras':
        return encoder.repeated(this.extras, rows, false)
      default:
        return this.encodeOwn(name, encoder, rows)
    }
  }

  /** A row for a message from there. */
  protected pushRow({ offset, receivedMs, source }: Origin): number {
    const row = this.rows
    if (row === this.#capacity) this.#grow()
    this.rows = row + 1
    this.offset[row] = offset
    this.receivedUs[row] = receivedMs * 1_000
    if (row > 0) this.source.setLike(row, row - 1, source)
    else this.source.set(row, source)
    return row
  }

  /** The time and its day; the day of receipt when there is no time. */
  protected pushTime(
    row: number,
    {
      text,
      us,
      receivedMs,
    }: Readonly<{ text: string | null; us: number | null; receivedMs: number }>,
  ): void {
    this.timeText.push(text)
    this.eventTimeUs[row] = us ?? 0
    this.day[row] = Math.floor((us === null ? receivedMs : us / 1_000) / DAY_MS)
  }

  protected setNull(column: string, row: number): void {
    const rows = this.nulls.get(column)
    if (rows) rows.add(row)
    else this.nulls.set(column, new Set([row]))
  }

  #grow(): void {
    const capacity = (this.#capacity *= 2)
    this.source.grow(capacity)
    this.extras.grow(capacity)
    this.eventTimeUs = grown(this.eventTimeUs, capacity)
    this.offset = grown(this.offset, capacity)
    this.receivedUs = grown(this.receivedUs, capacity)
    this.day = grownInts(this.day, capacity)
    this.growOwn(capacity)
  }
}

/** The numbers, with room for more. */
export function grown(numbers: Float64Array, capacity: number): Float64Array {
  const more = new Float64Array(capacity)
  more.set(numbers)
  return more
}

/** The same for whole ones. */
export function grownInts(numbers: Int32Array, capacity: number): Int32Array {
  const more = new Int32Array(capacity)
  more.set(numbers)
  return more
}

/** What a table's own `encodeOwn` throws for a column that it does not know. */
export function noColumn(name: string): OrreryError {
  return new OrreryError('invariant', `bronze has no values for column ${name}`)
}
