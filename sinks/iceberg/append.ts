import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Catalog, Table } from './catalog.ts'
import { changeOf, judge, type StagedBatch, summaryOf } from './change.ts'
import { expiredSnapshots, type ExpiryPolicy } from './expire.ts'
import type { Long } from './lossless-json.ts'
import { describeManifest, encodeManifestList, type ManifestFile } from './manifest-list.ts'
import { type DataFile, encodeManifest, type ManifestEntry } from './manifest.ts'
import { mergeable, mergedEntries, type MergePolicy } from './merge.ts'
import { type Change, currentSnapshotId, type Snapshot, snapshotOf } from './metadata.ts'
import { OWN_PREFIX, randomHex, randomSnapshotId } from './names.ts'
import type { Offsets } from './offsets.ts'
import { SnapshotFiles } from './snapshot-files.ts'
import type { Storage } from './storage.ts'
import type { TableLayout } from './table-schema.ts'

/** What an append left to delete, and the table after it. */
export type Appended = Readonly<{
  table: Table
  /** False when there was nothing to add. */
  committed: boolean
  /** Of the batches those that another writer has stored in part, or went on behind. */
  refused: readonly StagedBatch[]
  /** Files that no kept snapshot needs. */
  superfluous: readonly string[]
}>

/** A snapshot whose files are written, and the change that would make it the table's newest. */
type StagedSnapshot = Readonly<{
  id: number
  change: Change
  listPath: string
  manifests: readonly ManifestFile[]
  merged: readonly ManifestFile[]
  expired: readonly Snapshot[]
}>

type Context = Readonly<{
  storage: Storage
  catalog: Catalog
  location: string
  layout: TableLayout
  clock: Clock
  random: Random
  policy: MergePolicy & ExpiryPolicy
}>

const CONFLICTS_MAX = 20

/** Commits batches, each at most once, with their offsets in the same change. */
export class TableAppender {
  readonly #context: Context
  readonly #files: SnapshotFiles

  constructor(context: Context) {
    this.#context = context
    this.#files = new SnapshotFiles(context.storage)
  }

  /**
   * Adds the batches' files to the newest version of the table. Before each try the newest version is
   * looked at: what it holds already, by this writer's earlier try or another writer, is left out (I3).
   */
  async append(
    known: Table | null,
    batches: readonly StagedBatch[],
    signal: AbortSignal,
  ): Promise<Appended> {
    const { catalog, random } = this.#context
    // One id for all tries: a conflict means that it never became part of the table.
    const id = randomSnapshotId(random)
    const lost: string[] = []
    const written = new Map<string, ManifestFile>()
    let base = known
    for (let conflicts = 0; conflicts <= CONFLICTS_MAX; conflicts++) {
      signal.throwIfAborted()
      base = await catalog.load(base)
      if (!base) throw new OrreryError('iceberg_gone', 'the table is gone', { retriable: false })
      const { fresh, refused } = judge(base.metadata, batches)
      // Stored, perhaps by this very append: something between here and the catalog may have sent a commit
      // twice and shown the answer to the second. Its files are left to the sweep, which looks first (I4).
      if (fresh.length === 0) return { table: base, committed: false, refused, superfluous: [] }
      const sequenceNumber = base.metadata['last-sequence-number'] + 1
      const key = fresh.map((batch) => batch.partition).join()
      const manifest = written.get(key) ?? (await this.#writeManifest(fresh, id))
      written.set(key, manifest)
      const own = { ...manifest, sequenceNumber, minSequenceNumber: sequenceNumber }
      // Only the first try merges: what it costs should not be paid again while others hurry on.
      const staged = await this.#stage(base, fresh, { id, own, merge: conflicts === 0 })
      signal.throwIfAborted()
      const outcome = await catalog.commit(base, staged.change)
      if (outcome.state === 'committed') {
        const expired = await this.#superfluous(staged, outcome.table)
        written.delete(key)
        const superfluous = [...lost, ...pathsOf(written), ...expired]
        return { table: outcome.table, committed: true, refused, superfluous }
      }
      lost.push(staged.listPath, ...staged.merged.map((merged) => merged.path))
    }
    throw new OrreryError('iceberg_busy', `lost ${CONFLICTS_MAX} commits in a row to others`, {
      retriable: true,
    })
  }

  async #stage(
    base: Table,
    fresh: readonly StagedBatch[],
    about: Readonly<{ id: number; own: ManifestFile; merge: boolean }>,
  ): Promise<StagedSnapshot> {
    const { storage, location, clock, random, policy } = this.#context
    const { id, own } = about
    const { metadata } = base
    const parent = snapshotOf(metadata, currentSnapshotId(metadata))
    const before = await this.#files.manifests(metadata, parent?.['snapshot-id'] ?? null)
    const parts = about.merge ? mergeable(before, location, policy) : []
    const merged = parts.length === 0 ? [] : [await this.#writeMerged(parts, own)]
    const dataManifests = own.addedFiles > 0 ? [own] : []
    const left = before.filter((manifest) => !parts.includes(manifest))
    const manifests = [...dataManifests, ...merged, ...left]

    const sequenceNumber = metadata['last-sequence-number'] + 1
    const listPath = `${location}/metadata/${OWN_PREFIX}snap-${id}-${randomHex(random, 8)}.avro`
    const parentId = parent?.['snapshot-id'] ?? null
    const header = { snapshotId: id, parentSnapshotId: parentId, sequenceNumber }
    await storage.write(listPath, encodeManifestList(header, manifests))

    const offsets: Offsets = new Map(fresh.map((batch) => [batch.partition, batch.offsetLast]))
    // Times of snapshots never go back: readers find "the table as of" by them.
    const timestampMs = Math.max(clock.nowMs(), metadata['last-updated-ms'])
    const snapshot: Snapshot = {
      'sequence-number': sequenceNumber,
      'snapshot-id': id,
      ...(parentId === null ? {} : { 'parent-snapshot-id': parentId }),
      'timestamp-ms': timestampMs,
      summary: summaryOf(parent, fresh, offsets),
      'manifest-list': listPath,
      'schema-id': metadata['current-schema-id'],
    }
    const expired = expiredSnapshots(metadata, policy, timestampMs)
    const change = changeOf(metadata, { snapshot, parentId, offsets, expired })
    return { id, change, listPath, manifests, merged, expired }
  }

  async #writeManifest(fresh: readonly StagedBatch[], id: number): Promise<ManifestFile> {
    const entries = fresh.flatMap((batch) => batch.files).map((file) => addedEntry(file, id))
    if (entries.length === 0) return this.#describe('', new Uint8Array(), [], id)
    const path = this.#manifestPath(id, 'm0')
    const bytes = encodeManifest(entries, this.#context.layout)
    await this.#context.storage.write(path, bytes)
    return this.#describe(path, bytes, entries, id)
  }

  async #writeMerged(parts: readonly ManifestFile[], own: ManifestFile): Promise<ManifestFile> {
    const entries = await mergedEntries(parts, this.#context.storage)
    const path = this.#manifestPath(own.addedSnapshotId, `m1-${randomHex(this.#context.random, 8)}`)
    const bytes = encodeManifest(entries, this.#context.layout)
    await this.#context.storage.write(path, bytes)
    const { addedSnapshotId: snapshotId, sequenceNumber } = own
    return describeManifest(path, bytes.length, entries, { snapshotId, sequenceNumber })
  }

  #describe(
    path: string,
    bytes: Uint8Array,
    entries: readonly ManifestEntry[],
    snapshotId: number,
  ): ManifestFile {
    // The sequence number is that of the version it lands in: each try fills it in.
    return describeManifest(path, bytes.length, entries, { snapshotId, sequenceNumber: 0 })
  }

  #manifestPath(id: Long, suffix: string): string {
    const unique = randomHex(this.#context.random, 8)
    return `${this.#context.location}/metadata/${OWN_PREFIX}${id}-${unique}-${suffix}.avro`
  }

  /** What the commit made superfluous; nothing when that cannot be told, and the sweep finds it later. */
  async #superfluous(staged: StagedSnapshot, table: Table): Promise<readonly string[]> {
    this.#files.remember(staged.id, staged.manifests)
    if (staged.expired.length === 0) return []
    try {
      return await this.#files.unreachable(staged.expired, table.metadata)
    } catch {
      return []
    }
  }
}

function pathsOf(written: ReadonlyMap<string, ManifestFile>): readonly string[] {
  return [...written.values()].map((manifest) => manifest.path)
}

function addedEntry(file: DataFile, snapshotId: number): ManifestEntry {
  return { status: 'added', snapshotId, sequenceNumber: null, fileSequenceNumber: null, file }
}
