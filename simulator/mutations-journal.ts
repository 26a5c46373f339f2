import type { Disk, DiskFile } from '../actors/kernel/disk.ts'
import type { Journal } from '../actors/kernel/journal.ts'
import {
  GROUP_HEADER_BYTES,
  parseGroupHeader,
  parseSegmentFileName,
  parseSegmentHeader,
  SEGMENT_HEADER_BYTES,
  writeGroupHeader,
} from '../actors/kernel/segment-format.ts'
import { JOURNAL_DIRECTORY } from './world-life.ts'

/** A disk whose data syncs do nothing. */
export function unsynced(disk: Disk): Disk {
  const file = (inner: DiskFile): DiskFile => ({
    size: () => inner.size(),
    read: (into, position) => inner.read(into, position),
    write: (bytes, position) => inner.write(bytes, position),
    syncData: () => Promise.resolve(),
    sync: () => inner.sync(),
    truncate: (bytes) => inner.truncate(bytes),
    close: () => inner.close(),
  })
  return {
    makeDirectory: (path) => disk.makeDirectory(path),
    list: (path) => disk.list(path),
    create: async (path) => file(await disk.create(path)),
    open: async (path, access) => file(await disk.open(path, access)),
    remove: (path) => disk.remove(path),
    syncDirectory: (path) => disk.syncDirectory(path),
    space: (path) => disk.space(path),
  }
}

/** A journal that says that an entry is on disk as soon as it has taken it. */
export function answersAtOnce(journal: Journal): Journal {
  let next = -1
  return {
    get partition() {
      return journal.partition
    },
    get firstOffset() {
      return journal.firstOffset
    },
    get nextOffset() {
      return journal.nextOffset
    },
    get bytesWaiting() {
      return journal.bytesWaiting
    },
    get bytesStored() {
      return journal.bytesStored
    },
    get refusing() {
      return journal.refusing
    },
    append(entry, done) {
      if (next < 0) next = journal.nextOffset
      const offset = next
      if (!journal.append(entry, () => {})) return false
      next += entry.count
      done({ ok: true, offset })
      return true
    },
    read: (offset) => journal.read(offset),
    readBatches: (offset) => journal.readBatches(offset),
    trim: (offset) => journal.trim(offset),
    close: () => journal.close(),
  }
}

/** Gives the last group of the newest segment the checksum that its bytes have: as if none were looked at. */
export async function tornTailTaken(disk: Disk): Promise<void> {
  const names = await disk.list(JOURNAL_DIRECTORY)
  const newest = names
    .filter((name) => parseSegmentFileName(name))
    .sort((a, b) => a.slice(17).localeCompare(b.slice(17)))
    .at(-1)
  if (!newest) return
  const file = await disk.open(`${JOURNAL_DIRECTORY}/${newest}`, 'write')
  const bytes = new Uint8Array(await file.size())
  await file.read(bytes, 0)
  const segment = parseSegmentHeader(bytes)
  if (typeof segment === 'string') return
  let at = SEGMENT_HEADER_BYTES
  for (;;) {
    const header = parseGroupHeader(bytes, at, segment.seed)
    if (!header) return
    const end = at + GROUP_HEADER_BYTES + header.bodyBytes
    if (end > bytes.length) return
    const group = bytes.slice(at, end)
    writeGroupHeader(group, header, segment.seed)
    await file.write(group, at)
    at = end
  }
}
