import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { catalogPlan } from '../../actors/testing/plans.ts'
import { freePort } from '../../actors/testing/server-process.ts'
import { TestServer } from '../../actors/testing/servers.ts'
import { describeSink } from '../conformance.ts'
import { bronzeLocation } from './bronze-table.ts'
import { describeCatalog } from './catalog-conformance.ts'
import { FolderCatalog } from './folder-catalog.ts'
import {
  Lake,
  lakeSink,
  namesIn,
  namesTo,
  noLake,
  persist,
  rowsOf,
  tableIn,
} from './lake-testing.ts'
import { s3Table, type S3Warehouse } from './s3-sink.ts'
import { describeStorage } from './storage-conformance.ts'
import type { BronzeTable, FrameOf } from './table-schema.ts'
import {
  batchFor,
  FaultyStorage,
  fingerprint,
  fingerprintsOf,
  framesFor,
  InterceptedCatalog,
} from './testing.ts'
import { tripFingerprint, tripFingerprintsOf, tripFramesFor } from './trip-testing.ts'
import { WorkerIcebergSink } from './worker-sink.ts'

const never = (): AbortSignal => new AbortController().signal
const about = { clock: systemClock, log: silentLog }
let lake: Lake
let folders = 0

type Kit<Kind extends BronzeTable> = Readonly<{
  table: Kind
  rowsFor: (first: number, last: number, seed?: number, text?: string) => FrameOf<Kind>[]
  fingerprint: (row: Readonly<Record<string, unknown>>) => string
  fingerprints: (frame: FrameOf<Kind>) => readonly string[]
}>
const pings: Kit<'pings'> = {
  table: 'pings',
  rowsFor: framesFor,
  fingerprint,
  fingerprints: fingerprintsOf,
}
const trips: Kit<'trips'> = {
  table: 'trips',
  rowsFor: tripFramesFor,
  fingerprint: tripFingerprint,
  fingerprints: tripFingerprintsOf,
}

function inWorker<Kind extends BronzeTable>(kit: Kit<Kind>, warehouse: S3Warehouse) {
  const { table, rowsFor, fingerprints } = kit
  const make = () => new WorkerIcebergSink<Kind>({ warehouse, table, ...about })
  let sink = make()
  return {
    sink,
    reopen: async () => {
      await sink.kill()
      return (sink = make())
    },
    readBack: async () => (await rowsOf(warehouse, table)).map(kit.fingerprint),
    rowsFor,
    fingerprints,
    cleanup: () => sink.close(),
  }
}

/** Dies at a step of the commit: the storage of that sink never answers again. */
function dying(kit: Kit<'pings'>, warehouse: S3Warehouse, steps: Readonly<Record<string, number>>) {
  let at: Readonly<{ step: number; after: boolean }> | null = null
  const make = () => {
    const ports = tableIn(warehouse)
    let faulty: FaultyStorage | null = null
    const storage = new Proxy(ports.storage, {
      get: (inner, name) => {
        if (at) faulty = new FaultyStorage(inner, at.step, at.after ? 'after' : 'before')
        at = null
        const current = faulty ?? inner
        const value: unknown = Reflect.get(current, name)
        return typeof value === 'function' ? value.bind(current) : value
      },
    })
    if (warehouse.catalog !== undefined) return lakeSink({ ...ports, storage })
    const location = bronzeLocation(warehouse.location)
    return lakeSink({
      storage,
      location,
      catalog: new FolderCatalog({ location, storage, ...about }),
    })
  }
  let sink = make()
  return {
    sink,
    reopen: async () => (sink = make()),
    readBack: async () => (await rowsOf(warehouse)).map(kit.fingerprint),
    rowsFor: kit.rowsFor,
    fingerprints: kit.fingerprints,
    crashAt: (point: string) => {
      at = { step: steps[point] ?? 0, after: point.startsWith('after') }
    },
    cleanup: () => sink.close(),
  }
}

describe.skipIf(noLake(process.env) !== null)('lake', () => {
  beforeAll(async () => {
    lake = await Lake.start(process.env)
  }, 90_000)
  afterAll(() => lake[Symbol.asyncDispose](), 30_000)

  describeStorage('on a real S3 server', async () => ({
    storage: tableIn(lake.alone()).storage,
    folder: `s3://${lake.s3.bucket}/folder-${folders++}`,
  }))
  describeCatalog('of a folder on a real S3 server', async () => {
    const warehouse = lake.alone()
    const { storage } = tableIn(warehouse)
    const location = bronzeLocation(warehouse.location ?? '')
    return { storage, location, open: () => tableIn(warehouse).catalog }
  })
  describeCatalog('of a real REST server', async () => {
    const warehouse = lake.cataloged()
    const { storage } = tableIn(warehouse)
    const location = bronzeLocation(warehouse.location ?? '')
    return { storage, location, open: () => tableIn(warehouse).catalog }
  })
  describeSink('iceberg in a worker with a catalog', async () => inWorker(pings, lake.cataloged()))
  describeSink('iceberg trips in a worker on S3 alone', async () => inWorker(trips, lake.alone()))
  const steps = { 'before the data file': 0, 'before the manifest': 1, 'after the list': 2 }
  const commits = { ...steps, 'before the new version': 3, 'after the new version': 3 }
  describeSink('iceberg that dies on S3', async () => dying(pings, lake.alone(), commits), {
    crashPoints: Object.keys(commits),
  })
  describeSink(
    'iceberg that dies beside a catalog',
    async () => dying(pings, lake.cataloged(), steps),
    {
      crashPoints: Object.keys(steps),
    },
  )

  for (const kind of ['cataloged', 'alone'] as const) {
    test(`four writers ${kind} contend, and nothing is lost`, async () => {
      const warehouse = lake[kind]()
      await lakeSink(tableIn(warehouse)).open(0, never())
      await Promise.all(
        [0, 1, 2, 3].map(async (partition) => {
          const sink = lakeSink(tableIn(warehouse))
          await sink.open(partition, never())
          for (let first = 0; first < 100; first += 10) {
            await persist(sink, batchFor(first, first + 9, partition))
          }
        }),
      )
      const expected = [0, 1, 2, 3].flatMap((partition) => namesTo(partition, 99))
      expect(await namesIn(warehouse)).toEqual(expected.sort())
    }, 120_000)

    test(`a stalled S3 server ends a write ${kind} within its time, and the batch is stored once`, async () => {
      const warehouse = lake[kind]()
      const sink = lakeSink(tableIn(warehouse, 'pings', 300))
      await sink.open(0, never())
      await sink.write(batchFor(0, 9), never())
      lake.s3.pause()
      const error = await sink.write(batchFor(10, 19), never()).catch((thrown: unknown) => thrown)
      lake.s3.resume()
      expect(error).toMatchObject({ retriable: true })
      expect(String(error)).toContain('no answer within')
      await persist(sink, batchFor(10, 19))
      expect(await namesIn(warehouse)).toEqual([...namesTo(0, 19)].sort())
    }, 60_000)
  }

  test('a commit that was given up and lands late is in conflict with the next try', async () => {
    const warehouse = lake.cataloged()
    const ports = tableIn(warehouse, 'pings', 500)
    const catalog = new InterceptedCatalog(ports.catalog)
    const sink = lakeSink({ ...ports, catalog })
    await sink.open(0, never())
    await sink.write(batchFor(0, 9), never())
    const outcomes: string[] = []
    catalog.around = async (commit) => {
      // The catalog cannot write its file until the storage goes on, after we have gone.
      if (outcomes.length === 0) lake.s3.pause()
      try {
        const { state } = await commit()
        outcomes.push(state)
        return { state, reason: '' } as never
      } catch (cause) {
        outcomes.push('unknown')
        throw cause
      } finally {
        lake.s3.resume()
      }
    }
    await persist(sink, batchFor(10, 19))
    expect(outcomes[0]).toBe('unknown')
    catalog.around = (commit) => commit()
    await persist(sink, batchFor(20, 29))
    expect(await namesIn(warehouse)).toEqual([...namesTo(0, 29)].sort())
  }, 60_000)

  test('answers of the catalog that are lost on the way are looked for', async () => {
    let drop = 0
    using line = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: async (request) => {
        const { pathname, search } = new URL(request.url)
        const body = request.method === 'POST' ? await request.text() : null
        const headers = { 'content-type': 'application/json' }
        const init = { method: request.method, headers, body, decompress: true }
        const answer = await fetch(`${lake.catalog.url}${pathname}${search}`, init)
        const text = await answer.text()
        // Every second commit is made, and its sender never hears of it.
        if (body !== null && pathname.includes('/tables/') && drop++ % 2 === 0) {
          return new Response('gone', { status: 502 })
        }
        return new Response(text, { status: answer.status, headers })
      },
    })
    const warehouse = lake.cataloged(`http://127.0.0.1:${line.port}`)
    const sink = lakeSink(tableIn(warehouse))
    await sink.open(0, never())
    for (let first = 0; first < 100; first += 10) await persist(sink, batchFor(first, first + 9))
    expect(drop).toBe(10)
    expect(await namesIn(warehouse)).toEqual([...namesTo(0, 99)].sort())
  }, 60_000)

  test('a catalog that is killed again and again loses nothing and doubles nothing', async () => {
    const warehouse = lake.cataloged()
    const ports = tableIn(warehouse, 'pings', 1_000)
    const sink = lakeSink(ports)
    await sink.open(0, never())
    let last = -1
    let going = true
    let reached = Promise.withResolvers<void>()
    const writing = (async () => {
      for (; going; last += 5) {
        await persist(sink, batchFor(last + 1, last + 5), 400)
        if (last % 20 === 14) reached.resolve()
      }
    })()
    for (let round = 0; round < 3; round++) {
      reached = Promise.withResolvers()
      // The next append is under way by then.
      await reached.promise
      await lake.catalog.kill()
      await lake.catalog.start()
    }
    going = false
    await writing
    expect(last).toBeGreaterThan(50)
    expect(await namesIn(warehouse)).toEqual([...namesTo(0, last)].sort())
    expect(await lakeSink(s3Table(warehouse, 'pings', about)).open(0, never())).toBe(last)
  }, 120_000)

  test('the keys that a catalog gives are enough', async () => {
    const { env, s3 } = { env: process.env, s3: lake.s3 }
    const dir = mkdtempSync(join(tmpdir(), 'orrery-vending-'))
    const plan = catalogPlan({
      env,
      dir,
      s3,
      warehouse: 's3://lake/vended',
      port: await freePort(),
    })
    const giving = { ...plan.env, CATALOG_INCLUDE__CREDENTIALS: 'true' }
    await using server = new TestServer({ ...plan, env: giving }, dir)
    await server.start()
    const { endpoint = '' } = lake.access
    const warehouse: S3Warehouse = {
      kind: 's3',
      // No key, and no place: the catalog has both.
      access: { endpoint },
      catalog: { kind: 'rest', uri: `http://${plan.host}:${plan.port}` },
    }
    const sink = new WorkerIcebergSink({ warehouse, ...about })
    expect(await sink.open(0, never())).toBe(-1)
    await sink.write(batchFor(0, 9), never())
    await sink.close()
    expect(await namesIn(warehouse)).toEqual([...namesTo(0, 9)].sort())
    const table = await tableIn(warehouse).catalog.load(null)
    expect(table?.metadata.location).toStartWith('s3://lake/vended/')
  }, 60_000)

  test('the key of another is refused in words, and the secret is not among them', async () => {
    const secretAccessKey = 'a-wrong-secret'
    const credentials = { accessKeyId: lake.s3.accessKey, secretAccessKey }
    const warehouse = { ...lake.alone(), access: { ...lake.access, credentials } }
    const sink = new WorkerIcebergSink({ warehouse: warehouse as S3Warehouse, ...about })
    const error = await sink.open(0, never()).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ retriable: false })
    expect(String(error)).toContain('403')
    expect(Bun.inspect(error)).not.toContain(secretAccessKey)
    await sink.close()
  }, 30_000)
})
