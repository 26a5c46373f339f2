import { afterEach, beforeEach, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom, systemClock } from '../../actors/kernel/clock.ts'
import { fileUri, LocalStorage } from './local-storage.ts'
import { MemoryStorage } from './memory-storage.ts'
import { S3Storage, type S3StorageOptions } from './s3-storage.ts'
import { FakeS3, refused } from './s3-testing.ts'
import { describeStorage } from './storage-conformance.ts'
import { isNotFound, StorageError } from './storage.ts'

const FAST = { timeoutMs: 200, triesMax: 4, backoff: { firstMs: 1, longestMs: 5 } }
const bytes = (text: string) => new TextEncoder().encode(text)
let s3: FakeS3
let folders = 0

beforeEach(() => {
  s3 = new FakeS3()
})
afterEach(() => s3[Symbol.dispose]())

function storageOf(more: Partial<S3StorageOptions> = {}): S3Storage {
  const random = seededRandom(folders++)
  return new S3Storage({ access: s3.access, clock: systemClock, random, bounds: FAST, ...more })
}

const local = mkdtempSync(join(tmpdir(), 'orrery-storages-'))
process.once('exit', () => rmSync(local, { recursive: true, force: true }))
describeStorage('in memory', async () => ({
  storage: new MemoryStorage(systemClock),
  folder: 'memory://lake/t',
}))
describeStorage('in a local folder', async () => ({
  storage: new LocalStorage(seededRandom(1)),
  folder: fileUri(join(local, `f${folders++}`)),
}))
describeStorage('over a small S3', async () => ({ storage: storageOf(), folder: 's3://lake/wh' }))

/** Makes the n-th request of a method fail in a way of the test's choice; the others pass. */
function failAt(method: string, at: number, fault: (serve: () => Promise<Response>) => unknown) {
  let seen = 0
  s3.around = async (request, serve) => {
    if (request.method !== method || ++seen !== at) return serve()
    const answer = await fault(serve)
    return answer instanceof Response ? answer : refused(503, 'SlowDown')
  }
}

test('a create whose answer is lost is known by its maker, not taken for another’s', async () => {
  const storage = storageOf()
  expect(await storage.create('s3://lake/wh/v1', bytes('1'))).toBe(true)
  failAt('PUT', 1, async (serve) => {
    await serve()
    return refused(500, 'InternalError')
  })
  expect(await storage.create('s3://lake/wh/v2', bytes('mine'))).toBe(true)
  expect(s3.requests.filter((line) => line === 'PUT /lake/wh/v2')).toHaveLength(2)
})

test('a create that was overtaken while its answer was lost says so', async () => {
  const storage = storageOf()
  await storage.create('s3://lake/wh/v1', bytes('1'))
  failAt('PUT', 1, () => {
    s3.files.set('lake/wh/v2', { bytes: bytes('theirs'), maker: 'other', modifiedMs: 0 })
    return refused(500, 'InternalError')
  })
  expect(await storage.create('s3://lake/wh/v2', bytes('mine'))).toBe(false)
  expect(new TextDecoder().decode(await storage.read('s3://lake/wh/v2'))).toBe('theirs')
})

test('a create that lands after it was given up is found by the next try', async () => {
  const storage = storageOf()
  await storage.create('s3://lake/wh/v1', bytes('1'))
  let late: Promise<Response> | null = null
  const given = Promise.withResolvers<void>()
  s3.around = async (request, serve) => {
    if (request.method !== 'PUT') return serve()
    if (!late) {
      // Not answered before the client has given up; lands when the next try arrives.
      late = given.promise.then(serve)
      return late
    }
    given.resolve()
    await late
    return serve()
  }
  expect(await storage.create('s3://lake/wh/v2', bytes('mine'))).toBe(true)
})

test('a server that stalls ends the call within its bounds, as retriable', async () => {
  const storage = storageOf({ bounds: { ...FAST, timeoutMs: 50, triesMax: 3 } })
  const never = Promise.withResolvers<Response>()
  s3.around = () => never.promise
  for (const call of [
    () => storage.read('s3://lake/wh/a'),
    () => storage.write('s3://lake/wh/a', bytes('1')),
    () => storage.create('s3://lake/wh/a', bytes('1')),
    () => storage.remove(['s3://lake/wh/a']),
    async () => {
      for await (const file of storage.list('s3://lake/wh/')) void file
    },
  ]) {
    const before = s3.requests.length
    const error = await call().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(StorageError)
    expect(error).toMatchObject({ retriable: true })
    expect(String(error)).toContain('no answer within 50 ms')
    expect(s3.requests.length - before).toBe(3)
  }
})

test('what passes is tried again, what does not is not, and neither shows a key', async () => {
  const storage = storageOf()
  s3.files.set('lake/a', { bytes: bytes('1'), maker: null, modifiedMs: 0 })
  failAt('GET', 1, () => refused(503, 'SlowDown'))
  expect(await storage.read('s3://lake/a')).toEqual(bytes('1'))
  const cases = [
    [403, 'AccessDenied', { retriable: false }],
    [403, 'ExpiredToken', { retriable: true }],
    [403, 'RequestTimeTooSkewed', { retriable: true }],
    [404, 'NoSuchBucket', { retriable: false, code: 'failed' }],
    [409, 'OperationAborted', { retriable: true }],
    [500, 'InternalError', { retriable: true }],
    [501, 'NotImplemented', { retriable: true }],
  ] as const
  for (const [status, code, expected] of cases) {
    s3.around = async () => refused(status, code)
    const error = await storage.read('s3://lake/a').catch((thrown: unknown) => thrown)
    expect(error).toMatchObject(expected)
    expect(Bun.inspect(error)).not.toContain('never-shown')
  }
  s3.around = async () => refused(404, 'NoSuchKey')
  expect(isNotFound(await storage.read('s3://lake/a').catch((e: unknown) => e))).toBe(true)
  const foreign = await storage.read('file:///x').catch((thrown: unknown) => thrown)
  expect(String(foreign)).toContain('not a path of S3')
})

test('nobody listening is retriable, and says where', async () => {
  const access = { ...s3.access, endpoint: 'http://127.0.0.1:9' }
  const error = await storageOf({ access })
    .read('s3://lake/a')
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ retriable: true })
  expect(String(error)).toContain('s3://lake/a')
})

test('a server that ignores If-None-Match is refused before anything is created', async () => {
  s3.conditional = false
  const error = await storageOf()
    .create('s3://lake/wh/v1', bytes('1'))
    .catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ retriable: false })
  expect(String(error)).toContain('does not keep If-None-Match')
  expect([...s3.files.keys()]).toEqual([])
})

test('a list of many pages and a removal of many files are whole', async () => {
  const storage = storageOf()
  s3.pageMax = 100
  const paths = Array.from({ length: 2_345 }, (_, at) => `lake/t/${at}`)
  for (const path of paths) s3.files.set(path, { bytes: bytes('x'), maker: null, modifiedMs: 0 })
  const listed: string[] = []
  for await (const { path } of storage.list('s3://lake/t/')) listed.push(path)
  expect(listed.length).toBe(2_345)
  await storage.remove(listed)
  expect(s3.files.size).toBe(0)
  expect(s3.requests.filter((line) => line.startsWith('POST'))).toHaveLength(3)
})

test('keys that change are used from the next call on', async () => {
  const users: string[] = []
  let key = 'first'
  s3.around = async (request, serve) => {
    users.push(/Credential=(\w+)/.exec(request.headers.get('authorization') ?? '')?.[1] ?? '')
    return serve()
  }
  const access = async () => ({
    ...s3.access,
    credentials: { accessKeyId: key, secretAccessKey: 'x' },
  })
  const storage = storageOf({ access })
  await storage.write('s3://lake/a', bytes('1'))
  key = 'second'
  await storage.write('s3://lake/a', bytes('1'))
  expect(users).toEqual(['first', 'second'])
})
