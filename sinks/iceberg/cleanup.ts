import { messageOf } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { Table } from './catalog.ts'
import { decodeManifestList } from './manifest-list.ts'
import { livePaths } from './manifest.ts'
import { baseName, isOwn } from './names.ts'
import type { Storage } from './storage.ts'

const VERSION = /^v\d+(\.gz)?\.metadata\.json$/
const QUEUE_MAX = 100_000
const CANDIDATES_MAX = 100_000
const REMOVED_AT_ONCE = 500

type Due = Readonly<{ path: string; dueMs: number }>

/**
 * Deletes files that no snapshot needs any more, some time after the commit that made them superfluous, so
 * that a reader in the middle of an older snapshot can finish. Only files that we wrote, below the table.
 */
export class Cleanup {
  readonly #storage: Storage
  readonly #location: string
  readonly #log: Log
  #queue: Due[] = []

  constructor(options: Readonly<{ storage: Storage; location: string; log: Log }>) {
    this.#storage = options.storage
    this.#location = options.location
    this.#log = options.log
  }

  /** Files waiting for their time. */
  get waiting(): number {
    return this.#queue.length
  }

  /** Marks files of a commit that is known to be made. Beyond the bound they are left to the sweep. */
  add(paths: readonly string[], dueMs: number): void {
    for (const path of paths) {
      if (!isOwn(path, this.#location)) continue
      if (this.#queue.length < QUEUE_MAX) this.#queue.push({ path, dueMs })
    }
  }

  /** Deletes what is due. A failure is logged: the sweep finds the files again. */
  async removeDue(nowMs: number): Promise<void> {
    const first = this.#queue.findIndex(({ dueMs }) => dueMs > nowMs)
    const due = this.#queue.slice(0, first === -1 ? undefined : first)
    if (due.length === 0) return
    this.#queue = this.#queue.slice(due.length)
    await this.#remove(due.map(({ path }) => path))
  }

  /**
   * Finds what crashed writers left behind: files of ours between the two ages that no snapshot of this
   * version reaches. Their writer is long gone by then, so none of them can still become part of the table.
   */
  async sweep(
    table: Table,
    ageMs: Readonly<{ min: number; max: number; now: number }>,
  ): Promise<number> {
    const orphans = new Set<string>()
    for await (const { path, modifiedMs } of this.#storage.list(`${this.#location}/`)) {
      const age = ageMs.now - modifiedMs
      if (age < ageMs.min || age > ageMs.max || orphans.size >= CANDIDATES_MAX) continue
      if (isOwn(path, this.#location) || VERSION.test(baseName(path))) orphans.add(path)
    }
    if (orphans.size === 0) return 0
    await this.#spareReachable(table, orphans)
    if (orphans.size > 0) {
      await this.#remove([...orphans])
      this.#log.info({ files: orphans.size }, 'orphaned iceberg files removed')
    }
    return orphans.size
  }

  async #spareReachable({ metadata, metadataPath }: Table, orphans: Set<string>): Promise<void> {
    orphans.delete(metadataPath)
    for (const entry of metadata['metadata-log']) orphans.delete(entry['metadata-file'])
    const seen = new Set<string>()
    for (const snapshot of metadata.snapshots) {
      orphans.delete(snapshot['manifest-list'])
      const list = await this.#storage.read(snapshot['manifest-list'])
      for (const { path } of decodeManifestList(list)) {
        if (seen.has(path)) continue
        seen.add(path)
        orphans.delete(path)
        for (const file of livePaths(await this.#storage.read(path))) orphans.delete(file)
      }
    }
  }

  async #remove(paths: readonly string[]): Promise<void> {
    for (let at = 0; at < paths.length; at += REMOVED_AT_ONCE) {
      const some = paths.slice(at, at + REMOVED_AT_ONCE)
      try {
        await this.#storage.remove(some)
      } catch (cause) {
        const fields = { files: some.length, reason: messageOf(cause) }
        this.#log.warn(fields, 'superfluous iceberg files could not be removed')
      }
    }
  }
}
