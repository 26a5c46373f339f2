import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

import type { Clock } from '../actors/kernel/clock.ts'
import type { ReplaySource } from './replay-source.ts'
import { asRecord, parseJson } from './wire.ts'

/** How far a replay has come, kept beside its file so that it can go on after a failure. */
export interface ReplayProgress {
  /** Rows that an earlier, interrupted replay has seen acknowledged. */
  readonly rowsBefore: number
  /** Remembers that so many rows are acknowledged; on disk within a second. */
  reached(rows: number): void
  /** Writes what is not on disk yet. */
  save(): void
  /** The replay is done: there is nothing to go on with. */
  done(): void
}

export const noProgress: ReplayProgress = { rowsBefore: 0, reached() {}, save() {}, done() {} }

const SAVE_EVERY_MS = 1_000
const SAMPLE_BYTES = 65_536

/**
 * The progress of this recording towards this target. It is known by what the recording holds, not by its name:
 * another file under the same name begins anew. Where the file's folder cannot be written, `fallbackDir` is used.
 */
export function openProgress(
  source: ReplaySource,
  options: Readonly<{ target: string; fallbackDir: string; clock: Clock }>,
): ReplayProgress {
  const { read, bytes } = source
  if (!read || bytes === null) return noProgress
  const id = identityOf(source.kind, source.order, options.target, bytes, read)
  const paths = [dirname(source.name), options.fallbackDir].map((dir) =>
    join(dir, `.${basename(source.name)}.${id}.replay`),
  )
  const found = paths.find((path) => existsSync(path))
  return new FileProgress(found ? [found] : paths, found ? rowsIn(found) : 0, options.clock)
}

class FileProgress implements ReplayProgress {
  readonly rowsBefore: number
  readonly #clock: Clock
  /** Where it may be written; the first that works stays. */
  #paths: readonly string[]
  #rows: number
  #savedRows: number
  #savedMs = Number.NEGATIVE_INFINITY

  constructor(paths: readonly string[], rowsBefore: number, clock: Clock) {
    this.#paths = paths
    this.rowsBefore = rowsBefore
    this.#rows = rowsBefore
    this.#savedRows = rowsBefore
    this.#clock = clock
  }

  reached(rows: number): void {
    this.#rows = rows
    if (this.#clock.monotonicMs() - this.#savedMs >= SAVE_EVERY_MS) this.save()
  }

  save(): void {
    if (this.#rows === this.#savedRows) return
    this.#savedRows = this.#rows
    this.#savedMs = this.#clock.monotonicMs()
    const works = this.#paths.find((path) => written(path, JSON.stringify({ rows: this.#rows })))
    // Without a place to write it the replay itself goes on.
    this.#paths = works ? [works] : []
  }

  done(): void {
    for (const path of this.#paths) rmSync(path, { force: true })
  }
}

function written(path: string, text: string): boolean {
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(`${path}.new`, text)
    renameSync(`${path}.new`, path)
    return true
  } catch {
    return false
  }
}

function rowsIn(path: string): number {
  const rows = asRecord(parseJson(readFileSync(path, 'utf8')))?.rows
  return typeof rows === 'number' && Number.isSafeInteger(rows) && rows > 0 ? rows : 0
}

function identityOf(
  kind: string,
  order: string,
  target: string,
  bytes: number,
  read: (offset: number, into: Uint8Array) => void,
): string {
  const sample = new Uint8Array(Math.min(bytes, SAMPLE_BYTES))
  const hash = new Bun.CryptoHasher('sha256').update(JSON.stringify([kind, order, target, bytes]))
  for (const offset of [0, bytes - sample.byteLength]) {
    read(offset, sample)
    hash.update(sample)
  }
  return hash.digest('hex').slice(0, 12)
}
