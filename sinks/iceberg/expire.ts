import type { Long } from './lossless-json.ts'
import { currentSnapshotId, type Snapshot, snapshotOf, type TableMetadata } from './metadata.ts'

/** How much history a table keeps. */
export type ExpiryPolicy = Readonly<{
  /** Younger snapshots stay whatever their age. */
  snapshotsMin: number
  /** Beyond that, one goes when it is this old, */
  snapshotAgeMsMin: number
  /** or when there are more than this: many commits a second must not grow the metadata. */
  snapshotsMax: number
}>

/**
 * Snapshots to remove: the old end of `main`. What another branch or a tag rests on stays, and so do
 * snapshots that are no ancestors of `main`: they are somebody else's.
 */
export function expiredSnapshots(
  metadata: TableMetadata,
  policy: ExpiryPolicy,
  nowMs: number,
): readonly Snapshot[] {
  if (metadata.snapshots.length <= policy.snapshotsMin) return []
  const held = new Set<string>()
  for (const [name, ref] of Object.entries(metadata.refs)) {
    if (name === 'main') continue
    for (const snapshot of ancestry(metadata, ref['snapshot-id'])) held.add(idOf(snapshot))
  }
  return ancestry(metadata, currentSnapshotId(metadata)).filter((snapshot, age) => {
    if (age < policy.snapshotsMin || held.has(idOf(snapshot))) return false
    const oldEnough = nowMs - snapshot['timestamp-ms'] >= policy.snapshotAgeMsMin
    return oldEnough || age >= policy.snapshotsMax
  })
}

/** A snapshot and those it was built upon, newest first, as far as the table still knows them. */
function ancestry(metadata: TableMetadata, id: Long | null): readonly Snapshot[] {
  const byId = new Map(metadata.snapshots.map((snapshot) => [idOf(snapshot), snapshot]))
  const chain: Snapshot[] = []
  let next = snapshotOf(metadata, id)
  while (next && chain.length < metadata.snapshots.length) {
    chain.push(next)
    next = byId.get(String(next['parent-snapshot-id'] ?? ''))
  }
  return chain
}

function idOf(snapshot: Snapshot): string {
  return String(snapshot['snapshot-id'])
}
