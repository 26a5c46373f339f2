import { describe, expect, test } from 'bun:test'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Kafka, logLevel } from 'kafkajs'

import { messageOf } from '../kernel/errors.ts'
import { accepts } from './server-process.ts'
import { startCatalog, startKafka, startRedis, startS3 } from './servers.ts'
import { skipped } from './services.ts'

const { env } = process
const noRedis = skipped(['redis'], env)
const noKafka = skipped(['kafka'], env)
const noLake = skipped(['s3', 'catalog'], env)

/** A stranger on a port of its own. */
async function stranger(): Promise<{ server: Server; port: number }> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return { server, port: typeof address === 'object' && address ? address.port : 0 }
}

describe.skipIf(noRedis)('redis', () => {
  test('keeps its data over a kill', async () => {
    await using redis = await startRedis({ env })
    const before = new Bun.RedisClient(redis.url)
    await before.set('a', '1')
    await redis.kill()
    before.close()
    await redis.restart()
    const after = new Bun.RedisClient(redis.url)
    expect(await after.get('a')).toBe('1')
    after.close()
  })

  test('wants its password', async () => {
    await using redis = await startRedis({ env })
    const client = new Bun.RedisClient(redis.url.replace(redis.password, 'other'))
    await expect(client.get('a')).rejects.toThrow()
    client.close()
  })

  test('answers nothing while it is paused, and goes on afterwards', async () => {
    await using redis = await startRedis({ env })
    const client = new Bun.RedisClient(redis.url)
    await client.set('a', '1')
    redis.pause()
    let answered = false
    const answer = client.get('a').then((value) => {
      answered = true
      return value
    })
    // The system still accepts for it; that it did means that time has passed.
    expect(await accepts('127.0.0.1', redis.plan.port)).toBe(true)
    expect(answered).toBe(false)
    redis.resume()
    expect(await answer).toBe('1')
    client.close()
  })

  test('is gone with its folder at the end', async () => {
    const redis = await startRedis({ env })
    const { cwd, port } = redis.plan
    await redis[Symbol.asyncDispose]()
    expect(existsSync(cwd)).toBe(false)
    expect(await accepts('127.0.0.1', port)).toBe(false)
  })

  test('whoever has its port is not taken for it', async () => {
    const { server, port } = await stranger()
    await expect(startRedis({ env, port })).rejects.toThrow(
      `redis cannot have port ${port}: it is taken`,
    )
    server.close()
  })
})

describe('a server that cannot start', () => {
  test('says why, and leaves nothing', async () => {
    const root = mkdtempSync(join(tmpdir(), 'orrery-servers-'))
    writeFileSync(join(root, 'redis-server'), '#!/bin/sh\npwd; exit 1\n', { mode: 0o700 })
    const started = startRedis({ env: { PATH: root } })
    const said = await started.then(() => '', messageOf)
    rmSync(root, { recursive: true })
    const folder = said.split('\n').at(-1) ?? ''
    expect(said).toStartWith('redis ended at its start')
    expect(folder).toContain('orrery-redis-')
    expect(existsSync(folder)).toBe(false)
  })

  test('that is not there says how to get it', async () => {
    const started = startKafka({ env: { ORRERY_SERVICES_DIR: '/nowhere' } })
    await expect(started).rejects.toThrow('bun run services install kafka')
  })
})

describe.skipIf(noKafka)('kafka', () => {
  test('keeps its records over a kill, and comes back on its port', async () => {
    await using kafka = await startKafka({ env })
    const client = new Kafka({ brokers: [...kafka.brokers], logLevel: logLevel.NOTHING })
    const admin = client.admin()
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 1 }], waitForLeaders: true })
    const producer = client.producer({ allowAutoTopicCreation: false })
    await producer.connect()
    await producer.send({ topic: 't', messages: [{ value: 'a' }, { value: 'b' }] })
    await Promise.all([producer.disconnect(), admin.disconnect()])
    await kafka.kill()
    expect(await accepts('127.0.0.1', kafka.plan.port)).toBe(false)
    await kafka.restart()
    const after = client.admin()
    const offsets = await after.fetchTopicOffsets('t')
    expect(offsets).toMatchObject([{ partition: 0, low: '0', high: '2' }])
    await after.disconnect()
  }, 120_000)
})

describe.skipIf(noLake)('the lake', () => {
  test('keeps an object and a namespace over a kill', async () => {
    await using s3 = await startS3({ env })
    await using catalog = await startCatalog({ env, s3 })
    const { url: endpoint, accessKey: accessKeyId, secretKey: secretAccessKey, bucket } = s3
    const client = new Bun.S3Client({ endpoint, accessKeyId, secretAccessKey, bucket })
    await client.write('a/b', 'text')
    const namespaces = `${catalog.url}/v1/namespaces`
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ namespace: ['n'] })
    expect((await fetch(namespaces, { method: 'POST', headers, body })).status).toBe(200)
    await Promise.all([s3.kill(), catalog.kill()])
    await Promise.all([s3.restart(), catalog.restart()])
    expect(await client.file('a/b').text()).toBe('text')
    expect(await (await fetch(namespaces)).json()).toMatchObject({ namespaces: [['n']] })
  }, 120_000)

  test('a wrong key is refused', async () => {
    await using s3 = await startS3({ env })
    const { url: endpoint, accessKey: accessKeyId, bucket } = s3
    const wrong = { endpoint, accessKeyId, secretAccessKey: 'other', bucket }
    await expect(new Bun.S3Client(wrong).write('a', '')).rejects.toThrow()
  }, 120_000)

  test('no key comes into a log', async () => {
    await using s3 = await startS3({ env })
    await using catalog = await startCatalog({ env, s3 })
    for (const { plan } of [s3, catalog]) {
      const log = existsSync(plan.logFile) ? readFileSync(plan.logFile, 'utf8') : ''
      expect(log).not.toContain(s3.secretKey)
    }
  }, 120_000)
})
