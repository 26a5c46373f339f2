import { afterEach, expect, test } from 'bun:test'
import net from 'node:net'

import { VirtualClock } from '../actors/kernel/clock.ts'
import type { LiveDelta } from '../actors/model/live.ts'
import { LiveStreams } from './live.ts'
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts'
import { startServer } from './server.ts'
import { TEST_KPI, TestFeed, testPorts } from './testing.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

function open(overrides: Partial<GatewayOptions> = {}): Readonly<{
  feed: TestFeed
  clock: VirtualClock
  live: LiveStreams<LiveDelta>
}> {
  const feed = new TestFeed()
  const clock = new VirtualClock()
  const ports = testPorts({ feed, clock })
  const live = new LiveStreams(
    { ...ports, metrics: METRICS },
    { ...GATEWAY_DEFAULTS, ...overrides },
  )
  cleanups.push(() => live.close())
  return { feed, clock, live }
}

const METRICS = { prefix: 'orrery_live', of: 'Live map' }

/** A reader of one stream: events as blocks of text. */
class Reader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #text = ''

  constructor(response: Response) {
    if (!response.body) throw new Error('no stream')
    this.#reader = response.body.getReader()
  }

  /** The next event, heartbeat or field block; null at the end of the stream. */
  async next(): Promise<string | null> {
    for (;;) {
      const end = this.#text.indexOf('\n\n')
      if (end !== -1) {
        const block = this.#text.slice(0, end)
        this.#text = this.#text.slice(end + 2)
        return block
      }
      const { done, value } = await this.#reader.read()
      if (done) return null
      this.#text += new TextDecoder().decode(value)
    }
  }

  cancel(): Promise<void> {
    return this.#reader.cancel()
  }
}

const anyone = { lastEventId: null, stillViews: () => true, timeout: () => {} }

test('a new viewer gets a snapshot, then each delta with its id', async () => {
  const { feed, live } = open()
  feed.publish()
  feed.publish()
  const reader = new Reader(live.open(anyone))
  expect(await reader.next()).toMatch(/^retry: 1000\nid: e1-2\nevent: snapshot\ndata: {/)
  feed.publish({ nowMs: 33, gone: [4] })
  expect(await reader.next()).toBe('id: e1-3\nevent: delta\ndata: {"nowMs":33,"gone":[4]}')
})

test('a viewer that comes back gets exactly what it missed', async () => {
  const { feed, live } = open()
  for (let count = 0; count < 5; count++) feed.publish()
  const reader = new Reader(live.open({ ...anyone, lastEventId: 'e1-3' }))
  expect(await reader.next()).toBe('retry: 1000')
  expect(await reader.next()).toStartWith('id: e1-4\nevent: delta')
  expect(await reader.next()).toStartWith('id: e1-5\nevent: delta')
  feed.publish()
  expect(await reader.next()).toStartWith('id: e1-6\nevent: delta')
  expect(feed.snapshotsMade).toBe(0)
})

test('of another epoch, too old, from the future or unreadable: a fresh snapshot', async () => {
  const { feed, live } = open()
  feed.historyMax = 2
  for (let count = 0; count < 9; count++) feed.publish()
  for (const lastEventId of ['e0-8', 'e1-3', 'e1-10', 'e1-x', '-5', '', 'e1']) {
    const reader = new Reader(live.open({ ...anyone, lastEventId }))
    expect(await reader.next()).toContain('id: e1-9\nevent: snapshot')
    await reader.cancel()
  }
  expect(live.viewers).toBe(0)
})

test('a delta is encoded once and shared, a snapshot made once between two deltas', async () => {
  const { feed, live } = open()
  let encoded = 0
  const delta = {
    nowMs: 7,
    toJSON: () => {
      encoded++
      return { nowMs: 7 }
    },
  }
  const readers = Array.from({ length: 5 }, () => new Reader(live.open(anyone)))
  for (const reader of readers) await reader.next()
  feed.publish(delta)
  for (const reader of readers) expect(await reader.next()).toContain('{"nowMs":7}')
  const late = new Reader(live.open({ ...anyone, lastEventId: 'e1-0' }))
  await late.next()
  expect(await late.next()).toContain('{"nowMs":7}')
  expect(encoded).toBe(1)
  expect(feed.snapshotsMade).toBe(1)
})

test('figures have no id, and a new viewer gets the latest at once', async () => {
  const { feed, live } = open()
  feed.publishKpi(TEST_KPI)
  const reader = new Reader(live.open(anyone))
  await reader.next()
  expect(await reader.next()).toStartWith('event: kpi\ndata: {"nowMs":1,')
})

test('a quiet stream has a heartbeat', async () => {
  const { clock, live } = open()
  const reader = new Reader(live.open(anyone))
  await reader.next()
  const beat = reader.next()
  await clock.advanceMs(GATEWAY_DEFAULTS.heartbeatMs)
  expect(await beat).toBe(':')
})

test('a slow viewer is given the latest only, bounded, and the others are not delayed', async () => {
  const { feed, live } = open({ viewerBytesMax: 1_000 })
  const slow = new Reader(live.open(anyone))
  const quick = new Reader(live.open(anyone))
  await slow.next()
  await quick.next()
  for (let count = 1; count <= 100; count++) {
    feed.publish({ nowMs: count })
    expect(await quick.next()).toContain(`id: e1-${count}\n`)
  }
  // All that waited was dropped for a snapshot of the moment it reads again.
  expect(live.waitingBytes).toBe(0)
  expect(await slow.next()).toContain('id: e1-100\nevent: snapshot')
  feed.publish()
  expect(await slow.next()).toContain('id: e1-101\nevent: delta')
})

test('whatever a viewer reads when, ids rise without a gap or begin anew with a snapshot', async () => {
  const { feed, live } = open({ viewerBytesMax: 300 })
  const reader = new Reader(live.open(anyone))
  let last = -1
  for (let round = 0; round < 200; round++) {
    for (let count = 0; count < (round * 7) % 13; count++) feed.publish()
    if (round % 3 === 0) continue
    feed.publish()
    const block = (await reader.next()) ?? ''
    const seq = Number(/id: e1-(\d+)/.exec(block)?.[1])
    if (block.includes('event: snapshot')) expect(seq).toBeGreaterThanOrEqual(last)
    else expect(seq).toBe(last + 1)
    last = seq
  }
})

test('viewers beyond the cap are 503 with Retry-After, and one that leaves makes room', async () => {
  const { live } = open({ viewersMax: 1 })
  const reader = new Reader(live.open(anyone))
  const refused = live.open(anyone)
  expect(refused.status).toBe(503)
  expect(refused.headers.get('retry-after')).toBe('10')
  await reader.cancel()
  expect(live.open(anyone).status).toBe(200)
})

test('a sign-out ends the stream within a second', async () => {
  const { clock, live } = open()
  let signedIn = true
  const reader = new Reader(live.open({ ...anyone, stillViews: () => signedIn }))
  await reader.next()
  await clock.advanceMs(1_000)
  expect(live.viewers).toBe(1)
  signedIn = false
  await clock.advanceMs(1_000)
  expect(await reader.next()).toBeNull()
  expect(live.viewers).toBe(0)
})

test('closing ends every stream and lets go of the feed', async () => {
  const { feed, clock, live } = open()
  const reader = new Reader(live.open(anyone))
  await reader.next()
  live.close()
  expect(await reader.next()).toBeNull()
  expect(feed.listeners).toBe(0)
  expect(clock.waiting).toBe(0)
})

test('over a real line: a reader that stalls is bounded, then cut, and another reads on', async () => {
  const feed = new TestFeed()
  const clock = new VirtualClock()
  const ports = testPorts({ feed, clock })
  const server = startServer(ports, { port: 0, host: '127.0.0.1', viewerBytesMax: 100_000 })
  cleanups.push(() => server.stop())
  const stalled = net.connect(server.port, '127.0.0.1')
  cleanups.push(() => stalled.destroy())
  stalled.on('error', () => {})
  const answered = new Promise<void>((resolve) => {
    stalled.once('data', () => {
      stalled.pause()
      resolve()
    })
  })
  stalled.write(`GET /live HTTP/1.1\r\nHost: localhost:${server.port}\r\n\r\n`)
  await answered
  const response = await fetch(`http://localhost:${server.port}/live`)
  const quick = new Reader(response)
  await quick.next()
  // Far more than the kernel's buffers take: from some delta on the stalled one is behind.
  const filler = 'x'.repeat(50_000)
  const waiting = (): number => server.app.live.waitingBytes
  let most = 0
  for (let seq = 1; seq <= 200; seq++) {
    feed.publish({ nowMs: seq, events: [{ sessionId: filler, ...EVENT }] })
    expect(await quick.next()).toStartWith(`id: e1-${seq}\n`)
    most = Math.max(most, waiting())
  }
  expect(most).toBeLessThanOrEqual(100_000 + 51_000)
  expect(waiting()).toBe(0)
  const dropped = ports.telemetry.counter('orrery_live_latest_only_total', '')
  expect(dropped.value).toBe(1)
  expect(server.app.live.viewers).toBe(2)
  const beaten = quick.next()
  await clock.advanceMs(GATEWAY_DEFAULTS.viewerStallMsMax + GATEWAY_DEFAULTS.heartbeatMs)
  expect(await beaten).toBe(':')
  expect(server.app.live.viewers).toBe(1)
  feed.publish()
  for (let block = await quick.next(); ; block = await quick.next()) {
    if (block?.startsWith('id: e1-201\n')) break
    expect(block).toBe(':')
  }
  // Cut for real: what the kernel still holds arrives, and then the line ends.
  const ended = new Promise<void>((resolve) => stalled.once('close', () => resolve()))
  stalled.resume()
  await ended
  await quick.cancel()
})

const EVENT = { vehicleId: 'v', orderId: 'o', status: 'en_route', atMs: 1 } as const

test('a stream switches off the idle time-out of its connection', () => {
  const { live } = open()
  const timeouts: number[] = []
  live.open({ ...anyone, timeout: (seconds) => timeouts.push(seconds) })
  expect(timeouts).toEqual([0])
})
