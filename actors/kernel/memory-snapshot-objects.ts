import type { SnapshotObject, SnapshotObjects } from './snapshots.ts'

/** What a test does around a call: refuse it, lose its answer, let it land late. */
export type AroundObjects = <T>(verb: string, name: string, act: () => T) => Promise<T>

type Kept = Readonly<{ bytes: Uint8Array; version: number }>

/** Snapshot objects in memory, with faults: for tests and the simulation. */
export class MemorySnapshotObjects implements SnapshotObjects {
  /** What was put, by name. */
  readonly objects = new Map<string, Uint8Array>()
  readonly #swapped = new Map<string, Kept>()
  around: AroundObjects = async (_verb, _name, act) => act()

  async get(name: string): Promise<SnapshotObject | null> {
    return this.around('get', name, () => {
      const kept = this.#swapped.get(name)
      return kept ? { bytes: kept.bytes.slice(), version: String(kept.version) } : null
    })
  }

  async swap(name: string, bytes: Uint8Array, expected: string | null): Promise<string | null> {
    const copy = bytes.slice()
    return this.around('swap', name, () => {
      const kept = this.#swapped.get(name)
      if ((kept ? String(kept.version) : null) !== expected) return null
      const version = (kept?.version ?? 0) + 1
      this.#swapped.set(name, { bytes: copy, version })
      return String(version)
    })
  }

  async read(name: string): Promise<Uint8Array | null> {
    return this.around('read', name, () => this.objects.get(name)?.slice() ?? null)
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice()
    return this.around('put', name, () => void this.objects.set(name, copy))
  }

  async *list(): AsyncIterable<string> {
    yield* await this.around('list', '', () => [...this.objects.keys()])
  }

  async remove(names: readonly string[]): Promise<void> {
    await this.around('remove', names[0] ?? '', () => {
      for (const name of names) this.objects.delete(name)
    })
  }
}
