import type { EntryKind } from './journal.ts'

/*
 * A journal is a folder of segments, `<first offset>-<generation>.segment`, in order of generation.
 *
 *   segment  header: magic, format version, partition, first offset, seed, checksum; then groups
 *   group    header: magic, body bytes, entries, offsets taken, first offset, body checksum, header
 *            checksum; then entries. One group is one write and one fdatasync.
 *   entry    kind, source bytes, count, payload bytes, received time; then source and payload
 *
 * What holds, and what a reader may rely on:
 *
 * J1 A group is written only after all before it in the segment were synced. So a damaged group with
 *    an intact header after it was acknowledged once, and is an error; with nothing after it, it is a
 *    torn tail, never acknowledged, and is cut.
 * J2 A segment's header and its name in the folder are synced before its first group is written. So a
 *    newest segment with a damaged header and no groups held nothing.
 * J3 A segment ends where the next one begins: what it holds from the next one's first offset on was
 *    never acknowledged (a write or sync failed there) and is not read. After a failure the next
 *    group therefore goes into a fresh segment, whose first offset is the one after the last good group.
 * J4 The checksums are seeded by a random number in the segment's header, so neither a sender's bytes
 *    nor an old segment's blocks can pass for a group.
 * J5 Trimming removes the oldest first and syncs the folder each time: what is left has no hole.
 */

export const FORMAT_VERSION = 1
export const SEGMENT_HEADER_BYTES = 40
export const GROUP_HEADER_BYTES = 40
export const ENTRY_HEADER_BYTES = 20
export const SOURCE_BYTES_MAX = 255

const SEGMENT_MAGIC = [0x4f524a4c, 0x0d0a1a0a] as const
/** First bytes of a group, in file order; what a search for later groups looks for. */
export const GROUP_MAGIC = new Uint8Array([0xb7, 0x47, 0x52, 0x50])
const GROUP_MAGIC_WORD = 0x505247b7
const NAME = /^(\d{16})-(\d{8})\.segment$/

const KINDS: readonly EntryKind[] = [
  'pings',
  'dead_letter',
  'timer',
  'trips',
  'retry',
  'flush',
  'relayed',
]
const KIND_CODES: Readonly<Record<EntryKind, number>> = {
  pings: 0,
  dead_letter: 1,
  timer: 2,
  trips: 3,
  retry: 4,
  flush: 5,
  relayed: 6,
}

export type SegmentName = Readonly<{ firstOffset: number; generation: number }>
export type SegmentHeader = Readonly<{ partition: number; firstOffset: number; seed: number }>
export type GroupHeader = Readonly<{
  bodyBytes: number
  entries: number
  /** Offsets that the entries take together. */
  offsets: number
  firstOffset: number
  bodyChecksum: bigint
}>

/** The file name of a segment. The generation tells segments with the same first offset apart. */
export function segmentFileName(name: SegmentName): string {
  const { firstOffset, generation } = name
  return `${String(firstOffset).padStart(16, '0')}-${String(generation).padStart(8, '0')}.segment`
}

/** What a file name says, or null when the file is none of ours. */
export function parseSegmentFileName(name: string): SegmentName | null {
  const match = NAME.exec(name)
  return match && { firstOffset: Number(match[1]), generation: Number(match[2]) }
}

/** The bytes a segment begins with. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, SEGMENT_MAGIC[0])
  view.setUint32(4, SEGMENT_MAGIC[1])
  view.setUint32(8, FORMAT_VERSION, true)
  view.setUint32(12, header.partition, true)
  view.setFloat64(16, header.firstOffset, true)
  view.setUint32(24, header.seed, true)
  view.setBigUint64(32, checksum(bytes.subarray(0, 32), header.seed), true)
  return bytes
}

/** Reads a segment's header: 'newer' was written by a later version, 'damaged' does not add up. */
export function parseSegmentHeader(bytes: Uint8Array): SegmentHeader | 'newer' | 'damaged' {
  if (bytes.byteLength < SEGMENT_HEADER_BYTES) return 'damaged'
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES)
  if (view.getUint32(0) !== SEGMENT_MAGIC[0] || view.getUint32(4) !== SEGMENT_MAGIC[1]) {
    return 'damaged'
  }
  // Before the checksum: a later version may have another header, and must not look damaged.
  const version = view.getUint32(8, true)
  if (version > FORMAT_VERSION) return 'newer'
  const seed = view.getUint32(24, true)
  const sum = checksum(bytes.subarray(0, 32), seed)
  if (version < 1 || sum !== view.getBigUint64(32, true)) return 'damaged'
  return { partition: view.getUint32(12, true), firstOffset: view.getFloat64(16, true), seed }
}

/** Writes a group's header into the first bytes of `group`, over the body that follows it. */
export function writeGroupHeader(
  group: Uint8Array,
  header: Omit<GroupHeader, 'bodyChecksum' | 'bodyBytes'>,
  seed: number,
): void {
  const view = new DataView(group.buffer, group.byteOffset, GROUP_HEADER_BYTES)
  view.setUint32(0, GROUP_MAGIC_WORD, true)
  view.setUint32(4, group.byteLength - GROUP_HEADER_BYTES, true)
  view.setUint32(8, header.entries, true)
  view.setUint32(12, header.offsets, true)
  view.setFloat64(16, header.firstOffset, true)
  view.setBigUint64(24, checksum(group.subarray(GROUP_HEADER_BYTES), seed), true)
  view.setBigUint64(32, checksum(group.subarray(0, 32), seed), true)
}

/** Reads the group header at `at`, or null when there is no intact one. */
export function parseGroupHeader(bytes: Uint8Array, at: number, seed: number): GroupHeader | null {
  if (bytes.byteLength - at < GROUP_HEADER_BYTES) return null
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, GROUP_HEADER_BYTES)
  if (view.getUint32(0, true) !== GROUP_MAGIC_WORD) return null
  const sum = checksum(bytes.subarray(at, at + 32), seed)
  if (sum !== view.getBigUint64(32, true)) return null
  return {
    bodyBytes: view.getUint32(4, true),
    entries: view.getUint32(8, true),
    offsets: view.getUint32(12, true),
    firstOffset: view.getFloat64(16, true),
    bodyChecksum: view.getBigUint64(24, true),
  }
}

/** The number that stands for a kind on disk. */
export function codeOfKind(kind: EntryKind): number {
  return KIND_CODES[kind]
}

/** The kind that a number on disk stands for. */
export function kindOfCode(code: number): EntryKind | undefined {
  return KINDS[code]
}

/** xxHash3, fast enough to check every byte: a gigabyte takes about 0.15 s. */
export function checksum(bytes: Uint8Array, seed: number): bigint {
  return Bun.hash.xxHash3(bytes, BigInt(seed))
}
