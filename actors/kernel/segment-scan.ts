import type { DiskFile } from './disk.ts'
import {
  checksum,
  GROUP_HEADER_BYTES,
  GROUP_MAGIC,
  type GroupHeader,
  parseGroupHeader,
} from './segment-format.ts'

/** Read at once; a group that is larger is read whole. */
const CHUNK_BYTES = 1024 * 1024

/** A group found whole: its header, and where its body lies in the chunk. */
export type ScannedGroup = Readonly<{ header: GroupHeader; bodyStart: number; bodyEnd: number }>
export type Chunk = Readonly<{ bytes: Buffer; groups: readonly ScannedGroup[] }>

export type ScanRange = Readonly<{
  seed: number
  /** Position and offset of the first group. */
  position: number
  offset: number
  /** Nothing is read from this position on, nor a group that begins at or after this offset. */
  bytesEnd: number
  offsetEnd: number
}>

/** Goes through the groups of a segment by their chain of offsets and checksums, a chunk at a time. */
export class GroupScanner {
  readonly #file: DiskFile
  readonly #range: ScanRange
  readonly #bodiesFrom: number
  #rest: Buffer = Buffer.alloc(0)
  #wantedBytes = CHUNK_BYTES
  /** Position and offset after the last good group. */
  position: number
  offset: number
  /** Where the last good group begins; 0 when there is none. */
  positionOfLast = 0

  /** Bodies that end at or before `bodiesFrom` are passed over unchecked. */
  constructor(file: DiskFile, range: ScanRange, bodiesFrom = 0) {
    this.#file = file
    this.#range = range
    this.#bodiesFrom = bodiesFrom
    this.position = range.position
    this.offset = range.offset
  }

  /** The next good groups, or null at the end or at the first damage: the caller compares `position` and `offset`. */
  async next(): Promise<Chunk | null> {
    while (this.position < this.#range.bytesEnd && this.offset < this.#range.offsetEnd) {
      const had = this.#rest.byteLength
      const bytes = await this.#fill()
      const groups = this.#groupsIn(bytes)
      if (groups.length > 0) return { bytes, groups }
      if (bytes.byteLength === had || this.#wantedBytes <= bytes.byteLength) return null
    }
    return null
  }

  async #fill(): Promise<Buffer> {
    const left = this.#range.bytesEnd - this.position
    const bytes = Buffer.allocUnsafeSlow(Math.min(left, Math.max(CHUNK_BYTES, this.#wantedBytes)))
    const kept = this.#rest.copy(bytes)
    const read = await this.#file.read(bytes.subarray(kept), this.position + kept)
    return bytes.subarray(0, kept + read)
  }

  #groupsIn(bytes: Buffer): ScannedGroup[] {
    const groups: ScannedGroup[] = []
    let at = 0
    this.#wantedBytes = 0
    while (this.offset < this.#range.offsetEnd) {
      const header = parseGroupHeader(bytes, at, this.#range.seed)
      if (!header) {
        if (bytes.byteLength - at < GROUP_HEADER_BYTES) this.#wantedBytes = GROUP_HEADER_BYTES
        break
      }
      const bodyStart = at + GROUP_HEADER_BYTES
      const bodyEnd = bodyStart + header.bodyBytes
      if (bodyEnd > bytes.byteLength) this.#wantedBytes = bodyEnd - at
      if (bodyEnd > bytes.byteLength || !this.#isGood(bytes, header, bodyStart, bodyEnd)) break
      groups.push({ header, bodyStart, bodyEnd })
      this.positionOfLast = this.position
      this.position += bodyEnd - at
      this.offset += header.offsets
      at = bodyEnd
    }
    this.#rest = bytes.subarray(at)
    return groups
  }

  #isGood(bytes: Buffer, header: GroupHeader, start: number, end: number): boolean {
    if (header.firstOffset !== this.offset || header.offsets < 1) return false
    if (header.firstOffset + header.offsets <= this.#bodiesFrom) return true
    return checksum(bytes.subarray(start, end), this.#range.seed) === header.bodyChecksum
  }
}

/** The position of an intact group header at or after `from`, or -1: then nothing written later follows (J1). */
export async function findGroupAfter(
  file: DiskFile,
  seed: number,
  from: number,
  bytesEnd: number,
): Promise<number> {
  const bytes = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  // Windows overlap by a header less one byte, so that none is cut in two.
  for (let start = from; start < bytesEnd; start += CHUNK_BYTES - GROUP_HEADER_BYTES + 1) {
    const length = Math.min(CHUNK_BYTES, bytesEnd - start)
    const read = bytes.subarray(0, await file.read(bytes.subarray(0, length), start))
    for (let at = read.indexOf(GROUP_MAGIC); at >= 0; at = read.indexOf(GROUP_MAGIC, at + 1)) {
      if (parseGroupHeader(read, at, seed)) return start + at
    }
  }
  return -1
}
