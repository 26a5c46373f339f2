import { expect, test } from 'bun:test'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { SinkError } from '../sink.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { packFrames } from './frames.ts'
import { MemoryStorage } from './memory-storage.ts'
import {
  batchFor,
  FaultyStorage,
  frameOf,
  InterceptedCatalog,
  pingOf,
  rowsIn,
  sinkOver,
  TEST_LOCATION,
} from './testing.ts'
import { tripBatchFor, tripOf, TRIPS_LOCATION } from './trip-testing.ts'

const never = (): AbortSignal => new AbortController().signal

test('killed or failing at any step of any append, each batch is stored once', async () => {
  for (const fault of ['before', 'after', 'torn', 'error'] as const) {
    for (let step = 0, done = false; !done; step++) {
      const clock = new VirtualClock()
      const storage = new MemoryStorage(clock)
      const policy = { manifestsMax: 3, snapshotsMin: 2, snapshotsMax: 3, graceMs: 0 }
      const faulty = new FaultyStorage(storage, step, fault)
      const cuts = [0, 4, 9, 20, 26, 31, 40]
      const attempt = async (over: FaultyStorage | MemoryStorage, seed: number) => {
        const sink = sinkOver(over, { clock, seed, policy })
        let stored = await sink.open(0, never())
        for (const last of cuts) {
          if (last <= stored) continue
          const write = () => sink.write(batchFor(stored + 1, last), never())
          // A live process tries again, as the sink actor does.
          await write().catch((thrown: unknown) => {
            expect(thrown).toBeInstanceOf(SinkError)
            return write()
          })
          stored = last
        }
        await sink.close()
      }
      await attempt(faulty, step).catch(() => {})
      done = faulty.operations <= step
      clock.jumpMs(5_000)
      await attempt(storage, step + 1_000)
      const rows = await rowsIn(storage, clock)
      expect(rows.map((row) => Number(row['offset'])).sort((a, b) => a - b)).toEqual(
        Array.from({ length: 41 }, (_, offset) => offset),
      )
      // Whoever opens it once more finds nothing to do.
      expect(await sinkOver(storage, { clock, seed: 5 }).open(0, never())).toBe(40)
    }
  }
}, 60_000)

test('writers of different partitions contend, and nothing is lost', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const partitions = [0, 1, 2, 3]
  await Promise.all(
    partitions.map(async (partition) => {
      const sink = sinkOver(storage, { clock, seed: partition + 1, policy: { manifestsMax: 8 } })
      await sink.open(partition, never())
      for (let first = 0; first < 100; first += 10) {
        await sink.write(batchFor(first, first + 9, partition), never())
      }
      await sink.close()
    }),
  )
  const rows = await rowsIn(storage, clock)
  const names = rows.map((row) => `${row['partition']}/${row['offset']}`)
  expect(new Set(names).size).toBe(400)
  expect(names.length).toBe(400)
  for (const partition of partitions) {
    expect(await sinkOver(storage, { clock, seed: 9 }).open(partition, never())).toBe(99)
  }
})

test('of two writers of one partition the second is dropped, and refused when it cuts otherwise', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const [first, second] = [1, 2].map((seed) => sinkOver(storage, { clock, seed }))
  if (!first || !second) throw new Error('two sinks')
  await first.open(0, never())
  await second.open(0, never())
  await first.write(batchFor(0, 9), never())
  await second.write(batchFor(0, 9), never())
  expect(await rowsIn(storage, clock)).toHaveLength(10)
  await first.write(batchFor(10, 19), never())
  const refused = await second.write(batchFor(10, 24), never()).catch((thrown: unknown) => thrown)
  expect(refused).toBeInstanceOf(SinkError)
  expect(refused).toMatchObject({ retriable: false })
  expect(await rowsIn(storage, clock)).toHaveLength(20)
})

test('a commit whose answer is lost is looked for, not repeated', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const folderCatalog = new FolderCatalog({
    location: TEST_LOCATION,
    storage,
    clock,
    log: silentLog,
  })
  const catalog = new InterceptedCatalog(folderCatalog)
  const sink = sinkOver(storage, { clock, seed: 1, catalog })
  await sink.open(0, never())
  let lost = true
  catalog.around = async (commit) => {
    const outcome = await commit()
    if (!lost) return outcome
    lost = false
    throw new SinkError('no answer', { retriable: true })
  }
  await sink.write(batchFor(0, 9), never())
  expect(catalog.commits).toBe(1)
  expect(await rowsIn(storage, clock)).toHaveLength(10)
})

test('a commit that landed and is called a conflict keeps its files', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const location = TEST_LOCATION
  const folderCatalog = new FolderCatalog({ location, storage, clock, log: silentLog })
  const catalog = new InterceptedCatalog(folderCatalog)
  const sink = sinkOver(storage, { clock, seed: 1, catalog, policy: { graceMs: 0 } })
  await sink.open(0, never())
  // Something on the way sent it twice, and shows the answer to the second.
  catalog.around = async (commit) => {
    await commit()
    return { state: 'conflict', reason: 'main has moved' }
  }
  await sink.write(batchFor(0, 9), never())
  catalog.around = (commit) => commit()
  clock.jumpMs(1)
  await sink.write(batchFor(10, 19), never())
  await sink.close()
  expect(await rowsIn(storage, clock)).toHaveLength(20)
})

test('a commit that lands after its writer gave up is in conflict with the second try, not added to it', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const folderCatalog = new FolderCatalog({
    location: TEST_LOCATION,
    storage,
    clock,
    log: silentLog,
  })
  const catalog = new InterceptedCatalog(folderCatalog)
  const sink = sinkOver(storage, { clock, seed: 1, catalog })
  await sink.open(0, never())
  let late: (() => Promise<unknown>) | null = null
  catalog.around = async (commit) => {
    if (!late) {
      late = commit
      throw new SinkError('no answer', { retriable: true })
    }
    await late()
    return commit()
  }
  await sink.write(batchFor(0, 9), never())
  expect(await rowsIn(storage, clock)).toHaveLength(10)
  catalog.around = (commit) => commit()
  await sink.write(batchFor(10, 19), never())
  expect(await rowsIn(storage, clock)).toHaveLength(20)
})

test('a writer that slept through more versions than are kept cannot bring back an old number', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const folderCatalog = new FolderCatalog({
    location: TEST_LOCATION,
    storage,
    clock,
    log: silentLog,
  })
  const catalog = new InterceptedCatalog(folderCatalog)
  const sleeper = sinkOver(storage, { clock, seed: 1, catalog })
  const other = sinkOver(storage, { clock, seed: 2 })
  await sleeper.open(0, never())
  await other.open(1, never())
  let slept = false
  catalog.around = async (commit) => {
    if (slept) return commit()
    slept = true
    for (let at = 0; at < 40; at++) await other.write(batchFor(at, at, 1), never())
    expect(storage.paths.some((path) => path.endsWith('/v2.metadata.json'))).toBe(false)
    return commit()
  }
  await sleeper.write(batchFor(0, 9), never())
  const rows = await rowsIn(storage, clock)
  expect(rows.filter((row) => row['partition'] === 1)).toHaveLength(40)
  expect(rows.filter((row) => row['partition'] === 0)).toHaveLength(10)
})

test('a writer that slept until its version expired goes on from the newest', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const location = TEST_LOCATION
  const folderCatalog = new FolderCatalog({ location, storage, clock, log: silentLog })
  const catalog = new InterceptedCatalog(folderCatalog)
  const policy = { graceMs: 0, snapshotsMin: 2, snapshotsMax: 2, snapshotAgeMsMin: 0 }
  const sleeper = sinkOver(storage, { clock, seed: 1, catalog, policy })
  const other = sinkOver(storage, { clock, seed: 2, policy })
  await sleeper.open(0, never())
  await other.open(1, never())
  await other.write(batchFor(0, 0, 1), never())
  let slept = false
  catalog.load = async (known) => {
    const loaded = await folderCatalog.load(known)
    for (let at = 1; at <= 10 && !slept; at++) {
      clock.jumpMs(1)
      await other.write(batchFor(at, at, 1), never())
    }
    slept = true
    return loaded
  }
  await sleeper.write(batchFor(0, 9), never())
  expect(await rowsIn(storage, clock)).toHaveLength(21)
})

test('a batch over many days is one file a day, and a batch larger than a file is several', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const sink = sinkOver(storage, { clock, seed: 1 })
  await sink.open(0, never())
  const pings = Array.from({ length: 50 }, (_, day) => ({
    ...pingOf(day),
    timestamp: `2026-${day < 28 ? '02' : '03'}-${String((day % 28) + 1).padStart(2, '0')}T12:00:00`,
  }))
  await sink.write({ ...batchFor(0, 49), rows: [frameOf(0, pings)] }, never())
  const days = storage.paths.filter((path) => path.includes('/data/event_date_day='))
  expect(days).toHaveLength(50)
  const rows = await rowsIn(storage, clock)
  expect(rows).toHaveLength(50)
  for (const row of rows) {
    const day = (row['event_date'] as Date).toISOString().slice(0, 10)
    expect(String(row['timestamp_text']).slice(0, 10)).toBe(day)
  }
})

test('pings and trips in one warehouse are two tables with offsets of their own', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const pings = sinkOver(storage, { clock, seed: 1 })
  const trips = sinkOver(storage, { clock, seed: 2, table: 'trips' })
  expect([pings.name, trips.name]).toEqual(['iceberg', 'iceberg_trips'])
  for (const sink of [pings, trips]) expect(await sink.open(0, never())).toBe(-1)
  await pings.write(batchFor(0, 9), never())
  await trips.write(tripBatchFor(0, 3), never())
  await pings.write(batchFor(10, 12), never())
  expect(await sinkOver(storage, { clock, seed: 3 }).open(0, never())).toBe(12)
  expect(await sinkOver(storage, { clock, seed: 4, table: 'trips' }).open(0, never())).toBe(3)
  expect(await rowsIn(storage, clock)).toHaveLength(13)
  const stored = await rowsIn(storage, clock, TRIPS_LOCATION)
  expect(stored.map((row) => row['trip_id'])).toEqual(
    [0, 1, 2, 3].map((at) => tripOf(at)['trip_id']),
  )
})

test('a table is not written with frames of the other, nor taken for it', async () => {
  const clock = new VirtualClock()
  const storage = new MemoryStorage(clock)
  const sink = sinkOver(storage, { clock, seed: 1 })
  await sink.open(0, never())
  const packed = packFrames(tripBatchFor(0, 3), { table: 'trips' })
  expect(sink.writePacked(packed, never())).rejects.toMatchObject({ retriable: false })
  const mistaken = { clock, seed: 2, table: 'trips', location: TEST_LOCATION } as const
  const opening = sinkOver(storage, mistaken).open(0, never())
  expect(opening).rejects.toThrow(/default.trips was changed.*column 1 should be trip_id/)
  await opening.catch(() => {})
  expect(await rowsIn(storage, clock)).toEqual([])
})
