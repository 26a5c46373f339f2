import { afterEach, expect, test } from 'bun:test'
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { openTestDisk, type TestDisk } from '../simulator/crashtest/disk.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

const MEBIBYTE = 1_048_576
const WAIT_MS_MAX = 40_000
const DISK_BYTES = 256 * MEBIBYTE

/** Why no disk can be mounted here, so that these are reported as skipped; null when one can. */
const missing = await (async () => {
  const root = mkdtempSync(join(tmpdir(), 'orrery-disk-'))
  const tried = await openTestDisk(root, DISK_BYTES)
  await tried.dispose()
  rmSync(root, { recursive: true })
  return tried.missing
})()
const onOwnDisk = test.skipIf(missing !== null)
if (missing !== null) console.warn(`NOT TRIED: full disk, read-only folder, power cut: ${missing}`)

let server: ServerUnderTest | null = null
let disk: TestDisk | null = null
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await server?.end('SIGKILL')
  await disk?.dispose()
  await server?.dispose()
  server = disk = null
})

/** A server whose data lies on a small disk of its own. */
async function startOnOwnDisk(): Promise<{ server: ServerUnderTest; disk: TestDisk }> {
  const started = new ServerUnderTest({ ICEBERG_BATCH_AGE_MS: '200' })
  server = started
  const own = await openTestDisk(started.root, DISK_BYTES)
  disk = own
  if (own.missing !== null) throw new Error(`no disk could be mounted: ${own.missing}`)
  started.dataDir = join(own.folder, 'data')
  await started.start()
  return { server: started, disk: own }
}

let made = 0
/** Pings of `sessions` deliveries, one each, none like any before. */
function pings(sessions: number, first = 0): string {
  const atUs = Date.UTC(2026, 10, 21) * 1_000 + made++ * 1_000_000
  const timestamp = new Date(atUs / 1_000).toISOString()
  return Array.from({ length: sessions }, (_, index) => {
    const id = `session-${first + index}`
    return JSON.stringify({
      ...{ device_id: id, vehicle_id: id, session_id: id, order_id: id, status: 'en_route' },
      ...{ timestamp, current_lat: 37.9 + (made % 900) / 10_000, current_lon: 23.7 },
      ...{ start_lat: 37.9, start_lon: 23.7, end_lat: 37.99, end_lon: 23.7 },
    })
  }).join('\n')
}

/** Sends a body; the answer's status and code. */
async function post(to: ServerUnderTest, body: string) {
  const headers = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/x-ndjson' }
  const response = await fetch(`${to.url}/ingest`, { method: 'POST', headers, body })
  const answer: { accepted?: number; error?: { code: string } } = JSON.parse(await response.text())
  return { status: response.status, code: answer.error?.code, accepted: answer.accepted ?? 0 }
}

type Health = Readonly<{
  status: string
  parts: Record<string, { status: string; detail: string }>
}>

async function health(of: ServerUnderTest): Promise<Health> {
  return JSON.parse(await (await fetch(`${of.url}/health`)).text())
}

/** Asks again until it is so. A process from outside can only be asked: there is no event to wait for. */
async function until<T>(what: string, look: () => Promise<T | null>): Promise<T> {
  const endMs = performance.now() + WAIT_MS_MAX
  for (;;) {
    const seen = await look()
    if (seen !== null) return seen
    if (performance.now() > endMs) throw new Error(`never: ${what}`)
    await Bun.sleep(25)
  }
}

async function untilHealthy(of: ServerUnderTest): Promise<void> {
  let last = ''
  await until('all parts are well', async () => {
    const seen = await health(of)
    last = JSON.stringify(seen)
    return seen.status === 'healthy' ? seen : null
  }).catch((cause: unknown) => {
    throw new Error(last, { cause })
  })
}

const COUNTS = `SELECT
  (SELECT count() FROM bronze.raw_delivery_data) AS bronze,
  (SELECT uniqExact(offset) FROM bronze.raw_delivery_data) AS offsets,
  (SELECT count() FROM session_movements) AS movements,
  (SELECT uniqExact(movement_id) FROM session_movements) AS names`

/** All that was acknowledged, in both stores, once: as it runs, and after a kill. */
async function expectAll(of: ServerUnderTest, acknowledged: number): Promise<void> {
  const count = String(acknowledged)
  const all = { bronze: count, offsets: count, movements: count, names: count }
  const asText = async () =>
    Object.fromEntries(Object.entries((await of.sql(COUNTS))[0] ?? {}).map(([k, v]) => [k, `${v}`]))
  expect(await asText()).toEqual(all)
  await of.end('SIGKILL')
  await of.start()
  expect(await asText()).toEqual(all)
}

/** Sends until nothing is taken any more, then gives the disk back, and sends until something is. */
async function throughTrouble(
  to: ServerUnderTest,
  trouble: () => Promise<void>,
  relief: () => Promise<void>,
): Promise<Readonly<{ acknowledged: number; codes: readonly string[]; during: Health }>> {
  let acknowledged = (await post(to, pings(500))).accepted
  expect(acknowledged).toBe(500)
  await trouble()
  const codes: string[] = []
  await until('pings are refused', async () => {
    const { status, code, accepted } = await post(to, pings(500))
    acknowledged += accepted
    if (status === 200) return null
    expect(status).toBe(503)
    codes.push(code ?? 'none')
    return code ?? 'none'
  })
  const during = await health(to)
  expect((await fetch(`${to.url}/ready`)).status).toBe(503)
  await relief()
  await until('pings are taken again', async () => {
    const { status, accepted } = await post(to, pings(500))
    acknowledged += accepted
    return status === 200 ? true : null
  })
  return { acknowledged, codes, during }
}

onOwnDisk(
  'a full disk: senders are told so, and with room the service is back by itself with everything it took',
  async () => {
    const { server, disk } = await startOnOwnDisk()
    const { acknowledged, codes, during } = await throughTrouble(
      server,
      () => disk.fill(0),
      () => disk.empty(),
    )
    expect(codes.at(-1)).toBe('disk_full')
    expect(during.status).toBe('unhealthy')
    expect(during.parts['journal']?.detail).toContain('no space left')
    await untilHealthy(server)
    await expectAll(server, acknowledged)
  },
  120_000,
)

onOwnDisk(
  'a folder that turns read-only: senders are told so, and once writable the service is back by itself',
  async () => {
    const { server, disk } = await startOnOwnDisk()
    const { acknowledged, codes, during } = await throughTrouble(
      server,
      () => disk.lock(),
      () => disk.unlock(),
    )
    expect(codes.at(-1)).toBe('unavailable')
    expect(during.status).toBe('unhealthy')
    await untilHealthy(server)
    await expectAll(server, acknowledged)
  },
  120_000,
)

onOwnDisk(
  'a power cut: what was acknowledged is on the disk that boots again',
  async () => {
    const { server, disk } = await startOnOwnDisk()
    let acknowledged = 0
    for (let body = 0; body < 20; body++) acknowledged += (await post(server, pings(500))).accepted
    disk.cutPower()
    await server.end('SIGKILL')
    await disk.replug()
    await server.start()
    expect(acknowledged).toBe(10_000)
    await untilHealthy(server)
    await expectAll(server, acknowledged)
  },
  120_000,
)

test('a bronze folder that cannot be used: silver and the map go on, and bronze catches up', async () => {
  server = new ServerUnderTest({ ICEBERG_BATCH_AGE_MS: '200' })
  await server.start()
  const bronze = join(server.dataDir, 'bronze')
  expect((await post(server, pings(500))).status).toBe(200)
  await untilHealthy(server)
  renameSync(bronze, `${bronze}.away`)
  writeFileSync(bronze, 'a file where the folder should be')
  const live = await fetch(`${server.url}/live`)
  const reader = live.body?.getReader()
  for (let body = 0; body < 10; body++) expect((await post(server, pings(500))).status).toBe(200)
  const stalled = server
  const part = await until('health names bronze', async () => {
    const { parts } = await health(stalled)
    return Object.entries(parts).find(([, { status }]) => status !== 'healthy') ?? null
  })
  expect(part[0]).toBe('bronze')
  const [silver] = await server.sql('SELECT count() AS rows FROM session_movements')
  expect(Number(silver?.['rows'])).toBe(5_500)
  let seen = ''
  while (!seen.includes('session-499'))
    seen += new TextDecoder().decode((await reader?.read())?.value)
  await reader?.cancel()
  rmSync(bronze)
  renameSync(`${bronze}.away`, bronze)
  await untilHealthy(server)
  await expectAll(server, 5_500)
}, 120_000)

function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024
}

async function gauge(of: ServerUnderTest, name: string): Promise<number> {
  const text = await (await fetch(`${of.url}/metrics`)).text()
  return Number(new RegExp(`^${name} (.+)$`, 'm').exec(text)?.[1])
}

test.skipIf(process.platform !== 'linux')(
  'viewers that never read: pings, other viewers and memory are as without them',
  async () => {
    const started = new ServerUnderTest()
    server = started
    await started.start()
    const { hostname, port } = new URL(started.url)
    await post(started, pings(4_000))
    for (let dead = 0; dead < 20; dead++) {
      const socket = connect({ host: hostname, port: Number(port) })
      sockets.push(socket.pause())
      socket.write(`GET /live HTTP/1.1\r\nHost: ${hostname}:${port}\r\n\r\n`)
    }
    const live = await fetch(`${started.url}/live`)
    let deltas = 0
    const watching = (async () => {
      const decoder = new TextDecoder()
      for await (const piece of live.body ?? [])
        deltas += decoder.decode(piece, { stream: true }).split('event: delta').length - 1
    })().catch(() => {})
    let acknowledged = 4_000
    let slowestMs = 0
    const send = async (): Promise<void> => {
      const beganMs = performance.now()
      acknowledged += (await post(started, pings(4_000))).accepted
      slowestMs = Math.max(slowestMs, performance.now() - beganMs)
    }
    const residentBeforeMb = residentMb(started.pid)
    await until('dead readers are given latest values only', async () => {
      await send()
      return (await gauge(started, 'orrery_live_latest_only_total')) >= 20 ? true : null
    })
    const before = deltas
    await send()
    await until('the reader that reads sees more', async () => (deltas > before ? true : null))
    expect(await gauge(started, 'orrery_live_waiting_bytes')).toBeLessThan(21 * 256 * 1_024)
    expect(residentMb(started.pid) - residentBeforeMb).toBeLessThan(400)
    expect(slowestMs).toBeLessThan(5_000)
    const [silver] = await started.sql('SELECT count() AS rows FROM session_movements')
    expect(Number(silver?.['rows'])).toBe(acknowledged)
    await started.end('SIGKILL')
    await watching
  },
  120_000,
)

/** Sends one ping each of more deliveries than a server with ACTORS_AWAKE_MAX=100 keeps awake, in many bodies. */
async function crowd(to: ServerUnderTest): Promise<void> {
  const bodies = Array.from({ length: 30 }, (_, body) => post(to, pings(20, body * 20)))
  for (const { accepted } of await Promise.all(bodies)) expect(accepted).toBe(20)
}

test('a start that wakes more sessions than may be awake puts others away, and ends', async () => {
  server = new ServerUnderTest({ ACTORS_AWAKE_MAX: '100', SNAPSHOT_INTERVAL_MS: '3600000' })
  await server.start()
  await crowd(server)
  await server.end('SIGKILL')
  await server.start()
  await expectAll(server, 600)
}, 60_000)

test('a stop that wakes more sessions than may be awake still stores everything', async () => {
  server = new ServerUnderTest({ ACTORS_AWAKE_MAX: '100' })
  await server.start()
  await crowd(server)
  expect(await server.end('SIGTERM')).toBe(0)
}, 60_000)

test('a fatal signal ends the process at once, so that whoever watches it starts it again', async () => {
  server = new ServerUnderTest()
  await server.start()
  expect((await post(server, pings(100))).accepted).toBe(100)
  const beganMs = performance.now()
  await server.end('SIGBUS')
  expect(performance.now() - beganMs).toBeLessThan(5_000)
  await server.start()
  await expectAll(server, 100)
}, 60_000)
