import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import { jsonLog, silentLog } from '../../actors/kernel/telemetry.ts'
import { SinkError } from '../sink.ts'
import { bronzeLocation } from './bronze-table.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { systemRandom } from './names.ts'
import { batchFor, rowsIn } from './testing.ts'
import { WorkerIcebergSink } from './worker-sink.ts'

const never = (): AbortSignal => new AbortController().signal
const warehouse = realpathSync(mkdtempSync(join(tmpdir(), 'orrery-worker-')))
const rows = () =>
  rowsIn(new LocalStorage(systemRandom), systemClock, bronzeLocation(fileUri(warehouse)))

afterEach(() => rmSync(warehouse, { recursive: true, force: true }))

test('a worker that dies in the middle of a batch is started again, and the batch is stored once', async () => {
  const lines: string[] = []
  const log = jsonLog('info', (line) => lines.push(line), Date.now)
  const sink = new WorkerIcebergSink({ warehouse, clock: systemClock, log })
  await sink.open(0, never())
  await sink.write(batchFor(0, 9), never())
  const dying = sink.write(batchFor(10, 5_009), never()).catch((thrown: unknown) => thrown)
  await Promise.resolve()
  await sink.kill()
  const error = await dying
  expect(error).toBeInstanceOf(SinkError)
  expect(error).toMatchObject({ retriable: true })
  expect(sink.running).toBe(false)
  await sink.write(batchFor(10, 5_009), never())
  expect(await rows()).toHaveLength(5_010)
  expect(lines.join()).toContain('the bronze worker died')
  await sink.close()
  expect(sink.running).toBe(false)
}, 30_000)

test('a worker that keeps dying is given up, until the window has passed', async () => {
  const clock = new VirtualClock()
  const sink = new WorkerIcebergSink({
    warehouse,
    clock,
    log: silentLog,
    deathsMax: 2,
    deathsWindowMs: 1_000,
  })
  for (let death = 0; death < 2; death++) {
    await sink.open(0, never())
    await sink.kill()
  }
  const error = await sink.open(0, never()).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ retriable: false })
  await clock.advanceMs(1_001)
  expect(await sink.open(0, never())).toBe(-1)
  await sink.close()
}, 30_000)

test('a failure in the worker comes back with its reason and whether to try again', async () => {
  writeFileSync(join(warehouse, '..', 'orrery-no-folder'), '')
  const path = join(warehouse, '..', 'orrery-no-folder')
  const sink = new WorkerIcebergSink({ warehouse: path, clock: systemClock, log: silentLog })
  const error = await sink.open(0, never()).catch((thrown: unknown) => thrown)
  rmSync(path)
  expect(error).toBeInstanceOf(SinkError)
  expect(String(error)).toContain('orrery-no-folder')
  expect(error).toMatchObject({ retriable: false })
  await sink.close()
  await sink.close()
  expect(sink.write(batchFor(0, 0), never())).rejects.toThrow(/closed/)
}, 30_000)

test('a worker that does not answer an aborted write in time is ended, and the next one goes on', async () => {
  const clock = new VirtualClock()
  const sink = new WorkerIcebergSink({ warehouse, clock, log: silentLog, answerMsMax: 1_000 })
  await sink.open(0, never())
  const controller = new AbortController()
  const hanging = sink.write(batchFor(0, 2_999), controller.signal).catch((e: unknown) => e)
  await Promise.resolve()
  controller.abort()
  // No answer can come while this turn of the event loop lasts, and the clock is ours.
  await clock.advanceMs(1_001)
  expect(await hanging).toMatchObject({ retriable: true })
  await sink.write(batchFor(0, 2_999), never())
  expect(await rows()).toHaveLength(3_000)
  await sink.close()
  expect(clock.waiting).toBe(0)
}, 30_000)

test('memory goes to the worker and comes back', async () => {
  const sink = new WorkerIcebergSink({ warehouse, clock: systemClock, log: silentLog })
  await sink.open(0, never())
  for (let first = 0; first < 50; first += 10) await sink.write(batchFor(first, first + 9), never())
  expect(await rows()).toHaveLength(50)
  await sink.close()
}, 30_000)
