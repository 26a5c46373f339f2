import { expect, test } from 'bun:test'
import { join } from 'node:path'

import { seededRandom, systemClock } from './clock.ts'
import { appended, entryOf, recordsFrom, textOf } from './journal-conformance.ts'
import { MemoryDisk } from './memory-disk.ts'
import { SEGMENT_HEADER_BYTES, writeGroupHeader } from './segment-format.ts'
import { SegmentJournal } from './segment-journal.ts'
import { jsonLog, Telemetry } from './telemetry.ts'

const DIRECTORY = '/journal/0'

function world(random = seededRandom(9)) {
  const disk = new MemoryDisk({ random: seededRandom(5) })
  const lines: string[] = []
  const log = jsonLog(
    'warn',
    (line) => lines.push(line),
    () => 0,
  )
  const open = (partition = 0) =>
    SegmentJournal.open({
      directory: DIRECTORY,
      partition,
      clock: systemClock,
      log,
      telemetry: new Telemetry(),
      disk,
      random,
      segmentBytesMax: 4_096,
    })
  const paths = async (): Promise<string[]> =>
    (await disk.list(DIRECTORY)).map((name) => join(DIRECTORY, name)).sort()
  return { disk, lines, open, paths }
}

/** A journal of `count` entries, one group each, three to a segment; closed. */
async function filled(count: number) {
  const made = world()
  const journal = await made.open()
  for (let n = 0; n < count; n++) await appended(journal, entryOf(`${n}`.padEnd(1_000)))
  await journal.close()
  const numbers = async (): Promise<number[]> => {
    const again = await made.open()
    const texts = (await recordsFrom(again, again.firstOffset)).map(textOf)
    await again.close()
    return texts.map(Number)
  }
  return { ...made, numbers }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

async function sizeOf(disk: MemoryDisk, path: string): Promise<number> {
  return (await disk.open(path)).size()
}

test('a torn tail is cut, logged with its place, and its offset is used again', async () => {
  const { disk, lines, open, paths, numbers } = await filled(5)
  const newest = (await paths()).at(-1) ?? ''
  const bytes = await sizeOf(disk, newest)
  await (await disk.open(newest)).truncate(bytes - 100)
  const journal = await open()
  expect(journal.nextOffset).toBe(4)
  expect(JSON.parse(lines[0] ?? '{}')).toMatchObject({
    message: 'torn journal tail cut',
    path: newest,
    offset: 4,
    position: SEGMENT_HEADER_BYTES + 1063,
    bytes: 963,
  })
  expect(await appended(journal, entryOf('4'))).toEqual({ ok: true, offset: 4 })
  await journal.close()
  expect(await numbers()).toEqual(upTo(5))
})

test('any byte of the last group damaged cuts that group and nothing else', async () => {
  for (const back of [1, 500, 1_000, 1_030, 1_040, 1_063]) {
    const { disk, paths, numbers } = await filled(5)
    const newest = (await paths()).at(-1) ?? ''
    disk.damage(newest, (await sizeOf(disk, newest)) - back)
    expect(await numbers()).toEqual(upTo(4))
  }
})

test('damage before intact groups stops the start, whichever byte it is (J1)', async () => {
  for (const at of [0, 5, 20, 39, 45, 70, 500, 1_062]) {
    const { disk, open, paths } = await filled(5)
    const newest = (await paths()).at(-1) ?? ''
    disk.damage(newest, SEGMENT_HEADER_BYTES + at)
    const opening = open()
    await expect(opening).rejects.toMatchObject({ code: 'journal_corrupt' })
    await expect(opening).rejects.toThrow(`${newest} is damaged at byte 40, offset 3`)
  }
})

test('damage in an older segment stops the reading that reaches it, and names the place', async () => {
  const { disk, open, paths } = await filled(9)
  const oldest = (await paths())[0] ?? ''
  disk.damage(oldest, SEGMENT_HEADER_BYTES + 1_500)
  const journal = await open()
  const reading = recordsFrom(journal, 0)
  await expect(reading).rejects.toMatchObject({ code: 'journal_corrupt' })
  await expect(reading).rejects.toThrow(`${oldest} is damaged at byte 1103, offset 1`)
  expect((await recordsFrom(journal, 3)).map((record) => record.offset)).toEqual([3, 4, 5, 6, 7, 8])
  await journal.close()
})

test('a segment missing in the middle, or cut short, is an error of the reading', async () => {
  for (const harm of ['remove', 'cut'] as const) {
    const { disk, open, paths } = await filled(12)
    const path = (await paths())[1] ?? ''
    if (harm === 'remove') await disk.remove(path)
    else await (await disk.open(path)).truncate(SEGMENT_HEADER_BYTES + 1063 * 2)
    const journal = await open()
    await expect(recordsFrom(journal, 0)).rejects.toMatchObject({ code: 'journal_corrupt' })
    await journal.close()
  }
})

test('a damaged header is an error, unless the segment was never begun (J2)', async () => {
  const { disk, open, paths, numbers } = await filled(5)
  const [oldest, newest] = await paths()
  disk.damage(newest ?? '', 20)
  await expect(open()).rejects.toMatchObject({ code: 'journal_corrupt' })
  disk.damage(newest ?? '', 20)
  disk.damage(oldest ?? '', 33)
  await expect(open()).rejects.toMatchObject({ code: 'journal_corrupt' })
  disk.damage(oldest ?? '', 33)
  await disk.create(join(DIRECTORY, '0000000000000005-00000099.segment'))
  expect(await numbers()).toEqual(upTo(5))
  expect(await paths()).toEqual([oldest ?? '', newest ?? ''])
})

test('a segment of a newer version, or of another partition, stops the start', async () => {
  const { disk, open, paths } = await filled(5)
  await expect(open(1)).rejects.toMatchObject({ code: 'journal_other_partition' })
  const file = await disk.open((await paths())[0] ?? '')
  await file.write(new Uint8Array([2]), 8)
  await expect(open()).rejects.toMatchObject({ code: 'journal_newer' })
})

test('files of others in the folder are left alone', async () => {
  const { disk, numbers } = await filled(2)
  await disk.create(join(DIRECTORY, 'notes.txt'))
  expect(await numbers()).toEqual([0, 1])
  expect(await disk.list(DIRECTORY)).toContain('notes.txt')
})

test('a torn entry that holds the bytes of a group passes for one only with the seed (J4)', async () => {
  for (const seed of [12_345, 12_346]) {
    const { disk, open, paths } = world(() => seed / 2 ** 32)
    const forged = Buffer.alloc(100)
    writeGroupHeader(forged, { entries: 1, offsets: 1, firstOffset: 9 }, 12_345)
    const journal = await open()
    await appended(journal, entryOf(Buffer.concat([Buffer.alloc(200), forged, Buffer.alloc(200)])))
    await journal.close()
    disk.damage((await paths())[0] ?? '', SEGMENT_HEADER_BYTES + 70)
    if (seed === 12_345) await expect(open()).rejects.toMatchObject({ code: 'journal_corrupt' })
    else expect((await open()).nextOffset).toBe(0)
  }
})

test('what only the page cache held when the process died is synced before it is served', async () => {
  const { disk, open, numbers } = await filled(2)
  const journal = await open()
  disk.plan = (operation) => (operation === 'truncate' ? { code: 'EIO' } : null)
  disk.failNext('sync', { code: 'EIO' })
  journal.append(entryOf('2'), () => {})
  await new Promise((resolve) => setTimeout(resolve))
  disk.kill()
  disk.plan = () => null
  const before = await numbers()
  disk.crash()
  expect(await numbers()).toEqual(before)
})
