import { extname } from 'node:path'

import { messageOf } from '../actors/kernel/errors.ts'
import { bytesInMemory, openReplayFile, type ReplayBytes, takeStdin } from './replay-file.ts'
import { type ReplayRow, type RowKind, RowReader } from './replay-rows.ts'
import { asRecord, parseJson } from './wire.ts'

/** A recording ready to be sent. */
export type ReplaySource = Readonly<{
  name: string
  kind: RowKind
  order: RowOrder
  /** Its length; null when nobody knows how long it is. */
  bytes: number | null
  /** How many rows it has; null before it has been read. */
  rows: number | null
  /** The rows from this one on, in the order in which they are to be sent. */
  pieces(from: number): AsyncIterable<readonly ReplayRow[]>
  /** Some bytes of it, by which it is known again; null for stdin. */
  read: ReplayBytes['read'] | null
  close(): void
}>

/** By event time, or as the file has them. */
export type RowOrder = 'time' | 'file'

export type SourceOptions = Readonly<{
  /** Null: told by the name and the first line. */
  kind: RowKind | null
  /** Null: trips by event time, pings as they stand. */
  order: RowOrder | null
  /** What `-` stands for. */
  stdin?: () => AsyncIterable<Uint8Array>
}>

const IN_MEMORY_BYTES_MAX = 256 * 1_048_576
const HEAD_BYTES_MAX = 65_536

/** Opens a recording by its absolute path, or stdin for `-`; throws an Error for a person when it cannot. */
export async function openReplaySource(
  path: string,
  options: SourceOptions = { kind: null, order: null },
): Promise<ReplaySource> {
  const extension = extname(path).toLowerCase()
  if (path === '-') return openStdin(options)
  if (!['.csv', '.ndjson', '.jsonl', '.json'].includes(extension)) {
    throw new Error(
      `${path}: a name ending in .csv, .ndjson, .jsonl or .json is expected, or - for stdin`,
    )
  }
  const file = openReplayFile(path)
  const bytes = extension === '.json' ? await readJson(path, file) : file
  const head = new Uint8Array(Math.min(bytes.size, HEAD_BYTES_MAX))
  bytes.read(0, head)
  return openBytes(path, bytes, { ...options, csv: extension === '.csv', head })
}

type Known = SourceOptions & Readonly<{ csv: boolean; head: Uint8Array }>

async function openBytes(path: string, bytes: ReplayBytes, known: Known): Promise<ReplaySource> {
  const kind = kindOf(path, known)
  const order = orderOf(kind, known.order)
  const reader = new RowReader({ kind, csv: known.csv, path })
  const common = { name: path, kind, order, bytes: bytes.size, read: bytes.read }
  try {
    if (order === 'file') {
      const pieces = (from: number) => without(from, reader.inFileOrder(bytes.chunks()))
      return { ...common, rows: null, pieces, close: () => bytes.close() }
    }
    const index = await reader.index(bytes)
    const sorted = index.sorted()
    const pieces = (from: number) => inTurns(reader.inTimeOrder(bytes, index, sorted, from))
    return { ...common, rows: sorted.length, pieces, close: () => bytes.close() }
  } catch (cause) {
    bytes.close()
    throw new Error(`${path}: ${messageOf(cause)}`, { cause })
  }
}

async function openStdin(options: SourceOptions): Promise<ReplaySource> {
  const { head, all } = await withHead(options.stdin?.() ?? takeStdin())
  const csv = looksLikeCsv(head)
  const known = { ...options, csv, head }
  const kind = kindOf('stdin', known)
  if (orderOf(kind, options.order) === 'time') {
    const gathered = bytesInMemory(await gather(all))
    return { ...(await openBytes('stdin', gathered, known)), read: null }
  }
  const reader = new RowReader({ kind, csv, path: 'stdin' })
  return {
    ...{ name: 'stdin', kind, order: 'file', bytes: null, rows: null, read: null },
    pieces: (from) => without(from, reader.inFileOrder(all)),
    close() {},
  }
}

function orderOf(kind: RowKind, asked: RowOrder | null): RowOrder {
  if (asked === 'time' && kind === 'pings')
    throw new Error('--sort is for trips; pings are sent as the file has them')
  return asked ?? (kind === 'trips' ? 'time' : 'file')
}

function kindOf(path: string, { kind, csv, head }: Known): RowKind {
  if (csv) {
    if (kind === 'pings') throw new Error(`${path}: CSV is for trips; give pings as NDJSON`)
    return 'trips'
  }
  if (kind) return kind
  const first = new TextDecoder().decode(head).trimStart().split('\n', 1)[0] ?? ''
  return asRecord(parseJson(first))?.trip_id === undefined ? 'pings' : 'trips'
}

function looksLikeCsv(head: Uint8Array): boolean {
  const first = new TextDecoder().decode(head).trimStart().split('\n', 1)[0] ?? ''
  return !first.startsWith('{') && /(^|[,"\s])trip_id([,"\s]|$)/i.test(first)
}

/** A JSON list becomes one line an element, numbered from 1; anything else is read as lines. */
async function readJson(path: string, file: ReplayBytes): Promise<ReplayBytes> {
  if (file.size > IN_MEMORY_BYTES_MAX) {
    throw new Error(
      `${path} is larger than ${IN_MEMORY_BYTES_MAX} bytes; make it NDJSON, one element a line`,
    )
  }
  file.close()
  const text = await Bun.file(path).text()
  if (!text.trimStart().startsWith('[')) return bytesInMemory(Buffer.from(text))
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${path} is no JSON: ${messageOf(cause)}`, { cause })
  }
  const lines = Array.isArray(list) ? list.map((one) => JSON.stringify(one)).join('\n') : text
  return bytesInMemory(Buffer.from(lines))
}

/** Reads until the first line is there; `all` still has everything. */
async function withHead(
  chunks: AsyncIterable<Uint8Array>,
): Promise<{ head: Uint8Array; all: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]()
  let head = new Uint8Array(0)
  while (!hasLine(head) && head.byteLength < HEAD_BYTES_MAX) {
    const next = await iterator.next()
    if (next.done) break
    head = Buffer.concat([head, next.value])
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    yield head
    for (let next = await iterator.next(); !next.done; next = await iterator.next())
      yield next.value
  }
  return { head, all: all() }
}

function hasLine(head: Uint8Array): boolean {
  return new TextDecoder().decode(head).trimStart().includes('\n')
}

async function gather(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.byteLength
    if (bytes > IN_MEMORY_BYTES_MAX) {
      throw new Error(
        `stdin is longer than ${IN_MEMORY_BYTES_MAX} bytes, too much to be sorted; give a file, or --file-order`,
      )
    }
    all.push(chunk)
  }
  return Buffer.concat(all)
}

async function* without(
  count: number,
  pieces: AsyncIterable<readonly ReplayRow[]>,
): AsyncGenerator<readonly ReplayRow[]> {
  let left = count
  for await (const piece of pieces) {
    if (left < piece.length) yield left > 0 ? piece.slice(left) : piece
    left -= Math.min(left, piece.length)
  }
}

/** Sorted pieces are read without waiting; as a stream they let the rest of the program in between. */
async function* inTurns<T>(pieces: Iterable<T>): AsyncGenerator<T> {
  for (const piece of pieces) yield piece
}
