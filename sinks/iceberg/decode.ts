import { assert, OrreryError } from '../../actors/kernel/errors.ts'
import { type Frame, framesOf, type PackedFrames, payloadsOf } from './frames.ts'
import { parseVerbatim } from './lossless-json.ts'
import type { ReceivedColumns, WireFields } from './received-columns.ts'

// Parsed at a time: enough to make a call cheap, little enough to become garbage young.
const CHUNK_BYTES = 262_144
const decoder = new TextDecoder()

/** Parses the frames of a batch into columns. The gateway has checked them: what does not parse here is a fault. */
export function decodeFrames(packed: PackedFrames, columns: ReceivedColumns): void {
  const bytes = payloadsOf(packed)
  let chunk: Frame[] = []
  let start = 0
  for (const frame of framesOf(packed)) {
    chunk.push(frame)
    if (frame.end - start < CHUNK_BYTES) continue
    decodeChunk(bytes, chunk, columns)
    chunk = []
    start = frame.end
  }
  if (chunk.length > 0) decodeChunk(bytes, chunk, columns)
}

/** One parse for all frames of the chunk; frame by frame when they do not line up with what it found. */
function decodeChunk(bytes: Uint8Array, chunk: readonly Frame[], columns: ReceivedColumns): void {
  const [first, last] = [chunk[0], chunk.at(-1)]
  if (!first || !last) return
  const { values, error } = Bun.JSONL.parseChunk(bytes, first.start, last.end)
  const fits = error === null && linesUp(values, chunk)
  let at = 0
  for (const frame of chunk) {
    const value = values[at]
    if (!fits) pushMessages(parseFrame(bytes, frame), frame, bytes, columns)
    else if (Array.isArray(value)) pushMessages(value, frame, bytes, columns)
    else pushMessages(values.slice(at, at + frame.count), frame, bytes, columns)
    at += Array.isArray(value) ? 1 : frame.count
  }
}

function linesUp(values: readonly unknown[], chunk: readonly Frame[]): boolean {
  let at = 0
  for (const { count } of chunk) {
    const value = values[at]
    if (Array.isArray(value)) {
      if (value.length !== count) return false
      at++
      continue
    }
    for (const end = at + count; at < end; at++) if (!isObject(values[at])) return false
  }
  return at === values.length
}

function parseFrame(bytes: Uint8Array, frame: Frame): readonly unknown[] {
  const payload = bytes.subarray(frame.start, frame.end)
  try {
    const value: unknown = JSON.parse(decoder.decode(payload))
    return Array.isArray(value) ? value : [value]
  } catch {
    const { values, error } = Bun.JSONL.parseChunk(payload)
    if (error === null) return values
    throw new OrreryError('invariant', `journal entry ${frame.offset} holds no JSON`, {
      cause: error,
    })
  }
}

function pushMessages(
  values: readonly unknown[],
  frame: Frame,
  bytes: Uint8Array,
  columns: ReceivedColumns,
): void {
  assert(
    values.length === frame.count && values.every(isObject),
    `journal entry ${frame.offset} holds ${values.length} messages and says ${frame.count}`,
  )
  let verbatim: readonly unknown[] | null = null
  for (const [index, value] of values.entries()) {
    if (!isObject(value)) continue
    const origin = {
      offset: frame.offset + index,
      receivedMs: frame.receivedMs,
      source: frame.source,
    }
    if (!losesDigits(value, columns)) {
      columns.push(value, origin)
      continue
    }
    verbatim ??= parseVerbatimFrame(bytes, frame)
    const exact = verbatim[index]
    columns.push(value, origin, isObject(exact) ? exact : undefined)
  }
}

/** A number among the extras that a double cannot hold: an id of nineteen digits, 1e400. Seldom. */
function losesDigits(wire: WireFields, columns: ReceivedColumns): boolean {
  for (const name in wire) {
    const value = wire[name]
    if (typeof value !== 'number' && typeof value !== 'object') continue
    if (columns.isKnown(name) || value === null) continue
    if (typeof value === 'number' ? isInexact(value) : deepInexact(value)) return true
  }
  return false
}

function isInexact(value: number): boolean {
  return !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))
}

function deepInexact(value: unknown): boolean {
  if (typeof value === 'number') return isInexact(value)
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some(deepInexact)
}

function parseVerbatimFrame(bytes: Uint8Array, frame: Frame): readonly unknown[] {
  const text = decoder.decode(bytes.subarray(frame.start, frame.end))
  try {
    const value = parseVerbatim(text)
    return Array.isArray(value) ? value : [value]
  } catch {
    return text
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map(verbatimOrNull)
  }
}

function verbatimOrNull(line: string): unknown {
  try {
    return parseVerbatim(line)
  } catch {
    return null
  }
}

function isObject(value: unknown): value is WireFields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
