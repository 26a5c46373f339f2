import { expect, test } from 'bun:test'

import { readConfig } from './config.ts'
import { summary, type SummaryFacts } from './summary.ts'

function facts(changes: Partial<SummaryFacts> = {}): SummaryFacts {
  const outcome = readConfig({}, { DATA_DIR: '/var/lib/orrery' })
  if (!outcome.ok) throw new Error(outcome.message)
  return {
    version: '0.1.0',
    config: outcome.config,
    host: '0.0.0.0',
    port: 8000,
    networkAddresses: ['192.0.2.7', '2001:db8::7'],
    fresh: { ingestKey: 'orrery_abc', adminPassword: 'aaaaa-bbbbb' },
    demo: false,
    colour: false,
    ...changes,
  }
}

test('a first start shows addresses, keys, data and a command to paste', () => {
  const text = summary(facts())
  for (const part of [
    'http://localhost:8000',
    'http://192.0.2.7:8000  after signing in',
    'http://[2001:db8::7]:8000',
    'ws://192.0.2.7:8000/ws',
    '/var/lib/orrery',
    'orrery_abc  shown once',
    'aaaaa-bbbbb  shown once',
    "-H 'Authorization: Bearer orrery_abc'",
  ]) {
    expect(text).toContain(part)
  }
  expect(text).not.toContain('\x1b')
})

test('a later start shows no secrets', () => {
  const text = summary(facts({ fresh: { ingestKey: null, adminPassword: null }, demo: true }))
  expect(text).not.toContain('shown once')
  expect(text).toContain('Bearer YOUR_INGEST_KEY')
  expect(text).toContain('fleet of 200')
})

test('one address only, when bound to one', () => {
  const text = summary(facts({ host: '127.0.0.1', port: 9 }))
  expect(text).toContain('http://127.0.0.1:9')
  expect(text).not.toContain('192.0.2.7')
})

test('colour is only that: the words stay', () => {
  const plain = summary(facts())
  const coloured = summary(facts({ colour: true }))
  expect(coloured).toContain('\x1b[1m')
  expect(Bun.stripANSI(coloured)).toBe(plain)
})

test('a process of fewer roles shows what it has', () => {
  const of = (environment: Readonly<Record<string, string>>): string => {
    const outcome = readConfig(environment, { DATA_DIR: '/var/lib/orrery' })
    if (!outcome.ok) throw new Error(outcome.message)
    return summary(facts({ config: outcome.config }))
  }
  const stores = {
    ...{ KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092', CLICKHOUSE_HOST: 'clickhouse' },
    ...{ ICEBERG_WAREHOUSE: 's3://lake/orrery', REDIS_URL: 'redis://redis' },
  }
  const worker = of({ ...stores, ROLES: 'worker' })
  expect(worker).toContain('http://localhost:8000/health')
  for (const part of ['Map', 'Vehicles', 'Password', 'Ingest key', 'curl'])
    expect(worker).not.toContain(part)
  const edge = of({
    ...{ ROLES: 'gateway', UPSTREAM_URL: 'wss://core.example.org', UPSTREAM_KEY: 'k' },
  })
  expect(edge).toContain('wss://core.example.org')
  expect(edge).toContain('curl')
  expect(edge).not.toContain('Password')
})
