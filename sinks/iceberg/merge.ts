import type { Long } from './lossless-json.ts'
import type { ManifestFile } from './manifest-list.ts'
import { decodeManifest, type ManifestEntry } from './manifest.ts'
import { isOwn } from './names.ts'
import type { Storage } from './storage.ts'
import { SPEC_ID } from './table-schema.ts'

/** When manifests are merged, and how large they become. */
export type MergePolicy = Readonly<{
  /** A snapshot with more manifests than this gets them merged. */
  manifestsMax: number
  /** A manifest with this many files is full and is left alone. */
  entriesPerManifest: number
}>

/** Manifests to merge into one, or none when it would not pay. Only our own: others may say more than we know. */
export function mergeable(
  manifests: readonly ManifestFile[],
  location: string,
  policy: MergePolicy,
): readonly ManifestFile[] {
  if (manifests.length < policy.manifestsMax) return []
  const small = manifests.filter((manifest) => {
    const files = manifest.addedFiles + manifest.existingFiles
    const ours = manifest.content === 0 && manifest.specId === SPEC_ID
    return ours && files < policy.entriesPerManifest && isOwn(manifest.path, location)
  })
  // With many full ones the few small ones are not worth their reading each time.
  return small.length >= policy.manifestsMax / 4 ? small : []
}

/** Entries of the manifests, each with its own numbers written out; deleted ones end here. */
export async function mergedEntries(
  manifests: readonly ManifestFile[],
  storage: Storage,
): Promise<readonly ManifestEntry[]> {
  const entries: ManifestEntry[] = []
  for (const manifest of manifests) {
    for (const entry of decodeManifest(await storage.read(manifest.path))) {
      if (entry.status !== 'deleted') entries.push(inherit(entry, manifest))
    }
  }
  return entries
}

/** An entry as it stands in a later manifest: existing, with the numbers it had from its list. */
export function inherit(entry: ManifestEntry, manifest: ManifestFile): ManifestEntry {
  const sequenceNumber: Long = entry.sequenceNumber ?? manifest.sequenceNumber
  return {
    status: 'existing',
    snapshotId: entry.snapshotId ?? manifest.addedSnapshotId,
    sequenceNumber,
    fileSequenceNumber: entry.fileSequenceNumber ?? sequenceNumber,
    file: entry.file,
  }
}
