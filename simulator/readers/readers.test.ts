import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { skipped } from '../../actors/testing/services.ts'
import { Lake, lakeSink, tableIn } from '../../sinks/iceberg/lake-testing.ts'
import type { S3Warehouse } from '../../sinks/iceberg/s3-sink.ts'
import { TABLE_POLICY } from '../../sinks/iceberg/sink.ts'
import { PING_COLUMNS, TRIP_COLUMNS } from '../../sinks/iceberg/table-schema.ts'
import { batchFor, fingerprint, fingerprintsOf, framesFor } from '../../sinks/iceberg/testing.ts'
import { tripBatchFor } from '../../sinks/iceberg/trip-testing.ts'
import { WorkerIcebergSink } from '../../sinks/iceberg/worker-sink.ts'
import { BronzeReader, type BronzeSeen, exportBronze, readBronze } from './readers.ts'
import { forgetful, placeIn } from './testing.ts'

const { env } = process
const NAMES = ['pyiceberg', 'duckdb'] as const
/** A history that is cut and merged within a few commits; what a reader has open stays. */
const SHORT = { ...TABLE_POLICY, manifestsMax: 4, snapshotsMin: 20, snapshotsMax: 20 }
const PARTITIONS = [0, 1] as const
const COMMITS_MAX = 10
const BATCH_ROWS = 100
/** Enough commits that history was cut. */
const ROWS_MIN = 15 * BATCH_ROWS
const TIMEOUT_MS = 240_000
const never = (): AbortSignal => new AbortController().signal

describe.skipIf(skipped(['s3', 'catalog', ...NAMES], env))('readers that are not ours', () => {
  let lake: Lake
  let readers: readonly BronzeReader[]
  beforeAll(async () => {
    lake = await Lake.start(env)
    readers = NAMES.map((name) => new BronzeReader(name, env))
  }, 90_000)
  afterAll(async () => {
    for (const reader of readers) await reader[Symbol.asyncDispose]()
    await lake[Symbol.asyncDispose]()
  }, 30_000)

  const keysOf = (of: Lake) => ({ ...of.s3, endpoint: of.s3.url })

  /** What each of them sees. */
  async function seenIn(warehouse: S3Warehouse, table?: 'trips'): Promise<readonly BronzeSeen[]> {
    const place = await placeIn(warehouse, keysOf(lake), table)
    return Promise.all(readers.map((reader) => reader.read(place)))
  }

  /** Writes batch after batch of both partitions while both readers read, so often each. */
  async function readWhileWriting(warehouse: S3Warehouse, readsEach: number) {
    const parts = { clock: systemClock, log: silentLog, policy: SHORT }
    const sink = new WorkerIcebergSink({ warehouse, ...parts })
    for (const partition of PARTITIONS) await sink.open(partition, never())
    const acknowledged = [-1, -1]
    const begun = [-1, -1]
    let reading = true
    let commits = 0
    // What one reads stays for so many commits; a reader on a busy machine is waited for.
    const sinceCommit = new Map<BronzeReader, number>()
    let onRead = Promise.withResolvers<void>()
    const paced = async (): Promise<void> => {
      commits++
      while ([...sinceCommit.values()].some((since) => commits - since >= COMMITS_MAX)) {
        await onRead.promise
      }
    }
    const write = async (): Promise<void> => {
      for (let first = 0; reading || first < ROWS_MIN; first += BATCH_ROWS) {
        for (const partition of PARTITIONS) {
          begun[partition] = first + BATCH_ROWS - 1
          await sink.write(batchFor(first, first + BATCH_ROWS - 1, partition), never())
          acknowledged[partition] = first + BATCH_ROWS - 1
          await paced()
        }
      }
    }
    const read = async (reader: BronzeReader): Promise<void> => {
      for (let reads = 0; reads < readsEach; reads++) {
        const before = [...acknowledged]
        sinceCommit.set(reader, commits)
        const place = await placeIn(warehouse, keysOf(lake))
        const seen = await reader.read(place).finally(() => {
          sinceCommit.delete(reader)
          onRead.resolve()
          onRead = Promise.withResolvers()
        })
        whole(seen)
        for (const partition of PARTITIONS) {
          const rows = rowsIn(seen, partition)
          expect(rows).toBeGreaterThan(before[partition] ?? 0)
          expect(rows).toBeLessThanOrEqual((begun[partition] ?? 0) + 1)
        }
      }
    }
    await sink.write(batchFor(0, BATCH_ROWS - 1, 0), never())
    const writing = write()
    try {
      await Promise.race([Promise.all(readers.map(read)), writing])
    } finally {
      reading = false
      await writing
      await sink.close()
    }
    return acknowledged
  }

  const rowsIn = (seen: BronzeSeen, partition: number): number =>
    seen.partitions.find((each) => each.partition === partition)?.rows ?? 0

  /** From offset 0 on without a gap, none twice. */
  function whole(seen: BronzeSeen): void {
    expect(seen.duplicates).toEqual([])
    for (const { partition, rows, offsetMax, offsetSum } of seen.partitions) {
      expect(seen.partitions).toContainEqual({
        ...{ partition, rows, distinct: rows, offsetMin: 0, offsetMax: rows - 1 },
        offsetSum: String((rows * (rows - 1)) / 2),
      })
      expect(offsetSum).toBe(String((offsetMax * (offsetMax + 1)) / 2))
    }
  }

  test.each([
    ['through a catalog', () => lake.cataloged()],
    ['in a folder on S3', () => lake.alone()],
  ])(
    '%s they see what is acknowledged at least, and nothing twice, while it is written and merged',
    async (_name, make) => {
      const warehouse = make()
      const acknowledged = await readWhileWriting(warehouse, 4)
      const sink = lakeSink(tableIn(warehouse))
      for (const partition of PARTITIONS) await sink.open(partition, never())
      const [pyiceberg, duckdb] = await seenIn(warehouse)
      for (const seen of [pyiceberg, duckdb]) {
        if (seen === undefined) throw new Error('a reader is missing')
        whole(seen)
        expect(PARTITIONS.map((partition) => rowsIn(seen, partition) - 1)).toEqual(acknowledged)
      }
      expect(same(duckdb)).toEqual(same(pyiceberg))
      expect(pyiceberg).toMatchObject({
        snapshots: SHORT.snapshotsMax + 1,
        columns: typesOf(PING_COLUMNS),
      })
      const offsets = pyiceberg?.properties?.['orrery.offsets'] ?? ''
      expect(JSON.parse(offsets)).toEqual({ ...acknowledged })
    },
    TIMEOUT_MS,
  )

  test('trips are read as well', async () => {
    const warehouse = lake.cataloged()
    const sink = lakeSink(tableIn(warehouse, 'trips'), 'trips')
    await sink.open(1_000, never())
    await sink.write(tripBatchFor(0, 199, 1_000), never())
    const [pyiceberg, duckdb] = await seenIn(warehouse, 'trips')
    expect(same(duckdb)).toEqual(same(pyiceberg))
    expect(pyiceberg).toMatchObject({ rows: 200, distinct: 200, columns: typesOf(TRIP_COLUMNS) })
  }, 60_000)

  test('what is there twice is found, and a changed value changes the checksum', async () => {
    const warehouse = lake.cataloged()
    const ports = tableIn(warehouse)
    const once = lakeSink(ports)
    await once.open(0, never())
    await once.write(batchFor(0, 19), never())
    const [before] = await seenIn(warehouse)
    const twice = lakeSink({ ...ports, catalog: forgetful(ports.catalog) })
    await twice.open(0, never())
    await twice.write(batchFor(0, 11), never())
    for (const seen of await seenIn(warehouse)) {
      expect(seen).toMatchObject({ rows: 32, distinct: 20 })
      expect(seen.partitions).toEqual([
        { partition: 0, rows: 32, distinct: 20, offsetMin: 0, offsetMax: 19, offsetSum: '256' },
      ])
      expect(seen.duplicates).toEqual(
        Array.from({ length: 10 }, (_, offset) => ({ partition: 0, offset, times: 2 })),
      )
    }
    const other = lake.cataloged()
    const sink = lakeSink(tableIn(other))
    await sink.open(0, never())
    const { rows, ...batch } = batchFor(0, 19)
    await sink.write({ ...batch, rows: [...framesFor(0, 2, 2), ...rows.slice(1)] }, never())
    const [pyiceberg, duckdb] = await seenIn(other)
    expect(pyiceberg?.checksum).not.toBe(before?.checksum ?? null)
    expect(duckdb?.checksum).toBe(pyiceberg?.checksum ?? null)
  }, 60_000)

  test('every row goes into a file as it was sent', async () => {
    const warehouse = lake.cataloged()
    const sink = lakeSink(tableIn(warehouse))
    await sink.open(0, never())
    await sink.write(batchFor(0, 299), never())
    const folder = mkdtempSync(join(tmpdir(), 'orrery-readers-'))
    const file = join(folder, 'rows.ndjson')
    const sent = batchFor(0, 299).rows.flatMap(fingerprintsOf).sort()
    const place = await placeIn(warehouse, keysOf(lake))
    const few = ['session_id', 'status', 'timestamp', 'current_lat', 'event_date']
    const texts: string[] = []
    for (const reader of readers) {
      expect((await reader.export(place, { file })).rows).toBe(300)
      expect(linesOf(file).map(fingerprint).sort()).toEqual(sent)
      await reader.export(place, { file, columns: few })
      texts.push(readFileSync(file, 'utf8').split('\n').sort().join('\n'))
      expect(linesOf(file)).toContainEqual({
        ...{ session_id: 'session-0', status: 'en_route', timestamp: 1_790_000_420_000_000 },
        ...{ current_lat: 38.000007, event_date: '2026-09-21' },
      })
    }
    expect(texts[1]).toBe(texts[0] ?? '')
    rmSync(folder, { recursive: true })
  }, 60_000)

  test('a table that is not there, and a reader that ends, are errors', async () => {
    const place = { ...(await placeIn(lake.cataloged(), keysOf(lake))) }
    for (const reader of readers) {
      const error = await reader.read(place).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'reader_failed' })
      expect(String(error)).not.toContain(lake.s3.secretKey)
    }
    const ending = new BronzeReader('duckdb', env)
    const asked = ending.read(place).catch((thrown: unknown) => thrown)
    await ending[Symbol.asyncDispose]()
    expect(await asked).toMatchObject({ code: 'reader_ended' })
    const after = await ending.read(place).catch((thrown: unknown) => thrown)
    expect(after).toMatchObject({ code: 'reader_ended' })
  }, 60_000)
})

describe.skipIf(skipped(NAMES, env))('readers of a folder', () => {
  test('read one on a disk, and answer one question', async () => {
    const warehouse = mkdtempSync(join(tmpdir(), 'orrery-readers-'))
    const sink = new WorkerIcebergSink({ warehouse, clock: systemClock, log: silentLog })
    await sink.open(0, never())
    await sink.write(batchFor(0, 49), never())
    await sink.close()
    const [file = ''] = [...new Bun.Glob('**/v2.metadata.json').scanSync(warehouse)]
    const place = { metadata: join(warehouse, file) }
    const seen = await Promise.all(NAMES.map((reader) => readBronze({ reader, place, env })))
    expect(seen.map(({ rows, distinct }) => [rows, distinct])).toEqual([
      [50, 50],
      [50, 50],
    ])
    const names = join(warehouse, 'names.ndjson')
    const columns = ['partition', 'offset']
    await exportBronze({ reader: 'duckdb', place, env, file: names, columns })
    expect(linesOf(names)).toEqual(
      Array.from({ length: 50 }, (_, offset) => ({ partition: 0, offset })),
    )
    rmSync(warehouse, { recursive: true })
  }, 60_000)
})

function linesOf(file: string): Readonly<Record<string, unknown>>[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

/** What readers must agree on. */
function same(seen: BronzeSeen | undefined): unknown {
  const { version: _, properties: __, sample, ...rest } = seen ?? { sample: [] }
  return { ...rest, sample: sample.length }
}

function typesOf(columns: readonly Readonly<{ name: string; type: string }>[]) {
  return columns.map(({ name, type }) => ({ name, type }))
}
