import { OrreryError } from '../kernel/errors.ts'

const MAGIC = 0x184d2204
const COPY_LENGTH_MIN = 4

/**
 * What an LZ4 frame holds: PacketPulse's gateway writes its records so, and Bun has no LZ4. Checksums are not looked
 * at: Kafka's own, over the whole batch, has been.
 */
export function lz4Decompress(frame: Buffer): Buffer {
  try {
    return decompressed(frame)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new OrreryError('journal_corrupt', 'an LZ4 frame ends too early', { cause })
  }
}

function decompressed(frame: Buffer): Buffer {
  if (frame.readUInt32LE(0) !== MAGIC) {
    throw new OrreryError('journal_corrupt', 'what should be an LZ4 frame is none')
  }
  const flags = frame.readUInt8(4)
  const hasBlockChecksum = (flags & 0x10) !== 0
  const hasContentSize = (flags & 0x08) !== 0
  let at = hasContentSize ? 15 : 7
  const into = new Output(frame.byteLength * 4)
  for (;;) {
    const size = frame.readUInt32LE(at)
    at += 4
    if (size === 0) return into.bytes()
    const length = size & 0x7fff_ffff
    if (at + length > frame.byteLength) throw new RangeError('block')
    const block = frame.subarray(at, at + length)
    if (size >= 0x8000_0000) into.append(block)
    else decodeBlock(block, into)
    at += length + (hasBlockChecksum ? 4 : 0)
  }
}

function decodeBlock(block: Buffer, into: Output): void {
  let at = 0
  const length = (short: number): number => {
    let sum = short
    if (short !== 15) return sum
    for (;;) {
      const more = block.readUInt8(at++)
      sum += more
      if (more !== 255) return sum
    }
  }
  while (at < block.byteLength) {
    const token = block.readUInt8(at++)
    const literals = length(token >> 4)
    if (at + literals > block.byteLength) throw new RangeError('literals')
    into.append(block.subarray(at, at + literals))
    at += literals
    if (at >= block.byteLength) return
    const distance = block.readUInt16LE(at)
    at += 2
    into.repeat(distance, length(token & 15) + COPY_LENGTH_MIN)
  }
}

/** Bytes that grow at their end, and may repeat what they had. */
class Output {
  #buffer: Buffer
  #length = 0

  constructor(bytes: number) {
    this.#buffer = Buffer.allocUnsafe(Math.max(1_024, bytes))
  }

  append(bytes: Buffer): void {
    this.#makeRoom(bytes.byteLength)
    bytes.copy(this.#buffer, this.#length)
    this.#length += bytes.byteLength
  }

  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.#length) throw new RangeError('distance')
    this.#makeRoom(count)
    const buffer = this.#buffer
    let to = this.#length
    if (distance >= count) buffer.copyWithin(to, to - distance, to - distance + count)
    // It may run into what it writes: then one by one.
    else for (const end = to + count; to < end; to++) buffer[to] = buffer[to - distance] ?? 0
    this.#length += count
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length)
  }

  #makeRoom(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.byteLength) return
    const grown = Buffer.allocUnsafe(Math.max(this.#buffer.byteLength * 2, this.#length + bytes))
    this.#buffer.copy(grown, 0, 0, this.#length)
    this.#buffer = grown
  }
}
