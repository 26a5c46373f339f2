import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { type Random, seededRandom, systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { pause } from '../retry.ts'
import { Lake, namesIn, namesTo, noLake } from './lake-testing.ts'
import { systemRandom } from './names.ts'
import { s3Table, type S3Warehouse } from './s3-sink.ts'
import { IcebergSink, TABLE_POLICY } from './sink.ts'
import { batchFor } from './testing.ts'

const SEED = Number(process.env['ORRERY_SEED'] ?? 1)
const FAULTS_SHARE = 0.3
const never = (): AbortSignal => new AbortController().signal
let lake: Lake

/** A line to a server that refuses, delays, repeats, and loses answers, each now and then. */
function badLine(target: string, random: Random, seen: Map<string, number>) {
  return Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    idleTimeout: 0,
    fetch: async (request) => {
      const { method, headers } = request
      const bytes = await request.arrayBuffer()
      const body = method === 'GET' || method === 'HEAD' ? null : bytes
      const url = target + request.url.slice(new URL(request.url).origin.length)
      const forward = async (): Promise<Response> => {
        const answer = await fetch(url, { method, headers, body, decompress: false })
        const kept = new Headers(answer.headers)
        kept.delete('transfer-encoding')
        const text = await answer.arrayBuffer()
        return new Response(method === 'HEAD' ? null : text, {
          status: answer.status,
          headers: kept,
        })
      }
      const faults = ['refused', 'lost', 'twice', 'late', 'slow'] as const
      const fault = random() < FAULTS_SHARE ? faults[Math.floor(random() * faults.length)] : 'none'
      seen.set(fault ?? '', (seen.get(fault ?? '') ?? 0) + 1)
      if (fault === 'refused') return new Response('busy', { status: 503 })
      if (fault === 'lost' || fault === 'twice') await forward()
      if (fault === 'lost') return new Response('gone', { status: 502 })
      // Longer than the client waits: what it asked for happens when it has gone.
      if (fault === 'late') await pause(systemClock, 450 + random() * 900, never())
      if (fault === 'slow') await pause(systemClock, random() * 200, never())
      return forward()
    },
  })
}

/** One partition's writer: tries again what may pass, and now and then is a new process. */
async function writeAll(warehouse: S3Warehouse, partition: number, random: Random, last: number) {
  const about = { clock: systemClock, log: silentLog }
  const bounds = { timeoutMs: 400, triesMax: 3, backoff: { firstMs: 5, longestMs: 50 } }
  const policy = { ...TABLE_POLICY, manifestsMax: 8, snapshotsMin: 5, snapshotsMax: 10 }
  let sink: IcebergSink | null = null
  for (let stored = -1, failures = 0; stored < last;) {
    try {
      if (!sink) {
        const ports = s3Table(warehouse, 'pings', { ...about, bounds })
        const made = new IcebergSink({ ...ports, ...about, random: systemRandom, policy })
        const offset = await made.open(partition, never())
        expect(offset).toBeGreaterThanOrEqual(stored)
        stored = offset
        sink = made
        continue
      }
      await sink.write(batchFor(stored + 1, stored + 10, partition), never())
      stored += 10
      if (random() < 0.2) sink = null
    } catch (thrown) {
      expect(thrown).toMatchObject({ retriable: true })
      expect(++failures).toBeLessThan(200)
    }
  }
}

/** Runs a writer and kills it some time after it has stored so many batches; the last offset it told of. */
async function writeAndKill(
  warehouse: S3Warehouse,
  step: number,
  batches: number,
): Promise<number> {
  const script = new URL('./kill-child.ts', import.meta.url).pathname
  let told = -1
  let count = 0
  const child = Bun.spawn([process.execPath, script, JSON.stringify(warehouse), String(step)], {
    ipc: (offset: number) => {
      told = offset
      // Its next append is under way by then, somewhere between its steps.
      if (++count === batches) child.kill('SIGKILL')
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await child.exited
  return told
}

describe.skipIf(noLake(process.env) !== null)('lake under faults', () => {
  beforeAll(async () => {
    lake = await Lake.start(process.env)
  }, 90_000)
  afterAll(() => lake[Symbol.asyncDispose](), 30_000)

  for (const kind of ['cataloged', 'alone'] as const) {
    test(`over lines that lose, repeat and delay, three writers ${kind} store each ping once`, async () => {
      const random = seededRandom(SEED)
      const seen = new Map<string, number>()
      using toS3 = badLine(lake.s3.url, random, seen)
      using toCatalog = badLine(lake.catalog.url, random, seen)
      const real = kind === 'alone' ? lake.alone() : lake.cataloged()
      const access = { ...real.access, endpoint: `http://127.0.0.1:${toS3.port}` }
      const uri = `http://127.0.0.1:${toCatalog.port}`
      const warehouse: S3Warehouse = real.catalog
        ? { ...real, access, catalog: { ...real.catalog, uri } }
        : { ...real, access }
      await Promise.all([0, 1, 2].map((at) => writeAll(warehouse, at, random, 69)))
      expect(seen.size).toBe(6)
      const expected = [0, 1, 2].flatMap((partition) => namesTo(partition, 69))
      expect(await namesIn(real)).toEqual(expected.sort())
    }, 120_000)

    test(`killed with -9 again and again, a writer ${kind} stores each ping once`, async () => {
      const warehouse = lake[kind]()
      let told = -1
      for (let round = 0; round < 5; round++) {
        told = Math.max(told, await writeAndKill(warehouse, 5 + round, 2 + round))
      }
      const names = await namesIn(warehouse)
      expect(told).toBeGreaterThan(50)
      expect(names.length).toBeGreaterThan(told)
      expect(names).toEqual([...namesTo(0, names.length - 1)].sort())
    }, 120_000)
  }
})
