/** A field of a table: a number of so many bytes, or the place of something written before. */
export type FlatField =
  | Readonly<{ slot: number; bytes: 1 | 2 | 4 | 8; value: number }>
  | Readonly<{ slot: number; at: number }>

const utf8 = new TextEncoder()

/**
 * Writes a FlatBuffer, the layout of Arrow's metadata, from its end to its beginning: what is pointed
 * to comes before what points. A place is the number of bytes from the end.
 */
export class FlatBuffer {
  #view = new DataView(new ArrayBuffer(1_024))
  #used = 0

  text(value: string): number {
    const bytes = utf8.encode(value)
    this.#prepare(4, bytes.length + 1)
    this.#move(bytes.length + 1)
    const from = this.#view.byteLength - this.#used
    new Uint8Array(this.#view.buffer, from, bytes.length).set(bytes)
    this.#view.setUint8(from + bytes.length, 0)
    return this.#number(4, bytes.length)
  }

  /** A vector of places. */
  places(places: readonly number[]): number {
    this.#prepare(4, places.length * 4)
    for (const place of places.toReversed()) this.#place(place)
    return this.#number(4, places.length)
  }

  /** A vector of pairs of 64-bit numbers. */
  pairs(pairs: readonly (readonly [number, number])[]): number {
    this.#prepare(4, pairs.length * 16)
    this.#prepare(8, pairs.length * 16)
    for (const [first, second] of pairs.toReversed()) {
      this.#number(8, second)
      this.#number(8, first)
    }
    return this.#number(4, pairs.length)
  }

  table(fields: readonly FlatField[]): number {
    const before = this.#used
    const slots: number[] = []
    for (const field of fields) {
      while (slots.length <= field.slot) slots.push(0)
      slots[field.slot] =
        'at' in field ? this.#place(field.at) : this.#number(field.bytes, field.value)
    }
    const table = this.#number(4, 0)
    for (const place of slots.toReversed()) this.#number(2, place === 0 ? 0 : table - place)
    this.#number(2, table - before)
    const vtable = this.#number(2, (slots.length + 2) * 2)
    this.#view.setInt32(this.#view.byteLength - table, vtable - table, true)
    return table
  }

  /** The whole buffer with its root; its length is a multiple of 8. */
  finish(root: number): Uint8Array {
    this.#prepare(8, 4)
    this.#place(root)
    return new Uint8Array(this.#view.buffer, this.#view.byteLength - this.#used)
  }

  #place(place: number): number {
    this.#prepare(4, 0)
    return this.#number(4, this.#used + 4 - place)
  }

  #number(bytes: 1 | 2 | 4 | 8, value: number): number {
    this.#prepare(bytes, 0)
    this.#move(bytes)
    const at = this.#view.byteLength - this.#used
    if (bytes === 1) this.#view.setUint8(at, value)
    else if (bytes === 2) this.#view.setInt16(at, value, true)
    else if (bytes === 4) this.#view.setInt32(at, value, true)
    else this.#view.setBigInt64(at, BigInt(value), true)
    return this.#used
  }

  /** Fills up, so that a value of `size` bytes stands at a multiple of it after `extra` more bytes. */
  #prepare(size: number, extra: number): void {
    this.#move(-(this.#used + extra) & (size - 1))
  }

  #move(bytes: number): void {
    this.#used += bytes
    const { byteLength } = this.#view
    if (this.#used <= byteLength) return
    const wider = new Uint8Array(Math.max(byteLength * 2, this.#used * 2))
    wider.set(new Uint8Array(this.#view.buffer), wider.length - byteLength)
    this.#view = new DataView(wider.buffer)
  }
}
