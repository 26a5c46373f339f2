import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Long } from './lossless-json.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** Grows as Avro values are written to it. */
export class AvroWriter {
  #bytes = new Uint8Array(4_096)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.#bytes.slice(0, this.#length)
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  boolean(value: boolean): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value ? 1 : 0
  }

  /** An int or a long: zigzag, seven bits a byte. */
  long(value: Long): void {
    this.#reserve(10)
    if (typeof value === 'number' && value >= -0x4000_0000 && value < 0x4000_0000) {
      let rest = ((value << 1) ^ (value >> 31)) >>> 0
      while (rest > 0x7f) {
        this.#bytes[this.#length++] = (rest & 0x7f) | 0x80
        rest >>>= 7
      }
      this.#bytes[this.#length++] = rest
      return
    }
    const wide = BigInt(value)
    let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n))
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80
      rest >>= 7n
    }
    this.#bytes[this.#length++] = Number(rest)
  }

  float(value: number): void {
    this.#reserve(4)
    this.#view.setFloat32(this.#length, value, true)
    this.#length += 4
  }

  double(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  bytes(value: Uint8Array): void {
    this.long(value.length)
    this.raw(value)
  }

  string(value: string): void {
    this.bytes(encoder.encode(value))
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

/** Reads Avro values one after another; a file that ends too soon is an error, never an endless loop. */
export class AvroReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  raw(length: number): Uint8Array {
    const from = this.#at
    if (!(length >= 0) || from + length > this.#bytes.length) throw torn()
    this.#at += length
    return this.#bytes.subarray(from, this.#at)
  }

  boolean(): boolean {
    return this.raw(1)[0] === 1
  }

  long(): Long {
    let low = 0
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte()
      low |= (byte & 0x7f) << shift
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1)
    }
    let wide = BigInt(low)
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte()
      wide |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return exact(BigInt.asIntN(64, (wide >> 1n) ^ -(wide & 1n)))
    }
    throw torn()
  }

  /** A long that must be a small number: a length, a count, an index. */
  int(): number {
    const value = this.long()
    if (typeof value === 'number') return value
    throw torn()
  }

  float(): number {
    const at = this.#at
    this.raw(4)
    return this.#view.getFloat32(at, true)
  }

  double(): number {
    const at = this.#at
    this.raw(8)
    return this.#view.getFloat64(at, true)
  }

  bytes(): Uint8Array {
    return this.raw(this.int())
  }

  string(): string {
    return decoder.decode(this.bytes())
  }

  #byte(): number {
    const byte = this.#bytes[this.#at++]
    if (byte === undefined) throw torn()
    return byte
  }
}

function exact(value: bigint): Long {
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value
}

function torn(): OrreryError {
  return new OrreryError('avro', 'Avro file ends too soon or holds an impossible length')
}
