import { gunzipSync } from 'node:zlib'

import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { Catalog, CommitOutcome, Table } from './catalog.ts'
import {
  applyChange,
  type Change,
  currentSnapshotId,
  metadataText,
  newMetadata,
  parseMetadata,
  snapshotOf,
  type TableDefinition,
  type TableMetadata,
  unmetRequirement,
} from './metadata.ts'
import { baseName } from './names.ts'
import { isNotFound, type Storage } from './storage.ts'

const VERSION = /^v(\d+)(\.gz)?\.metadata\.json$/
const LOG_MAX = 20
const decoder = new TextDecoder()
const encoder = new TextEncoder()

type Version = Readonly<{ number: number; path: string }>

/**
 * A catalog that is nothing but the table's folder: `metadata/v<n>.metadata.json`, each created once and
 * by one writer only. The newest number is the table; `version-hint.text` says it to readers that do not list.
 */
export class FolderCatalog implements Catalog {
  readonly #location: string
  readonly #storage: Storage
  readonly #clock: Clock
  readonly #log: Log

  constructor(options: Readonly<{ location: string; storage: Storage; clock: Clock; log: Log }>) {
    this.#location = options.location
    this.#storage = options.storage
    this.#clock = options.clock
    this.#log = options.log
  }

  async load(known: Table | null): Promise<Table | null> {
    for (;;) {
      const newest = (await this.#versions()).at(-1)
      if (!newest) return null
      if (known?.metadataPath === newest.path) return known
      try {
        const metadata = await this.#read(newest.path)
        this.#checkLocation(metadata)
        // Its writer may have died before this was durable; what we build on must be.
        await this.#storage.settle(newest.path)
        return { metadata, metadataPath: newest.path }
      } catch (cause) {
        // Twenty versions came and the oldest went while we looked: look again.
        if (!isNotFound(cause)) throw cause
      }
    }
  }

  async create(definition: TableDefinition): Promise<Table> {
    const metadata = newMetadata({ ...definition, location: this.#location }, this.#clock.nowMs())
    await this.#storage.create(this.#pathOf(1), encoder.encode(metadataText(metadata)))
    const table = await this.load(null)
    if (!table) throw new OrreryError('iceberg_metadata', `${this.#location} vanished`)
    if (table.metadataPath === this.#pathOf(1)) await this.#writeHint(1)
    return table
  }

  async commit(base: Table, change: Change): Promise<CommitOutcome> {
    const unmet = unmetRequirement(base.metadata, change)
    if (unmet !== null) return { state: 'conflict', reason: unmet }
    const number = versionOf(base.metadataPath) + 1
    const path = this.#pathOf(number)
    const metadata = applyChange(base.metadata, change, {
      nowMs: this.#clock.nowMs(),
      previous: base.metadataPath,
      logMax: LOG_MAX,
    })
    if (!(await this.#storage.create(path, encoder.encode(metadataText(metadata))))) {
      return { state: 'conflict', reason: `${baseName(path)} exists` }
    }
    const table = { metadata, metadataPath: path }
    if (!(await this.#isNewest(table, number))) {
      throw new OrreryError('commit_unknown', `${baseName(path)} came too late`, {
        retriable: true,
      })
    }
    await this.#writeHint(number)
    await this.#removeDropped(base.metadata, metadata)
    return { state: 'committed', table }
  }

  /**
   * A writer that slept while others made more versions than are kept finds its number free again. What it
   * makes then is not the table (I6): the newest version is, unless that was built upon ours.
   */
  async #isNewest({ metadata, metadataPath }: Table, number: number): Promise<boolean> {
    const newest = await this.load({ metadata, metadataPath })
    if (!newest || versionOf(newest.metadataPath) <= number) return true
    const ours = snapshotOf(newest.metadata, currentSnapshotId(metadata))
    const log = newest.metadata['metadata-log']
    const upon = ours !== undefined || log.some((entry) => entry['metadata-file'] === metadataPath)
    if (!upon) await this.#storage.remove([metadataPath])
    return upon
  }

  async #versions(): Promise<readonly Version[]> {
    const versions: Version[] = []
    for await (const { path } of this.#storage.list(`${this.#location}/metadata/v`)) {
      if (VERSION.test(baseName(path))) versions.push({ number: versionOf(path), path })
    }
    return versions.sort((a, b) => a.number - b.number)
  }

  async #read(path: string): Promise<TableMetadata> {
    const bytes = await this.#storage.read(path)
    const plain = path.endsWith('.gz.metadata.json') ? gunzipSync(bytes) : bytes
    return parseMetadata(decoder.decode(plain), path)
  }

  #checkLocation({ location }: TableMetadata): void {
    if (location.replace(/\/+$/, '') === this.#location) return
    throw new OrreryError(
      'iceberg_moved',
      `the table in ${this.#location} was made for ${location}, and its files are named by that path: ` +
        'move it back, or point the data folder to where it was',
    )
  }

  #pathOf(number: number): string {
    return `${this.#location}/metadata/v${number}.metadata.json`
  }

  // A hint that is too low costs a reader a look at the next versions, so failing to write it is no failure.
  async #writeHint(number: number): Promise<void> {
    await this.#leniently('hint', () =>
      this.#storage.replace(
        `${this.#location}/metadata/version-hint.text`,
        encoder.encode(String(number)),
      ),
    )
  }

  /** Versions that the log no longer names go, oldest first. */
  async #removeDropped(before: TableMetadata, after: TableMetadata): Promise<void> {
    const kept = new Set(after['metadata-log'].map((entry) => entry['metadata-file']))
    const dropped = before['metadata-log']
      .map((entry) => entry['metadata-file'])
      .filter((path) => !kept.has(path) && path.startsWith(`${this.#location}/metadata/v`))
    if (dropped.length > 0) await this.#leniently('trim', () => this.#storage.remove(dropped))
  }

  async #leniently(step: string, call: () => Promise<void>): Promise<void> {
    try {
      await call()
    } catch (cause) {
      this.#log.warn({ step, reason: messageOf(cause) }, 'after an iceberg commit, a step failed')
    }
  }
}

function versionOf(path: string): number {
  return Number(VERSION.exec(baseName(path))?.[1] ?? 0)
}
