import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { systemRandom } from '../iceberg/names.ts'
import type { S3Access } from '../iceberg/s3-access.ts'
import { type S3Bounds, S3Storage } from '../iceberg/s3-storage.ts'
import { StorageSnapshotObjects } from './storage-objects.ts'

export type S3SnapshotOptions = Readonly<{
  access: S3Access
  /** The partition's own folder: `s3://bucket/path`. */
  location: string
  clock: Clock
  random?: Random
  bounds?: Partial<S3Bounds>
}>

/**
 * Snapshot objects in a bucket of S3. The server must keep `If-None-Match` (it is probed before the first claim) and
 * list what was written at once. Throws OrreryError `snapshot_location` for a location that is none of S3.
 */
export class S3SnapshotObjects extends StorageSnapshotObjects {
  constructor({ location, random = systemRandom, ...options }: S3SnapshotOptions) {
    if (!/^s3:\/\/[^/]{3,}\/./.test(location)) {
      const message = `${location} is not an address like s3://bucket/path`
      throw new OrreryError('snapshot_location', message)
    }
    super(new S3Storage({ ...options, random }), location)
  }
}
