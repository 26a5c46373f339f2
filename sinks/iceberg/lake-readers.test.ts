import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { findReader, skipped } from '../../actors/testing/services.ts'
import { bronzeLocation } from './bronze-table.ts'
import { Lake, lakeSink, noLake, tableIn } from './lake-testing.ts'
import { currentSnapshotId } from './metadata.ts'
import type { S3Warehouse } from './s3-sink.ts'
import { batchFor } from './testing.ts'

const READERS = ['pyiceberg', 'duckdb'] as const
const never = (): AbortSignal => new AbortController().signal
const SUM = (499 * 500) / 2
let lake: Lake

async function filled(warehouse: S3Warehouse): Promise<S3Warehouse> {
  const ports = tableIn(warehouse)
  const sink = lakeSink(ports)
  await sink.open(0, never())
  for (let first = 0; first < 500; first += 50) {
    await sink.write(batchFor(first, first + 49), never())
  }
  return warehouse
}

async function metadataOf(warehouse: S3Warehouse): Promise<string> {
  return (await tableIn(warehouse).catalog.load(null))?.metadataPath ?? ''
}

async function readBy(warehouse: S3Warehouse, append = false) {
  const { accessKey, secretKey, region, url: endpoint } = lake.s3
  const { catalog } = warehouse
  const where = catalog
    ? { uri: catalog.uri, namespace: catalog.namespace?.[0] }
    : { metadata: await metadataOf(warehouse) }
  const asked = JSON.stringify({ ...where, accessKey, secretKey, region, endpoint, append })
  const script = new URL('./lake-readers.py', import.meta.url).pathname
  const python = findReader('pyiceberg', process.env) ?? ''
  const child = Bun.spawn([python, script, asked], { stdout: 'pipe', stderr: 'pipe' })
  const [said, errors] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ])
  if ((await child.exited) !== 0) throw new Error(errors.slice(-2_000))
  return said
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe.skipIf(noLake(process.env) !== null)('readers that are not ours', () => {
  beforeAll(async () => {
    lake = await Lake.start(process.env)
  }, 90_000)
  afterAll(() => lake[Symbol.asyncDispose](), 30_000)

  test('chDB reads what is on S3, with a catalog and alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'orrery-lake-chdb-'))
    const { accessKey, secretKey, url, bucket } = lake.s3
    const tables = [await filled(lake.cataloged()), await filled(lake.alone())].map((warehouse) => {
      const location = bronzeLocation(warehouse.location ?? '')
      const path = location.replace(`s3://${bucket}/`, '')
      return `icebergS3('${url}/${bucket}/${path}/', '${accessKey}', '${secretKey}')`
    })
    const script = new URL('./chdb-child.ts', import.meta.url).pathname
    const replies: string[] = []
    const child = Bun.spawn([process.execPath, script, folder, join(folder, 'chdb')], {
      stdio: ['ignore', 'ignore', 'inherit'],
      ipc: (message: Readonly<{ text: string }>) => {
        replies.push(message.text.trim())
        const next = tables[replies.length - 1]
        if (next === undefined) child.kill()
        else child.send(`SELECT count(), uniqExact(partition, offset), sum(offset) FROM ${next}`)
      },
    })
    await child.exited
    rmSync(folder, { recursive: true, force: true })
    expect(replies).toEqual(['ready', `500\t500\t${SUM}`, `500\t500\t${SUM}`])
  }, 120_000)

  test.skipIf(skipped(READERS, process.env))(
    'PyIceberg and DuckDB read it, and what PyIceberg adds is built upon',
    async () => {
      const seen = { rows: 500, distinct: 500, sum: SUM }
      const alone = await readBy(await filled(lake.alone()))
      expect(alone).toEqual([
        { reader: 'pyiceberg', ...seen, offsets: '{"0":499}' },
        { reader: 'duckdb', ...seen },
      ])
      const warehouse = await filled(lake.cataloged())
      const [pyiceberg, appended, duckdb] = await readBy(warehouse, true)
      expect(pyiceberg).toEqual({ reader: 'pyiceberg', ...seen, offsets: '{"0":499}' })
      expect(duckdb).toMatchObject({ rows: 501, distinct: 500 })
      const ports = tableIn(warehouse)
      const table = await ports.catalog.load(null)
      expect(String(table && currentSnapshotId(table.metadata))).toBe(String(appended?.['id']))
      const sink = lakeSink(ports)
      expect(await sink.open(0, never())).toBe(499)
      await sink.write(batchFor(500, 509), never())
      const [after] = await readBy(warehouse)
      expect(after).toMatchObject({ rows: 511, distinct: 510, offsets: '{"0":509}' })
    },
    180_000,
  )
})
