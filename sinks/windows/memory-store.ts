import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type {
  RegionTotals,
  RegionWindow,
  WindowRange,
  WindowSizeS,
} from '../../actors/model/window.ts'
import type { Marks } from '../metrics/memory-store.ts'
import { SinkError } from '../sink.ts'
import { decodeEntry, encodeEntry } from './ledger-codec.ts'
import {
  type LedgerEntry,
  type LedgerLimits,
  PartitionLedger,
  type WindowsSince,
} from './ledger.ts'
import type { WindowsChange, WindowStore } from './store.ts'

/** A window goes an hour after its last write. */
export const WINDOW_TTL_MS = 3_600_000

export type MemoryWindowStoreOptions = Readonly<{
  clock: Clock
  ttlMs?: number
  /** Windows kept a partition, whatever their time to live; some 400 bytes each. */
  windowsMax?: number
  /** Marks a partition; the data of one count is not read with another. */
  slots?: number
}>

const OWNER_MARK = 'windows-owner'

/**
 * Windows in memory, durable through a ring of marks a partition. Each change is one mark, written over
 * the oldest one together with what that one alone still held: a single save is the atomic step, it is as
 * small as the change, and the ring stays as large as what is served.
 */
export class MemoryWindowStore implements WindowStore {
  readonly #marks: Marks
  readonly #clock: Clock
  readonly #limits: LedgerLimits
  readonly #held = new Map<number, PartitionLedger>()
  /** Their last save has an unknown outcome: what is held may be old. */
  readonly #doubtful = new Set<number>()
  readonly #turns = new Map<number, Promise<unknown>>()
  #owner: Promise<string> | null = null

  constructor(marks: Marks, options: MemoryWindowStoreOptions) {
    const { clock, ttlMs = WINDOW_TTL_MS, windowsMax = 100_000, slots = 512 } = options
    this.#marks = marks
    this.#clock = clock
    this.#limits = { ttlMs, windowsMax, slots }
  }

  fence(partition: number, signal: AbortSignal): Promise<number> {
    return this.#inTurn(partition, signal, async () => this.#hold(partition).fence)
  }

  apply(change: WindowsChange, signal: AbortSignal): Promise<boolean> {
    return this.#inTurn(change.partition, signal, () => this.#apply(change))
  }

  /** What was written after `offset`, for a copy that stands there. */
  since(partition: number, offset: number): WindowsSince {
    const ledger = this.#hold(partition)
    ledger.expire(this.#clock.nowMs())
    return ledger.since(offset)
  }

  /** The name of this data, made once and kept with it: a copy says whose it is. */
  owner(): Promise<string> {
    this.#owner ??= this.#ownName().catch((cause: unknown) => {
      this.#owner = null
      throw new SinkError(`windows have no name: ${messageOf(cause)}`, { retriable: true, cause })
    })
    return this.#owner
  }

  async latest(regionId: number, sizeS: WindowSizeS): Promise<RegionWindow | null> {
    const found = this.#ledgers().flatMap((ledger) => ledger.latest(regionId, sizeS) ?? [])
    return found.toSorted((a, b) => b.startMs - a.startMs)[0] ?? null
  }

  async latestOfAll(sizeS: WindowSizeS): Promise<readonly RegionWindow[]> {
    return this.#ofAll((ledger, regionId) => ledger.latest(regionId, sizeS))
  }

  async atStart(sizeS: WindowSizeS, startMs: number): Promise<readonly RegionWindow[]> {
    return this.#ofAll((ledger, regionId) => ledger.window(regionId, sizeS, startMs))
  }

  async range(range: WindowRange): Promise<readonly RegionWindow[]> {
    const found = this.#ledgers().flatMap((ledger) => ledger.range(range))
    return found.toSorted((a, b) => a.startMs - b.startMs).slice(-range.limit)
  }

  async totals(): Promise<readonly RegionTotals[]> {
    const found = this.#ledgers().flatMap((ledger) => ledger.totals())
    return found.toSorted((a, b) => a.regionId - b.regionId)
  }

  async watermarkMs(): Promise<number | null> {
    const known = this.#ledgers().flatMap((ledger) => ledger.watermarkMs ?? [])
    return known.length === 0 ? null : Math.min(...known)
  }

  async close(): Promise<void> {}

  /** Windows held, of all partitions. */
  get size(): number {
    let size = 0
    for (const ledger of this.#held.values()) size += ledger.size
    return size
  }

  #ledgers(): PartitionLedger[] {
    const nowMs = this.#clock.nowMs()
    for (const ledger of this.#held.values()) ledger.expire(nowMs)
    return [...this.#held.values()]
  }

  #ofAll(
    pick: (ledger: PartitionLedger, regionId: number) => RegionWindow | null,
  ): readonly RegionWindow[] {
    const found: RegionWindow[] = []
    for (const ledger of this.#ledgers()) {
      for (const regionId of ledger.regions()) {
        const window = pick(ledger, regionId)
        if (window) found.push(window)
      }
    }
    return found.sort((a, b) => a.regionId - b.regionId)
  }

  // One step at a time for each partition: what lies between the look and the mark is not shared.
  #inTurn<T>(partition: number, signal: AbortSignal, step: () => Promise<T>): Promise<T> {
    const before = this.#turns.get(partition) ?? Promise.resolve()
    const turn = before.then(() => {
      if (!signal.aborted) return step()
      throw new SinkError('aborted', { retriable: true, cause: signal.reason })
    })
    this.#turns.set(
      partition,
      turn.catch(() => {}),
    )
    return turn
  }

  async #apply(change: WindowsChange): Promise<boolean> {
    const { partition, nowMs } = change
    const ledger = this.#hold(partition)
    if (ledger.fence !== change.fenceFrom) return false
    ledger.expire(nowMs)
    const entry = ledger.entryOf(change)
    const name = markName(partition, entry.sequence % this.#limits.slots)
    try {
      await this.#marks.saveMark(name, encodeEntry(entry, this.#limits.slots))
    } catch (cause) {
      // Whoever comes next looks again; readers see what was there before meanwhile.
      this.#doubtful.add(partition)
      const message = `windows are not saved: ${messageOf(cause)}`
      throw new SinkError(message, { retriable: true, cause })
    }
    ledger.take(entry)
    ledger.expire(nowMs)
    return true
  }

  #hold(partition: number): PartitionLedger {
    const held = this.#held.get(partition)
    if (held && !this.#doubtful.has(partition)) return held
    const ledger = new PartitionLedger(this.#limits, this.#read(partition))
    ledger.expire(this.#clock.nowMs())
    this.#held.set(partition, ledger)
    this.#doubtful.delete(partition)
    return ledger
  }

  #read(partition: number): readonly LedgerEntry[] {
    const { slots } = this.#limits
    const found: LedgerEntry[] = []
    for (let slot = 0; slot < slots; slot++) {
      const name = markName(partition, slot)
      try {
        const bytes = this.#marks.loadMark(name)
        if (bytes) found.push(decodeEntry(bytes, slots))
      } catch (cause) {
        const message = `windows cannot be read from ${name}: ${messageOf(cause)}`
        throw new SinkError(message, { retriable: false, cause })
      }
    }
    found.sort((a, b) => a.sequence - b.sequence)
    const newest = found.at(-1)
    if (!newest) return []
    const entries = found.filter(({ sequence }) => sequence >= newest.oldest)
    if (entries.length === newest.sequence - newest.oldest + 1) return entries
    const message = `windows of partition ${partition}: marks are missing before ${newest.sequence}`
    throw new SinkError(message, { retriable: false })
  }

  async #ownName(): Promise<string> {
    const bytes = this.#marks.loadMark(OWNER_MARK)
    if (bytes) return new TextDecoder().decode(bytes)
    const name = crypto.randomUUID()
    await this.#marks.saveMark(OWNER_MARK, new TextEncoder().encode(name))
    return name
  }
}

function markName(partition: number, slot: number): string {
  return `windows-${partition}-${slot}`
}
