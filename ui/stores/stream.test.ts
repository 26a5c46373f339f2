import { beforeEach, expect, test } from 'bun:test'

import { LiveStream, parseEventId, type SourceHandlers, type StreamWorld } from './stream.ts'

type Event = 'snapshot' | 'delta' | 'kpi'
type Opened = { url: string; handlers: SourceHandlers<Event>; readyState: number; closed: boolean }

let nowMs = 0
let opened: Opened[] = []
let timers: { atMs: number; run: () => void }[] = []
let probeAnswer: 'ok' | 'signed_out' | 'down' = 'down'
let received: string[] = []
let accept = true
let lastEventId = ''

const world: StreamWorld<Event> = {
  open(url, handlers) {
    const source: Opened & { close(): void } = {
      url,
      handlers,
      readyState: 0,
      closed: false,
      close() {
        source.closed = true
      },
    }
    opened.push(source)
    return source
  },
  probe: () => Promise.resolve(probeAnswer),
  now: () => nowMs,
  random: () => 1,
  after(delayMs, run) {
    const timer = { atMs: nowMs + delayMs, run }
    timers.push(timer)
    return () => {
      timers = timers.filter((one) => one !== timer)
    }
  },
}

function advance(ms: number): void {
  const untilMs = nowMs + ms
  for (;;) {
    const next = timers.toSorted((one, other) => one.atMs - other.atMs)[0]
    if (!next || next.atMs > untilMs) break
    timers = timers.filter((one) => one !== next)
    nowMs = next.atMs
    next.run()
  }
  nowMs = untilMs
}

type Change = { path?: string; staleAfterMs?: number; renewAfterMs?: number }

const stream = (change: Change = {}): LiveStream<Event> =>
  new LiveStream({
    path: '/live',
    world,
    lastEventId: () => lastEventId,
    receive: (event, id) => {
      received.push(`${event} ${id}`)
      return accept
    },
    ...change,
  })

function newest(): Opened {
  const source = opened.at(-1)
  if (!source) throw new Error('nothing was opened')
  return source
}

beforeEach(() => {
  nowMs = 0
  opened = []
  timers = []
  received = []
  accept = true
  lastEventId = ''
  probeAnswer = 'down'
})

test('it is connecting until something is heard, then live', () => {
  const live = stream()
  live.start()
  expect(live.state.value).toBe('connecting')
  expect(newest().url).toBe('/live')
  newest().handlers.opened()
  expect(live.state.value).toBe('live')
  newest().handlers.message('snapshot', 'e-1', '{}')
  expect(received).toEqual(['snapshot e-1'])
})

test('a quiet line is stale, speaks again and is live, or is opened anew where it stopped', () => {
  const live = stream()
  live.start()
  newest().handlers.opened()
  advance(6_100)
  expect(live.state.value).toBe('stale')
  newest().handlers.message('kpi', '', '{}')
  expect(live.state.value).toBe('live')
  lastEventId = 'e-41'
  advance(28_000)
  expect(opened.length).toBe(2)
  expect(opened[0]?.closed).toBe(true)
  expect(newest().url).toBe('/live?lastEventId=e-41')
  newest().handlers.opened()
  expect(live.state.value).toBe('live')
})

test('a stream has a path of its own, and its own idea of silence', () => {
  const live = stream({ path: '/live/regions', staleAfterMs: 15_000 })
  lastEventId = 'e 1-3'
  live.start()
  expect(newest().url).toBe('/live/regions?lastEventId=e%201-3')
  newest().handlers.opened()
  advance(14_000)
  expect(live.state.value).toBe('live')
  advance(2_100)
  expect(live.state.value).toBe('stale')
})

test('where silence is ordinary the line is tried anew while it is live, and stale if that fails', () => {
  const live = stream({ staleAfterMs: 60_000, renewAfterMs: 45_000 })
  live.start()
  newest().handlers.opened()
  lastEventId = 'e-8'
  advance(46_500)
  expect(opened.length).toBe(2)
  expect(opened[0]?.closed).toBe(true)
  expect(newest().url).toBe('/live?lastEventId=e-8')
  expect(live.state.value).toBe('live')
  newest().handlers.opened()
  advance(44_000)
  expect(opened.length).toBe(2)
  advance(4_000)
  expect(opened.length).toBe(3)
  advance(14_000)
  expect(opened.length).toBe(3)
  expect(live.state.value).toBe('stale')
})

test('while the browser itself retries, it only says so', () => {
  const live = stream()
  live.start()
  newest().handlers.opened()
  newest().handlers.failed()
  expect(live.state.value).toBe('retrying')
  expect(opened.length).toBe(1)
  newest().handlers.opened()
  expect(live.state.value).toBe('live')
})

test('when the browser gives up it opens again with growing pauses and the last id', async () => {
  const live = stream()
  live.start()
  newest().handlers.opened()
  lastEventId = 'e-7'
  const pauses: number[] = []
  for (let attempt = 0; attempt < 7; attempt += 1) {
    newest().readyState = 2
    newest().handlers.failed()
    await Promise.resolve()
    const before = nowMs
    const count = opened.length
    while (opened.length === count) advance(50)
    pauses.push(nowMs - before)
  }
  expect(newest().url).toBe('/live?lastEventId=e-7')
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000])
  expect(live.state.value).toBe('retrying')
})

test('a refusal for want of a sign-in ends the tries', async () => {
  const live = stream()
  live.start()
  probeAnswer = 'signed_out'
  newest().readyState = 2
  newest().handlers.failed()
  await Promise.resolve()
  expect(live.state.value).toBe('signed_out')
  advance(60_000)
  expect(opened.length).toBe(1)
})

test('a message that does not fit asks for the stream anew; the old source is no longer heard', () => {
  const live = stream()
  live.start()
  const first = newest()
  first.handlers.opened()
  accept = false
  first.handlers.message('delta', 'e-9', '{}')
  expect(first.closed).toBe(true)
  expect(live.state.value).toBe('retrying')
  accept = true
  first.handlers.message('delta', 'e-10', '{}')
  expect(received).toEqual(['delta e-9'])
  advance(600)
  expect(opened.length).toBe(2)
})

test('a network that is back is tried at once', async () => {
  const live = stream()
  live.start()
  newest().readyState = 2
  newest().handlers.failed()
  await Promise.resolve()
  live.wake()
  expect(opened.length).toBe(2)
  advance(30_000)
  live.stop()
  const count = opened.length
  advance(120_000)
  expect(opened.length).toBe(count)
})

test('an event id is an epoch and a number', () => {
  expect(parseEventId('k3-x-12')).toEqual({ epoch: 'k3-x', seq: 12 })
  expect(parseEventId('12')).toBeNull()
  expect(parseEventId('e-x')).toBeNull()
  expect(parseEventId('')).toBeNull()
})
