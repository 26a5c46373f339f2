import { afterAll, afterEach, expect, test } from 'bun:test'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom, systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { bronzeLocation, openBronze } from './bronze-table.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { isNotFound, StorageError } from './storage.ts'

const folder = mkdtempSync(join(tmpdir(), 'orrery-storage-'))
const uri = fileUri(folder)
const storage = new LocalStorage(seededRandom(1))
const bytes = (text: string) => new TextEncoder().encode(text)
const text = async (path: string): Promise<string> =>
  new TextDecoder().decode(await storage.read(path))

afterEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true })
})

afterAll(() => rmSync(folder, { recursive: true }))

async function list(prefix: string): Promise<string[]> {
  const paths: string[] = []
  for await (const { path } of storage.list(prefix)) paths.push(path)
  return paths.sort()
}

test('of many that create one name exactly one does, and nothing else is left', async () => {
  const path = `${uri}/new/v1`
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, (_, at) => storage.create(path, bytes(String(at)))),
  )
  expect(outcomes.filter(Boolean)).toHaveLength(1)
  expect(await text(path)).toBe(String(outcomes.indexOf(true)))
  expect(readdirSync(join(folder, 'new'))).toEqual(['v1'])
})

test('files are written, replaced, listed by prefix and removed', async () => {
  await storage.write(`${uri}/t/data/a`, bytes('1'))
  await storage.write(`${uri}/t/data/b c%20é`, bytes('2'))
  await storage.replace(`${uri}/t/hint`, bytes('3'))
  await storage.replace(`${uri}/t/hint`, bytes('4'))
  expect(await text(`${uri}/t/hint`)).toBe('4')
  const all = [`${uri}/t/data/a`, `${uri}/t/data/b c%20é`, `${uri}/t/hint`]
  expect(await list(`${uri}/t/`)).toEqual(all)
  expect(await list(`${uri}/t/h`)).toEqual(all.slice(2))
  expect(await list(`${uri}/absent/`)).toEqual([])
  await storage.remove([...all.slice(0, 1), `${uri}/t/absent`])
  expect(await list(`${uri}/t/`)).toEqual(all.slice(1))
})

test('an absent file is not found; what cannot be written by anybody is not tried for ever', async () => {
  const absent = await storage.read(`${uri}/absent`).catch((thrown: unknown) => thrown)
  expect(isNotFound(absent)).toBe(true)
  writeFileSync(join(folder, 'file'), '')
  const refused = await storage.write(`${uri}/file/x`, bytes('')).catch((thrown: unknown) => thrown)
  expect(refused).toBeInstanceOf(StorageError)
  expect(refused).toMatchObject({ retriable: false })
  const foreign = await storage.read('s3://bucket/key').catch((thrown: unknown) => thrown)
  expect(String(foreign)).toContain('not a path of the local file system')
})

test.skipIf(process.getuid?.() === 0)('a folder that may not be written is said so', async () => {
  mkdirSync(join(folder, 'closed'))
  chmodSync(join(folder, 'closed'), 0o500)
  const refused = await storage.write(`${uri}/closed/x`, bytes('')).catch((e: unknown) => e)
  expect(refused).toMatchObject({ retriable: false })
})

function catalogAt(place: string) {
  const location = bronzeLocation(fileUri(place))
  const catalog = new FolderCatalog({ location, storage, clock: systemClock, log: silentLog })
  return { location, catalog }
}

test('a table whose folder was moved says so, and a table of another layout is refused', async () => {
  const { location, catalog } = catalogAt(join(folder, 'one'))
  const { metadata } = await openBronze(catalog, { location, uuid: 'u' })
  const moved = catalogAt(join(folder, 'two'))
  const version = JSON.stringify(metadata)
  await storage.write(`${moved.location}/metadata/v1.metadata.json`, bytes(version))
  expect(openBronze(moved.catalog, { location: moved.location, uuid: 'u' })).rejects.toThrow(
    /was made for file:.*\/one\/.*move it back/,
  )
  const other = version.replace('"transform":"day"', '"transform":"month"')
  await storage.write(`${location}/metadata/v2.metadata.json`, bytes(other))
  expect(openBronze(catalog, { location, uuid: 'u' })).rejects.toThrow(/not partitioned by day/)
  const third = version.replace('"format-version":2', '"format-version":3')
  await storage.write(`${location}/metadata/v3.metadata.json`, bytes(third))
  expect(openBronze(catalog, { location, uuid: 'u' })).rejects.toThrow(/format version 3/)
})

test('a gzipped version of another engine is read', async () => {
  const { location, catalog } = catalogAt(join(folder, 'gz'))
  const { metadata } = await openBronze(catalog, { location, uuid: 'u' })
  const packed = Bun.gzipSync(bytes(JSON.stringify({ ...metadata, 'last-updated-ms': 77 })))
  await storage.write(`${location}/metadata/v2.gz.metadata.json`, packed)
  expect((await catalog.load(null))?.metadata['last-updated-ms']).toBe(77)
})
