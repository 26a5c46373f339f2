import { OrreryError } from '../../actors/kernel/errors.ts'

/** One stored file. */
export type StoredFile = Readonly<{ path: string; bytes: number; modifiedMs: number }>

/**
 * Where table files live: a local folder, an object store. Paths are absolute, as Iceberg metadata
 * has them (`file:///…`, `s3://…`). What a call has written is durable when its promise resolves.
 */
export interface Storage {
  /** The whole file; StorageError `not_found` when there is none. */
  read(path: string): Promise<Uint8Array>
  /** Writes a file under a name that nobody else uses; a torn one may stay behind after a crash. */
  write(path: string, bytes: Uint8Array): Promise<void>
  /** Writes a file, whole or not at all, unless one is there: then false. At most one of many callers wins. */
  create(path: string, bytes: Uint8Array): Promise<boolean>
  /** Replaces a file: readers see the old content or the new one. */
  replace(path: string, bytes: Uint8Array): Promise<void>
  /** Makes durable what another, perhaps dead, writer has left at this path. */
  settle(path: string): Promise<void>
  /** Every file whose path begins with the prefix, a folder's path with its `/`; no order. */
  list(prefix: string): AsyncIterable<StoredFile>
  /** Removes files; one that is gone already is no failure. */
  remove(paths: readonly string[]): Promise<void>
}

/** Why a storage call failed; `retriable` when the same call may succeed later. */
export class StorageError extends OrreryError {
  override readonly name = 'StorageError'
  constructor(
    code: 'not_found' | 'failed',
    message: string,
    options: { retriable?: boolean; cause?: unknown } = {},
  ) {
    super(code, message, options)
  }
}

/** Is this the answer of a storage that has no such file. */
export function isNotFound(thrown: unknown): boolean {
  return thrown instanceof StorageError && thrown.code === 'not_found'
}
