import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { rejection } from '../conformance-bench.ts'
import { type Sink, SinkFenced } from '../sink.ts'
import { bronzeLocation } from './bronze-table.ts'
import type { Catalog } from './catalog.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { Lake, lakeSink, noLake, tableIn } from './lake-testing.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { MemoryStorage } from './memory-storage.ts'
import { systemRandom } from './names.ts'
import { SharedIcebergSinks } from './shared-sink.ts'
import type { IcebergSink } from './sink.ts'
import type { FrameOf } from './table-schema.ts'
import {
  batchFor,
  InterceptedCatalog,
  readRows,
  rowsIn,
  sinkOver,
  TEST_LOCATION,
} from './testing.ts'
import { WorkerIcebergSink } from './worker-sink.ts'

const never = (): AbortSignal => new AbortController().signal

/** A place of a table, and writers that each see it through a catalog of their own. */
type Place = Readonly<{
  catalog: () => Catalog
  writer: (catalog: Catalog, seed: number) => IcebergSink
  rows: () => Promise<readonly Readonly<Record<string, unknown>>[]>
}>

function inMemory(): Place {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const catalog = () =>
    new FolderCatalog({ location: TEST_LOCATION, storage, clock, log: silentLog })
  return {
    catalog,
    writer: (over, seed) => sinkOver(storage, { clock, seed, catalog: over }),
    rows: () => rowsIn(storage, clock),
  }
}

/** Holds a writer up before its commit is sent, as one that stands still. */
function standingStill(catalog: InterceptedCatalog) {
  const [reached, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  catalog.around = async (commit) => {
    catalog.around = (next) => next()
    reached.resolve()
    await go.promise
    return commit()
  }
  return { reached: reached.promise, goOn: go.resolve }
}

const offsetsOf = async (place: Place): Promise<readonly number[]> =>
  (await place.rows()).map((row) => Number(row['offset'])).sort((a, b) => a - b)

const upTo = (last: number): readonly number[] =>
  Array.from({ length: last + 1 }, (_, offset) => offset)

function describeFence(name: string, make: () => Place): void {
  describe(`two writers of one partition over ${name}`, () => {
    const cuts = { 'ends within': 13, 'ends with': 19, 'goes on behind': 25 }
    for (const [how, last] of Object.entries(cuts)) {
      test(`the late commit of one stores nothing when the other ${how} it`, async () => {
        const place = make()
        const slow = new InterceptedCatalog(place.catalog())
        const zombie = place.writer(slow, 1)
        await zombie.open(0, never())
        await zombie.write(batchFor(0, 9), never())
        const still = standingStill(slow)
        const late = rejection(zombie.write(batchFor(10, 19), never()))
        await still.reached
        const next = place.writer(place.catalog(), 2)
        expect(await next.open(0, never())).toBe(9)
        await next.write(batchFor(10, last), never())
        still.goOn()
        // One that ends where the table does cannot be told from its own, and does no harm.
        if (last === 19) expect(await late).toBeNull()
        else expect(await late).toBeInstanceOf(SinkFenced)
        expect(await offsetsOf(place)).toEqual([...upTo(last)])
      }, 30_000)
    }

    test('the new one that opened before a late commit landed is refused, opens again and goes on', async () => {
      const place = make()
      const slow = new InterceptedCatalog(place.catalog())
      const zombie = place.writer(slow, 1)
      await zombie.open(0, never())
      await zombie.write(batchFor(0, 9), never())
      const still = standingStill(slow)
      const late = zombie.write(batchFor(10, 19), never())
      await still.reached
      const next = place.writer(place.catalog(), 2)
      expect(await next.open(0, never())).toBe(9)
      still.goOn()
      await late
      const refused = await rejection(next.write(batchFor(10, 14), never()))
      expect(refused).toBeInstanceOf(SinkFenced)
      expect(refused).toMatchObject({ retriable: false })
      expect(await next.open(0, never())).toBe(19)
      await next.write(batchFor(20, 31), never())
      expect(await rejection(zombie.write(batchFor(20, 24), never()))).toBeInstanceOf(SinkFenced)
      expect(await offsetsOf(place)).toEqual([...upTo(31)])
    }, 30_000)
  })

  test(`partitions of one process over ${name} share their commits, and one refused stops no other`, async () => {
    const place = make()
    const counted = new InterceptedCatalog(place.catalog())
    const sink = place.writer(counted, 1)
    const partitions = [0, 1, 2, 3, 4, 5, 6, 7]
    for (const partition of partitions) await sink.open(partition, never())
    const other = place.writer(place.catalog(), 2)
    await other.open(3, never())
    await other.write(batchFor(0, 4, 3), never())
    const writing = partitions.map((partition) =>
      rejection(sink.write(batchFor(0, 9, partition), never())),
    )
    const outcomes = await Promise.all(writing)
    expect(outcomes[3]).toBeInstanceOf(SinkFenced)
    expect(outcomes.filter((outcome) => outcome !== null)).toHaveLength(1)
    expect(counted.commits).toBeLessThan(partitions.length)
    expect(await place.rows()).toHaveLength(7 * 10 + 5)
    expect(await place.writer(place.catalog(), 3).open(7, never())).toBe(9)
  }, 30_000)
}

describeFence('a folder', inMemory)

test('of batches in one commit that is aborted by one, the others may come again', async () => {
  const place = inMemory()
  const slow = new InterceptedCatalog(place.catalog())
  const sink = place.writer(slow, 1)
  for (const partition of [0, 1, 2]) await sink.open(partition, never())
  const still = standingStill(slow)
  const first = sink.write(batchFor(0, 9, 0), never())
  await still.reached
  const abort = new AbortController()
  const joined = [
    rejection(sink.write(batchFor(0, 9, 1), abort.signal)),
    rejection(sink.write(batchFor(0, 9, 2), never())),
  ]
  slow.around = async (commit) => {
    const outcome = await commit()
    abort.abort()
    slow.around = (next) => next()
    throw Object.assign(new Error('no answer'), { outcome })
  }
  still.goOn()
  await first
  for (const outcome of await Promise.all(joined)) {
    expect(outcome).toMatchObject({ name: 'SinkError', retriable: true })
  }
  await sink.write(batchFor(0, 9, 1), never())
  await sink.write(batchFor(0, 9, 2), never())
  expect(await place.rows()).toHaveLength(30)
})

describe('a Worker', () => {
  const folders: string[] = []
  afterEach(() => {
    for (const made of folders.splice(0)) rmSync(made, { recursive: true, force: true })
  })
  const settings = () => {
    const warehouse = realpathSync(mkdtempSync(join(tmpdir(), 'orrery-fence-')))
    folders.push(warehouse)
    return { warehouse, clock: systemClock, log: silentLog }
  }
  const rows = (warehouse: string) =>
    rowsIn(new LocalStorage(systemRandom), systemClock, bronzeLocation(fileUri(warehouse)))

  test('says that its writer is refused', async () => {
    const about = settings()
    const [first, second] = [new WorkerIcebergSink(about), new WorkerIcebergSink(about)]
    await first.open(0, never())
    await second.open(0, never())
    await first.write(batchFor(0, 14), never())
    expect(await rejection(second.write(batchFor(0, 9), never()))).toBeInstanceOf(SinkFenced)
    expect(await second.open(0, never())).toBe(14)
    await second.write(batchFor(15, 19), never())
    expect(await rows(about.warehouse)).toHaveLength(20)
    await first.close()
    await second.close()
  }, 30_000)

  test('serves the sinks of many partitions, and outlives each of them', async () => {
    const about = settings()
    const shared = new SharedIcebergSinks(about)
    const sinks: Sink<FrameOf<'pings'>>[] = Array.from({ length: 8 }, () => shared.sink())
    await Promise.all(sinks.map((sink, partition) => sink.open(partition, never())))
    await Promise.all(
      sinks.map((sink, partition) => sink.write(batchFor(0, 9, partition), never())),
    )
    await sinks[0]?.close()
    await Promise.all(
      sinks.slice(1).map((sink, at) => sink.write(batchFor(10, 19, at + 1), never())),
    )
    expect(await rows(about.warehouse)).toHaveLength(8 * 10 + 7 * 10)
    await shared.close()
    expect(await rejection(shared.sink().open(0, never()))).toMatchObject({ retriable: false })
  }, 30_000)
})

describe.skipIf(noLake(process.env) !== null)('a lake', () => {
  let lake: Lake
  beforeAll(async () => {
    lake = await Lake.start(process.env)
  }, 90_000)
  afterAll(() => lake[Symbol.asyncDispose](), 30_000)

  for (const kind of ['cataloged', 'alone'] as const) {
    describeFence(kind === 'alone' ? 'S3 alone' : 'S3 with a catalog', () => {
      const warehouse = lake[kind]()
      return {
        catalog: () => tableIn(warehouse).catalog,
        writer: (catalog) => lakeSink({ ...tableIn(warehouse), catalog }),
        rows: () => readRows(tableIn(warehouse).storage, tableIn(warehouse).catalog),
      }
    })
  }
})
