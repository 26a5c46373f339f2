import type { SnapshotObject, SnapshotObjects } from '../../actors/kernel/snapshots.ts'
import { isNotFound, type Storage, StorageError } from '../iceberg/storage.ts'

const DIGITS = 16
/** Times that a version may go while it is being looked for: each time a newer one has come. */
const LOOKS_MAX = 20
const VERSION = /^\d{16}$/

/**
 * Snapshot objects on a storage of files. What is swapped is one file for each version, `<name>/<number>`, made by
 * `create`: a conditional overwrite would be one call, but not every server that accepts it keeps it (SPEC.md D1).
 */
export class StorageSnapshotObjects implements SnapshotObjects {
  readonly #storage: Storage
  /** With its slash. */
  readonly #folder: string

  constructor(storage: Storage, location: string) {
    this.#storage = storage
    this.#folder = location.replace(/\/*$/, '/')
  }

  async get(name: string): Promise<SnapshotObject | null> {
    for (let look = 0; look < LOOKS_MAX; look++) {
      const newest = (await this.#versions(name)).at(-1)
      if (newest === undefined) return null
      const bytes = await this.#read(`${name}/${newest}`)
      if (bytes) return { bytes, version: newest }
    }
    const message = `${this.#folder}${name} is replaced faster than it can be read`
    throw new StorageError('failed', message, { retriable: true })
  }

  async swap(name: string, bytes: Uint8Array, expected: string | null): Promise<string | null> {
    const version = String(Number(expected ?? '0') + 1).padStart(DIGITS, '0')
    if (!(await this.#storage.create(`${this.#folder}${name}/${version}`, bytes))) return null
    // A request that was held up may take a number whose object is gone because there were newer ones.
    const versions = await this.#versions(name)
    if (versions.at(-1) !== version) return null
    const older = versions.slice(0, -1).map((old) => `${this.#folder}${name}/${old}`)
    // Garbage that the next swap finds again.
    if (older.length > 0) await this.#storage.remove(older).catch(() => {})
    return version
  }

  read(name: string): Promise<Uint8Array | null> {
    return this.#read(name)
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#storage.write(`${this.#folder}${name}`, bytes)
  }

  async *list(): AsyncIterable<string> {
    for await (const name of this.#names('')) if (!name.includes('/')) yield name
  }

  remove(names: readonly string[]): Promise<void> {
    return this.#storage.remove(names.map((name) => `${this.#folder}${name}`))
  }

  /** Oldest first. */
  async #versions(name: string): Promise<readonly string[]> {
    const versions: string[] = []
    for await (const version of this.#names(`${name}/`)) {
      if (VERSION.test(version)) versions.push(version)
    }
    return versions.sort()
  }

  async *#names(folder: string): AsyncIterable<string> {
    const prefix = `${this.#folder}${folder}`
    for await (const { path } of this.#storage.list(prefix)) yield path.slice(prefix.length)
  }

  async #read(name: string): Promise<Uint8Array | null> {
    try {
      return await this.#storage.read(`${this.#folder}${name}`)
    } catch (thrown) {
      if (isNotFound(thrown)) return null
      throw thrown
    }
  }
}
