import { createHash } from 'node:crypto'
import { createReadStream, existsSync, renameSync, rmSync, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'

import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Jar } from './jars.ts'

const TRIES_MAX = 5
const RETRY_MS = 1_000
const STALL_MS_MAX = 30_000

export type FetchOptions = Readonly<{
  /** The root of a Maven repository, without a slash at its end. */
  repository: string
  folder: string
  clock: Clock
  /** Bytes that have arrived, or (negative) were thrown away. */
  onBytes: (bytes: number) => void
}>

/** Brings one jar into the folder: goes on where an earlier try ended, and names it only once its hash is right. */
export async function fetchJar(jar: Jar, options: FetchOptions): Promise<void> {
  const { folder, clock, onBytes } = options
  const file = join(folder, jar.name)
  if (existsSync(file) && (await isWhole(file, jar))) return onBytes(jar.bytes)
  const part = `${file}.part`
  onBytes(sizeOf(part))
  for (let tries = 1; ; tries++) {
    try {
      if (sizeOf(part) < jar.bytes) await append(jar, part, options)
      if (await isWhole(part, jar)) break
      onBytes(-sizeOf(part))
      rmSync(part, { force: true })
      throw new OrreryError('wrong_hash', 'its SHA-256 is not the one expected', {
        retriable: true,
      })
    } catch (thrown) {
      const final = thrown instanceof OrreryError && !thrown.retriable
      if (final || tries >= TRIES_MAX) {
        const message = `${options.repository}/${jar.path}: ${messageOf(thrown)} (${tries} tries)`
        throw new OrreryError('fetch_failed', message, { cause: thrown, retriable: !final })
      }
      const { promise, resolve } = Promise.withResolvers<void>()
      clock.after(RETRY_MS * 2 ** (tries - 1), resolve)
      await promise
    }
  }
  renameSync(part, file)
}

/** Adds what is missing of the part; a server that cannot resume sends all of it again. */
async function append(jar: Jar, part: string, options: FetchOptions): Promise<void> {
  const { repository, clock, onBytes } = options
  const have = sizeOf(part)
  const stalled = new AbortController()
  const abort = (): void => stalled.abort(new Error(`nothing came for ${STALL_MS_MAX / 1_000} s`))
  let cancel = clock.after(STALL_MS_MAX, abort)
  try {
    const headers: Record<string, string> = have > 0 ? { range: `bytes=${have}-` } : {}
    const response = await fetch(`${repository}/${jar.path}`, { headers, signal: stalled.signal })
    if (!response.ok || !response.body) {
      const retriable = response.status >= 500 || response.status === 429
      throw new OrreryError('fetch_refused', `the answer is ${response.status}`, { retriable })
    }
    const resumed = response.status === 206
    if (!resumed) onBytes(-have)
    const handle = await open(part, resumed ? 'a' : 'w')
    try {
      let size = resumed ? have : 0
      for await (const bytes of response.body) {
        cancel()
        cancel = clock.after(STALL_MS_MAX, abort)
        size += bytes.byteLength
        if (size > jar.bytes) throw new Error(`more than its ${jar.bytes} bytes came`)
        await handle.write(bytes)
        onBytes(bytes.byteLength)
      }
      if (size < jar.bytes) throw new Error(`it ended after ${size} of ${jar.bytes} bytes`)
      await handle.datasync()
    } finally {
      await handle.close()
    }
  } finally {
    cancel()
  }
}

async function isWhole(file: string, jar: Jar): Promise<boolean> {
  if (sizeOf(file) !== jar.bytes) return false
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(file)) hash.update(bytes)
  return hash.digest('hex') === jar.sha256
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0
}
