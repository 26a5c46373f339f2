import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'

import type { Random } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import { randomHex } from './names.ts'
import { type Storage, StorageError, type StoredFile } from './storage.ts'

const SCHEME = 'file://'

// A full disk or too many open files pass; a folder that may not be written does not.
const LASTING = new Set([
  'EACCES',
  'EPERM',
  'EEXIST',
  'EROFS',
  'ENOTDIR',
  'EISDIR',
  'EMLINK',
  'ENOTSUP',
])

/**
 * Files in a local folder, each synced with its directory. Every call is synchronous inside (D5): meant
 * for a Worker, which may wait for its disk and so leaves the process's thread pool to others.
 */
export class LocalStorage implements Storage {
  readonly #random: Random
  /** Directories that are known to be there and to be durable. */
  readonly #made = new Set<string>()

  constructor(random: Random) {
    this.#random = random
  }

  async read(path: string): Promise<Uint8Array> {
    return attempt(path, 'read', () => readFileSync(localPath(path)))
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    attempt(path, 'write', () => {
      const file = localPath(path)
      this.#ensureFolder(dirname(file))
      writeSynced(file, bytes)
      syncFolder(dirname(file))
    })
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    return attempt(path, 'create', () => {
      const file = localPath(path)
      return this.#viaTemporary(file, bytes, (temporary) => {
        try {
          // link(2) fails when the name is taken: of two writers at most one gets it.
          linkSync(temporary, file)
        } catch (cause) {
          if (codeOf(cause) === 'EEXIST') return false
          throw cause
        } finally {
          unlinkSync(temporary)
        }
        return true
      })
    })
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    attempt(path, 'replace', () => {
      const file = localPath(path)
      return this.#viaTemporary(file, bytes, (temporary) => {
        renameSync(temporary, file)
        return true
      })
    })
  }

  async settle(path: string): Promise<void> {
    attempt(path, 'sync', () => {
      const file = localPath(path)
      syncFolder(file)
      // The folder and those around it that belong to a warehouse: table, namespace, warehouse.
      for (let folder = dirname(file), level = 0; level < 4; folder = dirname(folder), level++) {
        syncFolder(folder)
      }
    })
  }

  async *list(prefix: string): AsyncIterable<StoredFile> {
    const folders = [localPath(prefix.endsWith('/') ? prefix : `${dirname(prefix)}/`)]
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for (const entry of entriesOf(folder)) {
        const file = join(folder, entry.name)
        const path = `${SCHEME}${file}`
        if (entry.isDirectory()) folders.push(file)
        else if (path.startsWith(prefix)) {
          const stat = statSync(file, { throwIfNoEntry: false })
          if (stat) yield { path, bytes: stat.size, modifiedMs: stat.mtimeMs }
        }
      }
    }
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      attempt(path, 'remove', () => {
        try {
          unlinkSync(localPath(path))
        } catch (cause) {
          if (codeOf(cause) !== 'ENOENT') throw cause
        }
      })
    }
  }

  #viaTemporary(file: string, bytes: Uint8Array, place: (temporary: string) => boolean): boolean {
    const folder = dirname(file)
    this.#ensureFolder(folder)
    const temporary = join(folder, `orrery-tmp-${randomHex(this.#random, 16)}`)
    writeSynced(temporary, bytes)
    const placed = place(temporary)
    syncFolder(folder)
    return placed
  }

  #ensureFolder(folder: string): void {
    if (this.#made.has(folder)) return
    const first = mkdirSync(folder, { recursive: true })
    // A new directory is durable once its parents are synced, up to the first that was there before.
    if (first !== undefined) {
      for (let made = folder; made.length >= first.length; made = dirname(made)) {
        syncFolder(dirname(made))
      }
    }
    this.#made.add(folder)
  }
}

/** The path of the operating system behind a `file://` path; no percent-encoding, as other engines have it. */
export function localPath(path: string): string {
  const local = path.startsWith(SCHEME) ? path.slice(SCHEME.length) : path
  if (!local.startsWith('/')) {
    throw new StorageError('failed', `${path}: not a path of the local file system`)
  }
  return local
}

/** The `file://` form of an absolute local path, without a slash at its end. */
export function fileUri(folder: string): string {
  return `${SCHEME}${folder.replace(/\/+$/, '')}`
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT') return []
    throw failure(folder, 'list', cause)
  }
}

function writeSynced(file: string, bytes: Uint8Array): void {
  const descriptor = openSync(file, 'w', 0o640)
  try {
    for (let done = 0; done < bytes.length;) {
      done += writeSync(descriptor, bytes, done, bytes.length - done)
    }
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  try {
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function attempt<T>(path: string, verb: string, call: () => T): T {
  try {
    return call()
  } catch (cause) {
    throw failure(path, verb, cause)
  }
}

function failure(path: string, verb: string, cause: unknown): StorageError {
  if (cause instanceof StorageError) return cause
  const code = codeOf(cause)
  if (code === 'ENOENT') return new StorageError('not_found', `${path}: no such file`, { cause })
  const message = `cannot ${verb} ${path}: ${messageOf(cause)}`
  return new StorageError('failed', message, { retriable: !LASTING.has(code), cause })
}

function codeOf(thrown: unknown): string {
  if (thrown instanceof Error && 'code' in thrown) return String(thrown.code)
  return ''
}
