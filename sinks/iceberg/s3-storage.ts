import {
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'

import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import { type Backoff, retry } from '../retry.ts'
import { randomHex } from './names.ts'
import { type S3Access, type S3Place, s3Place } from './s3-access.ts'
import { isTaken, S3TimeoutError, storageError } from './s3-errors.ts'
import { type Storage, StorageError, type StoredFile } from './storage.ts'

/** How long one call may take, and how often it is made. */
export type S3Bounds = Readonly<{
  /** For one try; a file's bytes add their own share, at half a megabyte a second. */
  timeoutMs: number
  triesMax: number
  /** No further try begins later than this after the first. */
  deadlineMs: number
  backoff: Backoff
}>

/** An aborted write has to answer within the 30 s after which its worker is ended. */
export const S3_BOUNDS: S3Bounds = {
  timeoutMs: 8_000,
  triesMax: 4,
  deadlineMs: 12_000,
  backoff: { firstMs: 100, longestMs: 2_000 },
}

/** What the storage stands on. Access may change while it runs: a catalog's keys end. */
export type S3StorageOptions = Readonly<{
  access: S3Access | (() => Promise<S3Access>)
  clock: Clock
  random: Random
  bounds?: Partial<S3Bounds>
}>

type Call<T> = (client: S3Client, abortSignal: AbortSignal) => Promise<T>

const BYTES_PER_MS = 500
const REMOVED_AT_ONCE = 1_000
/** In an object's own metadata: which call made it. */
const MAKER = 'orrery-maker'

/** Files of an object store that speaks S3 and keeps `If-None-Match` (D13). */
export class S3Storage implements Storage {
  readonly #options: S3StorageOptions
  readonly #bounds: S3Bounds
  #client: Readonly<{ access: S3Access; client: S3Client }> | null = null
  #conditional = false

  constructor(options: S3StorageOptions) {
    this.#options = options
    this.#bounds = { ...S3_BOUNDS, ...options.bounds }
  }

  async read(path: string): Promise<Uint8Array> {
    const { bucket: Bucket, key: Key } = place(path)
    return this.#retried('read', path, 0, async (client, abortSignal) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }), { abortSignal })
      return Body ? Body.transformToByteArray() : new Uint8Array()
    })
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const { bucket: Bucket, key: Key } = place(path)
    await this.#retried('write', path, bytes.length, (client, abortSignal) =>
      client.send(new PutObjectCommand({ Bucket, Key, Body: bytes }), { abortSignal }),
    )
  }

  async create(path: string, bytes: Uint8Array): Promise<boolean> {
    await this.#checkConditional(path)
    return this.#create(path, bytes)
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return this.write(path, bytes)
  }

  // What a server of S3 shows is durable.
  async settle(): Promise<void> {}

  async *list(prefix: string): AsyncIterable<StoredFile> {
    const { bucket: Bucket, key: Prefix } = place(prefix)
    const scheme = prefix.slice(0, prefix.indexOf(':'))
    for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
      const input = { Bucket, Prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }
      const page = await this.#retried('list', prefix, 0, (client, abortSignal) =>
        client.send(new ListObjectsV2Command(input), { abortSignal }),
      )
      for (const { Key, Size = 0, LastModified } of page.Contents ?? []) {
        if (Key === undefined) continue
        const modifiedMs = LastModified?.getTime() ?? this.#options.clock.nowMs()
        yield { path: `${scheme}://${Bucket}/${Key}`, bytes: Size, modifiedMs }
      }
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined
    }
  }

  async remove(paths: readonly string[]): Promise<void> {
    const byBucket = Map.groupBy(paths.map(place), ({ bucket }) => bucket)
    for (const [bucket, places] of byBucket) {
      for (let at = 0; at < places.length; at += REMOVED_AT_ONCE) {
        await this.#removeSome(bucket, places.slice(at, at + REMOVED_AT_ONCE))
      }
    }
  }

  async #create(path: string, bytes: Uint8Array): Promise<boolean> {
    const { bucket: Bucket, key: Key } = place(path)
    const maker = randomHex(this.#options.random, 32)
    const input = { Bucket, Key, Body: bytes, IfNoneMatch: '*', Metadata: { [MAKER]: maker } }
    return this.#retried('create', path, bytes.length, async (client, abortSignal) => {
      try {
        await client.send(new PutObjectCommand(input), { abortSignal })
        return true
      } catch (cause) {
        if (!isTaken(cause)) throw cause
        // By us, when the answer to an earlier try was lost, be it ours or one the line made again (I13).
        return (await this.#makerOf({ bucket: Bucket, key: Key }, client, abortSignal)) === maker
      }
    })
  }

  async #makerOf({ bucket, key }: S3Place, client: S3Client, abortSignal: AbortSignal) {
    try {
      const head = new HeadObjectCommand({ Bucket: bucket, Key: key })
      return (await client.send(head, { abortSignal })).Metadata?.[MAKER]
    } catch (cause) {
      // Taken a moment ago and gone now: not an absent file to the caller, but a reason to try again.
      const path = `s3://${bucket}/${key}`
      throw new StorageError('failed', `cannot tell who made ${path}: ${messageOf(cause)}`, {
        retriable: true,
      })
    }
  }

  /** A server that ignores the condition would let two writers make one version, and lose one of them (D13). */
  async #checkConditional(path: string): Promise<void> {
    if (this.#conditional) return
    const folder = path.slice(0, path.lastIndexOf('/'))
    const probe = `${folder}/orrery-probe-${randomHex(this.#options.random, 16)}`
    const first = await this.#create(probe, new Uint8Array(1))
    const second = await this.#create(probe, new Uint8Array(1))
    // A bucket that lets nothing be deleted is a choice; the sweep tries again.
    await this.remove([probe]).catch(() => {})
    if (!first || second) {
      const message =
        `the S3 server of ${folder} does not keep If-None-Match: two writers could overwrite each other; ` +
        'use a server that does, or a REST catalog'
      throw new StorageError('failed', message)
    }
    this.#conditional = true
  }

  async #removeSome(bucket: string, places: readonly S3Place[]): Promise<void> {
    const first = `s3://${bucket}/${places[0]?.key}`
    const Delete = { Objects: places.map(({ key: Key }) => ({ Key })), Quiet: true }
    await this.#retried('remove', first, 0, async (client, abortSignal) => {
      const command = new DeleteObjectsCommand({ Bucket: bucket, Delete })
      const { Errors = [] } = await client.send(command, { abortSignal })
      const failed = Errors.filter(({ Code }) => Code !== 'NoSuchKey')
      const [one] = failed
      if (!one) return
      const said = `${failed.length} files, the first ${one.Key}: ${one.Code} ${one.Message}`
      const retriable = one.Code === 'InternalError' || one.Code === 'SlowDown'
      throw new StorageError('failed', `cannot remove ${said}`, { retriable })
    })
  }

  async #retried<T>(verb: string, path: string, bytes: number, call: Call<T>): Promise<T> {
    const { clock, random } = this.#options
    const { triesMax, deadlineMs, backoff, timeoutMs } = this.#bounds
    return retry(
      async () => {
        try {
          return await this.#within(timeoutMs + bytes / BYTES_PER_MS, call)
        } catch (cause) {
          throw storageError(verb, path, cause)
        }
      },
      {
        clock,
        random,
        backoff,
        deadlineMs,
        signal: new AbortController().signal,
        judge: (thrown, attempt) =>
          attempt + 1 < triesMax && thrown instanceof StorageError && thrown.retriable
            ? 'again'
            : 'stop',
      },
    )
  }

  /** Our own timer beside the client's signal: whatever hangs, the call ends. */
  async #within<T>(timeoutMs: number, call: Call<T>): Promise<T> {
    const controller = new AbortController()
    const { promise: late, reject } = Promise.withResolvers<never>()
    const cancel = this.#options.clock.after(timeoutMs, () => {
      reject(new S3TimeoutError(`no answer within ${Math.round(timeoutMs)} ms`))
      controller.abort()
    })
    try {
      const work = this.#connected().then((client) => call(client, controller.signal))
      return await Promise.race([work, late])
    } finally {
      cancel()
    }
  }

  async #connected(): Promise<S3Client> {
    const given = this.#options.access
    const access = typeof given === 'function' ? await given() : given
    if (this.#client?.access === access) return this.#client.client
    const { endpoint, pathStyle = true, credentials } = access
    // A server of one's own seldom has regions, and the signature needs some word.
    const region = access.region ?? (endpoint === undefined ? undefined : 'us-east-1')
    // One try a call: a repeated create would take its own first file for another's.
    const client = new S3Client({
      maxAttempts: 1,
      forcePathStyle: pathStyle,
      ...(endpoint === undefined ? {} : { endpoint }),
      ...(region === undefined ? {} : { region }),
      ...(credentials === undefined ? {} : { credentials: { ...credentials } }),
    })
    this.#client = { access, client }
    return client
  }
}

function place(path: string): S3Place {
  const found = s3Place(path)
  if (!found) throw new StorageError('failed', `${path}: not a path of S3`)
  return found
}
