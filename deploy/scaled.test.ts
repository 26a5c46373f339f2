import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import { skipped } from '../actors/testing/services.ts'
import { wirePing } from '../gateway/testing.ts'
import { Ports } from '../simulator/crashtest/scaled/ports.ts'
import { Servers } from '../simulator/crashtest/scaled/servers.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

const VEHICLES = 40
const T0 = Date.parse('2026-09-18T10:00:00Z')
const SHORT = { SNAPSHOT_INTERVAL_MS: '1000', ICEBERG_BATCH_AGE_MS: '1000', KAFKA_PARTITIONS: '4' }

/** Asks again until the answer is right: processes and stores take their time. */
async function until<T>(what: string, ask: () => Promise<T | null>, withinMs = 60_000): Promise<T> {
  const endMs = performance.now() + withinMs
  let last: unknown = null
  while (performance.now() < endMs) {
    try {
      const found = await ask()
      if (found !== null) return found
    } catch (thrown) {
      last = thrown
    }
    await Bun.sleep(100)
  }
  throw new Error(
    `${what}: not within ${withinMs} ms${last instanceof Error ? `: ${last.message}` : ''}`,
  )
}

describe.skipIf(skipped(['kafka', 'redis', 's3', 'catalog'], process.env))('scaled out', () => {
  const root = mkdtempSync(join(tmpdir(), 'orrery-scaled-'))
  const started: ServerUnderTest[] = []
  let servers: Servers
  let minute = 0

  beforeAll(async () => {
    servers = await Servers.start({
      ...{ env: process.env, root, clock: systemClock, ports: new Ports() },
      callers: ['all'],
      direct: true,
    })
  }, 120_000)

  afterAll(async () => {
    await Promise.all(started.map((one) => one.dispose()))
    await servers?.[Symbol.asyncDispose]()
    rmSync(root, { recursive: true, force: true })
  }, 60_000)

  async function start(roles: string, more: Readonly<Record<string, string>> = {}) {
    const stores = servers.environment('all')
    const one = new ServerUnderTest({
      ...stores,
      ...SHORT,
      VIEWERS: 'anyone',
      ROLES: roles,
      ...more,
    })
    started.push(one)
    await one.start()
    return one
  }

  /** A ping of each vehicle, a minute after the ones before. */
  async function drive({ url }: ServerUnderTest): Promise<void> {
    minute++
    const pings = Array.from({ length: VEHICLES }, (_, vehicle) =>
      wirePing({
        ...{ session_id: `s-${vehicle}`, vehicle_id: `v-${vehicle}`, order_id: `o-${vehicle}` },
        status: minute === 1 ? 'started' : 'en_route',
        timestamp: new Date(T0 + minute * 60_000 + vehicle).toISOString(),
        ...{ current_lat: 37.9 + vehicle / 1_000, current_lon: 23.7 + minute / 1_000 },
      }),
    )
    await post(url, '/ingest', JSON.stringify(pings))
  }

  async function post(url: string, path: string, body: string): Promise<void> {
    await until(`POST ${path}`, async () => {
      const response = await fetch(`${url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' },
        body,
      })
      if (response.ok) return true
      if (response.status < 500) throw new Error(await response.text())
      return null
    })
  }

  async function counted(table: string): Promise<readonly string[]> {
    const { port, password } = servers.clickHouse
    const response = await fetch(`http://127.0.0.1:${port}/?database=default`, {
      method: 'POST',
      headers: { 'x-clickhouse-user': 'default', 'x-clickhouse-key': password },
      body: `SELECT count(), uniqExact(session_id), uniqExact(\`partition\`, \`offset\`) FROM ${table} FORMAT TSV`,
    })
    if (!response.ok) throw new Error(await response.text())
    return (await response.text()).trim().split('\t')
  }

  /** Everything that was sent is stored, and nothing twice. */
  const stored = (): Promise<boolean> =>
    until(`${minute} movements of each vehicle`, async () => {
      const rows = String(minute * VEHICLES)
      const [count] = await counted('session_movements')
      if (Number(count) > Number(rows)) throw new Error(`${count} rows instead of ${rows}`)
      return count === rows ? true : null
    })

  test('everything once, while workers join, leave in order and are killed; pages are at the web', async () => {
    const [gateway, first, web] = await Promise.all([
      start('gateway'),
      start('worker'),
      start('web'),
    ])
    await drive(gateway)
    await stored()
    const second = await start('worker')
    await drive(gateway)
    await stored()
    await first.end('SIGKILL')
    await drive(gateway)
    await stored()
    const third = await start('worker')
    await drive(gateway)
    await stored()
    expect(await second.end('SIGTERM')).toBe(0)
    await drive(gateway)
    await stored()
    const all = String(minute * VEHICLES)
    expect(await counted('session_movements')).toEqual([all, String(VEHICLES), all])
    expect((await counted('sessions_base')).slice(0, 2)).toEqual([
      String(VEHICLES),
      String(VEHICLES),
    ])

    // The map of the web process has every vehicle, of whatever worker.
    const vehicles = await until('the map', async () => {
      const text = await firstEvent(`${web.url}/live`)
      const snapshot = JSON.parse(text) as { vehicles: readonly { sessionId: string }[] }
      return snapshot.vehicles.length === VEHICLES ? snapshot.vehicles : null
    })
    expect(new Set(vehicles.map(({ sessionId }) => sessionId)).size).toBe(VEHICLES)
    const card = await (await fetch(`${web.url}/api/sessions/s-7`)).json()
    expect(card).toMatchObject({ sessionId: 's-7', vehicleId: 'v-7' })
    expect((await fetch(`${web.url}/`, { headers: { accept: 'text/html' } })).status).toBe(200)
    // Each process says what is not its business.
    expect((await fetch(`${gateway.url}/`)).status).toBe(404)
    expect((await fetch(`${third.url}/ingest`, { method: 'POST' })).status).toBe(404)
    for (const one of [gateway, third, web])
      expect((await fetch(`${one.url}/ready`)).status).toBe(200)
  }, 240_000)

  test('an edge gateway forwards over Kafka, through kills of both ends', async () => {
    const [gateway] = await Promise.all([start('gateway'), start('worker')])
    const upstream = `${gateway.url.replace('http', 'ws')}`
    const edge = new ServerUnderTest({
      ...{ ROLES: 'gateway', UPSTREAM_URL: upstream, UPSTREAM_KEY: TEST_KEY, EDGE_ID: 'depot-1' },
    })
    started.push(edge)
    await edge.start()
    await drive(edge)
    await stored()
    await gateway.end('SIGKILL')
    await drive(edge)
    await edge.end('SIGKILL')
    await Promise.all([gateway.start(), edge.start()])
    await drive(edge)
    await stored()
  }, 240_000)
})

/** The data of the first event of a stream. */
async function firstEvent(url: string): Promise<string> {
  const reader = (await fetch(url)).body?.getReader()
  let text = ''
  const decoder = new TextDecoder()
  try {
    while (!/^data: .*\n/m.test(text)) {
      const piece = await reader?.read()
      if (!piece || piece.done) throw new Error(`${url} ended: ${text.slice(0, 200)}`)
      text += decoder.decode(piece.value, { stream: true })
    }
    return /^data: (.*)$/m.exec(text)?.[1] ?? ''
  } finally {
    await reader?.cancel()
  }
}
