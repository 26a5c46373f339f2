import { afterEach, beforeEach, describe, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type DataDirOutcome, openDataDir } from './data-dir.ts'

let root = ''
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'orrery-data-'))
})
afterEach(() => rmSync(root, { recursive: true }))

function message(outcome: DataDirOutcome): string {
  if (!outcome.ok) return outcome.message
  outcome.release()
  throw new Error('was taken')
}

function take(path: string): () => void {
  const outcome = openDataDir(path, { create: true })
  if (!outcome.ok) throw new Error(outcome.message)
  return outcome.release
}

describe('taking a folder', () => {
  test('it is made for its owner alone, and can be taken again after release', () => {
    const path = join(root, 'a', 'b')
    take(path)()
    expect(statSync(path).mode & 0o777).toBe(0o700)
    take(path)()
    expect(readdirSync(path).sort()).toEqual(['format.json', 'lock'])
  })

  test('a second one in the same process is refused', () => {
    const release = take(root)
    expect(message(openDataDir(root, { create: true }))).toBe(
      `DATA_DIR ${root} is in use by process ${process.pid}; stop it or name another`,
    )
    release()
    take(root)()
  })

  test('another process is refused by its id, and a killed one leaves nothing behind', async () => {
    const held = `import { openDataDir } from ${JSON.stringify(join(import.meta.dir, 'data-dir.ts'))}
      const { ok } = openDataDir(${JSON.stringify(root)}, { create: true })
      // What nobody refers to any more is collected: the lock must not be.
      Bun.gc(true)
      console.log(JSON.stringify({ ok }))
      setInterval(() => {}, 60_000)`
    const child = Bun.spawn([process.execPath, '-e', held], { stdout: 'pipe' })
    try {
      const { value } = await child.stdout.getReader().read()
      expect(new TextDecoder().decode(value)).toContain('"ok":true')
      expect(message(openDataDir(root, { create: true }))).toContain(`process ${child.pid};`)
    } finally {
      child.kill('SIGKILL')
      await child.exited
    }
    take(root)()
  })
})

describe('refusing a folder', () => {
  test('data of a newer version', () => {
    writeFileSync(join(root, 'format.json'), '{"format": 99}')
    expect(message(openDataDir(root, { create: true }))).toStartWith(
      `DATA_DIR ${root} holds data of a newer version (format 99, this one reads 1)`,
    )
    // The lock was given back.
    expect(message(openDataDir(root, { create: true }))).toContain('format 99')
  })

  test('a damaged version file', () => {
    writeFileSync(join(root, 'format.json'), '')
    expect(message(openDataDir(root, { create: true }))).toContain('format.json is damaged')
  })

  test("a folder of somebody's files", () => {
    writeFileSync(join(root, 'thesis.txt'), '')
    expect(message(openDataDir(root, { create: true }))).toBe(
      `DATA_DIR ${root} holds other files (thesis.txt); name an empty folder`,
    )
  })

  test('a file, and a folder below a file', () => {
    const file = join(root, 'file')
    writeFileSync(file, '')
    expect(message(openDataDir(file, { create: true }))).toContain('is a file')
    expect(message(openDataDir(join(file, 'x'), { create: true }))).toContain('is a file')
  })

  test('one that is not there when none may be made', () => {
    const path = join(root, 'none')
    expect(message(openDataDir(path, { create: false }))).toBe(
      `no data in ${path} yet; run "bun run start" first`,
    )
    expect(readdirSync(root)).toEqual([])
  })

  test.skipIf(process.getuid?.() === 0)('one that is not ours to write', () => {
    const path = join(root, 'locked')
    mkdirSync(path, { mode: 0o500 })
    expect(message(openDataDir(path, { create: true }))).toContain('cannot be written (EACCES)')
  })

  test.skipIf(process.platform !== 'linux')('one that nobody can write', () => {
    const line = message(openDataDir('/proc/orrery', { create: true }))
    expect(line).toContain('DATA_DIR /proc/orrery cannot be written')
  })
})
