import type { Statistics } from 'hyparquet'

import { type EncodedValues, PageBuffer, writeIndexes } from './parquet-pages.ts'
import type { TextDictionary } from './text-dictionary.ts'

/** Rows of the batch that go into the file; null for all of them, as they are. */
export type Rows = Readonly<{ count: number; picked: Uint32Array | null }>

/** Turns columns of a batch into encoded pages. A result is valid until the next call. */
export class ColumnEncoder {
  readonly #page = new PageBuffer()
  readonly #dictionary = new PageBuffer()
  readonly #levels = new PageBuffer()
  #indexes = new Int32Array(0)

  /** One value in every row. */
  constant(value: number, { count }: Rows): EncodedValues {
    const dictionary = this.#dictionary.clear()
    dictionary.int(value)
    const indexes = this.#room(count).fill(0)
    return this.#indexed(indexes, 1, { min_value: value, max_value: value })
  }

  /** Texts that repeat; when most do not, they are written out. */
  repeated(column: TextDictionary, rows: Rows, bounds: boolean): EncodedValues {
    const { indexes, used, nulls } = this.#renumbered(column, rows)
    const present = rows.count - nulls.length
    const statistics = bounds ? textBounds(used) : {}
    if (present === 0 || (used.length * 2 > present && present > 16)) {
      const page = this.#page.clear()
      for (const index of indexes) page.text(used[index] ?? '')
      return this.#plain(rows.count, nulls, statistics)
    }
    const dictionary = this.#dictionary.clear()
    for (const text of used) dictionary.text(text)
    return { ...this.#indexed(indexes, used.length, statistics), ...this.#nulls(rows.count, nulls) }
  }

  /** Texts that hardly repeat. Without bounds. */
  texts(column: readonly (string | null)[], { count, picked }: Rows): EncodedValues {
    const page = this.#page.clear()
    const nulls: number[] = []
    for (let at = 0; at < count; at++) {
      const text = column[picked?.[at] ?? at] ?? null
      if (text === null) nulls.push(at)
      else page.text(text)
    }
    return this.#plain(count, nulls, {})
  }

  /** Whole numbers below 2^53. */
  longs(column: Float64Array, rows: Rows, absent: ReadonlySet<number> | undefined): EncodedValues {
    const page = this.#page.clear()
    const nulls: number[] = []
    let [min, max] = [Infinity, -Infinity]
    for (let at = 0; at < rows.count; at++) {
      const row = rows.picked?.[at] ?? at
      if (absent?.has(row)) {
        nulls.push(at)
        continue
      }
      const value = column[row] ?? 0
      if (value < min) min = value
      if (value > max) max = value
      page.long(value)
    }
    const bounds = min > max ? {} : { min_value: BigInt(min), max_value: BigInt(max) }
    return this.#plain(rows.count, nulls, bounds)
  }

  /** Whole numbers of 32 bits. */
  ints(column: Int32Array, rows: Rows): EncodedValues {
    const page = this.#page.clear()
    let [min, max] = [Infinity, -Infinity]
    for (let at = 0; at < rows.count; at++) {
      const value = column[rows.picked?.[at] ?? at] ?? 0
      if (value < min) min = value
      if (value > max) max = value
      page.int(value)
    }
    return this.#plain(rows.count, [], min > max ? {} : { min_value: min, max_value: max })
  }

  /**
   * Coordinates. `like` numbers the rows' sessions when a session's value hardly changes: it is then
   * compared with the session's row before, and looked up only when it differs.
   */
  doubles(
    column: Float64Array,
    rows: Rows,
    absent: ReadonlySet<number> | undefined,
    like: Int32Array | null,
  ): EncodedValues {
    const { count, picked } = rows
    const nulls: number[] = []
    const present = new Float64Array(count)
    let [min, max, length] = [Infinity, -Infinity, 0]
    for (let at = 0; at < count; at++) {
      const row = picked?.[at] ?? at
      if (absent?.has(row)) {
        nulls.push(at)
        continue
      }
      const value = column[row] ?? 0
      if (value < min) min = value
      if (value > max) max = value
      present[length++] = value
    }
    const bounds = doubleBounds(min, max)
    const values = present.subarray(0, length)
    const used = like && nulls.length === 0 ? this.#distinct(values, rows, like) : null
    if (used) {
      const dictionary = this.#dictionary.clear()
      for (const value of used) dictionary.double(value)
      return this.#indexed(this.#indexes.subarray(0, count), used.length, bounds)
    }
    const bytes = new Uint8Array(values.buffer, 0, length * 8)
    return { ...this.#plain(count, nulls, bounds), values: bytes }
  }

  /** The distinct values, and each row's number in the indexes; null when they are too many to pay. */
  #distinct(values: Float64Array, { picked }: Rows, like: Int32Array): readonly number[] | null {
    const used: number[] = []
    const numbers = new Map<number, number>()
    const latest: number[] = []
    const usedMax = values.length / 4 + 16
    const indexes = this.#room(values.length)
    for (let at = 0; at < values.length; at++) {
      const session = like[picked?.[at] ?? at] ?? -1
      const value = values[at] ?? 0
      let index = latest[session]
      if (index === undefined || used[index] !== value || (value === 0 && 1 / value < 0)) {
        // A Map does not tell −0 from 0; such a column is written out.
        if (value === 0 && 1 / value < 0) return null
        index = numbers.get(value)
        if (index === undefined) {
          index = used.length
          if (index > usedMax) return null
          used.push(value)
          numbers.set(value, index)
        }
        if (session >= 0) latest[session] = index
      }
      indexes[at] = index
    }
    return used
  }

  /** Numbers of the texts that these rows use, from 0; the rows that are null are left out. */
  #renumbered({ ids, values }: TextDictionary, { count, picked }: Rows) {
    const numbers = new Int32Array(values.length).fill(-1)
    const used: string[] = []
    const nulls: number[] = []
    const indexes = this.#room(count)
    let length = 0
    for (let at = 0; at < count; at++) {
      const id = ids[picked?.[at] ?? at] ?? -1
      if (id < 0) {
        nulls.push(at)
        continue
      }
      let number = numbers[id] ?? -1
      if (number < 0) {
        number = numbers[id] = used.length
        used.push(values[id] ?? '')
      }
      indexes[length++] = number
    }
    return { indexes: indexes.subarray(0, length), used, nulls }
  }

  #indexed(indexes: Int32Array, distinct: number, statistics: Statistics): EncodedValues {
    const page = this.#page.clear()
    writeIndexes(page, indexes, distinct)
    return {
      encoding: 'RLE_DICTIONARY',
      dictionary: { bytes: this.#dictionary.bytes, count: distinct },
      values: page.bytes,
      rows: indexes.length,
      nulls: 0,
      levels: null,
      statistics,
    }
  }

  #plain(rows: number, nulls: readonly number[], statistics: Statistics): EncodedValues {
    const values = this.#page.bytes
    const levels = this.#nulls(rows, nulls)
    return { encoding: 'PLAIN', dictionary: null, values, statistics, ...levels }
  }

  #nulls(rows: number, nulls: readonly number[]): Pick<EncodedValues, 'rows' | 'nulls' | 'levels'> {
    if (nulls.length === 0) return { rows, nulls: 0, levels: null }
    const present = new Int32Array(rows).fill(1)
    for (const at of nulls) present[at] = 0
    const levels = this.#levels.clear()
    levels.packed(present, 1)
    return { rows, nulls: nulls.length, levels: levels.bytes }
  }

  #room(rows: number): Int32Array {
    if (this.#indexes.length < rows) this.#indexes = new Int32Array(rows)
    return this.#indexes.subarray(0, rows)
  }
}

// The specification wants a zero to be −0 as a lower and 0 as an upper bound.
function doubleBounds(min: number, max: number): Statistics {
  if (min > max) return {}
  return { min_value: min === 0 ? -0 : min, max_value: max === 0 ? 0 : max }
}

function textBounds(texts: readonly string[]): Statistics {
  let [min, max] = [texts[0], texts[0]]
  if (min === undefined || max === undefined) return {}
  for (const text of texts) {
    if (compareCodePoints(text, min) < 0) min = text
    if (compareCodePoints(text, max) > 0) max = text
  }
  return { min_value: min, max_value: max }
}

/** The order of the texts' UTF-8 bytes, which `<` gets wrong beyond the basic plane. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const difference = a.charCodeAt(at) - b.charCodeAt(at)
    if (difference !== 0) return rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
  }
  return a.length - b.length
}

// Surrogates stand for what comes after all other units.
function rank(unit: number): number {
  if (unit < 0xd800) return unit
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800
}
