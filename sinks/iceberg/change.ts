import { assert } from '../../actors/kernel/errors.ts'
import type { Long } from './lossless-json.ts'
import type { DataFile } from './manifest.ts'
import type { Change, Snapshot, TableMetadata, Update } from './metadata.ts'
import { mergeOffsets, type Offsets, OFFSETS_KEY, offsetsText, storedOffsets } from './offsets.ts'

/** A batch whose data files are written and not yet part of the table. Plain data: another process may commit it. */
export type StagedBatch = Readonly<{
  partition: number
  offsetFirst: number
  offsetLast: number
  files: readonly DataFile[]
}>

/** What a table says of batches that are to be added. */
export type Verdict = Readonly<{
  /** Not in the table yet. */
  fresh: readonly StagedBatch[]
  /** Not to be added, ever: another writer has stored some of them, or went on behind them. */
  refused: readonly StagedBatch[]
}>

/**
 * Which batches the table does not hold. One that ends where the table does is this writer's own, or as good as
 * that. One that the table holds in part, or is behind already, was cut differently by somebody else, who then owns the
 * partition: this writer must stop.
 */
export function judge(metadata: TableMetadata, batches: readonly StagedBatch[]): Verdict {
  const offsets = storedOffsets(metadata)
  const partitions = new Set(batches.map((batch) => batch.partition))
  assert(partitions.size === batches.length, 'a commit holds at most one batch of a partition')
  const storedOf = (batch: StagedBatch): number => offsets.get(batch.partition) ?? -1
  return {
    fresh: batches.filter((batch) => storedOf(batch) < batch.offsetFirst),
    refused: batches.filter(
      (batch) => storedOf(batch) >= batch.offsetFirst && storedOf(batch) !== batch.offsetLast,
    ),
  }
}

/** The change that makes `snapshot` the newest, with the offsets it moves. */
export function changeOf(
  metadata: TableMetadata,
  next: Readonly<{
    snapshot: Snapshot
    parentId: Long | null
    offsets: Offsets
    expired: readonly Snapshot[]
  }>,
): Change {
  const id = next.snapshot['snapshot-id']
  const merged = mergeOffsets(storedOffsets(metadata), next.offsets)
  const updates: Update[] = [
    { action: 'add-snapshot', snapshot: next.snapshot },
    { action: 'set-snapshot-ref', 'ref-name': 'main', type: 'branch', 'snapshot-id': id },
    { action: 'set-properties', updates: { [OFFSETS_KEY]: offsetsText(merged) } },
  ]
  if (next.expired.length > 0) {
    const ids = next.expired.map((snapshot) => snapshot['snapshot-id'])
    updates.push({ action: 'remove-snapshots', 'snapshot-ids': ids })
  }
  return {
    requirements: [
      { type: 'assert-table-uuid', uuid: metadata['table-uuid'] },
      { type: 'assert-ref-snapshot-id', ref: 'main', 'snapshot-id': next.parentId },
    ],
    updates,
  }
}

/** What a snapshot says of itself, totals included. */
export function summaryOf(
  parent: Snapshot | undefined,
  fresh: readonly StagedBatch[],
  offsets: Offsets,
): Snapshot['summary'] {
  const files = fresh.flatMap((batch) => batch.files)
  const added = {
    'data-files': files.length,
    records: files.reduce((sum, file) => sum + file.rows, 0),
    'files-size': files.reduce((sum, file) => sum + file.bytes, 0),
  }
  const summary: Record<string, string> = {
    operation: 'append',
    [OFFSETS_KEY]: offsetsText(offsets),
    'added-data-files': String(added['data-files']),
    'added-records': String(added.records),
    'added-files-size': String(added['files-size']),
    'changed-partition-count': String(new Set(files.map((file) => file.day)).size),
  }
  for (const [what, more] of Object.entries(added)) {
    // A foreign parent may have no totals; then neither have we, rather than wrong ones.
    const total = parent === undefined ? '0' : parent.summary[`total-${what}`]
    if (total !== undefined) summary[`total-${what}`] = String(Number(total) + more)
  }
  for (const what of ['delete-files', 'position-deletes', 'equality-deletes']) {
    summary[`total-${what}`] = parent?.summary[`total-${what}`] ?? '0'
  }
  return summary
}
