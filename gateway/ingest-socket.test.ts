import { afterEach, describe, expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { CONTRACT_CASES, runContractCase } from './contract-cases.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts } from './ports.ts'
import { AUTHENTICATED, NOT_AUTHENTICATED, RECEIVED } from './replies.ts'
import { type GatewayServer, startServer } from './server.ts'
import { TestSocket } from './test-socket.ts'
import { TEST_KEY, TEST_SOURCE, TestIngest, testPorts, wirePing } from './testing.ts'

const servers: GatewayServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

function start(
  parts: Partial<GatewayPorts> = {},
  options: Partial<GatewayOptions> = {},
): Readonly<{ server: GatewayServer; url: string; ingest: TestIngest }> {
  const ingest = new TestIngest()
  const ports = testPorts({ ingest, ...parts })
  const server = startServer(ports, { port: 0, host: '127.0.0.1', ...options })
  servers.push(server)
  return { server, ingest, url: `ws://127.0.0.1:${server.port}/ws` }
}

const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wirePing(fields))

describe("PacketPulse's contract", () => {
  for (const each of CONTRACT_CASES) {
    test(each.name, async () => {
      const { url, ingest } = start()
      await runContractCase(each, { url, key: TEST_KEY })
      expect(ingest.deadLetterCodes).toEqual(each.deadLetters)
      expect(ingest.itemCount).toBeGreaterThanOrEqual(each.accepted)
      expect(ingest.itemCount).toBeLessThanOrEqual(each.acceptedMax ?? each.accepted)
    })
  }
})

test('a socket without a key in time gets the error frame and 1008', async () => {
  const clock = new VirtualClock()
  const { url } = start({ clock })
  const socket = await TestSocket.connect(url)
  await socket.settle()
  await clock.advanceMs(4_999)
  await socket.settle()
  expect(socket.unread).toBe(0)
  await clock.advanceMs(1)
  expect(await socket.next()).toBe(NOT_AUTHENTICATED)
  expect((await socket.closed).code).toBe(1008)
  expect(clock.waiting).toBeLessThanOrEqual(1)
})

test('an authenticated socket is not closed by the time-out', async () => {
  const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'))
  const { url } = start({ clock })
  const socket = await TestSocket.open(url, TEST_KEY)
  await clock.advanceMs(60_000)
  expect(await socket.ask(text())).toBe(RECEIVED)
})

test('a key with the upgrade needs no authentication frame, and one sent anyway is answered', async () => {
  const { url, ingest } = start()
  const socket = await TestSocket.connect(url, { authorization: `Bearer ${TEST_KEY}` })
  expect(await socket.ask(text())).toBe(RECEIVED)
  const frame = JSON.stringify({ type: 'authentication', api_key: TEST_KEY })
  expect(await socket.ask(frame)).toBe(AUTHENTICATED)
  expect(await socket.ask(text())).toBe(RECEIVED)
  expect(ingest.offers.map((offer) => offer.source)).toEqual([TEST_SOURCE, TEST_SOURCE])
  const wrong = JSON.stringify({ type: 'authentication', api_key: 'wrong' })
  expect(await socket.ask(wrong)).toBe(NOT_AUTHENTICATED)
  expect((await socket.closed).code).toBe(1008)
  expect(ingest.deadLetterCodes).toEqual([])
})

test('a wrong key with the upgrade is 401 before the upgrade', async () => {
  const { url } = start()
  const answer = await fetch(url.replace('ws:', 'http:'), {
    headers: { ...UPGRADE, authorization: 'Bearer wrong' },
  })
  expect(answer.status).toBe(401)
  expect(answer.headers.get('www-authenticate')).toBe('Bearer')
  expect(await answer.json()).toMatchObject({ error: { code: 'unauthorized' } })
})

const UPGRADE = {
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
}

test('the socket beyond the cap is 503 with Retry-After, and a closed one makes room', async () => {
  const { url } = start({}, { connectionsMax: 2 })
  const first = await TestSocket.open(url, TEST_KEY)
  const second = await TestSocket.open(url, TEST_KEY)
  const refused = await fetch(url.replace('ws:', 'http:'), { headers: UPGRADE })
  expect(refused.status).toBe(503)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(await refused.json()).toMatchObject({ error: { code: 'busy' } })
  first.close()
  await first.closed
  await second.settle()
  const third = await TestSocket.open(url, TEST_KEY)
  expect(await third.ask(text())).toBe(RECEIVED)
})

test('a plain GET of the socket address says that it speaks WebSocket', async () => {
  const { url } = start()
  expect((await fetch(url.replace('ws:', 'http:'))).status).toBe(426)
})

test('a refused message is offered as a dead letter with its bytes before it is answered', async () => {
  const { url, ingest } = start()
  ingest.outcome = null
  const socket = await TestSocket.open(url, TEST_KEY)
  socket.send('{"session_id": 5')
  await ingest.atLeast(1)
  await socket.settle()
  expect(socket.unread).toBe(0)
  const [letter] = ingest.offers[0]?.deadLetters ?? []
  expect(letter).toMatchObject({ code: 'invalid_json', source: TEST_SOURCE, truncated: false })
  expect(new TextDecoder().decode(letter?.raw)).toBe('{"session_id": 5')
  ingest.release()
  expect(JSON.parse(await socket.next())).toMatchObject({ success: false, code: 'invalid_json' })
})

test('a frame that is too large is kept, answered and closes with 1009', async () => {
  const { url, ingest } = start({}, { frameBytesMax: 2_000, deadLetterBytesMax: 100 })
  const socket = await TestSocket.open(url, TEST_KEY)
  const reply = await socket.ask('x'.repeat(2_001))
  expect(JSON.parse(reply)).toMatchObject({ success: false, code: 'too_large' })
  expect((await socket.closed).code).toBe(1009)
  expect(ingest.offers[0]?.deadLetters[0]).toMatchObject({ code: 'too_large', truncated: true })
  expect(ingest.offers[0]?.deadLetters[0]?.raw.byteLength).toBe(100)
})

test('a frame of more than twice the limit closes with 1009', async () => {
  const { url } = start({}, { frameBytesMax: 2_000 })
  const socket = await TestSocket.open(url, TEST_KEY)
  socket.send('x'.repeat(5_000))
  expect((await socket.closed).code).toBe(1009)
})

test('a busy intake is an answer in its place, with when to come again', async () => {
  const { url, ingest } = start()
  const socket = await TestSocket.open(url, TEST_KEY)
  ingest.outcome = () => ({
    ok: false,
    code: 'busy',
    message: 'the journal is full',
    retryAfterMs: 40,
  })
  expect(await socket.ask(text())).toBe(
    '{"success":false,"message":"busy, retry after 40 ms","code":"busy","retry_after_ms":40}',
  )
  ingest.outcome = () => ({ ok: true, duplicates: null })
  expect(await socket.ask(text())).toBe(RECEIVED)
})

test('a key that sends too fast is told for how long to wait', async () => {
  const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'))
  const { url, ingest } = start({ clock }, { pingsPerSecondMax: 10, burstSecondsMax: 1 })
  const socket = await TestSocket.open(url, TEST_KEY)
  const frame = `[${Array.from({ length: 20 }, () => text()).join()}]`
  expect(JSON.parse(await socket.ask(frame))).toMatchObject({ success: true, accepted: 20 })
  const refused: { retry_after_ms: number } = JSON.parse(await socket.ask(text()))
  expect(refused).toMatchObject({ success: false, code: 'rate_limited' })
  await clock.advanceMs(refused.retry_after_ms)
  expect(await socket.ask(text())).toBe(RECEIVED)
  expect(ingest.itemCount).toBe(21)
})

test('a sender that does not wait for replies is not read beyond its bound', async () => {
  const { url, ingest } = start({}, { unansweredMax: 10 })
  ingest.outcome = null
  const socket = await TestSocket.open(url, TEST_KEY)
  const frame = text({ route_name: 'x'.repeat(4_000) })
  const sent = 2_000
  for (let index = 0; index < sent; index++) socket.send(frame)
  await ingest.atLeast(10)
  const other = await TestSocket.open(url, TEST_KEY)
  await other.settle()
  // Beyond the bound only what one read of the line had brought with it, and of that up to twice the bound.
  expect(ingest.held).toBeLessThanOrEqual(20)
  ingest.outcome = () => ({ ok: true, duplicates: null })
  while (ingest.held > 0) ingest.release()
  let busy = 0
  for (let answered = 0; answered < sent; answered++) {
    if ((await socket.next()) !== RECEIVED) busy++
  }
  expect(ingest.offers.length + busy).toBe(sent)
  expect(socket.unread).toBe(0)
})

test('stopping answers what is pending, then closes with 1001', async () => {
  const { url, ingest, server } = start()
  ingest.outcome = null
  const socket = await TestSocket.open(url, TEST_KEY)
  const idle = await TestSocket.connect(url)
  socket.send(text())
  await ingest.atLeast(1)
  const stopped = server.stop()
  expect((await idle.closed).code).toBe(1001)
  socket.send(text())
  await socket.settle()
  ingest.release()
  expect(await socket.next()).toBe(RECEIVED)
  expect(JSON.parse(await socket.next())).toMatchObject({ success: false, code: 'unavailable' })
  expect((await socket.closed).code).toBe(1001)
  await stopped
  expect(await TestSocket.connect(url).catch(() => 'refused')).toBe('refused')
})

test('a line that is lost leaves its messages accepted and its socket forgotten', async () => {
  const { url, ingest } = start({}, { connectionsMax: 1 })
  ingest.outcome = null
  const socket = await TestSocket.open(url, TEST_KEY)
  socket.send(text())
  await ingest.atLeast(1)
  socket.cut()
  await socket.closed
  ingest.release()
  expect(ingest.itemCount).toBe(1)
})

test('many sockets at once each get their own replies', async () => {
  const { url, ingest } = start()
  const sockets = await Promise.all(
    Array.from({ length: 20 }, () => TestSocket.open(url, TEST_KEY)),
  )
  const rounds = 10
  await Promise.all(
    sockets.map(async (socket, index) => {
      for (let round = 0; round < rounds; round++) {
        const good = (index + round) % 3 !== 0
        const reply = await socket.ask(good ? text() : text({ current_lat: null }))
        expect(reply === RECEIVED).toBe(good)
      }
    }),
  )
  expect(ingest.offers).toHaveLength(20 * rounds)
})
