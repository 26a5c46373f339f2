import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'

import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { JournalEntry, JournalRecord } from '../../actors/kernel/journal.ts'
import { STREAM_NAMES, type StreamName } from './protocol.ts'

/*
 * A frame is a run of entries of an edge's journal, without gaps, as one WebSocket message or several:
 *
 *   message  1 byte: 1 when more of the frame follows, else 0; then the next bytes of the frame
 *   frame    version, stream, 2 bytes 0, turn (4), first offset (8, float), offsets taken (4), bytes inflated (4);
 *            then zstd of the entries
 *   entry    kind, source bytes, 2 bytes 0, offsets taken (4), payload bytes (4), received time (8, float); then
 *            source and payload, as the journal has them
 *
 * Numbers are little-endian. An entry is never cut: what a sender sent at once is offered at once, each time (SPEC.md R5).
 */

export const FRAME_VERSION = 1
const HEADER_BYTES = 24
const ENTRY_HEADER_BYTES = 20
/** More than the largest body that a gateway takes, by configuration. */
export const INFLATED_BYTES_MAX = 96 * 1024 * 1024
/** Fast, and 1:10 on pings. */
const ZSTD_LEVEL = 3

/** The kinds that an edge has. Their places are part of the protocol. */
const KINDS = ['pings', 'trips', 'dead_letter', 'flush'] as const
export type RelayKind = (typeof KINDS)[number]

/** An entry as it was at the edge. */
export type RelayEntry = Omit<JournalRecord, 'kind'> & Readonly<{ kind: RelayKind }>

export type FrameHeader = Readonly<{
  stream: StreamName
  /** Counted by the core: what was sent before it said busy is of another turn. */
  turn: number
  first: number
  count: number
  inflatedBytes: number
}>

export type Frame = Readonly<{ header: FrameHeader; body: Uint8Array }>

/** An entry as the edge's journal holds it; its payload may still be text. */
export type Forwarded = JournalEntry & Readonly<{ offset: number }>

/** Compresses a run of entries without gaps, at least one. Throws for a kind that an edge has not. */
export function encodeFrame(
  stream: StreamName,
  turn: number,
  entries: readonly Forwarded[],
): Uint8Array {
  const parts: Uint8Array[] = []
  let bytes = 0
  let count = 0
  for (const entry of entries) {
    const source = Buffer.from(entry.source)
    const payload = typeof entry.payload === 'string' ? Buffer.from(entry.payload) : entry.payload
    const head = new Uint8Array(ENTRY_HEADER_BYTES)
    const view = new DataView(head.buffer)
    view.setUint8(0, codeOf(entry))
    view.setUint8(1, source.byteLength)
    view.setUint32(4, entry.count, true)
    view.setUint32(8, payload.byteLength, true)
    view.setFloat64(12, entry.receivedMs, true)
    parts.push(head, source, payload)
    bytes += ENTRY_HEADER_BYTES + source.byteLength + payload.byteLength
    count += entry.count
  }
  const params = { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL }
  const body = zstdCompressSync(Buffer.concat(parts, bytes), { params })
  const frame = new Uint8Array(HEADER_BYTES + body.byteLength)
  const view = new DataView(frame.buffer)
  view.setUint8(0, FRAME_VERSION)
  view.setUint8(1, STREAM_NAMES.indexOf(stream))
  view.setUint32(4, turn, true)
  view.setFloat64(8, entries[0]?.offset ?? 0, true)
  view.setUint32(16, count, true)
  view.setUint32(20, bytes, true)
  frame.set(body, HEADER_BYTES)
  return frame
}

/** Reads a frame's header. Throws OrreryError `bad_frame`. */
export function parseFrame(bytes: Uint8Array): Frame {
  if (bytes.byteLength < HEADER_BYTES) throw bad('it is shorter than its header')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint8(0) !== FRAME_VERSION) throw bad(`its version is ${view.getUint8(0)}`)
  const stream = STREAM_NAMES[view.getUint8(1)]
  const header = {
    turn: view.getUint32(4, true),
    first: view.getFloat64(8, true),
    count: view.getUint32(16, true),
    inflatedBytes: view.getUint32(20, true),
  }
  if (!stream) throw bad('its stream is unknown')
  if (!Number.isSafeInteger(header.first) || header.first < 0) throw bad('its offset is none')
  if (header.inflatedBytes > INFLATED_BYTES_MAX) throw bad('it is too large')
  return { header: { stream, ...header }, body: bytes.subarray(HEADER_BYTES) }
}

/** The entries of a frame. Throws OrreryError `bad_frame` where they do not add up. */
export function entriesOfFrame({ header, body }: Frame): readonly RelayEntry[] {
  const bytes = inflated(body, header.inflatedBytes)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const entries: RelayEntry[] = []
  let offset = header.first
  for (let at = 0; at < bytes.byteLength;) {
    if (at + ENTRY_HEADER_BYTES > bytes.byteLength) throw bad('an entry is cut')
    const kind = KINDS[view.getUint8(at)]
    const count = view.getUint32(at + 4, true)
    const receivedMs = view.getFloat64(at + 12, true)
    const sourceAt = at + ENTRY_HEADER_BYTES
    const payloadAt = sourceAt + view.getUint8(at + 1)
    const end = payloadAt + view.getUint32(at + 8, true)
    if (!kind || count < 1 || end > bytes.byteLength) throw bad('an entry does not add up')
    const source = bytes.toString('utf8', sourceAt, payloadAt)
    const payload = bytes.subarray(payloadAt, end)
    entries.push({ kind, offset, count, receivedMs, source, payload })
    offset += count
    at = end
  }
  if (entries.length === 0 || offset !== header.first + header.count) {
    throw bad('its entries do not add up')
  }
  return entries
}

/** A frame as the messages that a socket takes. */
export function* piecesOf(
  frame: Uint8Array,
  messageBytesMax: number,
): Generator<Uint8Array<ArrayBuffer>> {
  const step = messageBytesMax - 1
  for (let at = 0; at < frame.byteLength; at += step) {
    const piece = frame.subarray(at, at + step)
    const message = new Uint8Array(piece.byteLength + 1)
    message[0] = at + step < frame.byteLength ? 1 : 0
    message.set(piece, 1)
    yield message
  }
}

/** Puts frames together again. */
export class Pieces {
  readonly #bytesMax: number
  #pieces: Uint8Array[] = []
  #bytes = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The whole frame with its last piece, else null. Throws OrreryError `bad_frame`. */
  add(message: Uint8Array): Uint8Array | null {
    this.#pieces.push(message.subarray(1))
    this.#bytes += message.byteLength
    if (this.#bytes > this.#bytesMax) throw bad('it is too large')
    if (message[0] === 1) return null
    const whole = Buffer.concat(this.#pieces)
    this.#pieces = []
    this.#bytes = 0
    return whole
  }
}

function inflated(body: Uint8Array, bytes: number): Buffer {
  try {
    const inflated = zstdDecompressSync(body, { maxOutputLength: Math.max(1, bytes) })
    if (inflated.byteLength === bytes) return inflated
  } catch (cause) {
    throw bad(messageOf(cause), cause)
  }
  throw bad('its length is not what it says')
}

function codeOf({ kind }: JournalEntry): number {
  const code = KINDS.findIndex((known) => known === kind)
  if (code < 0) throw new OrreryError('bad_frame', `${kind} is nothing that an edge has`)
  return code
}

function bad(why: string, cause?: unknown): OrreryError {
  return new OrreryError('bad_frame', `a frame cannot be read: ${why}`, { cause })
}
