import { describe, expect, test } from 'bun:test'

import { openBronze } from './bronze-table.ts'
import type { Catalog, Table } from './catalog.ts'
import { changeOf } from './change.ts'
import { type Long, sameLong } from './lossless-json.ts'
import { encodeManifestList } from './manifest-list.ts'
import { type Change, currentSnapshotId, type Snapshot } from './metadata.ts'
import { OFFSETS_KEY, storedOffsets } from './offsets.ts'
import type { Storage } from './storage.ts'

/** Views of one table that is not there yet: each `open` is another writer's. */
export type CatalogUnderTest = Readonly<{
  open: () => Catalog
  storage: Storage
  location: string
}>

/** A change that adds a snapshot without files and moves the offset of a partition. */
export async function emptyChange(
  { metadata }: Table,
  {
    storage,
    id,
    partition,
    offset,
  }: { storage: Storage; id: Long; partition: number; offset: number },
): Promise<Change> {
  const parentId = currentSnapshotId(metadata)
  const sequenceNumber = metadata['last-sequence-number'] + 1
  // A catalog may look into the list, so there is one.
  const list = `${metadata.location}/metadata/orrery-snap-${id}.avro`
  const header = { snapshotId: Number(id), parentSnapshotId: parentId, sequenceNumber }
  await storage.write(list, encodeManifestList(header, []))
  const offsets = new Map([[partition, offset]])
  const snapshot: Snapshot = {
    'snapshot-id': id,
    ...(parentId === null ? {} : { 'parent-snapshot-id': parentId }),
    'sequence-number': sequenceNumber,
    'timestamp-ms': Math.max(Date.now(), metadata['last-updated-ms']),
    summary: { operation: 'append' },
    'manifest-list': list,
    'schema-id': metadata['current-schema-id'],
  }
  return changeOf(metadata, { snapshot, parentId, offsets, expired: [] })
}

/** The suite that every catalog must pass. `make` gives each case a table of its own. */
export function describeCatalog(name: string, make: () => Promise<CatalogUnderTest>): void {
  const that = (says: string, run: (under: CatalogUnderTest) => Promise<void>): void =>
    test(says, async () => run(await make()), 60_000)
  const opened = async (under: CatalogUnderTest, catalog = under.open()) => {
    const table = await openBronze(catalog, { location: under.location, uuid: crypto.randomUUID() })
    return { catalog, table }
  }
  const moved = (under: CatalogUnderTest, table: Table, id: Long, offset: number, partition = 0) =>
    emptyChange(table, { storage: under.storage, id, partition, offset })

  describe(`catalog ${name}`, () => {
    that('there is no table, then there is one, without a snapshot', async (under) => {
      expect(await under.open().load(null)).toBeNull()
      const { table } = await opened(under)
      expect(currentSnapshotId(table.metadata)).toBeNull()
      expect(table.metadata.location).toBe(under.location)
      const again = await opened(under)
      expect(again.table.metadata['table-uuid']).toBe(table.metadata['table-uuid'])
    })

    that('of many that create the table all get the same', async (under) => {
      const tables = await Promise.all(Array.from({ length: 6 }, () => opened(under)))
      const ids = new Set(tables.map(({ table }) => table.metadata['table-uuid']))
      expect(ids.size).toBe(1)
    })

    that('an unchanged table is the known one, a changed one is another', async (under) => {
      const { catalog, table } = await opened(under)
      const known = await catalog.load(table)
      expect(await catalog.load(known)).toBe(known)
      const other = await opened(under)
      await other.catalog.commit(other.table, await moved(under, other.table, 5, 1))
      const changed = await catalog.load(known)
      expect(changed).not.toBe(known)
      expect(currentSnapshotId(changed?.metadata ?? table.metadata)).toEqual(5)
    })

    that('a change shows in what comes back and in what is loaded', async (under) => {
      const { catalog, table } = await opened(under)
      const first = await catalog.commit(table, await moved(under, table, 11, 3))
      if (first.state === 'conflict') throw new Error(first.reason)
      expect(storedOffsets(first.table.metadata).get(0)).toBe(3)
      const next = await moved(under, first.table, 12, 9)
      const second = await catalog.commit(first.table, next)
      if (second.state === 'conflict') throw new Error(second.reason)
      const loaded = await under.open().load(null)
      expect(loaded?.metadata.properties[OFFSETS_KEY]).toBe('{"0":9}')
      expect(loaded?.metadata.snapshots.map((snapshot) => snapshot['snapshot-id'])).toEqual([
        11, 12,
      ])
      expect(loaded?.metadataPath).toBe(second.table.metadataPath)
    })

    that('a change to an older version is in conflict, the first ever made too', async (under) => {
      const { catalog, table } = await opened(under)
      const other = under.open()
      const same = await other.load(null)
      if (!same) throw new Error('a table')
      const mine = await moved(under, table, 21, 1)
      const theirs = await moved(under, same, 22, 2)
      expect((await catalog.commit(table, mine)).state).toBe('committed')
      expect((await other.commit(same, theirs)).state).toBe('conflict')
      // The same again, as when its answer was lost.
      expect((await catalog.commit(table, mine)).state).toBe('conflict')
      const loaded = await other.load(same)
      expect(loaded?.metadata.snapshots).toHaveLength(1)
    })

    that('an id of 63 bits keeps its digits as a parent', async (under) => {
      const { catalog, table } = await opened(under)
      const foreign = 7_059_123_383_736_359_210n
      const first = await catalog.commit(table, await moved(under, table, foreign, 1))
      if (first.state === 'conflict') throw new Error(first.reason)
      const reloaded = await under.open().load(null)
      if (!reloaded) throw new Error('a table')
      expect(sameLong(currentSnapshotId(reloaded.metadata), foreign)).toBe(true)
      const second = await under.open().commit(reloaded, await moved(under, reloaded, 31, 2))
      if (second.state === 'conflict') throw new Error(second.reason)
      expect(second.table.metadata.snapshots.at(-1)?.['parent-snapshot-id']).toEqual(foreign)
    })

    that('four committers with ten changes each lose none', async (under) => {
      await opened(under)
      let conflicts = 0
      await Promise.all(
        [0, 1, 2, 3].map(async (partition) => {
          const catalog = under.open()
          let table = await catalog.load(null)
          for (let offset = 0; offset < 10;) {
            if (!table) throw new Error('a table')
            const id = partition * 1_000 + conflicts * 10_000 + offset + 1
            const outcome = await catalog.commit(
              table,
              await moved(under, table, id, offset, partition),
            )
            if (outcome.state === 'committed') offset++
            else conflicts++
            table = outcome.state === 'committed' ? outcome.table : await catalog.load(table)
          }
        }),
      )
      const { metadata } = (await under.open().load(null)) ?? {}
      expect(metadata?.properties[OFFSETS_KEY]).toBe('{"0":9,"1":9,"2":9,"3":9}')
      expect(metadata?.snapshots).toHaveLength(40)
    })
  })
}
