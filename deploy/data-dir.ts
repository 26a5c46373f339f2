import { Database } from 'bun:sqlite'
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'

import { messageOf } from '../actors/kernel/errors.ts'
import { writeDurably } from './durable-file.ts'

/** Version of what lies in the folder; raised when an older program could no longer read it. */
export const DATA_FORMAT = 1

/** A folder that this process alone may use until `release`, or one line that says why not. */
export type DataDirOutcome =
  Readonly<{ ok: true; release(): void }> | Readonly<{ ok: false; message: string }>

/** Names within the folder that are fixed; the stores choose theirs. */
const FORMAT_FILE = 'format.json'
const LOCK_FILE = 'lock'
const OWNER_FILE = 'owner.json'

/**
 * Takes the data folder: makes it when asked to, tries a write, keeps other processes out and checks the version of
 * what it holds. Nothing is changed in a folder that cannot be used.
 */
export function openDataDir(path: string, options: { create: boolean }): DataDirOutcome {
  const missing = prepare(path, options.create)
  if (missing !== null) return { ok: false, message: missing }
  const lock = takeLock(path)
  if (!lock.ok) return lock
  const unusable = checkFormat(path)
  if (unusable !== null) {
    lock.release()
    return { ok: false, message: unusable }
  }
  writeOwner(path)
  return {
    ok: true,
    release() {
      rmSync(join(path, OWNER_FILE), { force: true })
      lock.release()
    },
  }
}

/** Locks of this process: one that nobody refers to any more would be collected, and given back with that. */
const heldLocks = new Set<Database>()

function prepare(path: string, create: boolean): string | null {
  try {
    if (create) mkdirSync(path, { recursive: true, mode: 0o700 })
    if (!statSync(path).isDirectory()) return `DATA_DIR ${path} is a file; name a folder`
    const probe = join(path, '.probe')
    closeSync(openSync(probe, 'w', 0o600))
    rmSync(probe)
    return null
  } catch (cause) {
    const code = codeOf(cause)
    if (code === 'ENOENT' && !create) return `no data in ${path} yet; run "bun run start" first`
    if (code === 'EEXIST' || code === 'ENOTDIR') return `DATA_DIR ${path} is a file; name a folder`
    return `DATA_DIR ${path} cannot be written (${code}); make it writable or name another folder`
  }
}

/**
 * The lock is the kernel's, held through SQLite: it ends with the process, however that ends, and is never stale. A file
 * with a process id would outlive a kill -9, and the id may belong to another by then.
 */
function takeLock(path: string): DataDirOutcome {
  let database: Database | null = null
  try {
    database = new Database(join(path, LOCK_FILE))
    database.run('PRAGMA busy_timeout = 0')
    database.run('PRAGMA locking_mode = EXCLUSIVE')
    // Nothing is ever written to it: no rollback file beside it.
    database.run('PRAGMA journal_mode = MEMORY')
    database.run('BEGIN EXCLUSIVE')
    const held = database
    heldLocks.add(held)
    return {
      ok: true,
      release() {
        heldLocks.delete(held)
        held.close()
      },
    }
  } catch (cause) {
    database?.close()
    if (!codeOf(cause).startsWith('SQLITE_BUSY')) {
      return { ok: false, message: `DATA_DIR ${path} cannot be locked: ${messageOf(cause)}` }
    }
    const who = `process ${readOwner(path) ?? 'unknown'}`
    return { ok: false, message: `DATA_DIR ${path} is in use by ${who}; stop it or name another` }
  }
}

function checkFormat(path: string): string | null {
  const file = join(path, FORMAT_FILE)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if (codeOf(cause) !== 'ENOENT') return `${file} cannot be read (${codeOf(cause)})`
    return firstUse(path, file)
  }
  const found = /"format": ?(\d{1,9})\b/.exec(text)?.[1]
  if (found === undefined) return `${file} is damaged; restore it, or name another DATA_DIR`
  if (Number(found) > DATA_FORMAT) {
    return `DATA_DIR ${path} holds data of a newer version (format ${found}, this one reads ${DATA_FORMAT}); update, or name another`
  }
  return null
}

/** A folder with somebody's files in it is more likely a mistake than a wish. */
function firstUse(path: string, file: string): string | null {
  const foreign = readdirSync(path).find(
    (name) => !name.startsWith('.') && ![LOCK_FILE, OWNER_FILE, 'lost+found'].includes(name),
  )
  if (foreign !== undefined) {
    return `DATA_DIR ${path} holds other files (${foreign}); name an empty folder`
  }
  try {
    writeDurably(file, `${JSON.stringify({ format: DATA_FORMAT })}\n`)
    return null
  } catch (cause) {
    return `DATA_DIR ${path} cannot be written (${codeOf(cause)}); make room or name another`
  }
}

/** Only for the message of the next one: when it cannot be written, the lock holds all the same. */
function writeOwner(path: string): void {
  try {
    writeFileSync(join(path, OWNER_FILE), `${JSON.stringify({ pid: process.pid })}\n`, {
      mode: 0o600,
    })
  } catch {
    return
  }
}

function readOwner(path: string): string | null {
  try {
    return /"pid": ?(\d+)/.exec(readFileSync(join(path, OWNER_FILE), 'utf8'))?.[1] ?? null
  } catch {
    return null
  }
}

function codeOf(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown) return String(thrown.code)
  return messageOf(thrown)
}
