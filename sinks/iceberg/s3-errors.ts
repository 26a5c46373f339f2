import { messageOf } from '../../actors/kernel/errors.ts'
import { StorageError } from './storage.ts'

/** What an S3 server, or the way to it, answered to a call that failed. */
type S3Failure = Readonly<{ name: string; status: number | null; message: string }>

// Refused now, perhaps not in a moment: the key is renewed, the clock is corrected, the bytes come whole.
const PASSING = new Set([
  'BadDigest',
  'ConditionalRequestConflict',
  'ExpiredToken',
  'IncompleteBody',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'SlowDown',
  'TooManyRequests',
  'XAmzContentChecksumMismatch',
])
const PASSING_STATUS = new Set([408, 425, 429])
// Settings that are wrong or missing, said by the client before it asks anybody.
const LASTING = /^Region is missing|^Invalid URL/

/** Thrown by our own timer when a call took too long: its outcome is unknown. */
export class S3TimeoutError extends Error {
  override readonly name = 'S3TimeoutError'
}

/** Did the server say that the name is taken. */
export function isTaken(thrown: unknown): boolean {
  return failureOf(thrown).status === 412
}

/** The failure of a call as the storage port has it. The server's words are kept, keys are in none of them. */
export function storageError(verb: string, path: string, thrown: unknown): StorageError {
  if (thrown instanceof StorageError) return thrown
  const { name, status, message } = failureOf(thrown)
  // The cause stays behind: it carries the request, and that carries the signature.
  if (name === 'NoSuchBucket') {
    return new StorageError(
      'failed',
      `cannot ${verb} ${path}: the bucket does not exist, create it`,
    )
  }
  if (status === 404) return new StorageError('not_found', `${path}: no such file`)
  const said = status === null ? `${name}: ${message}` : `${status} ${name} ${message}`
  const text = `cannot ${verb} ${path}: ${said.trim()}`
  return new StorageError('failed', text, { retriable: isPassing({ name, status, message }) })
}

function isPassing({ name, status, message }: S3Failure): boolean {
  if (PASSING.has(name)) return true
  if (status === null && LASTING.test(message)) return false
  // No status: the line, the time-out, the name of the host; the server may be starting.
  return status === null || status >= 500 || PASSING_STATUS.has(status)
}

function failureOf(thrown: unknown): S3Failure {
  const message = messageOf(thrown)
  if (!(thrown instanceof Error)) return { name: 'Error', status: null, message }
  const metadata = '$metadata' in thrown ? thrown.$metadata : null
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? Number(metadata.httpStatusCode)
      : null
  const code = 'Code' in thrown && typeof thrown.Code === 'string' ? thrown.Code : thrown.name
  return { name: code, status: Number.isFinite(status) ? status : null, message }
}
