import type { Disk, DiskFile } from '../actors/kernel/disk.ts'
import type { DiskOperation, MemoryDisk } from '../actors/kernel/memory-disk.ts'
import type { MemoryStateStore } from '../actors/kernel/memory-state-store.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Catalog, Table } from '../sinks/iceberg/catalog.ts'
import type { MemoryStorage } from '../sinks/iceberg/memory-storage.ts'
import { type Storage, StorageError } from '../sinks/iceberg/storage.ts'
import { type Gate, type Mortal, never } from './world-gate.ts'

/** The disk as one life has it; its faults are the machine's, its last moment may be at any operation. */
export function mortalDisk(disk: MemoryDisk, mortal: Mortal): Disk {
  const mounted = disk.mount()
  const through = async <T>(operation: DiskOperation, call: () => Promise<T>): Promise<T> => {
    mortal.pass(`disk.${operation}`, 'before')
    if (mortal.dead) return never()
    const result = await call()
    mortal.pass(`disk.${operation}`, 'after')
    return mortal.dead ? never() : result
  }
  const file = (inner: DiskFile): DiskFile => ({
    size: () => inner.size(),
    read: (into, position) => through('read', () => inner.read(into, position)),
    write: (bytes, position) => through('write', () => inner.write(bytes, position)),
    syncData: () => through('sync', () => inner.syncData()),
    sync: () => through('sync', () => inner.sync()),
    truncate: (bytes) => through('truncate', () => inner.truncate(bytes)),
    close: () => inner.close(),
  })
  return {
    makeDirectory: (path) => mounted.makeDirectory(path),
    list: (path) => through('list', () => mounted.list(path)),
    create: async (path) => file(await through('create', () => mounted.create(path))),
    open: async (path, access) => file(await through('open', () => mounted.open(path, access))),
    remove: (path) => through('remove', () => mounted.remove(path)),
    syncDirectory: (path) => through('syncDirectory', () => mounted.syncDirectory(path)),
    space: (path) => mounted.space(path),
  }
}

/** The state store as one life has it. Reads are look-ups in memory; only writes leave the process. */
export function mortalStates(store: MemoryStateStore, gate: Gate, mortal: Mortal): StateStore {
  const failure = (message: string): Error => new Error(message)
  const through = (name: string, effect: () => Promise<void>): Promise<void> =>
    gate.through(mortal, { port: 'states', name, effect, failure })
  return {
    load: (key) => store.load(key),
    loadMark: (name) => store.loadMark(name),
    live: () => store.live(),
    due: (nowMs, limit) => store.due(nowMs, limit),
    save: (states) => through('states.save', () => store.save(states)),
    saveMark: (name, value) => through(`states.mark ${name}`, () => store.saveMark(name, value)),
    rewind: (offset) => through('states.rewind', () => store.rewind(offset)),
    setFloor: (offset) => (mortal.dead ? undefined : store.setFloor(offset)),
    get count() {
      return store.count
    },
    close: () => Promise.resolve(),
  }
}

/** The files of the bronze table as one life has them. */
export function mortalStorage(storage: MemoryStorage, gate: Gate, mortal: Mortal): Storage {
  const failure = (message: string): Error =>
    new StorageError('failed', message, { retriable: true })
  const through = <T>(
    name: string,
    effect: () => Promise<T>,
    part?: () => Promise<void>,
  ): Promise<T> =>
    gate.through(mortal, { port: 'bronze', name, effect, failure, ...(part && { part }) })
  return {
    read: (path) => through('bronze.read', () => storage.read(path)),
    write: (path, bytes) =>
      through(
        'bronze.write',
        () => storage.write(path, bytes),
        () => storage.write(path, bytes.subarray(0, bytes.length >> 1)),
      ),
    create: (path, bytes) => through('bronze.create', () => storage.create(path, bytes)),
    replace: (path, bytes) => through('bronze.replace', () => storage.replace(path, bytes)),
    settle: () => storage.settle(),
    async *list(prefix) {
      await through('bronze.list', async () => {})
      yield* storage.list(prefix)
    },
    remove: (paths) =>
      through(
        'bronze.remove',
        () => storage.remove(paths),
        () => storage.remove(paths.slice(0, 1)),
      ),
  }
}

/** The catalog as one life has it: commits whose answer is lost, that come late, and that others outrun. */
export function mortalCatalog(
  inner: Catalog,
  about: Readonly<{ gate: Gate; mortal: Mortal; rival: Catalog; rivalRate: number }>,
): Catalog {
  const { gate, mortal, rival, rivalRate } = about
  const failure = (message: string): Error =>
    new StorageError('failed', message, { retriable: true })
  return {
    load: (known) => inner.load(known),
    create: (definition) => inner.create(definition),
    async commit(base, change) {
      if (gate.chance(rivalRate)) {
        gate.chronicle.note('catalog conflict')
        await overtake(rival, base)
      }
      const effect = () => inner.commit(base, change)
      // A whole commit lies between the two ends: applying it twice would be another writer.
      return gate.through(mortal, { port: 'catalog', name: 'catalog.commit', effect, failure })
    },
  }
}

/** Somebody else changes the table: a property that is none of ours. */
async function overtake(rival: Catalog, base: Table): Promise<void> {
  const updates = [
    { action: 'set-properties', updates: { 'other.writer': base.metadataPath } },
  ] as const
  await rival.commit(base, { requirements: [], updates })
}
