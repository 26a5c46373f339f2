import { dlopen, FFIType, ptr } from 'bun:ffi'
import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** Faults that need a disk of their own. */
export type DiskFault = 'full' | 'read-only' | 'power-cut'

/** Where the server under test keeps its data. */
export interface TestDisk {
  readonly folder: string
  /** Faults that this disk can have. */
  readonly faults: ReadonlySet<DiskFault>
  /** Why the others are missing; null when none is. */
  readonly missing: string | null
  /** Leaves so many bytes free. */
  fill(bytesLeft: number): Promise<void>
  empty(): Promise<void>
  /** From now on nothing can be written, open files included. */
  lock(): Promise<void>
  unlock(): Promise<void>
  /** What was not synced is gone; reads and writes fail until `replug`. */
  cutPower(): void
  /** After a power cut, once no process has files open: as a machine that boots again finds it. */
  replug(): Promise<void>
  dispose(): Promise<void>
}

/** `EXT4_IOC_SHUTDOWN`, and its way of ending without writing the file system's own journal out. */
const EXT4_SHUTDOWN = 0x8004587dn
const NO_LOG_FLUSH = 2

/** What the disk below needs besides the image of the one above. */
const LOWER_BYTES_MORE = 512 * 1_024 ** 2

/**
 * An ext4 file system in a file, where the means exist; else a plain folder without faults.
 *
 * The file lies on a second ext4 file system, and it is that one whose power is cut: the shutdown makes
 * the disk below the inner one fail. Cut directly, a file system's `fdatasync` may answer 0 for
 * what it has not stored, when its own journal is aborted before it looks (SPEC.md has the measurement).
 */
export async function openTestDisk(root: string, bytes = 4 * 1_024 ** 3): Promise<TestDisk> {
  const folder = join(root, 'disk')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (process.platform !== 'linux') return plainFolder(folder, 'this is no Linux')
  if (process.getuid?.() !== 0) return plainFolder(folder, 'only root may mount a disk')
  const disk = new LoopDisk(folder, root)
  try {
    await disk.format(bytes)
  } catch (cause) {
    await disk.dispose().catch(() => {})
    return plainFolder(folder, cause instanceof Error ? cause.message : String(cause))
  }
  return disk
}

class LoopDisk implements TestDisk {
  readonly folder: string
  readonly faults = new Set<DiskFault>(['full', 'read-only', 'power-cut'])
  readonly missing = null
  /** The disk below, as a file, and where it is mounted. */
  readonly #lowerImage: string
  readonly #lower: string
  readonly #image: string
  readonly #ballast: string
  #device: string | null = null

  constructor(folder: string, root: string) {
    this.folder = folder
    this.#lowerImage = join(root, 'lower.img')
    this.#lower = join(root, 'lower')
    this.#image = join(this.#lower, 'disk.img')
    this.#ballast = join(folder, 'ballast')
  }

  async format(bytes: number): Promise<void> {
    mkdirSync(this.#lower, { recursive: true, mode: 0o700 })
    await command('truncate', '-s', String(bytes + LOWER_BYTES_MORE), this.#lowerImage)
    await command('mkfs.ext4', '-q', '-F', '-m', '0', this.#lowerImage)
    await command('mount', '-o', 'loop', this.#lowerImage, this.#lower)
    // All of its blocks written once: from here on, the disk below has nothing of its own to remember.
    const mebibytes = Math.ceil(bytes / 1_024 ** 2)
    await command('dd', 'if=/dev/zero', `of=${this.#image}`, 'bs=1M', `count=${mebibytes}`)
    await command('mkfs.ext4', '-q', '-F', '-m', '0', this.#image)
    await command('sync', '-f', this.#image)
    await this.#plug()
  }

  async fill(bytesLeft: number): Promise<void> {
    const free = await this.#bytesFree()
    if (free <= bytesLeft) return
    // The last blocks go to the file's own bookkeeping: what is missing is not asked for.
    await command('fallocate', '-l', String(free - bytesLeft), this.#ballast).catch(() => {})
  }

  async empty(): Promise<void> {
    rmSync(this.#ballast, { force: true })
  }

  /**
   * A remount is refused while files are open for writing; immutable files are not to be written, open or not.
   * SQLite's index, a mapped file, is left out: a page of it that cannot be written ends any process by SIGBUS.
   */
  async lock(): Promise<void> {
    const pick = [this.folder, '!', '-name', '*-shm']
    // Twice: files come and go under its feet.
    for (let round = 0; round < 2; round++)
      await command('find', ...pick, '-exec', 'chattr', '-f', '+i', '{}', '+').catch(() => {})
  }

  async unlock(): Promise<void> {
    await command('chattr', '-R', '-f', '-i', this.folder).catch(() => {})
  }

  cutPower(): void {
    const { symbols, close } = dlopen('libc.so.6', {
      ioctl: { args: [FFIType.i32, FFIType.u64, FFIType.ptr], returns: FFIType.i32 },
    })
    const descriptor = openSync(this.#lower, 'r')
    const result = symbols.ioctl(descriptor, EXT4_SHUTDOWN, ptr(new Uint32Array([NO_LOG_FLUSH])))
    closeSync(descriptor)
    close()
    if (result !== 0) throw new Error('the power of the disk could not be cut')
  }

  async replug(): Promise<void> {
    await this.#unplug()
    await command('umount', this.#lower)
    await command('mount', '-o', 'loop', this.#lowerImage, this.#lower)
    await this.#plug()
  }

  async dispose(): Promise<void> {
    await this.unlock()
    // Lazily when something still has files open: it goes with them.
    await this.#unplug().catch(() => command('umount', '-l', this.folder))
    await command('umount', this.#lower).catch(() => command('umount', '-l', this.#lower))
  }

  /** Past the page cache: what the upper file system hears is written, the disk below has. */
  async #plug(): Promise<void> {
    const found = await command('losetup', '--find', '--show', '--direct-io=on', this.#image)
    this.#device = found.trim()
    await command('mount', this.#device, this.folder)
  }

  async #unplug(): Promise<void> {
    await command('umount', this.folder)
    if (this.#device === null) return
    await command('losetup', '-d', this.#device)
    this.#device = null
  }

  async #bytesFree(): Promise<number> {
    const text = await command('df', '--output=avail', '-B1', this.folder)
    return Number(text.trim().split('\n').at(-1))
  }
}

function plainFolder(folder: string, missing: string): TestDisk {
  const nothing = (): Promise<void> => Promise.resolve()
  return {
    ...{ folder, missing, faults: new Set<DiskFault>() },
    ...{ fill: nothing, empty: nothing, lock: nothing, unlock: nothing, replug: nothing },
    cutPower() {},
    dispose: nothing,
  }
}

/** Runs a program of the system; its output, or an error with its complaint. */
async function command(program: string, ...args: string[]): Promise<string> {
  const path = ['/usr/bin', '/usr/sbin', '/bin', '/sbin']
    .map((folder) => join(folder, program))
    .find((candidate) => existsSync(candidate))
  if (path === undefined) throw new Error(`${program} is not installed`)
  const child = Bun.spawn([path, ...args], { stdin: 'ignore', stdout: 'pipe', stderr: 'pipe' })
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  if (code !== 0) throw new Error(`${program} failed: ${err.trim().split('\n')[0] ?? code}`)
  return out
}
