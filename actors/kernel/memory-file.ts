import type { Random } from './clock.ts'

/** What a disk writes at once: a torn write is torn between two of them. */
const SECTOR_BYTES = 512

type Change =
  | Readonly<{ kind: 'write'; position: number; bytes: Uint8Array }>
  | Readonly<{ kind: 'truncate'; bytes: number }>

/** A file as programs see it and as it is on the platter, with the changes between the two. */
export class MemoryFile {
  #visible = new Content()
  #durable = new Content()
  #changes: Change[] = []
  /** Changes made durable or given up since the beginning. */
  #settled = 0

  get bytes(): number {
    return this.#visible.length
  }

  /** A mark for `sync`: everything changed until now. */
  get unsynced(): number {
    return this.#settled + this.#changes.length
  }

  read(into: Uint8Array, position: number): number {
    const bytes = this.#visible.slice(position, position + into.byteLength)
    into.set(bytes)
    return bytes.byteLength
  }

  write(bytes: Uint8Array, position: number): void {
    this.#change({ kind: 'write', position, bytes })
  }

  truncate(bytes: number): void {
    this.#change({ kind: 'truncate', bytes })
  }

  /** Makes durable what was changed until the mark. */
  sync(upTo: number): void {
    for (const change of this.#take(upTo)) this.#durable.apply(change)
  }

  /** As a kernel does: part of it may be durable, and the rest will never be written, though it is visible. */
  failSync(upTo: number, random: Random): void {
    for (const change of this.#take(upTo)) this.#durable.applyPart(change, random)
  }

  crash(random: Random): void {
    this.failSync(this.unsynced, random)
    this.#visible = this.#durable.copy()
  }

  damage(position: number): void {
    this.#visible.flip(position)
    this.#durable.flip(position)
  }

  #change(change: Change): void {
    this.#visible.apply(change)
    this.#changes.push(change)
  }

  #take(upTo: number): Change[] {
    const taken = this.#changes.splice(0, Math.max(0, upTo - this.#settled))
    this.#settled += taken.length
    return taken
  }
}

class Content {
  #bytes = new Uint8Array(0)
  length = 0

  slice(from: number, to: number): Uint8Array {
    return this.#bytes.subarray(from, Math.max(from, Math.min(to, this.length)))
  }

  apply(change: Change): void {
    if (change.kind === 'truncate') return this.#resize(change.bytes)
    this.#resize(Math.max(this.length, change.position + change.bytes.byteLength))
    this.#bytes.set(change.bytes, change.position)
  }

  /** All of a change, nothing, a beginning, or any of its sectors; the size may grow without the bytes. */
  applyPart(change: Change, random: Random): void {
    const luck = random()
    if (luck < 0.25) return
    if (luck < 0.5 || change.kind === 'truncate') return this.apply(change)
    const { position, bytes } = change
    const beginning = luck < 0.75 ? Math.floor(random() * bytes.byteLength) : -1
    for (let at = 0; at < bytes.byteLength; at += SECTOR_BYTES) {
      const end = Math.min(at + SECTOR_BYTES, bytes.byteLength)
      const keeps = beginning < 0 ? random() < 0.5 : at < beginning
      if (keeps)
        this.apply({ kind: 'write', position: position + at, bytes: bytes.subarray(at, end) })
    }
    if (random() < 0.5) this.#resize(Math.max(this.length, position + bytes.byteLength))
  }

  flip(position: number): void {
    if (position < this.length) this.#bytes[position] = (this.#bytes[position] ?? 0) ^ 0xff
  }

  copy(): Content {
    const copy = new Content()
    copy.#bytes = this.#bytes.slice()
    copy.length = this.length
    return copy
  }

  #resize(length: number): void {
    if (length > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.byteLength * 2))
      larger.set(this.#bytes.subarray(0, this.length))
      this.#bytes = larger
    }
    if (length < this.length) this.#bytes.fill(0, length, this.length)
    this.length = length
  }
}
