import { assert } from '../../actors/kernel/errors.ts'
import type { FrameFact } from '../../actors/model/fact.ts'
import type { Batch } from '../sink.ts'
import type { BronzeTable } from './table-schema.ts'

const FIELDS = 5
const NEWLINE = 10

/**
 * A batch of frames in one piece of memory, which a Worker can be given without copying: five numbers for
 * each frame, then their payloads, each followed by a newline.
 */
export type PackedFrames = Readonly<{
  table: BronzeTable
  partition: number
  offsetFirst: number
  offsetLast: number
  frames: number
  /** Pings or trips in all of them. */
  messages: number
  /** May be longer than what is used of it. */
  buffer: ArrayBuffer
  /** Names that the frames' source numbers stand for. */
  sources: readonly string[]
}>

/** One frame of a packed batch; `start` and `end` are places in its payload bytes. */
export type Frame = Readonly<{
  offset: number
  count: number
  receivedMs: number
  source: string
  start: number
  end: number
}>

/** Bytes that a batch needs when packed. */
export function packedBytes(facts: readonly FrameFact[]): number {
  let bytes = facts.length * FIELDS * 8
  for (const { payload } of facts) bytes += payloadBytes(payload) + 1
  return bytes
}

function payloadBytes(payload: FrameFact['payload']): number {
  return typeof payload === 'string' ? Buffer.byteLength(payload) : payload.length
}

/** Packs a batch for a table, into `spare` when that is large enough. */
export function packFrames(
  batch: Batch<FrameFact>,
  {
    table = 'pings',
    spare,
  }: Readonly<{ table?: BronzeTable; spare?: ArrayBuffer | undefined }> = {},
): PackedFrames {
  const facts = batch.rows
  const needed = packedBytes(facts)
  const buffer = spare && spare.byteLength >= needed ? spare : new ArrayBuffer(roomFor(needed))
  const numbers = new Float64Array(buffer, 0, facts.length * FIELDS)
  const payloads = Buffer.from(buffer, numbers.byteLength)
  const sources = new Map<string, number>()
  let [at, end, messages] = [0, 0, 0]
  for (const fact of facts) {
    assert(fact.kind === table, `a frame of ${fact.kind} does not belong into table ${table}`)
    assert(
      fact.offset >= batch.offsetFirst && fact.offset + fact.count - 1 <= batch.offsetLast,
      `${table} ${fact.offset} to ${fact.offset + fact.count - 1} are not within batch ${batch.id}`,
    )
    if (typeof fact.payload === 'string') {
      end += payloads.write(fact.payload, end)
    } else {
      payloads.set(fact.payload, end)
      end += fact.payload.length
    }
    payloads[end++] = NEWLINE
    let source = sources.get(fact.source)
    if (source === undefined) sources.set(fact.source, (source = sources.size))
    numbers[at++] = fact.offset
    numbers[at++] = fact.count
    numbers[at++] = fact.receivedMs
    numbers[at++] = source
    numbers[at++] = end
    messages += fact.count
  }
  const { partition, offsetFirst, offsetLast } = batch
  const frames = facts.length
  const range = { partition, offsetFirst, offsetLast }
  return { table, ...range, frames, messages, buffer, sources: [...sources.keys()] }
}

/** Payload bytes of a packed batch. */
export function payloadsOf(packed: PackedFrames): Uint8Array {
  return new Uint8Array(packed.buffer, packed.frames * FIELDS * 8)
}

/** The frames of a packed batch, in order. */
export function* framesOf(packed: PackedFrames): Iterable<Frame> {
  const numbers = new Float64Array(packed.buffer, 0, packed.frames * FIELDS)
  let start = 0
  for (let at = 0; at < numbers.length; at += FIELDS) {
    const end = numbers[at + 4] ?? start
    yield {
      offset: numbers[at] ?? 0,
      count: numbers[at + 1] ?? 0,
      receivedMs: numbers[at + 2] ?? 0,
      source: packed.sources[numbers[at + 3] ?? 0] ?? '',
      start,
      end,
    }
    start = end
  }
}

// Steps of a quarter: a buffer that comes back is large enough for most batches that follow.
function roomFor(bytes: number): number {
  return Math.ceil((bytes * 1.25) / 65_536) * 65_536
}
