import { parquetReadObjects } from 'hyparquet'

import { type Clock, type Random, seededRandom } from '../../actors/kernel/clock.ts'
import { assert } from '../../actors/kernel/errors.ts'
import { type Log, silentLog } from '../../actors/kernel/telemetry.ts'
import type { PingsFact } from '../../actors/model/fact.ts'
import { naiveIsoUs } from '../../actors/model/time.ts'
import type { Batch } from '../sink.ts'
import { bronzeLocation } from './bronze-table.ts'
import type { Catalog, CommitOutcome, Table } from './catalog.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { decodeManifestList } from './manifest-list.ts'
import { livePaths } from './manifest.ts'
import { currentSnapshotId, snapshotOf } from './metadata.ts'
import { IcebergSink, TABLE_POLICY, type TablePolicy } from './sink.ts'
import { type Storage, StorageError, type StoredFile } from './storage.ts'
import type { BronzeTable } from './table-schema.ts'

/** Where the tables of tests in memory are. */
export const TEST_LOCATION = bronzeLocation('memory://warehouse')

const EPOCH_US = 1_790_000_000_000_000
const encoder = new TextEncoder()

/** The wire object of the ping with this offset; the seed and the offset decide all of it. */
export function pingOf(offset: number, seed = 1, text = `order-${seed}`): Record<string, unknown> {
  const session = offset % 7
  return {
    device_id: `device-${session}`,
    vehicle_id: `vehicle-${session}`,
    session_id: `session-${session}`,
    order_id: text,
    status: offset % 5 === 0 ? 'started' : 'en_route',
    timestamp: naiveIsoUs(EPOCH_US + offset * 60_000_000),
    start_lat: 38.05,
    start_lon: 23.7,
    end_lat: 37.95,
    end_lon: 23.65,
    current_lat: 38 + offset / 1e6,
    current_lon: 23.7 - offset / 1e6,
    ...(offset % 3 === 0 ? { route_name: text, hop: offset } : {}),
  }
}

/** A frame of pings from `offset` on, as NDJSON, an array, or one object when it is one. */
export function frameOf(offset: number, pings: readonly unknown[], partition = 0): PingsFact {
  const lines = pings.map((ping) => JSON.stringify(ping))
  const payload = encoder.encode(offset % 2 === 0 ? lines.join('\n') : `[${lines.join(',')}]`)
  const receivedMs = EPOCH_US / 1_000 + offset
  const count = pings.length
  return { kind: 'pings', partition, offset, part: 0, count, receivedMs, source: 'test', payload }
}

/** Frames for a range of offsets, three pings each where they fit. */
export function framesFor(first: number, last: number, seed = 1, text?: string): PingsFact[] {
  const frames: PingsFact[] = []
  for (let offset = first; offset <= last;) {
    const count = Math.min(last - offset + 1, 3 - (offset % 3))
    const pings = Array.from({ length: count }, (_, at) => pingOf(offset + at, seed, text))
    frames.push(frameOf(offset, pings))
    offset += count
  }
  return frames
}

/** A batch of a range of offsets. */
export function batchFor(first: number, last: number, partition = 0): Batch<PingsFact> {
  const rows = framesFor(first, last).map((frame) => ({ ...frame, partition }))
  return {
    id: `${partition}:${first}-${last}`,
    partition,
    offsetFirst: first,
    offsetLast: last,
    rows,
  }
}

/** A sink over this storage, with a clock and a seed of its own. */
export function sinkOver<Kind extends BronzeTable = 'pings'>(
  storage: Storage,
  about: Readonly<{
    table?: Kind
    clock: Clock
    seed: number
    location?: string
    policy?: Partial<TablePolicy>
    catalog?: Catalog
    log?: Log
  }>,
): IcebergSink<Kind> {
  const { clock, seed, table, log = silentLog } = about
  const location = about.location ?? bronzeLocation('memory://warehouse', table)
  const random: Random = seededRandom(seed)
  const catalog = about.catalog ?? new FolderCatalog({ location, storage, clock, log })
  const policy = { ...TABLE_POLICY, ...about.policy }
  const parts = { storage, catalog, location, clock, random, log, policy }
  return new IcebergSink<Kind>(table === undefined ? parts : { ...parts, table })
}

/** Paths of the data files that a reader of the newest snapshot opens. */
export async function liveDataFiles(storage: Storage, table: Table): Promise<readonly string[]> {
  const { metadata } = table
  const snapshot = snapshotOf(metadata, currentSnapshotId(metadata))
  if (!snapshot) return []
  const paths: string[] = []
  for (const { path } of decodeManifestList(await storage.read(snapshot['manifest-list']))) {
    paths.push(...livePaths(await storage.read(path)))
  }
  return paths
}

/** Rows of the newest snapshot, read by hyparquet. */
export async function readRows(
  storage: Storage,
  catalog: Catalog,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const table = await catalog.load(null)
  if (!table) return []
  const rows: Readonly<Record<string, unknown>>[] = []
  for (const path of await liveDataFiles(storage, table)) {
    const bytes = await storage.read(path)
    const file = bytes.slice().buffer
    const compressors = { ZSTD: (input: Uint8Array) => Bun.zstdDecompressSync(input) }
    rows.push(...(await parquetReadObjects({ file, compressors })))
  }
  return rows
}

/** The newest rows of a table in a storage, whoever has it open. */
export function rowsIn(storage: Storage, clock: Clock, location = TEST_LOCATION) {
  const catalog = new FolderCatalog({ location, storage, clock, log: silentLog })
  return readRows(storage, catalog)
}

/** What happens at the chosen operation: death before it, after it, in the middle of its bytes, or an error. */
export type Fault = 'before' | 'after' | 'torn' | 'error'

/** A storage that dies, or fails once, at its n-th changing operation; what was done before stays done. */
export class FaultyStorage implements Storage {
  operations = 0
  dead = false
  readonly #inner: Storage
  readonly #at: number
  readonly #fault: Fault

  constructor(inner: Storage, at: number, fault: Fault) {
    this.#inner = inner
    this.#at = at
    this.#fault = fault
  }

  read(path: string): Promise<Uint8Array> {
    this.#alive()
    return this.#inner.read(path)
  }

  write(path: string, bytes: Uint8Array): Promise<void> {
    return this.#change(
      () => this.#inner.write(path, bytes),
      () => this.#inner.write(path, bytes.subarray(0, bytes.length >> 1)),
    )
  }

  create(path: string, bytes: Uint8Array): Promise<boolean> {
    return this.#change(() => this.#inner.create(path, bytes))
  }

  replace(path: string, bytes: Uint8Array): Promise<void> {
    return this.#change(() => this.#inner.replace(path, bytes))
  }

  settle(path: string): Promise<void> {
    this.#alive()
    return this.#inner.settle(path)
  }

  async *list(prefix: string): AsyncIterable<StoredFile> {
    this.#alive()
    yield* this.#inner.list(prefix)
  }

  async remove(paths: readonly string[]): Promise<void> {
    for (const path of paths) await this.#change(() => this.#inner.remove([path]))
  }

  async #change<T>(whole: () => Promise<T>, torn?: () => Promise<unknown>): Promise<T> {
    this.#alive()
    if (this.operations++ !== this.#at) return whole()
    this.dead = this.#fault !== 'error'
    if (this.#fault === 'torn') await torn?.()
    // An error may be thrown after the deed as well: the answer was lost.
    if (this.#fault === 'after' || (this.#fault === 'error' && this.#at % 2 === 1)) await whole()
    throw new StorageError('failed', `fault: ${this.#fault}`, { retriable: true })
  }

  #alive(): void {
    if (this.dead) throw new StorageError('failed', 'fault: the process is dead')
  }
}

/** A catalog whose commits run through `around`: to lose an answer, delay one, let another writer in first. */
export class InterceptedCatalog implements Catalog {
  around: (commit: () => Promise<CommitOutcome>) => Promise<CommitOutcome> = (commit) => commit()
  commits = 0
  readonly #inner: Catalog

  constructor(inner: Catalog) {
    this.#inner = inner
  }

  load: Catalog['load'] = (known) => this.#inner.load(known)
  create: Catalog['create'] = (definition) => this.#inner.create(definition)
  commit: Catalog['commit'] = (base, change) => {
    this.commits++
    return this.around(() => this.#inner.commit(base, change))
  }
}

/** One line for a stored ping: its name and its content. */
export function fingerprint(row: Readonly<Record<string, unknown>>): string {
  const offset = Number(row['offset'])
  assert(Number.isSafeInteger(offset), 'a stored ping has an offset')
  return JSON.stringify([offset, 0, row['order_id'], row['extras'] ?? null, row['timestamp_text']])
}

/** The same of a ping before it is stored. */
export function fingerprintsOf(frame: PingsFact): readonly string[] {
  const text = Buffer.from(frame.payload).toString('utf8')
  const pings = text.startsWith('[') ? JSON.parse(text) : text.split('\n').map((l) => JSON.parse(l))
  return pings.map((ping: Record<string, unknown>, index: number) => {
    const { route_name, hop } = ping
    const extras = route_name === undefined ? null : JSON.stringify({ route_name, hop })
    const { order_id, timestamp } = ping
    return JSON.stringify([frame.offset + index, 0, order_id, extras, timestamp])
  })
}
