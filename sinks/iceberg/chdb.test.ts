import { afterAll, beforeAll, expect, test } from 'bun:test'
import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { bronzeLocation } from './bronze-table.ts'
import { localIcebergSink } from './local-sink.ts'
import type { BronzeTable } from './table-schema.ts'
import { batchFor, frameOf, pingOf } from './testing.ts'
import { tripBatchFor, tripFrameOf, tripOf } from './trip-testing.ts'
import { WorkerIcebergSink } from './worker-sink.ts'

type Reply = Readonly<{ ok: boolean; text: string }>

const never = (): AbortSignal => new AbortController().signal
const waiting: ((reply: Reply) => void)[] = []
let folder = ''
let child: ReturnType<typeof start>

beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'orrery-chdb-')))
  const ready = reply()
  child = start()
  expect((await ready).ok).toBe(true)
})

afterAll(async () => {
  child.kill()
  await child.exited
  rmSync(folder, { recursive: true, force: true })
})

function start() {
  const script = new URL('./chdb-child.ts', import.meta.url).pathname
  return Bun.spawn([process.execPath, script, folder, join(folder, 'chdb')], {
    ipc: (message: Reply) => waiting.shift()?.(message),
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function reply(): Promise<Reply> {
  return new Promise((resolve) => waiting.push(resolve))
}

async function ask(sql: string): Promise<string[]> {
  const answer = reply()
  child.send(sql)
  const { ok, text } = await answer
  if (!ok) throw new Error(text)
  return text.trimEnd().split('\t')
}

function warehouse(
  name: string,
  of: BronzeTable = 'pings',
): Readonly<{ path: string; table: string; metadata: string }> {
  const path = join(folder, name)
  mkdirSync(path)
  const table = bronzeLocation(path, of)
  return { path, table: `icebergLocal('${table}/')`, metadata: join(table, 'metadata') }
}

async function pruned(counter: string): Promise<number> {
  const [value] = await ask(`SELECT sum(value) FROM system.events WHERE event = '${counter}'`)
  return Number(value)
}

test('chDB sees the columns, their values, and a new table without rows', async () => {
  const { path, table } = warehouse('values')
  const sink = localIcebergSink({ warehouse: path }, silentLog)
  await sink.open(0, never())
  expect(await ask(`SELECT count() FROM ${table}`)).toEqual(['0'])
  const ping = {
    ...pingOf(0, 1, 'ναύτης 🛵'),
    timestamp: '2026-11-21T05:59:21.4229937+02:00',
    current_lat: '37.5',
    imei: 12_345,
  }
  await sink.write({ ...batchFor(0, 0, 3), partition: 0, rows: [frameOf(0, [ping])] }, never())
  await sink.close()
  const columns =
    'device_id, order_id, timestamp, current_lat, event_date, partition, offset, ' +
    'received_at, source, extras, timestamp_text'
  expect(await ask(`SELECT ${columns} FROM ${table}`)).toEqual([
    'device-0',
    'ναύτης 🛵',
    '2026-11-21 03:59:21.422993',
    '37.5',
    '2026-11-21',
    '0',
    '0',
    '2026-09-21 14:13:20.000000',
    'test',
    '{"route_name":"ναύτης 🛵","hop":0,"imei":12345}',
    '2026-11-21T05:59:21.4229937+02:00',
  ])
})

test('chDB reads nulls, columns of nothing else, and one value in every row', async () => {
  const { path, table } = warehouse('nulls')
  const sink = localIcebergSink({ warehouse: path }, silentLog)
  await sink.open(0, never())
  const pings = Array.from({ length: 100 }, (_, at) => ({
    ...pingOf(1),
    order_id: undefined,
    current_lat: at % 2 === 0 ? undefined : at,
    start_lat: at < 50 ? undefined : 1.5,
  }))
  await sink.write({ ...batchFor(0, 99), rows: [frameOf(0, pings)] }, never())
  await sink.close()
  const counts =
    'count(), count(order_id), count(extras), count(current_lat), sum(current_lat), ' +
    'sum(start_lat), uniqExact(session_id), min(status), sum(offset)'
  const found = ['100', '0', '0', '50', '2500', '75', '1', 'en_route', '4950']
  expect(await ask(`SELECT ${counts} FROM ${table}`)).toEqual(found)
})

test('chDB reads the trips: columns, values, days and bounds', async () => {
  const { path, table } = warehouse('trips', 'trips')
  const sink = localIcebergSink({ warehouse: path, table: 'trips' }, silentLog)
  await sink.open(1_000, never())
  expect(await ask(`SELECT count() FROM ${table}`)).toEqual(['0'])
  const trip = {
    ...tripOf(0, 1, 'ναύτης 🛵'),
    trip_id: ' trip_x ',
    event_time: '2025-08-17T22:44:00+00:00Z',
    fare: 99.42,
  }
  const first = tripBatchFor(0, 0, 1_000)
  await sink.write({ ...first, rows: [tripFrameOf(0, [trip], 1_000)] }, never())
  const columns =
    'trip_id, region_id, event_time, fare, duration, distance, event_date, partition, offset, ' +
    'received_at, source, extras, event_time_text'
  expect(await ask(`SELECT ${columns} FROM ${table}`)).toEqual([
    'trip_x',
    '1',
    '2025-08-17 22:44:00.000000',
    '99.42',
    '60',
    '0.5',
    '2025-08-17',
    '1000',
    '0',
    '2026-09-21 14:13:20.000000',
    'test',
    '{"trip_id":" trip_x ","driver_id":"driver_1","note":"ναύτης 🛵"}',
    '2025-08-17T22:44:00+00:00Z',
  ])
  // A minute a trip: these are of three days.
  await sink.write(tripBatchFor(1, 2_999, 1_000), never())
  await sink.write(tripBatchFor(3_000, 3_009, 1_000), never())
  await sink.close()
  const all = Array.from({ length: 3_009 }, (_, at) => tripOf(at + 1))
  const sum = (name: string): number => all.reduce((total, row) => total + Number(row[name]), 0)
  const sums = 'count(), uniqExact(trip_id), sum(region_id), sum(duration), sum(fare), sum(offset)'
  const found = await ask(`SELECT ${sums} FROM ${table} WHERE offset > 0`)
  const offsets = (3_009 * 3_010) / 2
  expect(found.map(Number)).toEqual([
    ...[3_009, 3_009, sum('region_id'), sum('duration'), sum('fare')],
    offsets,
  ])
  const byDay = await pruned('IcebergPartitionPrunedFiles')
  const onDay = `SELECT count() FROM ${table} WHERE event_date = '2026-09-22'`
  expect(await ask(onDay)).toEqual(['1440'])
  expect((await pruned('IcebergPartitionPrunedFiles')) - byDay).toBeGreaterThanOrEqual(3)
  const byBounds = await pruned('IcebergMinMaxIndexPrunedFiles')
  const late = `SELECT count() FROM ${table} WHERE event_time >= '2026-09-23 16:13:00'`
  expect(await ask(late)).toEqual(['10'])
  expect((await pruned('IcebergMinMaxIndexPrunedFiles')) - byBounds).toBeGreaterThanOrEqual(1)
})

test('chDB leaves files unread by day and by bounds', async () => {
  const { path, table } = warehouse('pruning')
  const sink = localIcebergSink({ warehouse: path }, silentLog)
  await sink.open(0, never())
  for (let day = 0; day < 12; day++) {
    const timestamp = `2026-11-${String(10 + day)}T12:00:00`
    const pings = Array.from({ length: 10 }, (_, at) => ({ ...pingOf(day * 10 + at), timestamp }))
    const batch = batchFor(day * 10, day * 10 + 9)
    await sink.write({ ...batch, rows: [frameOf(day * 10, pings)] }, never())
  }
  await sink.close()
  const byDay = await pruned('IcebergPartitionPrunedFiles')
  expect(await ask(`SELECT count() FROM ${table} WHERE event_date = '2026-11-15'`)).toEqual(['10'])
  expect((await pruned('IcebergPartitionPrunedFiles')) - byDay).toBe(11)
  const byBounds = await pruned('IcebergMinMaxIndexPrunedFiles')
  expect(
    await ask(`SELECT count() FROM ${table} WHERE timestamp >= '2026-11-20 00:00:00'`),
  ).toEqual(['20'])
  expect((await pruned('IcebergMinMaxIndexPrunedFiles')) - byBounds).toBe(10)
})

test('chDB reads what is committed during and after a thousand commits', async () => {
  const { path, table, metadata } = warehouse('thousand')
  const sink = new WorkerIcebergSink({ warehouse: path, clock: systemClock, log: silentLog })
  await sink.open(0, never())
  for (let at = 0; at < 1_000; at++) {
    const write = sink.write(batchFor(at * 2, at * 2 + 1), never())
    if (at % 100 === 50) {
      // Asked while the commit is under way: it has happened or not, never in part.
      const [count] = await ask(`SELECT count() FROM ${table}`)
      expect([at * 2, at * 2 + 2]).toContain(Number(count))
    }
    await write
  }
  await sink.close()
  const sums = 'count(), sum(offset), uniqExact(partition, offset), round(sum(current_lat), 6)'
  const latitudes = Array.from({ length: 2_000 }, (_, offset) => 38 + offset / 1e6)
  const sum = latitudes.reduce((total, lat) => total + lat, 0)
  const [count, offsets, names, latitude] = await ask(`SELECT ${sums} FROM ${table}`)
  expect([count, offsets, names]).toEqual(['2000', String(1_999 * 1_000), '2000'])
  expect(Number(latitude)).toBeCloseTo(sum, 4)
  let bytes = 0
  for (const file of readdirSync(metadata)) bytes += statSync(join(metadata, file)).size
  expect(bytes).toBeLessThan(50_000_000)
}, 120_000)
