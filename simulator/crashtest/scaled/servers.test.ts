import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../../../actors/kernel/clock.ts'
import { statusOf } from '../../../actors/testing/server-process.ts'
import { skipped } from '../../../actors/testing/services.ts'
import { Ports } from './ports.ts'
import { Servers } from './servers.ts'

const NEEDED = ['kafka', 'redis', 's3', 'catalog'] as const

describe.skipIf(skipped(NEEDED, process.env))('the servers of a scaled-out installation', () => {
  let root = ''
  let servers: Servers
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'orrery-servers-'))
    const callers = ['one', 'two']
    const ports = new Ports()
    const direct = false
    const env = process.env
    servers = await Servers.start({ env, root, ports, callers, direct, clock: systemClock })
  })
  afterAll(async () => {
    await servers[Symbol.asyncDispose]()
    rmSync(root, { recursive: true })
  })

  const line = (from: string, to: string) => {
    const found = servers.lines.find((one) => one.from === from && one.to === to)
    if (!found) throw new Error(`no line from ${from} to ${to}`)
    return found.proxy
  }
  const at = (caller: string, name: string): string => servers.environment(caller)[name] ?? ''

  /** Asks the broker itself where it is, as a client does before anything else. */
  async function brokers(caller: string): Promise<readonly string[]> {
    const { Kafka, logLevel } = await import('kafkajs')
    const kafka = new Kafka({
      ...{ brokers: [at(caller, 'KAFKA_BOOTSTRAP_SERVERS')], logLevel: logLevel.NOTHING },
      ...{ connectionTimeout: 1_000, requestTimeout: 3_000, retry: { retries: 1 } },
    })
    const admin = kafka.admin()
    try {
      await admin.connect()
      const { brokers: known } = await admin.describeCluster()
      return known.map(({ host, port }) => `${host}:${port}`)
    } finally {
      await admin.disconnect()
    }
  }

  test('the broker sends each caller over its own line, and no other', async () => {
    for (const caller of ['one', 'two']) {
      expect(await brokers(caller)).toEqual([at(caller, 'KAFKA_BOOTSTRAP_SERVERS')])
    }
    line('one', 'broker').set('refused')
    line('one', 'broker').cut()
    await expect(brokers('one')).rejects.toThrow()
    expect((await brokers('two')).length).toBe(1)
    line('one', 'broker').set('open')
    expect((await brokers('one')).length).toBe(1)
  })

  test('every other server is reached over a line of the caller as well', async () => {
    const { CLICKHOUSE_HOST, ICEBERG_REST_URL, MINIO_ENDPOINT } = servers.environment('two')
    expect(await statusOf(`${CLICKHOUSE_HOST}/ping`)).toBe(200)
    expect(await statusOf(`${ICEBERG_REST_URL}/v1/config`)).toBe(200)
    // Without a signature it refuses, which only it can.
    expect(await statusOf(`${MINIO_ENDPOINT}/`)).toBe(403)
    for (const name of ['ClickHouse', 'catalog', 'S3 server', 'Redis'] as const) {
      line('two', name).set('refused')
      line('two', name).cut()
    }
    expect(await statusOf(`${CLICKHOUSE_HOST}/ping`)).toBe(0)
    expect(await statusOf(`${MINIO_ENDPOINT}/`)).toBe(0)
  })

  test('a server that was killed comes back where it was', async () => {
    const redis = servers.of('Redis')
    await redis.kill()
    await redis.start()
    const { RedisReader } = await import('./redis-reader.ts')
    using reader = await RedisReader.open(servers.redis, systemClock)
    expect(await reader.send('PING')).toBe('PONG')
  })
})
