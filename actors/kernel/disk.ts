import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, statfs, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** One open file. Every call is asynchronous: none of them holds up the event loop. */
export interface DiskFile {
  size(): Promise<number>
  /** Fills `into` from `position`; less than its length only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Writes at `position` and gives how many bytes went in, which may be fewer than offered. */
  write(bytes: Uint8Array, position: number): Promise<number>
  /** Makes the bytes durable, and the file's size with them. */
  syncData(): Promise<void>
  /** Makes the bytes and everything about the file durable. */
  sync(): Promise<void>
  truncate(bytes: number): Promise<void>
  close(): Promise<void>
}

/** Room on the file system that holds a path. */
export type DiskSpace = Readonly<{ bytesFree: number; bytesTotal: number }>

/** The file operations that the journal needs, so that a test or simulation can hand in a faulty disk. */
export interface Disk {
  /** Makes a folder and those above it; durable. */
  makeDirectory(path: string): Promise<void>
  /** Names in a folder, in no order. */
  list(path: string): Promise<readonly string[]>
  /** A new file; refuses with EEXIST when there is one. */
  create(path: string): Promise<DiskFile>
  open(path: string, access: 'read' | 'write'): Promise<DiskFile>
  remove(path: string): Promise<void>
  /** Makes creations and removals in a folder durable: a file whose name is not synced is lost with the power. */
  syncDirectory(path: string): Promise<void>
  space(path: string): Promise<DiskSpace>
}

/** The machine's own files. */
export const systemDisk: Disk = {
  async makeDirectory(path) {
    const topmost = await mkdir(path, { recursive: true })
    if (topmost === undefined) return
    for (let made = resolve(path); made.length >= topmost.length; made = dirname(made)) {
      await systemDisk.syncDirectory(dirname(made))
    }
  },
  list: (path) => readdir(path),
  create: async (path) =>
    new SystemFile(await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL)),
  open: async (path, access) => new SystemFile(await open(path, access === 'read' ? 'r' : 'r+')),
  remove: (path) => unlink(path),
  async syncDirectory(path) {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  async space(path) {
    const { bavail, blocks, bsize } = await statfs(path)
    return { bytesFree: bavail * bsize, bytesTotal: blocks * bsize }
  },
}

class SystemFile implements DiskFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let filled = 0
    while (filled < into.byteLength) {
      const left = into.byteLength - filled
      const { bytesRead } = await this.#handle.read(into, filled, left, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  }

  async write(bytes: Uint8Array, position: number): Promise<number> {
    return (await this.#handle.write(bytes, 0, bytes.byteLength, position)).bytesWritten
  }

  syncData(): Promise<void> {
    return this.#handle.datasync()
  }

  sync(): Promise<void> {
    return this.#handle.sync()
  }

  truncate(bytes: number): Promise<void> {
    return this.#handle.truncate(bytes)
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

/** Writes all of `bytes`, going on after a short write; a disk that takes nothing at all is an error. */
export async function writeAll(file: DiskFile, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0
  while (written < bytes.byteLength) {
    const rest = written === 0 ? bytes : bytes.subarray(written)
    const took = await file.write(rest, position + written)
    if (took <= 0) throw new DiskError('EIO', 'the disk took none of the bytes')
    written += took
  }
}

/** An error of a disk that is not the machine's own, with the code that the machine would give. */
export class DiskError extends Error {
  override readonly name = 'DiskError'
  readonly code: string

  constructor(code: string, message: string) {
    super(`${code}: ${message}`)
    this.code = code
  }
}

/** The code of a failed file operation ('ENOSPC', 'EIO' and so on), or '' when it has none. */
export function diskCodeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : ''
}
