import { type Disk, diskCodeOf, type DiskFile } from './disk.ts'
import { OrreryError } from './errors.ts'
import type { JournalRecord } from './journal.ts'
import { ENTRY_HEADER_BYTES, kindOfCode, SEGMENT_HEADER_BYTES } from './segment-format.ts'
import { corrupt } from './segment-recovery.ts'
import { type Chunk, GroupScanner, type ScannedGroup } from './segment-scan.ts'

/** The part of a segment that may be read: what was committed when the reading began. */
export type Readable = Readonly<{
  path: string
  seed: number
  firstOffset: number
  offsetEnd: number
  bytesEnd: number
}>

/** Records from the one that holds `offset` on. Payloads look into a chunk: copy what is kept for long. */
export async function* readSegments(
  disk: Disk,
  segments: readonly Readable[],
  offset: number,
): AsyncGenerator<readonly JournalRecord[]> {
  for (const segment of segments) {
    if (segment.offsetEnd <= offset || segment.offsetEnd <= segment.firstOffset) continue
    const file = await openSegment(disk, segment.path)
    try {
      yield* readSegment(file, segment, offset)
    } finally {
      await file.close()
    }
  }
}

async function openSegment(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, 'read')
  } catch (cause) {
    if (diskCodeOf(cause) !== 'ENOENT') throw cause
    throw new OrreryError('journal_trimmed', `${path} was trimmed while it was read`, { cause })
  }
}

async function* readSegment(
  file: DiskFile,
  segment: Readable,
  offset: number,
): AsyncGenerator<readonly JournalRecord[]> {
  const { path, firstOffset } = segment
  const range = { ...segment, offset: firstOffset, position: SEGMENT_HEADER_BYTES }
  const scanner = new GroupScanner(file, range, offset)
  for (let chunk = await scanner.next(); chunk; chunk = await scanner.next()) {
    const records = recordsOf(chunk, path, offset)
    if (records.length > 0) yield records
  }
  if (scanner.offset !== segment.offsetEnd) {
    throw corrupt(path, scanner.position, scanner.offset, 'a group of entries does not add up')
  }
}

function recordsOf(chunk: Chunk, path: string, offset: number): JournalRecord[] {
  const records: JournalRecord[] = []
  const { buffer, byteOffset, byteLength } = chunk.bytes
  const view = new DataView(buffer, byteOffset, byteLength)
  for (const group of chunk.groups) {
    if (group.header.firstOffset + group.header.offsets <= offset) continue
    readGroup(chunk.bytes, view, group, path, offset, records)
  }
  return records
}

function readGroup(
  bytes: Buffer,
  view: DataView,
  group: ScannedGroup,
  path: string,
  wanted: number,
  records: JournalRecord[],
): void {
  let at = group.bodyStart
  let offset = group.header.firstOffset
  while (at < group.bodyEnd) {
    const kind = kindOfCode(view.getUint8(at))
    const count = view.getUint32(at + 4, true)
    const sourceAt = at + ENTRY_HEADER_BYTES
    const payloadAt = sourceAt + view.getUint8(at + 1)
    const end = payloadAt + view.getUint32(at + 8, true)
    if (!kind || end > group.bodyEnd) throw corrupt(path, at, offset, 'an entry does not add up')
    if (offset + count > wanted) {
      const source = bytes.toString('utf8', sourceAt, payloadAt)
      const receivedMs = view.getFloat64(at + 12, true)
      const payload = bytes.subarray(payloadAt, end)
      records.push({ kind, offset, count, receivedMs, source, payload })
    }
    offset += count
    at = end
  }
}
