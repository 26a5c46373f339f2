import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { seededRandom, systemClock } from '../../actors/kernel/clock.ts'
import { MemorySnapshotObjects } from '../../actors/kernel/memory-snapshot-objects.ts'
import { openSharedStates } from '../../actors/kernel/shared-states.ts'
import type { SnapshotObjects } from '../../actors/kernel/snapshots.ts'
import { nameOf, stored } from '../../actors/kernel/state-conformance.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import { type S3Server, startS3 } from '../../actors/testing/servers.ts'
import { skipped } from '../../actors/testing/services.ts'
import { FakeS3, refused } from '../iceberg/s3-testing.ts'
import { describeSnapshotObjects } from './conformance.ts'
import { FolderSnapshotObjects } from './folder.ts'
import { S3Snapshots } from './s3.ts'

const { env } = process
const root = mkdtempSync(join(tmpdir(), 'orrery-snapshots-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let places = 0

describeSnapshotObjects('in memory', async () => {
  const objects = new MemorySnapshotObjects()
  return () => objects
})

const inFolder = async () => {
  const dir = join(root, `folder ${places++}`)
  return () => new FolderSnapshotObjects(dir)
}
describeSnapshotObjects('in a folder', inFolder)

async function handedOver(view: () => SnapshotObjects): Promise<void> {
  const open = () =>
    openSharedStates({
      objects: view(),
      path: join(root, `states-${places++}.db`),
      log: silentLog,
      clock: systemClock,
    })
  const store = await open()
  await store.save(Array.from({ length: 3_000 }, (_, n) => stored(`session:${n}`, n)))
  await store.publish(2_000)
  await store.publish(3_000)
  const after = await open()
  expect(after.epoch).toBe(2)
  expect(after.count).toBe(3_000)
  expect(nameOf(after.load('session:2999'))).toBe('session:2999@2999')
  const thrown = await store.publish(3_000).catch((cause: unknown) => cause)
  expect(thrown).toMatchObject({ code: 'fenced' })
  await Promise.all([store.close(), after.close()])
}

test('a partition is handed over in a folder', async () => handedOver(await inFolder()))

describe.skipIf(skipped(['s3'], env))('on a real server', () => {
  let server: S3Server
  beforeAll(async () => {
    server = await startS3({ env })
  }, 60_000)
  afterAll(() => server[Symbol.asyncDispose]())
  const onS3 = async () => {
    const { url, region, bucket, accessKey, secretKey } = server
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
    const access = { endpoint: url, region, credentials }
    const location = `s3://${bucket}/snapshots/sessions/${places++}/`
    return () => new S3Snapshots({ access, clock: systemClock }).at(location)
  }
  describeSnapshotObjects('of S3', onS3)
  test('a partition is handed over', async () => handedOver(await onS3()), 60_000)
})

describe('over a small S3 with faults', () => {
  const over = (s3: FakeS3) =>
    new S3Snapshots({
      access: s3.access,
      clock: systemClock,
      random: seededRandom(1),
      bounds: { timeoutMs: 200, triesMax: 2, backoff: { firstMs: 1, longestMs: 5 } },
    }).at('s3://lake/p/0')

  test('a request that was held up until its number is free again is not taken for a win', async () => {
    using s3 = new FakeS3()
    const zombie = over(s3)
    const first = await zombie.swap('head', new Uint8Array([1]), null)
    const held = Promise.withResolvers<void>()
    const arrived = Promise.withResolvers<void>()
    let isFirst = true
    s3.around = async (request, serve) => {
      if (isFirst && request.method === 'PUT') {
        isFirst = false
        arrived.resolve()
        await held.promise
      }
      return serve()
    }
    const late = zombie.swap('head', new Uint8Array([9]), first)
    await arrived.promise
    const owner = over(s3)
    let version = await owner.swap('head', new Uint8Array([2]), first)
    version = await owner.swap('head', new Uint8Array([3]), version)
    held.resolve()
    expect(await late).toBeNull()
    expect((await owner.get('head'))?.bytes).toEqual(new Uint8Array([3]))
    expect((await owner.get('head'))?.version).toBe(version ?? '')
  })

  test('a server that cannot be reached is a retriable failure', async () => {
    using s3 = new FakeS3()
    s3.around = async () => refused(503, 'SlowDown')
    for (const call of [
      () => over(s3).get('head'),
      () => over(s3).swap('head', new Uint8Array(1), null),
      () => over(s3).put('a', new Uint8Array(1)),
      () => over(s3).read('a'),
    ]) {
      const thrown = await call().catch((cause: unknown) => cause)
      expect(thrown).toMatchObject({ retriable: true })
    }
  })

  test('a server without conditional writes is refused at the claim', async () => {
    using s3 = new FakeS3()
    s3.conditional = false
    const thrown = await over(s3)
      .swap('head', new Uint8Array(1), null)
      .catch((cause: unknown) => cause)
    expect(thrown).toMatchObject({ retriable: false })
    expect(String(thrown)).toContain('If-None-Match')
  })

  test('a location that is none of S3 is said so', () => {
    const make = () => {
      const access = {}
      return new S3Snapshots({ access, clock: systemClock }).at('file:///x')
    }
    expect(make).toThrow('s3://bucket/path')
  })
})
