import type { Long } from './lossless-json.ts'
import { decodeManifestList, type ManifestFile } from './manifest-list.ts'
import { type Snapshot, snapshotOf, type TableMetadata } from './metadata.ts'
import type { Storage } from './storage.ts'

/**
 * Which manifests each snapshot consists of. Lists are immutable: read once, or known because we wrote
 * them; what is remembered is only the snapshots that the table still has.
 */
export class SnapshotFiles {
  readonly #storage: Storage
  readonly #paths = new Map<string, readonly string[]>()
  /** The whole list of one snapshot: the one that the next commit builds upon. */
  #newest: Readonly<{ id: string; manifests: readonly ManifestFile[] }> | null = null

  constructor(storage: Storage) {
    this.#storage = storage
  }

  /** Manifests of a snapshot; none for a table without one. */
  async manifests(metadata: TableMetadata, id: Long | null): Promise<readonly ManifestFile[]> {
    const snapshot = snapshotOf(metadata, id)
    if (!snapshot) return []
    const key = String(id)
    if (this.#newest?.id === key) return this.#newest.manifests
    const manifests = decodeManifestList(await this.#storage.read(snapshot['manifest-list']))
    this.remember(key, manifests)
    return manifests
  }

  /** Keeps the list of a snapshot that was just committed. */
  remember(id: Long | string, manifests: readonly ManifestFile[]): void {
    this.#newest = { id: String(id), manifests }
    this.#paths.set(
      String(id),
      manifests.map((manifest) => manifest.path),
    )
  }

  /** Manifests and lists that only the removed snapshots consist of. */
  async unreachable(removed: readonly Snapshot[], kept: TableMetadata): Promise<readonly string[]> {
    const reachable = new Set<string>()
    for (const snapshot of kept.snapshots) {
      for (const path of await this.#pathsOf(snapshot)) reachable.add(path)
    }
    const gone = new Set<string>()
    for (const snapshot of removed) {
      gone.add(snapshot['manifest-list'])
      for (const path of await this.#pathsOf(snapshot)) if (!reachable.has(path)) gone.add(path)
      this.#paths.delete(String(snapshot['snapshot-id']))
    }
    return [...gone]
  }

  async #pathsOf(snapshot: Snapshot): Promise<readonly string[]> {
    const key = String(snapshot['snapshot-id'])
    const known = this.#paths.get(key)
    if (known) return known
    const list = decodeManifestList(await this.#storage.read(snapshot['manifest-list']))
    const paths = list.map((manifest) => manifest.path)
    this.#paths.set(key, paths)
    return paths
  }
}
