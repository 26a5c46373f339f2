import { dirname, join } from 'node:path'

import { type Disk, type DiskFile, writeAll } from './disk.ts'
import { messageOf, OrreryError } from './errors.ts'
import {
  parseSegmentFileName,
  parseSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  type SegmentName,
} from './segment-format.ts'
import { findGroupAfter, GroupScanner } from './segment-scan.ts'
import type { Log } from './telemetry.ts'

/** A segment as the journal knows it. `bytes` is how far it may be read; the newest one grows. */
export type Segment = { readonly path: string; readonly header: SegmentHeader; bytes: number }

export type Recovered = Readonly<{
  segments: Segment[]
  nextOffset: number
  nextGeneration: number
  /** The newest segment, open for writing; null in an empty folder. */
  file: DiskFile | null
}>

export type RecoveryOptions = Readonly<{
  directory: string
  partition: number
  disk: Disk
  log: Log
}>

type Found = SegmentName & Readonly<{ path: string }>
type Opened = Found & Readonly<{ header: SegmentHeader | 'damaged'; bytes: number }>

/** Finds what a folder holds: the older segments by their headers alone, the newest checked group by group. */
export async function recoverSegments(options: RecoveryOptions): Promise<Recovered> {
  try {
    return await recover(options)
  } catch (cause) {
    if (cause instanceof OrreryError) throw cause
    const message = `the journal in ${options.directory} cannot be opened: ${messageOf(cause)}`
    throw new OrreryError('journal_unreadable', message, { cause, retriable: true })
  }
}

/** The error for bytes that were committed once and are not readable now. */
export function corrupt(path: string, position: number, offset: number, what: string): OrreryError {
  return new OrreryError(
    'journal_corrupt',
    `${path} is damaged at byte ${position}, offset ${offset}: ${what}; ` +
      'restore the file from a copy, or move the journal folder away to start without it',
  )
}

async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { directory, disk } = options
  await disk.makeDirectory(directory)
  await disk.syncDirectory(dirname(directory))
  const found = await findSegments(options)
  const opened: Opened[] = []
  for (const segment of found) opened.push(await openHeader(options, segment))
  const { kept, unused } = sortOut(opened)
  for (const { path, generation } of unused) {
    options.log.info({ path, generation }, 'journal segment without entries removed')
    await disk.remove(path)
  }
  // Also makes sure that names written just before a crash stay.
  await disk.syncDirectory(directory)
  const nextGeneration = (found.at(-1)?.generation ?? 0) + 1
  const newest = kept.at(-1)
  if (!newest) return { segments: [], nextOffset: 0, nextGeneration, file: null }
  return { segments: kept, nextGeneration, ...(await openNewest(options, newest)) }
}

async function findSegments({ disk, directory }: RecoveryOptions): Promise<Found[]> {
  const found: Found[] = []
  for (const name of await disk.list(directory)) {
    const parsed = parseSegmentFileName(name)
    if (parsed) found.push({ ...parsed, path: join(directory, name) })
  }
  found.sort((a, b) => a.generation - b.generation)
  for (const [index, segment] of found.entries()) {
    const next = found[index + 1]
    if (next && next.firstOffset < segment.firstOffset) {
      throw corrupt(next.path, 0, next.firstOffset, 'it begins before an older segment')
    }
  }
  return found
}

async function openHeader(options: RecoveryOptions, found: Found): Promise<Opened> {
  const file = await options.disk.open(found.path, 'read')
  try {
    const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
    const header = parseSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)))
    if (header === 'newer') {
      const message = `${found.path} was written by a newer version of Orrery; start that version`
      throw new OrreryError('journal_newer', message)
    }
    if (header !== 'damaged' && header.firstOffset !== found.firstOffset) {
      throw corrupt(found.path, 0, header.firstOffset, 'the name says another offset')
    }
    if (header !== 'damaged' && header.partition !== options.partition) {
      const message = `${found.path} belongs to partition ${header.partition}, not ${options.partition}`
      throw new OrreryError('journal_other_partition', message)
    }
    return { ...found, header, bytes: await file.size() }
  } finally {
    await file.close()
  }
}

/** Newest first, because a segment ends where the next one begins (J3). */
function sortOut(opened: readonly Opened[]): { kept: Segment[]; unused: Opened[] } {
  const kept: Segment[] = []
  const unused: Opened[] = []
  for (const segment of opened.toReversed()) {
    const { header, path, bytes } = segment
    const next = kept[0]
    const isUnborn = !next && header === 'damaged' && bytes <= SEGMENT_HEADER_BYTES // J2
    if (isUnborn || next?.header.firstOffset === segment.firstOffset) unused.push(segment)
    else if (header === 'damaged') throw corrupt(path, 0, segment.firstOffset, 'its header')
    else kept.unshift({ path, header, bytes })
  }
  return { kept, unused }
}

async function openNewest(
  { disk, log }: RecoveryOptions,
  segment: Segment,
): Promise<{ nextOffset: number; file: DiskFile }> {
  const { path, header, bytes } = segment
  const file = await disk.open(path, 'write')
  try {
    const { firstOffset, seed } = header
    const range = { seed, offset: firstOffset, position: SEGMENT_HEADER_BYTES }
    const scanner = new GroupScanner(file, { ...range, bytesEnd: bytes, offsetEnd: Infinity })
    while (await scanner.next());
    const { position, offset } = scanner
    if (position < bytes) {
      const later = await findGroupAfter(file, seed, position + 1, bytes)
      if (later >= 0) throw corrupt(path, position, offset, `entries follow at byte ${later}`)
      await file.truncate(position)
      log.warn({ path, position, offset, bytes: bytes - position }, 'torn journal tail cut')
    }
    await makeDurable(file, scanner.positionOfLast, position)
    segment.bytes = position
    return { nextOffset: offset, file }
  } catch (cause) {
    await file.close()
    throw cause
  }
}

/**
 * The last group may be all there and yet not durable: the process died before its sync, or that sync
 * failed, and then another would do nothing for pages that the kernel takes for written. As it counts as
 * committed from here on, it is written again; all before it was synced (J1). The same goes for the header
 * of a segment without groups (J2).
 */
async function makeDurable(file: DiskFile, start: number, end: number): Promise<void> {
  const group = new Uint8Array(end - start)
  await file.read(group, start)
  await writeAll(file, group, start)
  await file.sync()
}
