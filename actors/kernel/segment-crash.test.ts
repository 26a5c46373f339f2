import { expect, test } from 'bun:test'

import { type Random, seededRandom, VirtualClock } from './clock.ts'
import { OrreryError } from './errors.ts'
import { entryOf, recordsFrom, textOf } from './journal-conformance.ts'
import { type DiskOperation, MemoryDisk } from './memory-disk.ts'
import { SegmentJournal } from './segment-journal.ts'
import { silentLog, Telemetry } from './telemetry.ts'

/** 20,000 pass as well; the rarest fault found here needed 6,457. */
const SEEDS = 150
const STEPS = 80
const CODES = ['EIO', 'ENOSPC', 'EROFS']

/**
 * One journal through random appends, trims, disk faults, kills and power cuts. `committed` is what
 * it must hold: what was acknowledged, and what a recovery has shown.
 */
class Trial {
  readonly #random: Random
  readonly #clock = new VirtualClock()
  readonly #disk: MemoryDisk
  readonly #committed = new Map<number, { id: string; count: number }>()
  /** Offered and not acknowledged: may turn up after a crash, once. */
  readonly #uncertain = new Map<string, number>()
  #journal: SegmentJournal | null = null
  #trimmed = 0
  #ids = 0
  #faults = 0
  #life = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    this.#disk = new MemoryDisk({
      random: this.#random,
      pause: () => new Promise((resolve) => this.#clock.after(this.#below(3), () => resolve())),
    })
    this.#disk.plan = (operation) =>
      this.#random() < this.#faults && CAN_FAIL.includes(operation)
        ? { code: CODES[this.#below(CODES.length)] ?? 'EIO', bytesTaken: this.#below(4_000) }
        : null
  }

  async run(): Promise<void> {
    await this.#open()
    for (let step = 0; step < STEPS; step++) await this.#step(this.#random())
    this.#faults = 0
    this.#stop()
    await this.#open()
    await this.#check()
  }

  async #step(luck: number): Promise<void> {
    if (luck < 0.55) this.#append(1 + this.#below(6))
    else if (luck < 0.7) await this.#clock.advanceMs(this.#below(40))
    else if (luck < 0.75) await this.#trim()
    else if (luck < 0.85) this.#faults = this.#faults > 0 ? 0 : this.#random() * 0.5
    else if (luck < 0.9) await this.#check()
    else {
      if (luck < 0.93) await this.#drive(this.#journal?.close() ?? Promise.resolve())
      this.#stop()
      await this.#open()
      await this.#check()
    }
  }

  #stop(): void {
    this.#life++
    this.#journal = null
    if (this.#random() < 0.5) this.#disk.crash()
    else this.#disk.kill()
  }

  #append(entries: number): void {
    for (let n = 0; n < entries; n++) {
      const id = `${this.#ids++}`
      const life = this.#life
      const count = 1 + this.#below(4)
      const entry = entryOf(`${id}:`.padEnd(this.#below(3_000)), { count })
      const accepted = this.#journal?.append(entry, (outcome) => {
        expect(life).toBe(this.#life)
        if (!outcome.ok) return
        expect(this.#committed.has(outcome.offset)).toBe(false)
        this.#committed.set(outcome.offset, { id, count })
        this.#uncertain.delete(id)
      })
      if (accepted) this.#uncertain.set(id, count)
    }
  }

  async #trim(): Promise<void> {
    const journal = this.#journal
    if (!journal) return
    const offset = journal.firstOffset + this.#below(journal.nextOffset - journal.firstOffset + 1)
    this.#trimmed = Math.max(this.#trimmed, offset)
    await this.#drive(journal.trim(offset)).catch(() => {})
  }

  async #open(): Promise<void> {
    while (!this.#journal) {
      const opening = SegmentJournal.open({
        directory: '/journal/0',
        partition: 0,
        clock: this.#clock,
        log: silentLog,
        telemetry: new Telemetry(),
        disk: this.#disk.mount(),
        random: this.#random,
        segmentBytesMax: 20_000,
        groupBytesMax: 5_000,
        waitingBytesMax: 30_000,
      })
      try {
        this.#journal = await this.#drive(opening)
      } catch (thrown) {
        // A disk that fails now may work later; damage may not come of it.
        if (!(thrown instanceof OrreryError) || !thrown.retriable) throw thrown
        this.#faults /= 2
      }
    }
    await this.#learn()
  }

  /** What a recovery shows counts as committed from then on. */
  async #learn(): Promise<void> {
    const faults = this.#faults
    this.#faults = 0
    for (const { offset, count, id } of await this.#read()) {
      if (this.#committed.has(offset)) continue
      expect(this.#uncertain.get(id)).toBe(count)
      this.#uncertain.delete(id)
      this.#committed.set(offset, { id, count })
    }
    this.#faults = faults
  }

  async #check(): Promise<void> {
    const faults = this.#faults
    this.#faults = 0
    const journal = this.#journal
    if (!journal) return
    const firstOffset = journal.firstOffset
    const nextOffset = journal.nextOffset
    expect(firstOffset).toBeLessThanOrEqual(this.#trimmed)
    const found = await this.#read()
    let next = firstOffset
    for (const { offset, count, id } of found) {
      expect({ offset, count, id }).toEqual({ offset: next, count, id })
      const committed = this.#committed.get(offset)
      if (committed) expect({ id, count }).toEqual(committed)
      else expect(this.#uncertain.get(id)).toBe(count)
      next += count
    }
    expect(next).toBeGreaterThanOrEqual(nextOffset)
    expect(new Set(found.map(({ id }) => id)).size).toBe(found.length)
    const lost = [...this.#committed.keys()].filter((offset) => offset >= next)
    expect(lost.filter((offset) => offset < nextOffset)).toEqual([])
    this.#faults = faults
  }

  async #read(): Promise<{ offset: number; count: number; id: string }[]> {
    const journal = this.#journal
    if (!journal) return []
    const records = await this.#drive(recordsFrom(journal, journal.firstOffset))
    return records.map((record) => {
      const [id = ''] = textOf(record).split(':')
      return { offset: record.offset, count: record.count, id }
    })
  }

  async #drive<T>(work: Promise<T>): Promise<T> {
    let settled = false
    const done = work.finally(() => {
      settled = true
    })
    done.catch(() => {})
    while (!settled) await this.#clock.advanceMs(1)
    return done
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound)
  }
}

const CAN_FAIL: readonly DiskOperation[] = [
  'create',
  'write',
  'sync',
  'truncate',
  'remove',
  'syncDirectory',
]

test('whatever crashes and faults come: acknowledged entries once, in order; others wholly or not at all', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      await new Trial(seed).run()
    } catch (cause) {
      throw new Error(`seed ${seed} fails`, { cause })
    }
  }
}, 300_000)
