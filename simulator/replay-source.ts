import { createReadStream, statSync } from 'node:fs'
import { extname } from 'node:path'

import { messageOf } from '../actors/kernel/errors.ts'

/** A recording ready to be read; `bytes` is null when nobody knows how long it is. */
export type ReplaySource = Readonly<{
  name: string
  bytes: number | null
  chunks: AsyncIterable<Uint8Array>
}>

const JSON_BYTES_MAX = 256 * 1_048_576

/** Opens a recording by its absolute path, or stdin for `-`; throws an Error for a person when it cannot. */
export async function openReplaySource(path: string): Promise<ReplaySource> {
  if (path === '-') return { name: 'stdin', bytes: null, chunks: Bun.stdin.stream() }
  const kind = extname(path).toLowerCase()
  if (kind === '.csv')
    throw new Error('CSV files of trips cannot be replayed yet; give NDJSON (.ndjson, .jsonl)')
  if (kind !== '.ndjson' && kind !== '.jsonl' && kind !== '.json')
    throw new Error(
      `${path}: a name ending in .ndjson, .jsonl or .json is expected, or - for stdin`,
    )
  const bytes = sizeOf(path)
  if (kind === '.json') return openJson(path, bytes)
  return { name: path, bytes, chunks: createReadStream(path, { highWaterMark: 1_048_576 }) }
}

function sizeOf(path: string): number {
  try {
    const found = statSync(path)
    if (found.isDirectory()) throw new Error('is a folder')
    return found.size
  } catch (cause) {
    throw new Error(`${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
}

/** A JSON list becomes one line an element, numbered from 1; anything else is read as lines. */
async function openJson(path: string, bytes: number): Promise<ReplaySource> {
  if (bytes > JSON_BYTES_MAX)
    throw new Error(
      `${path} is larger than ${JSON_BYTES_MAX} bytes; make it NDJSON, one ping a line`,
    )
  const text = await Bun.file(path).text()
  if (!text.trimStart().startsWith('[')) return { name: path, bytes, chunks: only(text) }
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch (cause) {
    throw new Error(`${path} is no JSON: ${messageOf(cause)}`, { cause })
  }
  const lines = Array.isArray(list) ? list.map((one) => JSON.stringify(one)).join('\n') : text
  return { name: path, bytes: Buffer.byteLength(lines), chunks: only(lines) }
}

async function* only(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}
