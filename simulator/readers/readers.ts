import { assert, OrreryError } from '../../actors/kernel/errors.ts'
import {
  type Environment,
  findReader,
  missingReader,
  type ReaderName,
} from '../../actors/testing/services.ts'
import { sparkJars } from './install.ts'

/** How a reader that is not ours reaches S3. */
export type ReaderKeys = Readonly<{
  endpoint: string
  region: string
  accessKey: string
  secretKey: string
}>

/** One table: in a REST catalog, or by its newest metadata (a file, or its folder) on S3 or on a disk. */
export type BronzePlace = Readonly<{ s3?: ReaderKeys }> &
  (
    | Readonly<{ catalogUri: string; namespace: readonly string[]; table: string }>
    | Readonly<{ metadata: string }>
  )

/** What a reader saw of one snapshot. */
export type BronzeSeen = Readonly<{
  rows: number
  /** Different names (partition, offset). */
  distinct: number
  partitions: readonly PartitionSeen[]
  /** The first ten names that more than one row has. */
  duplicates: readonly Readonly<{ partition: number; offset: number; times: number }>[]
  /** Null before the first commit. */
  snapshot: string | null
  /** Snapshots that the table still has. */
  snapshots: number
  /** Properties of the table; null where the reader does not tell. */
  properties: Readonly<Record<string, string>> | null
  columns: readonly Readonly<{ name: string; type: string }>[]
  /** Sum of a hash of every column of each row: the same in all readers. Null when not asked for. */
  checksum: string | null
  sample: readonly Readonly<Record<string, unknown>>[]
  /** Version of the reader. */
  version: string
}>

export type PartitionSeen = Readonly<{
  partition: number
  rows: number
  distinct: number
  offsetMin: number
  offsetMax: number
  /** Sum over rows, as text: it can be larger than a number holds exactly. */
  offsetSum: string
}>

export type ReadOptions = Readonly<{
  /** The snapshot to read; the newest when left out. */
  snapshot?: string
  /** Hash every column of every row (the default): about 10 µs a row. */
  checksum?: boolean
}>

export type ExportOptions = Readonly<{
  /** Written anew, one JSON object a line, in no order; times are microseconds since 1970. */
  file: string
  /** All when left out. */
  columns?: readonly string[]
  snapshot?: string
}>

type Waiting = Readonly<{ resolve: (seen: unknown) => void; reject: (error: Error) => void }>

const STDERR_CHARS_MAX = 4_000

/**
 * A program that is not ours and reads bronze tables: it starts once (PyIceberg 2 s, Spark 10 s) and answers call after call.
 * Calls throw OrreryError `reader_missing`, `reader_failed` (what the library said), `reader_ended`.
 */
export class BronzeReader implements AsyncDisposable {
  readonly name: ReaderName
  readonly #child: Bun.Subprocess<'pipe', 'pipe', 'pipe'>
  readonly #waiting = new Map<number, Waiting>()
  #nextId = 1
  #errors = ''

  constructor(name: ReaderName, env: Environment) {
    const python = findReader(name, env)
    if (python === null) throw new OrreryError('reader_missing', missingReader(name, env) ?? name)
    this.name = name
    const script = new URL(`./${name}_reader.py`, import.meta.url).pathname
    const jars = name === 'spark' ? { ORRERY_SPARK_JARS: sparkJars(python).join(',') } : {}
    // Read as they are here, not as a place for compiled files beside the sources.
    const more = { PYTHONDONTWRITEBYTECODE: '1', PYTHONUTF8: '1', ...jars }
    this.#child = Bun.spawn([python, script], {
      env: { ...env, ...more },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    void this.#hear()
    void this.#listen()
  }

  /** Reads a whole snapshot and says what is in it. */
  async read(place: BronzePlace, options: ReadOptions = {}): Promise<BronzeSeen> {
    return (await this.#ask({ call: 'read', place, ...options })) as BronzeSeen
  }

  /** Writes rows to a file, as NDJSON. */
  async export(
    place: BronzePlace,
    options: ExportOptions,
  ): Promise<Readonly<{ rows: number; snapshot: string | null }>> {
    const said = await this.#ask({ call: 'export', place, ...options })
    return said as Readonly<{ rows: number; snapshot: string | null }>
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#child.exited
  }

  #ask(call: Readonly<Record<string, unknown>>): Promise<unknown> {
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        reject(this.#ended())
        return
      }
      this.#waiting.set(id, { resolve, reject })
      this.#child.stdin.write(`${JSON.stringify({ id, ...call })}\n`)
      void this.#child.stdin.flush()
    })
  }

  async #hear(): Promise<void> {
    let rest = ''
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#answered(line)
    }
    await this.#child.exited
    for (const { reject } of this.#waiting.values()) reject(this.#ended())
    this.#waiting.clear()
  }

  #answered(line: string): void {
    const { id, seen, error } = JSON.parse(line) as { id: number; seen?: unknown; error?: string }
    const waiting = this.#waiting.get(id)
    assert(waiting, `${this.name} answered what it was not asked`)
    this.#waiting.delete(id)
    if (error === undefined) waiting.resolve(seen)
    else waiting.reject(new OrreryError('reader_failed', `${this.name}: ${error}`))
  }

  async #listen(): Promise<void> {
    for await (const text of this.#child.stderr.pipeThrough(new TextDecoderStream())) {
      this.#errors = (this.#errors + text).slice(-STDERR_CHARS_MAX)
    }
  }

  #ended(): OrreryError {
    const text = `${this.name} ended: ${this.#errors.trim() || 'it said nothing'}`
    return new OrreryError('reader_ended', text)
  }
}

/** Starts a reader for one question. */
export async function readBronze(
  about: Readonly<{ reader: ReaderName; place: BronzePlace; env: Environment }> & ReadOptions,
): Promise<BronzeSeen> {
  const { reader, place, env, ...options } = about
  await using started = new BronzeReader(reader, env)
  return await started.read(place, options)
}

/** Starts a reader for one file: every row, or some columns of it, as NDJSON. */
export async function exportBronze(
  about: Readonly<{ reader: ReaderName; place: BronzePlace; env: Environment }> & ExportOptions,
): Promise<Readonly<{ rows: number; snapshot: string | null }>> {
  const { reader, place, env, ...options } = about
  await using started = new BronzeReader(reader, env)
  return await started.export(place, options)
}
