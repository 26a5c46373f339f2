import { expect, test } from 'bun:test'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { stringifyLossless } from './lossless-json.ts'
import { decodeManifestList, encodeManifestList } from './manifest-list.ts'
import { MemoryStorage } from './memory-storage.ts'
import { currentSnapshotId, snapshotOf, type TableMetadata } from './metadata.ts'
import { OFFSETS_KEY, storedOffsets } from './offsets.ts'
import type { TablePolicy } from './sink.ts'
import { batchFor, rowsIn, sinkOver, TEST_LOCATION } from './testing.ts'

const never = (): AbortSignal => new AbortController().signal

function world(policy: Partial<TablePolicy> = {}) {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const open = (seed = 1) => sinkOver(storage, { clock, seed, policy })
  const catalog = new FolderCatalog({ location: TEST_LOCATION, storage, clock, log: silentLog })
  const load = async () => {
    const table = await catalog.load(null)
    if (!table) throw new Error('no table')
    return table
  }
  const bytesOf = async (part: string): Promise<number> => {
    let bytes = 0
    for await (const file of storage.list(`${TEST_LOCATION}/${part}/`)) bytes += file.bytes
    return bytes
  }
  return { clock, storage, open, load, bytesOf }
}

test('a thousand commits leave few files and little metadata, and every row', async () => {
  const { clock, storage, open, load, bytesOf } = world()
  const sink = open()
  await sink.open(0, never())
  let bytesMax = 0
  for (let at = 0; at < 1_000; at++) {
    await sink.write(batchFor(at, at), never())
    clock.jumpMs(5_000)
    if (at % 100 === 99) bytesMax = Math.max(bytesMax, await bytesOf('metadata'))
  }
  await sink.close()
  const { metadata } = await load()
  expect(metadata.snapshots.length).toBeLessThanOrEqual(122)
  expect(stringifyLossless(metadata).length).toBeLessThan(150_000)
  expect(storage.paths.filter((path) => path.includes('/metadata/')).length).toBeLessThan(700)
  expect(bytesMax).toBeLessThan(10_000_000)
  expect(await rowsIn(storage, clock)).toHaveLength(1_000)
  expect(storage.paths.filter((path) => path.endsWith('.parquet'))).toHaveLength(1_000)
}, 60_000)

test('every kept snapshot is whole while others expire', async () => {
  const policy = { manifestsMax: 5, snapshotsMin: 4, snapshotsMax: 6, graceMs: 0 }
  const { clock, storage, open, load } = world(policy)
  const sink = open()
  await sink.open(0, never())
  for (let at = 0; at < 60; at++) {
    await sink.write(batchFor(at, at), never())
    clock.jumpMs(1_000)
    const { metadata } = await load()
    for (const snapshot of metadata.snapshots) {
      const list = decodeManifestList(await storage.read(snapshot['manifest-list']))
      let files = 0
      for (const manifest of list) {
        await storage.read(manifest.path)
        files += manifest.addedFiles + manifest.existingFiles
      }
      expect(String(files)).toBe(snapshot.summary['total-data-files'] ?? '')
      expect(list.length).toBeLessThanOrEqual(7)
    }
    expect(metadata.snapshots.length).toBeLessThanOrEqual(7)
  }
  expect(storage.paths.filter((path) => path.includes('orrery-snap-')).length).toBeLessThan(10)
})

test('offsets outlive every snapshot that carried them', async () => {
  const { clock, open, load } = world({ snapshotsMin: 1, snapshotAgeMsMin: 1, graceMs: 0 })
  const first = open(1)
  await first.open(0, never())
  await first.write(batchFor(0, 9), never())
  const second = open(2)
  await second.open(1, never())
  for (let at = 0; at < 10; at++) {
    clock.jumpMs(1_000)
    await second.write(batchFor(at, at, 1), never())
  }
  const { metadata } = await load()
  expect(
    metadata.snapshots.some((snapshot) => snapshot.summary[OFFSETS_KEY]?.includes('"0"')),
  ).toBe(false)
  expect(await open(3).open(0, never())).toBe(9)
  // And they outlive the property, while a snapshot has them.
  const bare = { ...metadata, properties: {} }
  expect(storedOffsets(bare).get(1)).toBe(9)
})

test('an orphan goes when it is old enough, and nothing that a snapshot reaches', async () => {
  const { clock, storage, open } = world({ orphanAgeMsMin: 60_000, graceMs: 0 })
  const sink = open(1)
  await sink.open(0, never())
  await sink.write(batchFor(0, 9), never())
  await sink.close()
  const orphans = [
    `${TEST_LOCATION}/data/event_date_day=2026-11-21/orrery-0-10-abc.parquet`,
    `${TEST_LOCATION}/metadata/orrery-1-abc-m0.avro`,
    `${TEST_LOCATION}/metadata/orrery-tmp-abc`,
  ]
  const foreign = `${TEST_LOCATION}/data/event_date_day=2026-11-21/part-00000.parquet`
  for (const path of [...orphans, foreign]) await storage.write(path, new Uint8Array(3))
  const before = storage.paths

  const again = open(2)
  await again.open(0, never())
  await again.write(batchFor(10, 10), never())
  await again.close()
  for (const path of orphans) expect(storage.paths).toContain(path)

  clock.jumpMs(120_000)
  const late = open(3)
  await late.open(0, never())
  await late.write(batchFor(11, 11), never())
  await late.close()
  for (const path of before) {
    expect([path, storage.paths.includes(path)]).toEqual([path, !orphans.includes(path)])
  }
  expect(await rowsIn(storage, clock)).toHaveLength(12)
})

test('a snapshot of another engine with a 63-bit id is built upon without losing a digit', async () => {
  const { clock, storage, open, load } = world()
  const sink = open(1)
  await sink.open(0, never())
  await sink.write(batchFor(0, 9), never())
  const id = 7_059_123_383_736_359_210n
  const { metadata } = await load()
  await storage.write(
    `${TEST_LOCATION}/metadata/v3.metadata.json`,
    new TextEncoder().encode(stringifyLossless(await foreignVersion(storage, metadata, id))),
  )
  await sink.write(batchFor(10, 19), never())
  const after = (await load()).metadata
  const newest = snapshotOf(after, currentSnapshotId(after))
  expect(newest?.['parent-snapshot-id']).toBe(id)
  expect(after.snapshots.map((snapshot) => snapshot['snapshot-id'])).toContain(id)
  expect(await rowsIn(storage, clock)).toHaveLength(20)
})

/** The table after another engine appended nothing to it, without our keys in its summary. */
async function foreignVersion(storage: MemoryStorage, metadata: TableMetadata, id: bigint) {
  const parent = snapshotOf(metadata, currentSnapshotId(metadata))
  if (!parent) throw new Error('no snapshot')
  const path = `${TEST_LOCATION}/metadata/snap-${id}.avro`
  const header = { snapshotId: id, parentSnapshotId: parent['snapshot-id'], sequenceNumber: 2 }
  const manifests = decodeManifestList(await storage.read(parent['manifest-list']))
  await storage.write(path, encodeManifestList(header, manifests))
  const snapshot = {
    ...parent,
    'snapshot-id': id,
    'parent-snapshot-id': parent['snapshot-id'],
    'sequence-number': 2,
    'manifest-list': path,
    summary: { operation: 'append' },
  }
  return {
    ...metadata,
    'last-sequence-number': 2,
    'current-snapshot-id': id,
    refs: { main: { 'snapshot-id': id, type: 'branch' } },
    snapshots: [...metadata.snapshots, snapshot],
    'snapshot-log': [
      ...metadata['snapshot-log'],
      { 'snapshot-id': id, 'timestamp-ms': snapshot['timestamp-ms'] },
    ],
  }
}
