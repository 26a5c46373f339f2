import { closeSync, createReadStream, fstatSync, openSync, readSync } from 'node:fs'

import { messageOf } from '../actors/kernel/errors.ts'

/** The bytes of a recording: all of them in order, and any of them again. */
export interface ReplayBytes {
  readonly size: number
  chunks(): AsyncIterable<Uint8Array>
  /** Fills `into` from this place of the file on; throws when the file has become shorter. */
  read(offset: number, into: Uint8Array): void
  close(): void
}

const CHUNK_BYTES = 1_048_576

/** Opens a file; throws an Error for a person when it cannot. */
export function openReplayFile(path: string): ReplayBytes {
  let fd: number
  let size: number
  try {
    fd = openSync(path, 'r')
    const found = fstatSync(fd)
    if (found.isDirectory()) throw new Error('is a folder')
    size = found.size
  } catch (cause) {
    throw new Error(`${path} cannot be read: ${messageOf(cause)}`, { cause })
  }
  return {
    size,
    chunks: () => createReadStream(path, { highWaterMark: CHUNK_BYTES }),
    read(offset, into) {
      for (let at = 0; at < into.byteLength;) {
        const got = readSync(fd, into, at, into.byteLength - at, offset + at)
        if (got === 0) throw new Error(`${path} became shorter while it was read`)
        at += got
      }
    },
    close: () => closeSync(fd),
  }
}

/** Bytes that are in memory already. */
export function bytesInMemory(all: Uint8Array): ReplayBytes {
  return {
    size: all.byteLength,
    async *chunks() {
      for (let at = 0; at < all.byteLength; at += CHUNK_BYTES)
        yield all.subarray(at, at + CHUNK_BYTES)
    },
    read: (offset, into) => into.set(all.subarray(offset, offset + into.byteLength)),
    close() {},
  }
}

/**
 * Standard input, taken away from descriptor 0. An engine in this process that finds something to read there takes it
 * for rows of whatever it inserts, so it must find nothing.
 */
export function takeStdin(): AsyncIterable<Uint8Array> {
  let fd: number
  try {
    fd = openSync('/dev/fd/0', 'r')
  } catch {
    // A socket cannot be opened by its name.
    return Bun.stdin.stream()
  }
  closeSync(0)
  // The lowest free descriptor is the one that was closed.
  const nothing = openSync('/dev/null', 'r')
  if (nothing !== 0) closeSync(nothing)
  return createReadStream('', { fd, highWaterMark: CHUNK_BYTES })
}
