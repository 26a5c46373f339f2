import { dirname } from 'node:path'

import type { Random } from './clock.ts'
import { type Disk, DiskError, type DiskFile, type DiskSpace } from './disk.ts'
import { MemoryFile } from './memory-file.ts'

export type DiskOperation =
  'list' | 'create' | 'open' | 'read' | 'write' | 'sync' | 'truncate' | 'remove' | 'syncDirectory'

/** What to fail with. A failing write may have taken some bytes before; a failing sync may have synced some. */
export type DiskFault = Readonly<{ code: string; bytesTaken?: number }>

export type MemoryDiskOptions = Readonly<{
  random: Random
  /** Waited for by every operation, so that a simulation decides how long they take. */
  pause?: (operation: DiskOperation, bytes: number) => Promise<void>
  bytesTotal?: number
}>

/**
 * A disk in memory that knows what is durable. Writes, truncations, new names and removed names are
 * visible at once, and safe only after a sync of the file or folder; `crash` leaves any part of
 * the rest, as a power cut does. A sync that fails forgets what it was to make durable.
 */
export class MemoryDisk implements Disk {
  readonly #random: Random
  readonly #pause: (operation: DiskOperation, bytes: number) => Promise<void>
  #names = new Map<string, MemoryFile>()
  #durableNames = new Map<string, MemoryFile>()
  #faults: { operation: DiskOperation; fault: DiskFault; times: number }[] = []
  /** Counts crashes; files opened before the last one fail. */
  #life = 0
  bytesTotal: number
  /** Asked before every operation; a fault fails it. */
  plan: (operation: DiskOperation, path: string) => DiskFault | null = () => null

  constructor(options: MemoryDiskOptions) {
    this.#random = options.random
    this.#pause = options.pause ?? (() => Promise.resolve())
    this.bytesTotal = options.bytesTotal ?? Infinity
  }

  /** The disk as one process sees it: after the next crash or kill, nothing it does has any effect. */
  mount(): Disk {
    const life = this.#life
    const alive = <T>(operate: () => Promise<T>): Promise<T> =>
      life === this.#life ? operate() : new Promise(() => {})
    return {
      makeDirectory: () => alive(() => this.makeDirectory()),
      list: (directory) => alive(() => this.list(directory)),
      create: (path) => alive(() => this.create(path)),
      open: (path) => alive(() => this.open(path)),
      remove: (path) => alive(() => this.remove(path)),
      syncDirectory: (directory) => alive(() => this.syncDirectory(directory)),
      space: () => alive(() => this.space()),
    }
  }

  /** Fails the next operations of a kind. */
  failNext(operation: DiskOperation, fault: DiskFault, times = 1): void {
    this.#faults.push({ operation, fault, times })
  }

  /** The power goes: what was not synced is there in part, wholly, or not at all. */
  crash(): void {
    this.#life++
    this.#faults = []
    const names = new Map(this.#durableNames)
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const visible = this.#names.get(path)
      if (visible === this.#durableNames.get(path) || this.#random() < 0.5) continue
      if (visible) names.set(path, visible)
      else names.delete(path)
    }
    for (const file of names.values()) file.crash(this.#random)
    this.#names = names
    this.#durableNames = new Map(names)
  }

  /** The process dies and the machine goes on: everything written is there, synced or not. */
  kill(): void {
    this.#life++
    this.#faults = []
  }

  /** Changes one byte of a file, for good, as a bad block does. */
  damage(path: string, position: number): void {
    this.#file(path).damage(position)
  }

  get bytesUsed(): number {
    let bytes = 0
    for (const file of this.#names.values()) bytes += file.bytes
    return bytes
  }

  async makeDirectory(): Promise<void> {}

  async list(directory: string): Promise<readonly string[]> {
    await this.#begin('list', directory)
    return [...this.#names.keys()]
      .filter((path) => dirname(path) === directory)
      .map((path) => path.slice(directory.length + 1))
  }

  async create(path: string): Promise<DiskFile> {
    await this.#begin('create', path)
    if (this.#names.has(path)) throw new DiskError('EEXIST', path)
    if (this.bytesUsed >= this.bytesTotal) throw new DiskError('ENOSPC', path)
    const file = new MemoryFile()
    this.#names.set(path, file)
    return this.#handle(path, file)
  }

  async open(path: string): Promise<DiskFile> {
    await this.#begin('open', path)
    return this.#handle(path, this.#file(path))
  }

  async remove(path: string): Promise<void> {
    await this.#begin('remove', path)
    this.#file(path)
    this.#names.delete(path)
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#begin('syncDirectory', directory)
    for (const path of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (dirname(path) !== directory) continue
      const visible = this.#names.get(path)
      if (visible) this.#durableNames.set(path, visible)
      else this.#durableNames.delete(path)
    }
  }

  async space(): Promise<DiskSpace> {
    return { bytesFree: this.bytesTotal - this.bytesUsed, bytesTotal: this.bytesTotal }
  }

  #file(path: string): MemoryFile {
    const file = this.#names.get(path)
    if (!file) throw new DiskError('ENOENT', path)
    return file
  }

  async #begin(operation: DiskOperation, path: string, bytes = 0): Promise<void> {
    const fault = await this.#wait(operation, path, bytes)
    if (fault) throw new DiskError(fault.code, `${operation} ${path}`)
  }

  async #wait(operation: DiskOperation, path: string, bytes: number): Promise<DiskFault | null> {
    const life = this.#life
    await this.#pause(operation, bytes)
    // An operation of a process that is gone: nobody waits for its answer.
    if (life !== this.#life) return new Promise(() => {})
    const next = this.#faults.find((fault) => fault.operation === operation)
    if (!next) return this.plan(operation, path)
    if (--next.times <= 0) this.#faults.splice(this.#faults.indexOf(next), 1)
    return next.fault
  }

  #handle(path: string, file: MemoryFile): DiskFile {
    const life = this.#life
    const begin = async (operation: DiskOperation, bytes = 0): Promise<DiskFault | null> => {
      if (life !== this.#life) return new Promise(() => {})
      return this.#wait(operation, path, bytes)
    }
    const orThrow = (operation: DiskOperation, fault: DiskFault | null): void => {
      if (fault) throw new DiskError(fault.code, `${operation} ${path}`)
    }
    const sync = async (): Promise<void> => {
      const upTo = file.unsynced
      const fault = await begin('sync')
      if (fault) file.failSync(upTo, this.#random)
      orThrow('sync', fault)
      file.sync(upTo)
    }
    return {
      size: async () => file.bytes,
      read: async (into, position) => {
        orThrow('read', await begin('read', into.byteLength))
        return file.read(into, position)
      },
      write: async (bytes, position) => {
        const copy = bytes.slice()
        const fault = await begin('write', bytes.byteLength)
        const growth = Math.max(0, position + bytes.byteLength - file.bytes)
        const room = Math.max(0, this.bytesTotal - this.bytesUsed)
        const fits =
          growth <= room ? bytes.byteLength : Math.max(0, bytes.byteLength - growth + room)
        const taken = Math.min(fits, fault ? (fault.bytesTaken ?? 0) : Infinity)
        if (taken > 0) file.write(copy.subarray(0, taken), position)
        orThrow('write', fault)
        if (taken === 0 && bytes.byteLength > 0) throw new DiskError('ENOSPC', `write ${path}`)
        return taken
      },
      syncData: sync,
      sync,
      truncate: async (bytes) => {
        orThrow('truncate', await begin('truncate'))
        file.truncate(bytes)
      },
      close: () => Promise.resolve(),
    }
  }
}
