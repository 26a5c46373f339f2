import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import type { SnapshotObjects } from '../../actors/kernel/snapshots.ts'
import { systemRandom } from '../iceberg/names.ts'
import type { S3Access } from '../iceberg/s3-access.ts'
import { type S3Bounds, S3Storage } from '../iceberg/s3-storage.ts'
import { StorageSnapshotObjects } from './storage-objects.ts'

export type S3SnapshotOptions = Readonly<{
  access: S3Access
  clock: Clock
  random?: Random
  bounds?: Partial<S3Bounds>
}>

/**
 * Snapshots of many partitions over one connection to S3. The server must keep `If-None-Match` (it is probed once, before
 * the first claim) and list what was written at once.
 */
export class S3Snapshots {
  readonly #storage: S3Storage

  constructor({ random = systemRandom, ...options }: S3SnapshotOptions) {
    this.#storage = new S3Storage({ ...options, random })
  }

  /** Objects of one partition, in a folder of its own: `s3://bucket/path`. Throws OrreryError `snapshot_location`. */
  at(location: string): SnapshotObjects {
    if (!/^s3:\/\/[^/]{3,}\/./.test(location)) {
      const message = `${location} is not an address like s3://bucket/path`
      throw new OrreryError('snapshot_location', message)
    }
    return new StorageSnapshotObjects(this.#storage, location)
  }
}
