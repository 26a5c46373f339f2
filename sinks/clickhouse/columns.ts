import type { Column, ColumnKind } from './engine.ts'

const TWO_32 = 4_294_967_296
const utf8 = new TextEncoder()

/** Gathers whole numbers for one column; its memory is used again after `clear`. */
export class IntColumn {
  readonly #name: string
  readonly #kind: ColumnKind
  #halves: Int32Array
  #length = 0

  constructor(name: string, kind: 'int' | 'time' = 'int', capacity = 1_024) {
    this.#name = name
    this.#kind = kind
    this.#halves = new Int32Array(capacity * 2)
  }

  add(value: number): void {
    const at = this.#length * 2
    if (at >= this.#halves.length) {
      const wider = new Int32Array(this.#halves.length * 2)
      wider.set(this.#halves)
      this.#halves = wider
    }
    // Two's complement in two halves: a BigInt a value would cost ten times as much.
    const high = Math.floor(value / TWO_32)
    this.#halves[at] = (value - high * TWO_32) | 0
    this.#halves[at + 1] = high
    this.#length += 1
  }

  column(): Column {
    const data = new Uint8Array(this.#halves.buffer, 0, this.#length * 8)
    return plain(this.#name, this.#kind, this.#length, data)
  }

  clear(): void {
    this.#length = 0
  }
}

/** Gathers numbers, and null where there is none. */
export class FloatColumn {
  readonly #name: string
  #values: Float64Array
  #validity: Uint8Array
  #length = 0
  #nullCount = 0

  constructor(name: string, capacity = 1_024) {
    this.#name = name
    this.#values = new Float64Array(capacity)
    this.#validity = new Uint8Array(Math.ceil(capacity / 8))
  }

  add(value: number | null): void {
    if (this.#length >= this.#values.length) this.#grow()
    const at = this.#length
    this.#length += 1
    if (value === null) {
      this.#nullCount += 1
      return
    }
    this.#values[at] = value
    this.#validity[at >> 3] = (this.#validity[at >> 3] ?? 0) | (1 << (at & 7))
  }

  column(): Column {
    const some = this.#nullCount > 0
    return {
      ...plain(this.#name, 'float', this.#length, bytesOf(this.#values, this.#length * 8)),
      validity: some ? this.#validity.subarray(0, Math.ceil(this.#length / 8)) : null,
      nullCount: this.#nullCount,
    }
  }

  clear(): void {
    this.#length = 0
    this.#nullCount = 0
    this.#validity.fill(0)
  }

  #grow(): void {
    const values = new Float64Array(this.#values.length * 2)
    values.set(this.#values)
    this.#values = values
    const validity = new Uint8Array(Math.ceil(values.length / 8))
    validity.set(this.#validity)
    this.#validity = validity
  }
}

/** Gathers truth values. */
export class BoolColumn {
  readonly #name: string
  #bits: Uint8Array
  #length = 0

  constructor(name: string, capacity = 1_024) {
    this.#name = name
    this.#bits = new Uint8Array(Math.ceil(capacity / 8))
  }

  add(value: boolean): void {
    const at = this.#length >> 3
    if (at >= this.#bits.length) {
      const wider = new Uint8Array(this.#bits.length * 2)
      wider.set(this.#bits)
      this.#bits = wider
    }
    if (value) this.#bits[at] = (this.#bits[at] ?? 0) | (1 << (this.#length & 7))
    this.#length += 1
  }

  column(): Column {
    const data = this.#bits.subarray(0, Math.ceil(this.#length / 8))
    return plain(this.#name, 'bool', this.#length, data)
  }

  clear(): void {
    this.#length = 0
    this.#bits.fill(0)
  }
}

/** Gathers text. The values are joined first and encoded at once: a call a value would cost three times as much. */
export class TextColumn {
  readonly #name: string
  #ends: Int32Array
  #joined = ''
  #data = new Uint8Array(0)
  #length = 0

  constructor(name: string, capacity = 1_024) {
    this.#name = name
    this.#ends = new Int32Array(capacity + 1)
  }

  add(value: string): void {
    this.#joined += value
    this.#length += 1
    if (this.#length >= this.#ends.length) {
      const wider = new Int32Array(this.#ends.length * 2)
      wider.set(this.#ends)
      this.#ends = wider
    }
    this.#ends[this.#length] = this.#joined.length
  }

  column(): Column {
    const text = this.#joined
    if (this.#data.length < text.length) this.#data = new Uint8Array(text.length * 2)
    let { read, written } = utf8.encodeInto(text, this.#data)
    // As many bytes as UTF-16 units, all read: it is all ASCII, and the ends are right already.
    if (read < text.length || written > read) written = this.#encodeEach()
    return {
      ...plain(this.#name, 'text', this.#length, this.#data.subarray(0, written)),
      offsets: bytesOf(this.#ends, (this.#length + 1) * 4),
    }
  }

  clear(): void {
    this.#joined = ''
    this.#length = 0
  }

  /**
   * Encodes value by value and turns the ends, counted in UTF-16 units, into bytes. Joined, the halves
   * of a broken surrogate pair in two neighbours would become one character.
   */
  #encodeEach(): number {
    this.#data = new Uint8Array(this.#joined.length * 3)
    let from = 0
    let bytes = 0
    for (let row = 1; row <= this.#length; row += 1) {
      const to = this.#ends[row] ?? 0
      bytes += utf8.encodeInto(this.#joined.slice(from, to), this.#data.subarray(bytes)).written
      this.#ends[row] = bytes
      from = to
    }
    return bytes
  }
}

/** Gathers raw bytes. */
export class BytesColumn {
  readonly #name: string
  #values: Uint8Array[] = []

  constructor(name: string) {
    this.#name = name
  }

  add(value: Uint8Array): void {
    this.#values.push(value)
  }

  column(): Column {
    const ends = new Int32Array(this.#values.length + 1)
    for (const [row, value] of this.#values.entries()) {
      ends[row + 1] = (ends[row] ?? 0) + value.length
    }
    const data = new Uint8Array(Buffer.concat(this.#values))
    return {
      ...plain(this.#name, 'bytes', this.#values.length, data),
      offsets: bytesOf(ends, ends.byteLength),
    }
  }

  clear(): void {
    this.#values = []
  }
}

/** Any of the columns that rows are gathered in. */
export type ColumnBuilder = IntColumn | FloatColumn | BoolColumn | TextColumn | BytesColumn

function plain(name: string, kind: ColumnKind, length: number, data: Uint8Array): Column {
  return { name, kind, length, data, offsets: null, validity: null, nullCount: 0 }
}

function bytesOf(view: Int32Array | Float64Array, byteLength: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, byteLength)
}
