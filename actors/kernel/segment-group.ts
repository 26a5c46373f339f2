import { assert } from './errors.ts'
import type { AppendOutcome, JournalEntry } from './journal.ts'
import {
  codeOfKind,
  ENTRY_HEADER_BYTES,
  GROUP_HEADER_BYTES,
  SOURCE_BYTES_MAX,
  writeGroupHeader,
} from './segment-format.ts'

const BYTES_AT_FIRST = 64 * 1024

type Done = (outcome: AppendOutcome) => void

/** Entries on their way to disk together: encoded as they come into one buffer, which is used again. */
export class Group {
  readonly #bytesMax: number
  #buffer = Buffer.allocUnsafeSlow(BYTES_AT_FIRST)
  #view = viewOf(this.#buffer)
  #length = GROUP_HEADER_BYTES
  #offsets = 0
  readonly #dones: Done[] = []
  readonly #counts: number[] = []

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get entries(): number {
    return this.#dones.length
  }

  /** Offsets that the entries take together. */
  get offsets(): number {
    return this.#offsets
  }

  /** Bytes that the group takes on disk. */
  get bytes(): number {
    return this.#length
  }

  /** The same without the group's own header. */
  get entryBytes(): number {
    return this.#length - GROUP_HEADER_BYTES
  }

  /** Adds an entry and gives its bytes, or 0 when it belongs into the next group. */
  add(entry: JournalEntry, done: Done): number {
    const { source, payload, count } = entry
    assert(source.length <= SOURCE_BYTES_MAX, 'the source of a journal entry is too long')
    assert(count >= 1, 'a journal entry takes at least one offset')
    if (!this.#makeRoom(source, payload)) return 0
    const buffer = this.#buffer
    const view = this.#view
    const start = this.#length
    const sourceBytes = buffer.write(source, start + ENTRY_HEADER_BYTES)
    assert(sourceBytes <= SOURCE_BYTES_MAX, 'the source of a journal entry is too long')
    const at = start + ENTRY_HEADER_BYTES + sourceBytes
    const payloadBytes =
      typeof payload === 'string' ? buffer.write(payload, at) : put(buffer, payload, at)
    view.setUint8(start, codeOfKind(entry.kind))
    view.setUint8(start + 1, sourceBytes)
    view.setUint16(start + 2, 0, true)
    view.setUint32(start + 4, count, true)
    view.setUint32(start + 8, payloadBytes, true)
    view.setFloat64(start + 12, entry.receivedMs, true)
    this.#length = at + payloadBytes
    this.#offsets += count
    this.#dones.push(done)
    this.#counts.push(count)
    return this.#length - start
  }

  /** Closes the group: the bytes to write, valid until `clear`. */
  seal(firstOffset: number, seed: number): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#length)
    writeGroupHeader(bytes, { entries: this.entries, offsets: this.#offsets, firstOffset }, seed)
    return bytes
  }

  /** Tells every sender, in order, and gets ready for the next entries. `failed` gets what they throw. */
  settle(outcome: number | AppendOutcome, failed: (thrown: unknown) => void): void {
    let offset = typeof outcome === 'number' ? outcome : 0
    for (let index = 0; index < this.#dones.length; index++) {
      try {
        this.#dones[index]?.(typeof outcome === 'number' ? { ok: true, offset } : outcome)
      } catch (thrown) {
        failed(thrown)
      }
      offset += this.#counts[index] ?? 0
    }
    this.#dones.length = 0
    this.#counts.length = 0
    this.#offsets = 0
    this.#length = GROUP_HEADER_BYTES
    // One oversized entry must not keep its memory for ever.
    if (this.#buffer.byteLength > this.#bytesMax) this.#resize(BYTES_AT_FIRST)
  }

  #makeRoom(source: string, payload: string | Uint8Array): boolean {
    const fixed = this.#length + ENTRY_HEADER_BYTES + source.length * 3
    const worst = fixed + (typeof payload === 'string' ? payload.length * 3 : payload.byteLength)
    if (worst <= this.#buffer.byteLength) return true
    const exact = typeof payload === 'string' ? fixed + Buffer.byteLength(payload) : worst
    if (exact <= this.#buffer.byteLength) return true
    if (exact > this.#bytesMax && this.entries > 0) return false
    const doubled = Math.min(this.#buffer.byteLength * 2, this.#bytesMax)
    this.#resize(Math.max(exact, doubled))
    return true
  }

  #resize(bytes: number): void {
    const larger = Buffer.allocUnsafeSlow(bytes)
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
    this.#view = viewOf(larger)
  }
}

function viewOf(buffer: Buffer): DataView {
  return new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)
}

function put(buffer: Buffer, payload: Uint8Array, at: number): number {
  buffer.set(payload, at)
  return payload.byteLength
}
