import type { Clock } from '../../actors/kernel/clock.ts'
import { type Storage, StorageError, type StoredFile } from './storage.ts'

/** Files in memory: for tests and the simulation, where a "crash" keeps the storage and loses the sink. */
export class MemoryStorage implements Storage {
  readonly #clock: Clock
  readonly #files = new Map<string, { bytes: Uint8Array; modifiedMs: number }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Paths of all files, sorted. */
  get paths(): readonly string[] {
    return [...this.#files.keys()].sort()
  }

  async read(path: string): Promise<Uint8Array> {
    const file = this.#files.get(path)
    if (!file) throw new StorageError('not_found', `${path}: no such file`)
    return file.bytes
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    this.#files.set(path, { bytes: bytes.slice(), modifiedMs: this.#clock.nowMs() })
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    if (this.#files.has(path)) return false
    await this.write(path, bytes)
    return true
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return this.write(path, bytes)
  }

  async settle(): Promise<void> {}

  async *list(prefix: string): AsyncIterable<StoredFile> {
    for (const [path, { bytes, modifiedMs }] of [...this.#files]) {
      if (path.startsWith(prefix)) yield { path, bytes: bytes.length, modifiedMs }
    }
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) this.#files.delete(path)
  }
}
