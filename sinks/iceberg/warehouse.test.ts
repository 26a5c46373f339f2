import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { systemClock } from '../../actors/kernel/clock.ts'
import { jsonLog } from '../../actors/kernel/telemetry.ts'
import { FakeS3 } from './s3-testing.ts'
import { batchFor } from './testing.ts'
import type { Warehouse } from './warehouse.ts'
import { WorkerIcebergSink } from './worker-sink.ts'

/** What is loaded with a file before a line of it runs. */
function loadedWith(path: string, seen = new Set<string>()): ReadonlySet<string> {
  if (seen.has(path)) return seen
  seen.add(path)
  if (!path.endsWith('.ts')) return seen
  const transpiler = new Bun.Transpiler({ loader: 'ts' })
  for (const { kind, path: name } of transpiler.scanImports(readFileSync(path, 'utf8'))) {
    if (kind !== 'import-statement') continue
    loadedWith(name.startsWith('.') ? join(dirname(path), name) : name, seen)
  }
  return seen
}

test('a local warehouse loads nothing of S3 or of a catalog', () => {
  const here = import.meta.dir
  for (const file of ['worker.ts', 'worker-sink.ts']) {
    const loaded = [...loadedWith(join(here, file))]
    expect(loaded.length).toBeGreaterThan(5)
    expect(loaded.filter((name) => /@aws-sdk|\/(s3|rest)-/.test(name))).toEqual([])
  }
  expect([...loadedWith(join(here, 's3-sink.ts'))]).toContain('@aws-sdk/client-s3')
})

test('a worker writes to the warehouse that it is told, and no secret is in its log', async () => {
  using s3 = new FakeS3()
  const lines: string[] = []
  const log = jsonLog('debug', (line) => lines.push(line), Date.now)
  const warehouse: Warehouse = { kind: 's3', access: s3.access, location: 's3://lake/wh' }
  const sink = new WorkerIcebergSink({ warehouse, clock: systemClock, log })
  const { signal } = new AbortController()
  expect(await sink.open(0, signal)).toBe(-1)
  await sink.write(batchFor(0, 9), signal)
  // Something to say: what the commit leaves to do fails.
  s3.around = async (request, serve) =>
    request.url.includes('version-hint') ? new Response(null, { status: 403 }) : serve()
  await sink.write(batchFor(10, 19), signal)
  s3.around = async () => new Response(null, { status: 403 })
  const error = await sink.write(batchFor(20, 29), signal).catch((thrown: unknown) => thrown)
  await sink.close()
  expect(error).toMatchObject({ retriable: false })
  expect(lines.join()).toContain('a step failed')
  expect(lines.join() + Bun.inspect(error)).not.toContain('never-shown')
  const table = 'lake/wh/default/raw_delivery_data/metadata'
  expect([...s3.files.keys()]).toContain(`${table}/v3.metadata.json`)
}, 30_000)

test('a warehouse that cannot be is said by the first call', async () => {
  const warehouse: Warehouse = { kind: 's3', access: {}, location: '/data/bronze' }
  const log = jsonLog('error', () => {}, Date.now)
  const sink = new WorkerIcebergSink({ warehouse, clock: systemClock, log })
  const error = await sink.open(0, new AbortController().signal).catch((e: unknown) => e)
  expect(error).toMatchObject({ retriable: false })
  expect(String(error)).toContain('is not an address like s3://bucket/path')
  await sink.close()
}, 30_000)
