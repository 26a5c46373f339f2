import { expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { Counter, Histogram, Telemetry } from '../actors/kernel/telemetry.ts'
import { createApp } from './app.ts'
import type { GatewayPorts } from './ports.ts'
import { testWindow, TestWindows } from './regions-testing.ts'
import { LOCAL, LOCAL_HOST, testPorts } from './testing.ts'

function open(parts: Partial<GatewayPorts> = {}) {
  const telemetry = new Telemetry()
  const clock = new VirtualClock()
  const windows = new TestWindows([testWindow()])
  const { app } = createApp(testPorts({ telemetry, clock, windows, ...parts }))
  const ask = async (path: string, init: RequestInit = {}): Promise<Response> =>
    app.request(path, { ...init, headers: { ...LOCAL_HOST, ...init.headers } }, LOCAL)
  /** Everything of one name, by its labels. */
  const series = (name: string) =>
    [...telemetry.all()]
      .filter((own) => own.name === name)
      .map(({ labels, metric }) => [Object.values(labels).join(' '), metric] as const)
  const counts = (): Record<string, number> =>
    Object.fromEntries(
      series('http_requests_total').map(([labels, metric]) => [
        labels,
        metric instanceof Counter ? metric.value : -1,
      ]),
    )
  const histogram = (name: string, labels: string): Histogram => {
    const found = new Map(series(name)).get(labels)
    if (!(found instanceof Histogram)) throw new Error(`no ${name} of ${labels}`)
    return found
  }
  return { ask, counts, histogram, clock }
}

test('requests are counted by template, method and class of status', async () => {
  const { ask, counts } = open()
  await ask('/metrics/region/5')
  await ask('/metrics/region/6')
  await ask('/metrics/region/5')
  await ask('/metrics/region/5', { method: 'POST' })
  await ask('/ready')
  await ask('/metrics/nothing')
  await ask('/api/nothing/17')
  await ask('/nothing', { method: 'PROPFIND' })
  expect(counts()).toEqual({
    '/metrics/region/{region_id} GET 2xx': 2,
    '/metrics/region/{region_id} GET 4xx': 1,
    '/metrics/region/{region_id} POST 4xx': 1,
    '/ready GET 2xx': 1,
    'none GET 4xx': 2,
    'none other 4xx': 1,
  })
})

test('a request that fails is counted with what it was told', async () => {
  const { ask, counts } = open({
    metrics: {
      text: () => {
        throw new Error('broken')
      },
    },
  })
  expect((await ask('/metrics')).status).toBe(500)
  expect(counts()).toEqual({ '/metrics GET 5xx': 1 })
})

test('durations are in seconds, by route and over all', async () => {
  const { ask, histogram, clock } = open({
    deliveries: async () => {
      await clock.advanceMs(300)
      return []
    },
  })
  await ask('/api/regions/deliveries')
  const own = histogram('http_request_duration_seconds', '/api/regions/deliveries GET')
  expect(own.bounds).toEqual([0.1, 0.5, 1])
  expect(own.counts).toEqual([0, 1, 0, 0])
  expect(own.sum).toBe(0.3)
  const all = histogram('http_request_duration_highr_seconds', '')
  expect(all.bounds).toHaveLength(21)
  expect([all.bounds[0], all.bounds.at(-1), all.count]).toEqual([0.01, 60, 1])
})

test('sizes are those of bodies, without buckets, and a stream has none', async () => {
  const { ask, histogram } = open()
  const text = await (await ask('/ready')).text()
  const answered = histogram('http_response_size_bytes', '/ready')
  expect([answered.sum, answered.count, answered.bounds]).toEqual([text.length, 1, []])
  const body = '{"running":true}'
  const headers = { 'content-length': String(body.length) }
  await ask('/api/demo', { method: 'POST', body, headers })
  expect(histogram('http_request_size_bytes', '/api/demo').sum).toBe(16)
  const stream = await ask('/live/regions')
  expect(histogram('http_response_size_bytes', '/live/regions').sum).toBe(0)
  await stream.body?.cancel()
})
