import type { Clock, Random } from './clock.ts'
import { type Disk, diskCodeOf } from './disk.ts'
import { assert, messageOf } from './errors.ts'
import {
  type AppendOutcome,
  checkReadable,
  type Journal,
  type JournalEntry,
  type JournalRecord,
} from './journal.ts'
import { SegmentFiles } from './segment-files.ts'
import { Group } from './segment-group.ts'
import { readSegments } from './segment-reader.ts'
import { JournalStatistics } from './segment-statistics.ts'
import type { Log, Telemetry } from './telemetry.ts'

const MIB = 1024 * 1024
const PROBE_MS_AT_FIRST = 50
const PROBE_MS_MAX = 1_000
/** Room that a probe asks for: enough that the next group is not refused again at once. */
const PROBE_BYTES = 64 * 1024
/** Two are swapped while the disk keeps up; more are let go. */
const SPARE_GROUPS_MAX = 2
const FULL_CODES: readonly string[] = ['ENOSPC', 'EDQUOT', 'EFBIG']

export type SegmentJournalOptions = Readonly<{
  /** Folder of this partition's segments, and of nothing else. */
  directory: string
  partition: number
  clock: Clock
  log: Log
  telemetry: Telemetry
  disk: Disk
  /** Size at which a segment is followed by the next; default 64 MiB. */
  segmentBytesMax?: number
  /** Bytes offered and not yet synced at which appends are refused as busy; default 32 MiB. */
  waitingBytesMax?: number
  /** Bytes written and synced together; default 8 MiB. A larger entry goes alone. */
  groupBytesMax?: number
  /** Least time from the start of one group to the next while entries keep coming; default 2 ms. A sync costs 0.15 ms of CPU. */
  groupMsMin?: number
  /** Room left free on the disk; default 32 MiB, never more than a sixteenth of the disk; 0 for none. */
  reserveBytes?: number
  /** For the seeds of checksums. */
  random?: Random
}>

type Refusal = Extract<AppendOutcome, { ok: false }>
type Committed = Readonly<{ group: Group; failure: Refusal | null }>

/** The journal of one partition, in a folder of append-only segments (segment-format.ts says what holds). */
export class SegmentJournal implements Journal {
  readonly partition: number
  readonly #options: Required<SegmentJournalOptions>
  readonly #files: SegmentFiles
  readonly #statistics: JournalStatistics
  #filling: Group
  /** Groups that are full and wait for the disk, oldest first. */
  readonly #full: Group[] = []
  readonly #spare: Group[] = []
  #bytesWaiting = 0
  #running: Promise<void> | null = null
  #isWoken = false
  #cancelWake = (): void => {}
  /** When the newest group began to be written. */
  #startedMs = -Infinity
  #trouble: 'full' | 'failed' | null = null
  #cancelProbe = (): void => {}
  #recovering: Promise<void> = Promise.resolve()
  #closing: Promise<void> | null = null

  private constructor(options: Required<SegmentJournalOptions>, files: SegmentFiles) {
    this.#options = options
    this.partition = options.partition
    this.#files = files
    this.#filling = new Group(options.groupBytesMax)
    this.#statistics = new JournalStatistics(options.telemetry, this)
  }

  /** Opens or makes the folder; cuts a torn tail; refuses a journal that is damaged, newer or another's. */
  static async open(given: SegmentJournalOptions): Promise<SegmentJournal> {
    const options = {
      segmentBytesMax: 64 * MIB,
      waitingBytesMax: 32 * MIB,
      groupBytesMax: 8 * MIB,
      groupMsMin: 2,
      reserveBytes: 32 * MIB,
      random: Math.random,
      ...given,
    }
    const { clock, log, partition } = options
    const startMs = clock.monotonicMs()
    const files = await SegmentFiles.open(options)
    const journal = new SegmentJournal(options, files)
    const { firstOffset, nextOffset, bytesStored } = journal
    const tookMs = Math.round(clock.monotonicMs() - startMs)
    const found = { segments: files.count, firstOffset, nextOffset, bytesStored }
    log.info({ partition, ...found, tookMs }, 'journal opened')
    return journal
  }

  get firstOffset(): number {
    return this.#files.firstOffset
  }

  get nextOffset(): number {
    return this.#files.nextOffset
  }

  get bytesWaiting(): number {
    return this.#bytesWaiting
  }

  get bytesStored(): number {
    return this.#files.bytesStored
  }

  get refusing(): 'busy' | 'full' | 'failed' | 'closed' | null {
    if (this.#closing) return 'closed'
    if (this.#trouble) return this.#trouble
    return this.#bytesWaiting >= this.#options.waitingBytesMax ? 'busy' : null
  }

  append(entry: JournalEntry, done: (outcome: AppendOutcome) => void): boolean {
    if (this.refusing !== null) {
      this.#statistics.refused.add()
      return false
    }
    let bytes = this.#filling.add(entry, done)
    if (bytes === 0) {
      this.#full.push(this.#filling)
      this.#filling = this.#spare.pop() ?? new Group(this.#options.groupBytesMax)
      bytes = this.#filling.add(entry, done)
      assert(bytes > 0, 'an empty group takes any entry')
    }
    this.#bytesWaiting += bytes
    if (!this.#running) this.#wake()
    return true
  }

  async *read(offset: number): AsyncGenerator<JournalRecord> {
    for await (const records of this.readBatches(offset)) yield* records
  }

  readBatches(offset: number): AsyncGenerator<readonly JournalRecord[]> {
    checkReadable(this, offset)
    return readSegments(this.#options.disk, this.#files.readable(), offset)
  }

  trim(offset: number): Promise<void> {
    return this.#files.trim(offset)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    while (this.#running || this.#filling.entries > 0) await this.#run()
    this.#cancelProbe()
    await this.#recovering
    await this.#files.close()
  }

  /** Not at once: everything that this turn of the event loop reads goes into one group. */
  #wake(): void {
    if (this.#isWoken) return
    this.#isWoken = true
    const { clock } = this.#options
    const run = (): void => void this.#run()
    const pauseMs = this.#pauseMs()
    if (pauseMs > 0) this.#cancelWake = clock.after(pauseMs, run)
    else clock.soon(run)
  }

  /** How long the next group should wait for more entries. */
  #pauseMs(): number {
    if (this.#closing || this.#full.length > 0) return 0
    const { clock, groupMsMin } = this.#options
    return Math.max(0, this.#startedMs + groupMsMin - clock.monotonicMs())
  }

  /** Commits what waits; a second call while it runs waits for that one. */
  #run(): Promise<void> {
    this.#isWoken = false
    this.#cancelWake()
    if (this.#running) return this.#running
    if (this.#filling.entries === 0) return Promise.resolve()
    this.#running = this.#commitAll()
    return this.#running
  }

  async #commitAll(): Promise<void> {
    let writing = this.#commitNext()
    while (writing) {
      const { group, failure } = await writing
      if (failure) {
        this.#fail(group, failure)
        break
      }
      const offset = this.nextOffset - group.offsets
      // Senders are told while the next group is on its way to disk; what they append joins the one after.
      writing = this.#pauseMs() > 0 ? null : this.#commitNext()
      this.#settle(group, offset)
    }
    this.#running = null
    if (this.#filling.entries > 0) this.#wake()
  }

  #commitNext(): Promise<Committed> | null {
    const group = this.#take()
    return group && this.#commit(group)
  }

  #take(): Group | null {
    const group = this.#full.shift() ?? (this.#filling.entries > 0 ? this.#filling : null)
    if (group === this.#filling) {
      this.#filling = this.#spare.pop() ?? new Group(this.#options.groupBytesMax)
    }
    return group
  }

  async #commit(group: Group): Promise<Committed> {
    const { clock } = this.#options
    const startMs = clock.monotonicMs()
    this.#startedMs = startMs
    try {
      await this.#files.commit(group)
    } catch (cause) {
      const reason = FULL_CODES.includes(diskCodeOf(cause)) ? 'full' : 'failed'
      return { group, failure: { ok: false, reason, message: messageOf(cause) } }
    }
    const { groups, entries, offsets, syncMs } = this.#statistics
    syncMs.observe(clock.monotonicMs() - startMs)
    groups.add()
    entries.add(group.entries)
    offsets.add(group.offsets)
    return { group, failure: null }
  }

  /** Tells a group's senders. */
  #settle(group: Group, outcome: number | Refusal): void {
    this.#bytesWaiting -= group.entryBytes
    group.settle(outcome, (thrown) => {
      this.#options.log.error({ error: messageOf(thrown) }, 'a journal callback threw')
    })
    if (this.#spare.length < SPARE_GROUPS_MAX) this.#spare.push(group)
  }

  /** Nothing that waits can be written, and what was being written may be there or not. */
  #fail(group: Group, refusal: Refusal): void {
    const { log, partition } = this.#options
    const { reason, message } = refusal
    log.error({ partition, reason, error: message }, 'journal takes no entries')
    this.#statistics.failures.add()
    this.#trouble = refusal.reason === 'full' ? 'full' : 'failed'
    this.#settle(group, refusal)
    for (let next = this.#take(); next; next = this.#take()) this.#settle(next, refusal)
    this.#recovering = this.#files.cutBack().then(() => this.#probeAfter(PROBE_MS_AT_FIRST))
  }

  #probeAfter(delayMs: number): void {
    if (this.#closing) return
    this.#cancelProbe = this.#options.clock.after(delayMs, () => {
      this.#recovering = this.#probe(delayMs)
    })
  }

  /** A fresh segment on disk shows that the disk takes entries again. */
  async #probe(delayMs: number): Promise<void> {
    const { log, partition } = this.#options
    try {
      await this.#files.startFresh(PROBE_BYTES)
    } catch (cause) {
      log.debug({ partition, error: messageOf(cause) }, 'journal still takes no entries')
      this.#probeAfter(Math.min(delayMs * 2, PROBE_MS_MAX))
      return
    }
    this.#trouble = null
    log.info({ partition, nextOffset: this.nextOffset }, 'journal takes entries again')
  }
}
