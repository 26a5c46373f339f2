import type { Random } from '../../actors/kernel/clock.ts'
import { fileUri, LocalStorage } from '../iceberg/local-storage.ts'
import { systemRandom } from '../iceberg/names.ts'
import { StorageSnapshotObjects } from './storage-objects.ts'

/**
 * Snapshot objects in a folder of this machine, for tests and for several processes on one host; `dir` is absolute. A
 * version of the head is made by link(2), which fails when the name is taken: what NFS keeps is not tested. Calls sync
 * their files and hold the event loop up while they do.
 */
export class FolderSnapshotObjects extends StorageSnapshotObjects {
  constructor(dir: string, random: Random = systemRandom) {
    super(new LocalStorage(random), fileUri(dir))
  }
}
