import { describe, expect, test } from 'bun:test'
import { join } from 'node:path'

import { type Adapters, adaptersOf } from './adapters.ts'
import { adaptersText } from './config-table.ts'
import { readConfig } from './config.ts'

type Environment = Readonly<Record<string, string>>

const KAFKA = { KAFKA_BOOTSTRAP_SERVERS: 'kafka-1:9092,kafka-2:9092' }
const SCALED = {
  ...KAFKA,
  CLICKHOUSE_HOST: 'clickhouse',
  ICEBERG_WAREHOUSE: 's3://lake/orrery/',
  REDIS_URL: 'redis://user:hushed-redis@redis/0',
}
const EDGE = {
  ROLES: 'gateway',
  UPSTREAM_URL: 'wss://core.example.org/base',
  UPSTREAM_KEY: 'hushed-upstream',
}

function chosen(environment: Environment): Adapters {
  const outcome = readConfig({ DATA_DIR: '/data', ...environment })
  if (!outcome.ok) throw new Error(outcome.message)
  return adaptersOf(outcome.config)
}

function refusal(environment: Environment): string {
  const outcome = readConfig(environment)
  if (outcome.ok) throw new Error('was taken')
  return outcome.message
}

function kinds({ journal, silver, bronze, snapshots, windows, live }: Adapters): string {
  return [journal, silver, bronze, snapshots, windows, live].map(({ kind }) => kind).join(' ')
}

describe('choosing', () => {
  test.each<[string, Environment, string]>([
    ['nothing set', {}, 'disk embedded local local memory memory'],
    ['Redis alone', { REDIS_URL: 'redis://r' }, 'disk embedded local local redis memory'],
    [
      'a ClickHouse server alone',
      { CLICKHOUSE_HOST: 'c' },
      'disk server local local memory memory',
    ],
    [
      'a warehouse alone',
      { ICEBERG_WAREHOUSE: 's3://lake' },
      'disk embedded s3 local memory memory',
    ],
    [
      'a catalog alone',
      { ICEBERG_REST_URL: 'http://c:8181' },
      'disk embedded s3 local memory memory',
    ],
    ['everything', SCALED, 'kafka server s3 s3 redis redis'],
    ['gateway of many', { ...SCALED, ROLES: 'gateway' }, 'kafka none none none none none'],
    ['gateway with Kafka alone', { ...KAFKA, ROLES: 'gateway' }, 'kafka none none none none none'],
    ['web of many', { ...SCALED, ROLES: 'web' }, 'kafka server none none redis redis'],
    ['worker of many', { ...SCALED, ROLES: 'worker' }, 'kafka server s3 s3 redis redis'],
    ['edge', EDGE, 'outbox none none none none none'],
  ])('%s', (_, environment, expected) => {
    expect(kinds(chosen(environment))).toBe(expected)
  })

  test('each role is one, in whatever order they are written', () => {
    expect(chosen({}).roles).toEqual(new Set(['gateway', 'worker', 'web']))
    expect(chosen({ ...SCALED, ROLES: 'web,gateway' }).roles).toEqual(new Set(['gateway', 'web']))
  })

  test('Kafka gets all that its client asks for', () => {
    const sasl = { KAFKA_USERNAME: 'me', KAFKA_PASSWORD: 'secret' }
    const { journal } = chosen({
      ...{ ...SCALED, ...sasl, KAFKA_SASL: 'SCRAM-SHA-512', KAFKA_TLS: 'on' },
      ...{ KAFKA_TOPIC: 'pings', KAFKA_RECORD: 'frame', KAFKA_PARTITIONER: 'crc32' },
    })
    expect(journal).toEqual({
      kind: 'kafka',
      brokers: ['kafka-1:9092', 'kafka-2:9092'],
      topics: { sessions: 'pings', trips: 'trips' },
      group: 'orrery',
      partitions: 8,
      replication: 1,
      form: 'frame',
      compression: 'zstd',
      partitioning: 'crc32',
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'me', password: 'secret' },
    })
  })

  test.each<[string, Environment, string]>([
    ['a host', { CLICKHOUSE_HOST: 'ch' }, 'http://ch:8123'],
    ['a host, another port', { CLICKHOUSE_HOST: 'ch', CLICKHOUSE_PORT: '9' }, 'http://ch:9'],
    ['a host with its port', { CLICKHOUSE_HOST: 'ch:18123' }, 'http://ch:18123'],
    ['a URL with its port', { CLICKHOUSE_HOST: 'https://ch:9440/' }, 'https://ch:9440'],
    ['a URL without', { CLICKHOUSE_HOST: 'http://ch' }, 'http://ch:8123'],
    ['a URL with TLS without', { CLICKHOUSE_HOST: 'https://ch' }, 'https://ch:8443'],
    ['a URL on port 80', { CLICKHOUSE_HOST: 'http://ch:80' }, 'http://ch:80'],
  ])('the address of ClickHouse from %s', (_, environment, url) => {
    const { silver } = chosen({ ...environment, CLICKHOUSE_USER: 'u', CLICKHOUSE_PASSWORD: 'p' })
    expect(silver).toEqual({
      kind: 'server',
      address: { url, user: 'u', password: 'p' },
      cluster: null,
    })
  })

  const LAKE = { ICEBERG_WAREHOUSE: 's3://lake/orrery/' }
  test.each<[string, Environment, Readonly<Record<string, unknown>>]>([
    ['AWS', {}, {}],
    ['AWS with a region', { AWS_REGION: 'eu-1' }, { region: 'eu-1' }],
    [
      'host and port',
      { MINIO_ENDPOINT: 'minio:9000' },
      { endpoint: 'http://minio:9000', region: 'us-east-1' },
    ],
    [
      'the port of HTTPS',
      { MINIO_ENDPOINT: 'minio:443', AWS_REGION: 'eu-1' },
      { endpoint: 'https://minio:443', region: 'eu-1' },
    ],
    [
      'the variable of the AWS tools, with a key',
      { AWS_ENDPOINT_URL: 'https://s3', MINIO_ACCESS_KEY: 'k', MINIO_SECRET_KEY: 's' },
      {
        ...{ endpoint: 'https://s3', region: 'us-east-1' },
        credentials: { accessKeyId: 'k', secretAccessKey: 's' },
      },
    ],
  ])('how S3 is reached: %s', (_, environment, access) => {
    expect(chosen({ ...LAKE, ...environment }).bronze).toEqual({
      ...{ kind: 's3', access, location: 's3://lake/orrery' },
    })
  })

  test('the catalog and what it must know', () => {
    const { bronze } = chosen({
      ...{ ICEBERG_REST_URL: 'http://catalog:8181', ICEBERG_REST_NAMESPACE: 'a.b' },
      ...{ ICEBERG_REST_CREDENTIAL: 'id:secret', ICEBERG_REST_WAREHOUSE: 'main' },
    })
    expect(bronze).toEqual({
      kind: 's3',
      access: {},
      catalog: {
        kind: 'rest',
        uri: 'http://catalog:8181',
        namespace: ['a', 'b'],
        warehouse: 'main',
        credential: 'id:secret',
      },
    })
    expect(chosen({}).bronze).toEqual({ kind: 'local', folder: join('/data', 'bronze') })
  })

  test('snapshots of one installation lie apart from those of another', () => {
    expect(chosen({ ...SCALED, KAFKA_CONSUMER_GROUP: 'east' }).snapshots).toEqual({
      kind: 's3',
      access: {},
      location: 's3://lake/orrery/orrery/snapshots/east/',
    })
  })

  test('an edge gateway has its bounds, and the name that it was given', () => {
    const outbox = {
      kind: 'outbox',
      upstreamUrl: EDGE.UPSTREAM_URL,
      upstreamKey: EDGE.UPSTREAM_KEY,
      bytesMax: 4_294_967_296,
      ageMsMax: 7 * 24 * 3_600_000,
    } as const
    expect(chosen(EDGE).journal).toEqual({ ...outbox, edgeId: null })
    expect(chosen({ ...EDGE, EDGE_ID: 'depot-1' }).journal).toEqual({
      ...outbox,
      edgeId: 'depot-1',
    })
  })
})

describe('refusing', () => {
  const { CLICKHOUSE_HOST, REDIS_URL, ICEBERG_WAREHOUSE } = SCALED
  const WORKER = { ...KAFKA, ROLES: 'worker' }
  test.each<[Environment, string]>([
    [{ ROLES: 'worker,worker' }, 'ROLES has worker twice: write ROLES=worker'],
    [{ ROLES: 'worker' }, 'write KAFKA_BOOTSTRAP_SERVERS, or unset ROLES'],
    [{ ROLES: 'gateway' }, 'or UPSTREAM_URL for an edge gateway'],
    [{ ...EDGE, ROLES: '' }, 'write ROLES=gateway with it'],
    [{ ...EDGE, ROLES: 'gateway,web' }, 'write ROLES=gateway with it'],
    [{ ...EDGE, UPSTREAM_KEY: '' }, 'write UPSTREAM_KEY'],
    [{ ...EDGE, ...KAFKA }, "KAFKA_BOOTSTRAP_SERVERS is the core's"],
    [{ ...EDGE, CLICKHOUSE_HOST }, "CLICKHOUSE_HOST is the core's"],
    [{ ...EDGE, REDIS_URL }, "REDIS_URL is the core's"],
    [KAFKA, 'write CLICKHOUSE_HOST=clickhouse'],
    [{ ...KAFKA, CLICKHOUSE_HOST }, 'write ICEBERG_WAREHOUSE=s3://bucket/orrery'],
    [{ ...KAFKA, CLICKHOUSE_HOST, ICEBERG_WAREHOUSE }, 'write REDIS_URL=redis://redis:6379'],
    [{ ...WORKER, CLICKHOUSE_HOST, REDIS_URL }, 'write ICEBERG_WAREHOUSE'],
    [{ ...KAFKA, ROLES: 'web', CLICKHOUSE_HOST }, 'write REDIS_URL'],
    [{ ...SCALED, KAFKA_TRIPS_TOPIC: 'sessions' }, 'need a topic each'],
    [{ ...SCALED, KAFKA_SASL: 'plain' }, 'KAFKA_SASL=plain needs KAFKA_USERNAME'],
    [{ ...SCALED, KAFKA_SASL: 'plain', KAFKA_USERNAME: 'u' }, 'needs KAFKA_PASSWORD'],
    [{ ...SCALED, KAFKA_USERNAME: 'u' }, 'write KAFKA_SASL='],
    [{ KAFKA_TOPIC: 'pings' }, 'KAFKA_TOPIC does nothing by itself'],
    [{ CLICKHOUSE_PASSWORD: 'x' }, 'write CLICKHOUSE_HOST=clickhouse too'],
    [{ ICEBERG_REST_TOKEN: 'x' }, 'write ICEBERG_REST_URL='],
    [{ MINIO_ENDPOINT: 'minio:9000' }, 'write ICEBERG_WAREHOUSE=s3://bucket/orrery or'],
    [{ EDGE_ID: 'x' }, 'write UPSTREAM_URL='],
    [{ ICEBERG_WAREHOUSE, MINIO_ACCESS_KEY: 'k' }, 'write MINIO_SECRET_KEY too'],
    [{ ICEBERG_WAREHOUSE, MINIO_ACCESS_KEY: 'k', MINIO_SECRET_KEY: 's' }, 'write MINIO_ENDPOINT='],
    [{ CLICKHOUSE_HOST: '::1' }, 'CLICKHOUSE_HOST is no address'],
    [
      { ICEBERG_REST_URL: 'http://c', ICEBERG_REST_TOKEN: 'x', ICEBERG_REST_CREDENTIAL: 'y' },
      'unset one of them',
    ],
  ])('%o says what to write', (environment, message) => {
    const line = refusal(environment)
    expect(line).toContain(message)
    expect(line).not.toContain('\n')
  })
})

describe('saying why', () => {
  test('each port is there once, with its reason', () => {
    for (const environment of [{}, SCALED, EDGE, { ...SCALED, ROLES: 'web' }]) {
      const { reasons } = chosen(environment)
      expect(reasons.map(({ port }) => port)).toEqual([
        ...['journal', 'silver', 'bronze', 'snapshots', 'windows', 'live'],
      ])
      for (const { adapter, because } of reasons) {
        expect([adapter, because]).not.toContain('')
        expect(because.length).toBeGreaterThan(5)
      }
    }
  })

  test('secrets are in no reason', () => {
    const secrets = {
      ...{ KAFKA_SASL: 'plain', KAFKA_USERNAME: 'hushed-user', KAFKA_PASSWORD: 'hushed-password' },
      ...{ CLICKHOUSE_PASSWORD: 'hushed-clickhouse', CLICKHOUSE_USER: 'hushed-name' },
      ...{ ICEBERG_REST_URL: 'http://hushed:hushed@catalog:1', ICEBERG_REST_TOKEN: 'hushed-token' },
      ...{ MINIO_ENDPOINT: 'http://m:9000', MINIO_ACCESS_KEY: 'hushed-k' },
      MINIO_SECRET_KEY: 'hushed-secret',
    }
    for (const environment of [{ ...SCALED, ...secrets }, EDGE]) {
      const { roles, reasons } = chosen(environment)
      expect(JSON.stringify(reasons)).not.toContain('hushed')
      expect(adaptersText(roles, reasons)).not.toContain('hushed')
    }
  })

  test('the text names what was chosen and the setting that did it', () => {
    const { roles, reasons } = chosen(SCALED)
    const text = adaptersText(roles, reasons)
    expect(text).toMatch(
      /^journal +Kafka at kafka-1:9092, kafka-2:9092, .*KAFKA_BOOTSTRAP_SERVERS/m,
    )
    expect(text).toMatch(/^silver +ClickHouse server at clickhouse:8123 +CLICKHOUSE_HOST is set$/m)
    expect(text).toMatch(/^windows +.*Redis at redis:6379 +REDIS_URL is set$/m)
    expect(text).toMatch(/^roles +gateway, worker, web/m)
  })
})
