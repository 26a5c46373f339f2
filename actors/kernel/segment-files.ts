import { join } from 'node:path'

import type { Clock, Random } from './clock.ts'
import { type Disk, DiskError, type DiskFile, writeAll } from './disk.ts'
import { messageOf } from './errors.ts'
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES, segmentFileName } from './segment-format.ts'
import type { Group } from './segment-group.ts'
import type { Readable } from './segment-reader.ts'
import { type Recovered, recoverSegments, type Segment } from './segment-recovery.ts'
import type { Log } from './telemetry.ts'

const SPACE_CHECK_MS = 5_000
const SPACE_CHECK_BYTES = 64 * 1024 * 1024

export type SegmentFilesOptions = Readonly<{
  directory: string
  partition: number
  disk: Disk
  clock: Clock
  log: Log
  random: Random
  segmentBytesMax: number
  reserveBytes: number
}>

/** The segments of one folder: groups go to the end of the newest, old ones are let go at the front. */
export class SegmentFiles {
  readonly #options: SegmentFilesOptions
  readonly #segments: Segment[]
  /** The newest segment, while it can be trusted to take more. */
  #file: DiskFile | null
  #nextGeneration: number
  #bytesUntilSpaceCheck = 0
  #spaceCheckDueMs = 0
  #trimming: Promise<void> = Promise.resolve()
  /** A segment was removed, and the folder not synced since. */
  #removed = false
  /** Segments without entries that could not be removed: they must go before one older than them does (J5). */
  readonly #leftovers: string[] = []
  nextOffset: number

  private constructor(options: SegmentFilesOptions, recovered: Recovered) {
    this.#options = options
    this.#segments = recovered.segments
    this.#file = recovered.file
    this.#nextGeneration = recovered.nextGeneration
    this.nextOffset = recovered.nextOffset
  }

  static async open(options: SegmentFilesOptions): Promise<SegmentFiles> {
    return new SegmentFiles(options, await recoverSegments(options))
  }

  get firstOffset(): number {
    return this.#segments[0]?.header.firstOffset ?? this.nextOffset
  }

  get count(): number {
    return this.#segments.length
  }

  get bytesStored(): number {
    let bytes = 0
    for (const segment of this.#segments) bytes += segment.bytes
    return bytes
  }

  /** Writes and syncs a group. When it throws, the group may be there or not: `cutBack` comes next. */
  async commit(group: Group): Promise<void> {
    await this.#leaveReserve(group.bytes)
    let segment = this.#segments.at(-1)
    const { segmentBytesMax } = this.#options
    const isFull = segment && segment.bytes + group.bytes > segmentBytesMax
    if (!segment || !this.#file || (isFull && segment.bytes > SEGMENT_HEADER_BYTES)) {
      segment = await this.startFresh(group.bytes)
    }
    const file = this.#file
    if (!file) throw new DiskError('EIO', 'the new segment was closed')
    await writeAll(file, group.seal(this.nextOffset, segment.header.seed), segment.bytes)
    await file.syncData()
    segment.bytes += group.bytes
    this.nextOffset += group.offsets
  }

  /** Begins a segment, durable with its name before anything is in it (J2). */
  async startFresh(bytesToCome: number): Promise<Segment> {
    const { directory, disk, partition, random } = this.#options
    await this.#leaveReserve(bytesToCome)
    const firstOffset = this.nextOffset
    const name = { firstOffset, generation: this.#nextGeneration++ }
    const path = join(directory, segmentFileName(name))
    const header = { partition, firstOffset, seed: Math.floor(random() * 2 ** 32) }
    const file = await disk.create(path)
    try {
      await writeAll(file, encodeSegmentHeader(header), 0)
      await file.sync()
      await disk.syncDirectory(directory)
    } catch (cause) {
      await this.#quietly(file.close(), path)
      await this.#discard(path)
      throw cause
    }
    if (this.#file) await this.#quietly(this.#file.close(), path)
    this.#file = file
    const segment = { path, header, bytes: SEGMENT_HEADER_BYTES }
    this.#segments.push(segment)
    await this.#dropUnused(segment)
    return segment
  }

  /**
   * After a failed write or sync: takes away what may have reached the segment beyond its last good
   * group, and lets go of the segment. If that fails too, the next segment's first offset says where
   * this one ends (J3).
   */
  async cutBack(): Promise<void> {
    const file = this.#file
    const segment = this.#segments.at(-1)
    this.#file = null
    if (!file || !segment) return
    const { path, bytes } = segment
    try {
      await file.truncate(bytes)
      await file.sync()
    } catch (cause) {
      const error = messageOf(cause)
      this.#options.log.warn({ path, bytes, error }, 'journal segment left with a torn end')
    }
    await this.#quietly(file.close(), path)
  }

  /** Removes whole segments that end at or before `offset`, never the newest. */
  trim(offset: number): Promise<void> {
    const trimmed = this.#trimming.then(() => this.#trim(offset))
    this.#trimming = trimmed.catch(() => {})
    return trimmed
  }

  /** What can be read now. */
  readable(): Readable[] {
    return this.#segments.map(({ path, header, bytes }, index) => ({
      path,
      seed: header.seed,
      firstOffset: header.firstOffset,
      offsetEnd: this.#segments[index + 1]?.header.firstOffset ?? this.nextOffset,
      bytesEnd: bytes,
    }))
  }

  async close(): Promise<void> {
    await this.#trimming
    await this.#file?.close()
    this.#file = null
  }

  async #trim(offset: number): Promise<void> {
    const { disk } = this.#options
    for (;;) {
      for (let path = this.#leftovers[0]; path; path = this.#leftovers[0]) {
        await disk.remove(path)
        this.#leftovers.shift()
        this.#removed = true
      }
      await this.#syncRemovals()
      const [oldest, next] = this.#segments
      if (!oldest || !next || next.header.firstOffset > offset) return
      await disk.remove(oldest.path)
      this.#segments.shift()
      this.#removed = true
    }
  }

  /** Before the next removal: the oldest must not come back after it (J5). */
  async #syncRemovals(): Promise<void> {
    if (!this.#removed) return
    this.#removed = false // First, because another may be removed meanwhile.
    try {
      await this.#options.disk.syncDirectory(this.#options.directory)
    } catch (cause) {
      this.#removed = true
      throw cause
    }
  }

  /** A segment without entries before the fresh one is not needed any more (J3). */
  async #dropUnused(fresh: Segment): Promise<void> {
    const at = this.#segments.indexOf(fresh) - 1
    const before = this.#segments[at]
    if (!before || before.header.firstOffset !== fresh.header.firstOffset) return
    this.#segments.splice(at, 1)
    await this.#discard(before.path)
  }

  /** Stops before the last byte of the disk is taken: the stores beside the journal need some to recover. */
  async #leaveReserve(bytes: number): Promise<void> {
    const { clock, directory, disk, reserveBytes } = this.#options
    this.#bytesUntilSpaceCheck -= bytes
    const nowMs = clock.monotonicMs()
    if (reserveBytes === 0) return
    if (this.#bytesUntilSpaceCheck > 0 && nowMs < this.#spaceCheckDueMs) return
    const { bytesFree, bytesTotal } = await disk.space(directory)
    const spare = bytesFree - Math.min(reserveBytes, bytesTotal / 16) - bytes
    if (spare < 0) {
      this.#bytesUntilSpaceCheck = 0
      throw new DiskError('ENOSPC', `${Math.floor(bytesFree / 1024)} KiB are left on the disk`)
    }
    this.#bytesUntilSpaceCheck = Math.min(spare / 2, SPACE_CHECK_BYTES)
    this.#spaceCheckDueMs = nowMs + SPACE_CHECK_MS
  }

  async #discard(path: string): Promise<void> {
    try {
      await this.#options.disk.remove(path)
      this.#removed = true
    } catch (cause) {
      this.#leftovers.push(path)
      this.#options.log.debug({ path, error: messageOf(cause) }, 'journal file not removed yet')
    }
  }

  /** For what is tidying up: nothing depends on its success. */
  async #quietly(work: Promise<void>, path: string): Promise<void> {
    try {
      await work
    } catch (cause) {
      this.#options.log.debug({ path, error: messageOf(cause) }, 'journal file not tidied up')
    }
  }
}
