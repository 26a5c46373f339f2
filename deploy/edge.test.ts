import { afterEach, describe, expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'

import { seededRandom, systemClock } from '../actors/kernel/clock.ts'
import { ChaosProxy } from '../simulator/chaos/proxy.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

const TRIP_BASE_MS = Date.UTC(2026, 8, 1)
const WAIT_MS = 50

const open: { dispose(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.dispose()
})

function serverWith(settings: Readonly<Record<string, string>> = {}): ServerUnderTest {
  const server = new ServerUnderTest(settings)
  open.push(server)
  return server
}

/** A core, the line to it, and an edge at its other end. */
async function edgeAndCore(settings: Readonly<Record<string, string>> = {}) {
  const core = serverWith()
  await core.start()
  const port = Number(new URL(core.url).port)
  const line = await ChaosProxy.open({ target: () => port, clock: systemClock })
  open.push({ dispose: () => line[Symbol.asyncDispose]() })
  const upstream = {
    ...{ ROLES: 'gateway', UPSTREAM_URL: `ws://127.0.0.1:${line.port}`, UPSTREAM_KEY: TEST_KEY },
    ...{ EDGE_ID: 'depot', ...settings },
  }
  const edge = serverWith(upstream)
  await edge.start()
  return { core, line, edge, upstream }
}

const pingOf = (n: number): string =>
  JSON.stringify({
    ...{ device_id: 'd', vehicle_id: 'v', order_id: `o${n % 7}`, session_id: `s${n % 7}` },
    ...{ status: 'en_route', timestamp: new Date(systemClock.nowMs() - 60_000 + n).toISOString() },
    ...{ start_lat: 38, start_lon: 23, end_lat: 39, end_lon: 24 },
    ...{ current_lat: 38 + n / 100_000, current_lon: 23 },
  })

const tripOf = (n: number): string =>
  JSON.stringify({
    ...{ trip_id: `t${n}`, region_id: 1 + (n % 3), fare: 5, duration: 60, distance: 1 },
    event_time: new Date(TRIP_BASE_MS + n * 1_000).toISOString(),
  })

/** The answer's status; 0 without one. */
async function post(server: ServerUnderTest, path: string, body: string): Promise<number> {
  const headers = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/x-ndjson' }
  try {
    const answer = await fetch(`${server.url}${path}`, { method: 'POST', headers, body })
    await answer.text()
    return answer.status
  } catch {
    return 0
  }
}

type Upstream = Readonly<{
  status: string
  line: string
  detail: string
  pings: number
  trips: number
}>

async function upstreamOf(edge: ServerUnderTest): Promise<Upstream> {
  const health = await (await fetch(`${edge.url}/health`)).json()
  return health.parts.upstream
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo()))
    await new Promise<void>((resolve) => void systemClock.after(WAIT_MS, resolve))
}

const isForwarded = async (edge: ServerUnderTest): Promise<boolean> => {
  const { pings, trips, line } = await upstreamOf(edge)
  return pings === 0 && trips === 0 && line === 'forwarding'
}

test('an edge, its core and the line between them killed, cut and silent: everything acknowledged is in the stores once', async () => {
  const { core, line, edge } = await edgeAndCore()
  const random = seededRandom(7)
  let pings = 0
  let trips = 0
  let letters = 0
  for (let round = 0; round < 12; round++) {
    for (let posts = 0; posts < 5; posts++) {
      const count = 1 + Math.floor(random() * 200)
      const lines = Array.from({ length: count }, (_, n) => pingOf(pings + n))
      const isBad = random() < 0.3
      const status = await post(edge, '/ingest', [...lines, ...(isBad ? ['{bad'] : [])].join('\n'))
      expect(status).toBe(200)
      pings += count
      if (isBad) letters++
    }
    expect(await post(edge, '/ingest/trips', [tripOf(trips), tripOf(trips + 1)].join('\n'))).toBe(
      200,
    )
    trips += 2
    const fault = round % 6
    if (fault === 0) line.cut()
    if (fault === 1) line.set('silent')
    if (fault === 2) line.set('open')
    if (fault === 3) {
      await edge.end('SIGKILL')
      await edge.start()
    }
    if (fault === 4) {
      await core.end('SIGKILL')
      await core.start()
    }
    if (fault === 5) line.set(random() < 0.5 ? 'no answers' : 'open')
  }
  line.set('open')
  line.cut()
  expect(await post(edge, '/ingest/trips/flush', '')).toBe(200)
  await until(() => isForwarded(edge))
  const [row] = await core.sql(`SELECT
    (SELECT count() FROM bronze.raw_delivery_data) AS bronze,
    (SELECT uniqExact(session_id, current_lat) FROM bronze.raw_delivery_data) AS distinct,
    (SELECT count() FROM session_movements) AS silver,
    (SELECT count() FROM bronze.trips) AS trips,
    (SELECT count() FROM dead_letters) AS letters,
    (SELECT groupUniqArray(source) FROM dead_letters) AS sources`)
  expect(row).toEqual({
    ...{ bronze: pings, distinct: pings, silver: pings, trips, letters },
    sources: ['API_KEY@depot'] as unknown as string,
  })
}, 120_000)

describe('an edge process', () => {
  test('has no engine, little memory, and both protocols', async () => {
    const { edge, core } = await edgeAndCore()
    const socket = new WebSocket(edge.socketUrl)
    const replies: string[] = []
    socket.addEventListener('message', ({ data }) => replies.push(String(data)))
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    socket.send(JSON.stringify({ type: 'authentication', api_key: TEST_KEY }))
    for (let n = 0; n < 2_000; n++) socket.send(pingOf(n))
    await until(async () => replies.length === 2_001)
    expect(replies.at(-1)).toBe('{"success":true,"message":"Data received"}')
    socket.close()
    await until(() => isForwarded(edge))
    const of = (file: string): string => readFileSync(`/proc/${edge.pid}/${file}`, 'utf8')
    expect(of('maps')).not.toContain('chdb')
    expect(Number(/VmRSS:\s+(\d+)/.exec(of('status'))?.[1]) / 1_024).toBeLessThan(100)
    expect(await core.sql('SELECT count() AS n FROM session_movements')).toEqual([{ n: 2_000 }])
    expect(await edge.end()).toBe(0)
  }, 60_000)

  test('is refused while another one has its id, and says so', async () => {
    const { edge, upstream } = await edgeAndCore()
    await until(() => isForwarded(edge))
    const second = serverWith(upstream)
    await second.start()
    await until(async () => (await upstreamOf(second)).line === 'refused')
    expect(await upstreamOf(second)).toMatchObject({
      status: 'degraded',
      detail: expect.stringContaining('another gateway with the id depot is connected'),
    })
    expect(await isForwarded(edge)).toBe(true)
    // It goes on taking messages, and has its turn when the other is gone.
    expect(await post(second, '/ingest', pingOf(1))).toBe(200)
  }, 60_000)

  test('tells its senders busy when its disk is full of what no core has, and takes again when one has it', async () => {
    const { edge, line } = await edgeAndCore({ EDGE_BYTES_MAX: '1048576' })
    line.set('refused')
    line.cut()
    let status = 200
    let sent = 0
    while (status === 200) {
      status = await post(
        edge,
        '/ingest',
        Array.from({ length: 200 }, (_, n) => pingOf(sent + n)).join('\n'),
      )
      if (status === 200) sent += 200
    }
    expect(status).toBe(503)
    expect(await upstreamOf(edge)).toMatchObject({ status: 'unhealthy', pings: sent })
    line.set('open')
    await until(async () => (await post(edge, '/ingest', pingOf(sent))) === 200)
    await until(() => isForwarded(edge))
  }, 60_000)
})
