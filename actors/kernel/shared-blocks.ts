import { checksum } from './segment-format.ts'
import { damaged } from './shared-head.ts'

/*
 * An object of a snapshot: a header, then blocks, each a frame of the state store (state-frame.ts) under zstd:
 *
 *   'ORRERYSN', version (u32), zeros (u32)
 *   compressed bytes (u32), frame bytes (u32), xxHash3 of the compressed bytes (u64), the compressed bytes
 */

const MAGIC = [0x4f525245, 0x5259534e] as const
const VERSION = 1
const BLOCK_HEADER_BYTES = 16
/** A second of a core packs about 300 MB at it; the next level is a third slower for a twentieth of the bytes. */
const LEVEL = 1

/** Bytes that every object of a snapshot begins with. */
export function objectHeader(): Uint8Array {
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, MAGIC[0])
  view.setUint32(4, MAGIC[1])
  view.setUint32(8, VERSION, true)
  return bytes
}

/** One block from a sealed frame. */
export function packBlock(memory: ArrayBuffer, frameBytes: number): Uint8Array<ArrayBuffer> {
  const packed = Bun.zstdCompressSync(new Uint8Array(memory, 0, frameBytes), { level: LEVEL })
  const block = new Uint8Array(BLOCK_HEADER_BYTES + packed.byteLength)
  const view = new DataView(block.buffer)
  view.setUint32(0, packed.byteLength, true)
  view.setUint32(4, frameBytes, true)
  view.setBigUint64(8, checksum(packed, 0), true)
  block.set(packed, BLOCK_HEADER_BYTES)
  return block
}

/** The frames of an object, each in memory of its own; throws OrreryError `snapshot_damaged` with the object's name. */
export function* unpackBlocks(name: string, object: Uint8Array): Generator<ArrayBuffer> {
  const header = objectHeader()
  if (Buffer.compare(object.subarray(0, header.length), header) !== 0) {
    throw damaged(name, 'it does not begin as one')
  }
  const view = new DataView(object.buffer, object.byteOffset, object.byteLength)
  for (let at = header.length; at < object.byteLength;) {
    const packedAt = at + BLOCK_HEADER_BYTES
    if (packedAt > object.byteLength) throw damaged(name, 'its end is missing')
    const end = packedAt + view.getUint32(at, true)
    if (end > object.byteLength) throw damaged(name, 'its end is missing')
    const packed = object.slice(packedAt, end)
    if (checksum(packed, 0) !== view.getBigUint64(at + 8, true)) {
      throw damaged(name, `the block at byte ${at} does not add up`)
    }
    const frame = new Uint8Array(Bun.zstdDecompressSync(packed))
    if (frame.byteLength !== view.getUint32(at + 4, true)) {
      throw damaged(name, `the block at byte ${at} has another length`)
    }
    yield frame.buffer
    at = end
  }
}
