import { expect, test } from 'bun:test'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom, systemClock, VirtualClock } from './clock.ts'
import { systemDisk } from './disk.ts'
import { appended, describeJournal, entryOf, recordsFrom, textOf } from './journal-conformance.ts'
import type { AppendOutcome } from './journal.ts'
import { MemoryDisk } from './memory-disk.ts'
import { SegmentJournal, type SegmentJournalOptions } from './segment-journal.ts'
import { silentLog, Telemetry } from './telemetry.ts'

const DIRECTORY = '/journal/0'

function settings(given: Partial<SegmentJournalOptions> = {}): SegmentJournalOptions {
  return {
    directory: DIRECTORY,
    partition: 0,
    clock: systemClock,
    log: silentLog,
    telemetry: new Telemetry(),
    disk: new MemoryDisk({ random: seededRandom(1) }),
    segmentBytesMax: 4_096,
    groupMsMin: 0,
    ...given,
  }
}

async function segmentPaths(disk: MemoryDisk): Promise<string[]> {
  return (await disk.list(DIRECTORY)).map((name) => join(DIRECTORY, name)).sort()
}

describeJournal('segment journal in memory', async () => {
  const options = settings()
  return {
    open: (limits) => SegmentJournal.open({ ...options, ...limits }),
    reopen: () => SegmentJournal.open(options),
    dispose: async () => {},
  }
})

describeJournal('segment journal in a folder', async () => {
  const root = await mkdtemp(join(tmpdir(), 'orrery-journal-'))
  const options = settings({ directory: join(root, 'a', 'b'), disk: systemDisk })
  return {
    open: (limits) => SegmentJournal.open({ ...options, ...limits }),
    reopen: () => SegmentJournal.open(options),
    dispose: () => rm(root, { recursive: true }),
  }
})

test('entries that come together are one group, with one sync', async () => {
  const telemetry = new Telemetry()
  const journal = await SegmentJournal.open(settings({ telemetry }))
  await Promise.all(Array.from({ length: 200 }, (_, n) => appended(journal, entryOf(`${n}`))))
  const labels = { partition: '0' }
  expect(telemetry.counter('orrery_journal_groups_total', '', labels).value).toBeLessThanOrEqual(2)
  expect(telemetry.counter('orrery_journal_entries_total', '', labels).value).toBe(200)
  await journal.close()
})

test('a lone entry is committed at once; those that keep coming wait for each other a little', async () => {
  const clock = new VirtualClock()
  const journal = await SegmentJournal.open(settings({ clock, groupMsMin: 10 }))
  let committed = 0
  const append = (): boolean => journal.append(entryOf('x'), () => committed++)
  append()
  await clock.advanceMs(0)
  expect(committed).toBe(1)
  for (let n = 0; n < 9; n++) {
    append()
    await clock.advanceMs(1)
  }
  expect(committed).toBe(1)
  await clock.advanceMs(1)
  expect(committed).toBe(10)
  await clock.advanceMs(50)
  append()
  await clock.advanceMs(0)
  expect(committed).toBe(11)
  append()
  await journal.close()
  expect(committed).toBe(12)
  expect(clock.waiting).toBe(0)
})

test('groups larger than the bound are written in several, and read back', async () => {
  const options = settings({ groupBytesMax: 100_000, segmentBytesMax: 10_000_000 })
  const journal = await SegmentJournal.open(options)
  const payloads = Array.from({ length: 40 }, (_, n) => `${n}:`.padEnd(3_000_000 / (n + 1), 'é'))
  await Promise.all(payloads.map((payload) => appended(journal, entryOf(payload))))
  const texts = (await recordsFrom(journal, 0)).map(textOf)
  expect(texts.map((text) => text.length)).toEqual(payloads.map((payload) => payload.length))
  expect(texts).toEqual(payloads)
  await journal.close()
})

test('a sender that throws when told does not stop the others', async () => {
  const journal = await SegmentJournal.open(settings())
  journal.append(entryOf('bad'), () => {
    throw new Error('not my day')
  })
  expect(await appended(journal, entryOf('good'))).toEqual({ ok: true, offset: 1 })
  expect(await appended(journal, entryOf('next'))).toEqual({ ok: true, offset: 2 })
  await journal.close()
})

test('trimming lets go of whole segments, and never of the newest', async () => {
  const disk = new MemoryDisk({ random: seededRandom(1) })
  const journal = await SegmentJournal.open(settings({ disk }))
  for (let n = 0; n < 40; n++) await appended(journal, entryOf('x'.repeat(1_000)))
  const before = (await segmentPaths(disk)).length
  expect(before).toBeGreaterThan(10)
  await journal.trim(20)
  expect(journal.firstOffset).toBeGreaterThan(16)
  await journal.trim(journal.nextOffset)
  expect((await segmentPaths(disk)).length).toBe(1)
  expect(journal.firstOffset).toBeGreaterThan(36)
  expect((await recordsFrom(journal, journal.firstOffset)).length).toBe(40 - journal.firstOffset)
  await journal.close()
})

test('a journal trimmed while it is read says so', async () => {
  const journal = await SegmentJournal.open(settings())
  for (let n = 0; n < 20; n++) await appended(journal, entryOf('x'.repeat(1_000)))
  const reading = journal.readBatches(0)
  await reading.next()
  await journal.trim(20)
  const rest = (async () => {
    for await (const _ of reading);
  })()
  await expect(rest).rejects.toMatchObject({ code: 'journal_trimmed' })
  await journal.close()
})

for (const [code, reason] of [
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EIO', 'failed'],
  ['EROFS', 'failed'],
] as const) {
  for (const operation of ['write', 'sync'] as const) {
    test(`${operation} failing with ${code}: the group fails, nothing comes until the disk takes entries again`, async () => {
      const disk = new MemoryDisk({ random: seededRandom(3) })
      const clock = new VirtualClock()
      const journal = await SegmentJournal.open(settings({ disk, clock }))
      const outcomes: AppendOutcome[] = []
      const append = (text: string): boolean =>
        journal.append(entryOf(text), (outcome) => outcomes.push(outcome))
      append('before')
      await clock.advanceMs(1)
      disk.plan = (operated) =>
        operated === operation || operated === 'create' ? { code, bytesTaken: 30 } : null
      append('lost')
      append('lost too')
      await clock.advanceMs(1)
      expect(outcomes).toMatchObject([{ ok: true }, { ok: false, reason }, { ok: false, reason }])
      expect(journal.refusing).toBe(reason)
      expect(journal.bytesWaiting).toBe(0)
      expect(append('refused')).toBe(false)
      await clock.advanceMs(10_000)
      expect(journal.refusing).toBe(reason)
      disk.plan = () => null
      await clock.advanceMs(1_001)
      expect(journal.refusing).toBeNull()
      append('after')
      await clock.advanceMs(1)
      expect(outcomes[3]).toEqual({ ok: true, offset: 1 })
      expect((await recordsFrom(journal, 0)).map(textOf)).toEqual(['before', 'after'])
      await journal.close()
      disk.crash()
      const reopened = await SegmentJournal.open(settings({ disk, clock }))
      expect((await recordsFrom(reopened, 0)).map(textOf)).toEqual(['before', 'after'])
      expect(clock.waiting).toBe(0)
      await reopened.close()
    })
  }
}

test('a tail that cannot be cut is not read, though it is whole (J3)', async () => {
  const disk = new MemoryDisk({ random: seededRandom(3) })
  const clock = new VirtualClock()
  const journal = await SegmentJournal.open(settings({ disk, clock }))
  disk.plan = (operation) =>
    operation === 'sync' || operation === 'truncate' ? { code: 'EIO' } : null
  let outcome: AppendOutcome | null = null
  journal.append(entryOf('begins'), () => {})
  await clock.advanceMs(1)
  disk.plan = () => null
  await clock.advanceMs(2_000)
  journal.append(entryOf('good'), (told) => (outcome = told))
  await clock.advanceMs(1)
  expect(outcome).toMatchObject({ ok: true, offset: 0 })
  disk.plan = (operation) =>
    operation === 'sync' || operation === 'truncate' ? { code: 'EIO' } : null
  journal.append(entryOf('refused, and on disk'), () => {})
  await clock.advanceMs(1)
  disk.plan = () => null
  await clock.advanceMs(2_000)
  journal.append(entryOf('in its place'), (told) => (outcome = told))
  await clock.advanceMs(1)
  expect(outcome).toMatchObject({ ok: true, offset: 1 })
  disk.kill()
  const reopened = await SegmentJournal.open(settings({ disk, clock }))
  expect((await recordsFrom(reopened, 0)).map(textOf)).toEqual(['good', 'in its place'])
})

test('it stops at the reserve, before the disk is full, and goes on when there is room', async () => {
  const disk = new MemoryDisk({ random: seededRandom(3), bytesTotal: 1_600_000 })
  const clock = new VirtualClock()
  const journal = await SegmentJournal.open(settings({ disk, clock, segmentBytesMax: 100_000 }))
  while (journal.refusing === null) {
    journal.append(entryOf('x'.repeat(10_000)), () => {})
    await clock.advanceMs(1)
  }
  expect(journal.refusing).toBe('full')
  expect(disk.bytesUsed).toBeGreaterThan(1_450_000)
  expect(disk.bytesUsed).toBeLessThanOrEqual(1_500_000)
  await journal.trim(journal.nextOffset - 20)
  await clock.advanceMs(1_001)
  expect(journal.refusing).toBeNull()
  await journal.close()
})

test('a full disk writes part of a group first; that part is never read', async () => {
  const disk = new MemoryDisk({ random: seededRandom(3), bytesTotal: 50_000 })
  const clock = new VirtualClock()
  const options = settings({ disk, clock, segmentBytesMax: 1_000_000, reserveBytes: 0 })
  const journal = await SegmentJournal.open(options)
  let committed = 0
  while (journal.refusing === null) {
    journal.append(entryOf(`${committed}`.padEnd(7_000)), (outcome) => {
      if (outcome.ok) committed++
      else expect(outcome.reason).toBe('full')
    })
    await clock.advanceMs(1)
  }
  expect(committed).toBe(7)
  disk.bytesTotal = 100_000
  await clock.advanceMs(1_001)
  journal.append(entryOf('room again'), () => {})
  await clock.advanceMs(1)
  const texts = (await recordsFrom(journal, 0)).map((record) => textOf(record).trim())
  expect(texts).toEqual(['0', '1', '2', '3', '4', '5', '6', 'room again'])
  await journal.close()
})
