import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from './clock.ts'
import { systemDisk } from './disk.ts'
import { appended, entryOf, recordsFrom, textOf } from './journal-conformance.ts'
import { SegmentJournal } from './segment-journal.ts'
import { silentLog, Telemetry } from './telemetry.ts'

const isRoot = process.getuid?.() === 0
const canMount = isRoot && Bun.which('mount') !== null
const canTrace =
  Bun.which('strace') !== null &&
  Bun.spawnSync(['strace', '-f', '--seccomp-bpf', '-o', '/dev/null', 'true']).exitCode === 0
if (!canMount) console.warn('SKIPPED: a full disk is tried only as root, where mount exists')
if (!canTrace) console.warn('SKIPPED: failing syncs are tried only where strace works')

let root = ''
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'orrery-disk-'))
})
afterEach(() => rm(root, { recursive: true, force: true }))

const open = (directory: string): Promise<SegmentJournal> =>
  SegmentJournal.open({
    directory,
    partition: 0,
    clock: systemClock,
    log: silentLog,
    telemetry: new Telemetry(),
    disk: systemDisk,
    segmentBytesMax: 256 * 1024,
    reserveBytes: 0,
  })

async function succeeds(command: string[]): Promise<boolean> {
  return (await Bun.spawn(command, { stdout: 'ignore', stderr: 'ignore' }).exited) === 0
}

/** Resolves when the journal takes entries again; the test's own limit ends a wait in vain. */
async function recovered(journal: SegmentJournal): Promise<void> {
  while (journal.refusing !== null) {
    await new Promise<void>((resolve) => systemClock.after(5, resolve))
  }
}

test.skipIf(!canMount)(
  'a full file system of 4 MB: it stops, keeps what it acknowledged, and goes on',
  async () => {
    const small = join(root, 'small')
    await mkdir(small)
    if (!(await succeeds(['mount', '-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small]))) {
      console.warn('SKIPPED: a full disk was not tried, because mount is not allowed here')
      return
    }
    try {
      const journal = await open(join(small, 'journal'))
      const acknowledged: string[] = []
      for (let n = 0; journal.refusing === null; n++) {
        const outcome = await appended(journal, entryOf(`${n}`.padEnd(9_000)))
        if (outcome.ok) acknowledged.push(`${n}`)
        else expect(outcome.reason).toBe('full')
      }
      expect(journal.refusing).toBe('full')
      expect(acknowledged.length).toBeGreaterThan(400)
      await journal.trim(journal.nextOffset)
      await recovered(journal)
      const last = acknowledged.at(-1)
      expect(await appended(journal, entryOf('room again'))).toMatchObject({ ok: true })
      await journal.close()
      const again = await open(join(small, 'journal'))
      const texts = (await recordsFrom(again, again.firstOffset)).map((r) => textOf(r).trim())
      expect(texts.slice(-2)).toEqual([last ?? '', 'room again'])
      await again.close()
    } finally {
      await succeeds(['umount', small])
    }
  },
)

const CHILD = `
  const { systemClock } = await import('${import.meta.dir}/clock.ts')
  const { systemDisk } = await import('${import.meta.dir}/disk.ts')
  const { SegmentJournal } = await import('${import.meta.dir}/segment-journal.ts')
  const { silentLog, Telemetry } = await import('${import.meta.dir}/telemetry.ts')
  const journal = await SegmentJournal.open({
    directory: process.env.DIRECTORY, partition: 0, clock: systemClock, log: silentLog,
    telemetry: new Telemetry(), disk: systemDisk,
  })
  const entry = { kind: 'pings', count: 1, receivedMs: 1, source: 'van', payload: 'first' }
  const outcome = await new Promise((resolve) => journal.append(entry, resolve))
  console.log(JSON.stringify([outcome.ok, outcome.reason, journal.refusing]))
  await journal.close()
`

async function underStrace(injection: string, directory: string) {
  const child = Bun.spawn({
    cmd: [
      ...['strace', '-f', '-qq', '--seccomp-bpf', '-o', join(root, 'strace.txt')],
      ...['-e', 'trace=fdatasync', '-e', `inject=fdatasync:${injection}`],
      ...[process.execPath, '-e', CHILD],
    ],
    env: { ...process.env, DIRECTORY: directory },
    stdout: 'pipe',
    stderr: 'pipe',
  })
  const [output, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  return { code: await child.exited, output, errors }
}

test.skipIf(!canTrace)('a sync that fails in the kernel: not acknowledged, and cut', async () => {
  const directory = join(root, 'journal')
  const { output, errors } = await underStrace('error=EIO', directory)
  expect(errors).toBe('')
  expect(JSON.parse(output)).toEqual([false, 'failed', 'failed'])
  const journal = await open(directory)
  expect(journal.nextOffset).toBe(0)
  await journal.close()
})

test.skipIf(!canTrace)(
  'killed in the sync: not acknowledged, and there wholly or not at all',
  async () => {
    const directory = join(root, 'journal')
    const { code, output } = await underStrace('signal=KILL', directory)
    expect(code).not.toBe(0)
    expect(output).toBe('')
    const journal = await open(directory)
    const texts = (await recordsFrom(journal, 0)).map(textOf)
    expect([[], ['first']]).toContainEqual(texts)
    await journal.close()
  },
)
