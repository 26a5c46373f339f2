import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { parseTrip } from '../actors/model/trip.ts'
import type { IngestPort } from '../simulator/ingest-client.ts'
import { parseReplayCommand } from './replay-options.ts'
import { runReplay } from './replay.ts'

const noTrips = {
  ingestTrips: () => Promise.reject(new Error('pings were expected')),
  flushTrips: () => Promise.reject(new Error('no flush was asked for')),
}
let dir = ''
let file = ''

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'replay-'))
  file = join(dir, 'pings.ndjson')
  await writeFile(file, '{"a":1}\n{"a":2}\n')
})

afterEach(() => rm(dir, { recursive: true }))

test('when no server runs the pings go into the stores of DATA_DIR', async () => {
  const bodies: string[] = []
  const code = await runReplay([file, '--batch', '1'], { DATA_DIR: dir }, (config, run) => {
    expect(config.dataDir).toBe(dir)
    return run({
      ...noTrips,
      ingest(ndjson) {
        bodies.push(Buffer.from(ndjson).toString())
        return Promise.resolve({
          accepted: 1,
          refused: [],
          refusedCount: 0,
          duplicates: 0,
          late: null,
        })
      },
    })
  })
  expect(code).toBe(0)
  expect(bodies).toEqual(['{"a":1}\n', '{"a":2}\n'])
})

test('refused lines make the exit code 4', async () => {
  const refused = [{ index: 1, code: 'invalid_ping', message: 'no' }]
  const code = await runReplay([file], { DATA_DIR: dir }, (_, run) =>
    run({
      ...noTrips,
      ingest: () =>
        Promise.resolve({ accepted: 1, refused, refusedCount: 1, duplicates: 0, late: null }),
    }),
  )
  expect(code).toBe(4)
})

/** Counts what it takes; knows which rows it has seen, and fails at a body when told. */
function tripsPort(failAtBody = Number.POSITIVE_INFINITY) {
  const bodies: string[][] = []
  let flushed = 0
  return {
    bodies,
    flushed: () => flushed,
    run: (_: unknown, run: (port: IngestPort) => Promise<void>) =>
      run({
        ingest: () => Promise.reject(new Error('trips were expected')),
        ingestTrips(ndjson) {
          if (bodies.length === failAtBody) return Promise.reject(new Error('cut'))
          const lines = Buffer.from(ndjson).toString().trimEnd().split('\n')
          bodies.push(lines)
          const trips = lines.map((line) => parseTrip(JSON.parse(line), Date.now()))
          const refused = trips.flatMap((trip, index) =>
            trip.ok ? [] : [{ index, code: 'invalid_trip', message: trip.refusals[0]?.path ?? '' }],
          )
          const accepted = lines.length - refused.length
          const counts = { accepted, refusedCount: refused.length, duplicates: 0, late: 1 }
          return Promise.resolve({ ...counts, refused })
        },
        flushTrips() {
          flushed++
          return Promise.resolve()
        },
      }),
  }
}

const HEADER = 'trip_id,region_id,event_time,fare,duration,distance'
const trip = (n: number, second: number): string =>
  `t${n},1,2025-08-17T06:00:${String(second).padStart(2, '0')}Z,10.50,600,4.0`

test('trips of a CSV file go by event time, and the flush comes after the last of them', async () => {
  const csv = join(dir, 'trips.csv')
  await writeFile(csv, [HEADER, trip(1, 30), trip(2, 10), trip(3, 20), trip(4, 10)].join('\n'))
  const port = tripsPort()
  const args = [csv, '--max', '3', '--batch-size', '2', '--flush']
  expect(await runReplay(args, { DATA_DIR: dir }, port.run)).toBe(0)
  const ids = port.bodies.map((lines) => lines.map((line) => JSON.parse(line).trip_id))
  expect(ids).toEqual([['t2', 't4'], ['t3']])
  expect(port.bodies[0]?.[0]).toContain('"fare":10.50,"duration":600,"distance":4.0}')
  expect(port.flushed()).toBe(1)
})

test('an interrupted replay goes on after its last acknowledged row, of the same file only', async () => {
  const csv = join(dir, 'trips.csv')
  const lines = Array.from({ length: 10 }, (_, n) => trip(n, 59 - n))
  await writeFile(csv, [HEADER, ...lines].join('\n'))
  const args = [csv, '--batch', '2']
  const cut = tripsPort(3)
  await expect(runReplay(args, { DATA_DIR: dir }, cut.run)).rejects.toThrow('cut')
  const rest = tripsPort()
  expect(await runReplay([...args, '--resume'], { DATA_DIR: dir }, rest.run)).toBe(0)
  const ids = [...cut.bodies, ...rest.bodies].flat().map((line) => JSON.parse(line).trip_id)
  expect(ids).toEqual(['t9', 't8', 't7', 't6', 't5', 't4', 't3', 't2', 't1', 't0'])
  expect(rest.bodies.flat().length).toBe(4)
  // Done: nothing is left to go on with, and what lay beside the file is gone.
  expect((await readdir(dir)).filter((name) => name.endsWith('.replay'))).toEqual([])
  const again = tripsPort(2)
  await expect(runReplay(args, { DATA_DIR: dir }, again.run)).rejects.toThrow('cut')
  await writeFile(csv, [HEADER, ...lines.map((line) => line.replace(',1,', ',2,'))].join('\n'))
  const other = tripsPort()
  await runReplay([...args, '--resume'], { DATA_DIR: dir }, other.run)
  expect(other.bodies.flat().length).toBe(10)
})

test('wrong usage is refused before anything is opened', async () => {
  const nothing = (): Promise<void> => Promise.reject(new Error('opened'))
  const wrong = (...args: string[]): Promise<number> => runReplay(args, {}, nothing)
  await expect(wrong()).rejects.toThrow('a file is needed')
  await expect(wrong(file, file)).rejects.toThrow('one file at a time')
  await expect(wrong(file, '--batch', '0')).rejects.toThrow('--batch is "0"')
  await expect(wrong(file, '--url', 'ws://h')).rejects.toThrow('must be http://')
  await expect(wrong(file, '--url', 'http://127.0.0.1:1')).rejects.toThrow('needs a key')
  await expect(wrong(join(dir, 'none.csv'))).rejects.toThrow('cannot be read')
  await expect(wrong(file, '--speed', '0')).rejects.toThrow('--speed is "0"')
  await expect(wrong(file, '--speed', '2', '--replay-speed', '2')).rejects.toThrow('are the same')
  await expect(wrong(file, '--sort')).rejects.toThrow('--sort is for trips')
  await expect(wrong(file, '--flush')).rejects.toThrow('--flush is for trips')
  await expect(wrong('-', '--resume')).rejects.toThrow('--resume needs a file')
  await expect(wrong(file, '--kafka-servers', 'k:9092')).rejects.toThrow('not to Kafka')
})

test("StreamPulse's names of options are understood", () => {
  const pulse = ['--csv-file', '/a/b.csv', '--replay-speed', '10', '--max-events', '7']
  expect(parseReplayCommand([...pulse, '--batch-size', '100'])).toMatchObject({
    ...{ file: '/a/b.csv', speed: 10, rowsMax: 7, batchRows: 100 },
  })
  const speedOf = (...args: string[]): number | null | undefined =>
    parseReplayCommand(['a.csv', ...args])?.speed
  expect(speedOf()).toBeNull()
  expect(speedOf('--preserve-timestamps')).toBe(1)
  expect(speedOf('--no-preserve-timestamps', '--replay-speed', '10')).toBeNull()
})
