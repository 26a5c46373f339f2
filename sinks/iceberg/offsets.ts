import type { TableMetadata } from './metadata.ts'

/** Key of the stored offsets, in the table's properties and in the summary of each snapshot of ours. */
export const OFFSETS_KEY = 'orrery.offsets'

/** The highest stored offset of each partition. */
export type Offsets = ReadonlyMap<number, number>

/** The JSON text of offsets: `{"0":41,"3":7}`. */
export function offsetsText(offsets: Offsets): string {
  return JSON.stringify(Object.fromEntries([...offsets].sort(([a], [b]) => a - b)))
}

/**
 * What the table holds of each partition. The property is the truth: it outlives every snapshot. The
 * summaries are read as well, for the case that somebody has unset it.
 */
export function storedOffsets(metadata: TableMetadata): Offsets {
  const stored = new Map<number, number>()
  raise(stored, metadata.properties[OFFSETS_KEY])
  for (const snapshot of metadata.snapshots) raise(stored, snapshot.summary[OFFSETS_KEY])
  return stored
}

/** The larger offset of each partition: what other writers have stored is never taken back. */
export function mergeOffsets(stored: Offsets, moved: Offsets): Offsets {
  const merged = new Map(stored)
  for (const [partition, offset] of moved) {
    merged.set(partition, Math.max(offset, merged.get(partition) ?? -1))
  }
  return merged
}

function raise(stored: Map<number, number>, text: string | undefined): void {
  if (text === undefined) return
  for (const [partition, offset] of Object.entries(parseObject(text))) {
    if (typeof offset !== 'number') continue
    const key = Number(partition)
    stored.set(key, Math.max(offset, stored.get(key) ?? -1))
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  const value = JSON.parse(text) as unknown
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
