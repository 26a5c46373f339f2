import { afterEach, describe, expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { RegionMap } from '../actors/model/region-map.ts'
import { createApp } from './app.ts'
import type { DeliveriesRange, GatewayPorts } from './ports.ts'
import { TestRegionsFeed, testWindow, TestWindows } from './regions-testing.ts'
import { LOCAL, LOCAL_HOST, REMOTE, TEST_PASSWORD, testPorts } from './testing.ts'

const cleanups: (() => unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup()
})

const NOW_MS = Date.parse('2025-09-01T12:34:56Z')
const HOUR_MS = 3_600_000

function open(parts: Partial<GatewayPorts> = {}) {
  const clock = new VirtualClock(NOW_MS)
  const feed = new TestRegionsFeed()
  const gateway = createApp(testPorts({ clock, regionsFeed: feed, ...parts }))
  cleanups.push(() => gateway.live.close())
  cleanups.push(() => gateway.liveRegions.close())
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<Response> =>
    gateway.app.request(path, { headers: { ...LOCAL_HOST, ...headers } }, LOCAL)
  return { clock, feed, ask, ...gateway }
}

describe('what the regions page asks', () => {
  test('where the regions are', async () => {
    const answer = await open().ask('/api/regions/map')
    expect(answer.headers.get('content-type')).toBe('application/geo+json')
    expect(RegionMap.parse(await answer.text())).toMatchObject({ ok: true })
  })

  test('windows of a region, of the store and of the tables together', async () => {
    const at = (minute: number) => testWindow({ startMs: NOW_MS + minute * 60_000 })
    const windows = new TestWindows([at(2), at(3)])
    const windowHistory = new TestWindows([at(1), at(2)])
    const { ask } = open({ windows, windowHistory })
    expect(await (await ask('/api/regions/windows?region=5')).json()).toEqual({
      windows: [at(1), at(2), at(3)],
    })
    const from = new Date(NOW_MS).toISOString()
    await ask(`/api/regions/windows?region=7&window=5m&from=${from}&to=${NOW_MS + 1}&limit=3`)
    const range = { regionId: 7, sizeS: 300, fromMs: NOW_MS, toMs: NOW_MS + 1, limit: 3 } as const
    expect(windows.ranges.at(-1)).toEqual(range)
    expect(windowHistory.ranges.at(-1)).toEqual(range)
  })

  test('deliveries of the last hours, or of those before a time', async () => {
    const ranges: DeliveriesRange[] = []
    const { ask } = open({
      deliveries: async (range) => {
        ranges.push(range)
        return []
      },
    })
    expect(await (await ask('/api/regions/deliveries')).json()).toEqual({ deliveries: [] })
    await ask(`/api/regions/deliveries?window=1h&hours=3&region=5&to=${NOW_MS - HOUR_MS}`)
    const quarter = Date.parse('2025-09-01T12:30:00Z')
    const hour = Date.parse('2025-09-01T11:00:00Z')
    expect(ranges).toEqual([
      { sizeS: 900, fromMs: quarter - 45 * 60_000, toMs: quarter, limit: 10_000 },
      { sizeS: 3_600, fromMs: hour - 2 * HOUR_MS, toMs: hour, limit: 10_000, regionId: 5 },
    ])
  })

  test('what is not understood is 400 and says which', async () => {
    for (const [query, field] of [
      ['windows', 'region'],
      ['windows?region=0', 'region'],
      ['windows?region=101', 'region'],
      ['windows?region=5&limit=1001', 'limit'],
      ['windows?region=5&window=2m', 'window'],
      ['windows?region=5&from=noon', 'from'],
      ['deliveries?hours=169', 'hours'],
      ['deliveries?window=', 'window'],
    ] as const) {
      const answer = await open().ask(`/api/regions/${query}`)
      expect(answer.status).toBe(400)
      expect(await answer.text()).toStartWith(`{"error":{"code":"bad_query","message":"${field}: `)
    }
    expect(await (await open().ask('/api/regions/windows?region=5&page=2')).text()).toContain(
      'page',
    )
  })
})

/** A reader of one stream: events as blocks of text. */
function readerOf(response: Response) {
  if (!response.body) throw new Error('no stream')
  const reader: ReadableStreamDefaultReader<Uint8Array> = response.body.getReader()
  cleanups.push(() => reader.cancel())
  let text = ''
  return async (): Promise<string | null> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end !== -1) {
        const block = text.slice(0, end)
        text = text.slice(end + 2)
        return block
      }
      const { done, value } = await reader.read()
      if (done) return null
      text += new TextDecoder().decode(value)
    }
  }
}

describe('the stream of regions', () => {
  const at = (minute: number) => testWindow({ startMs: minute * 60_000 })

  test('begins with a snapshot, and goes on with deltas', async () => {
    const { feed, ask } = open()
    feed.publish(at(1))
    const next = readerOf(await ask('/live/regions'))
    const snapshot = (await next()) ?? ''
    expect(snapshot).toStartWith('retry: 1000\nid: r1-1\nevent: snapshot\ndata: {"nowMs":0,')
    expect(JSON.parse(snapshot.slice(snapshot.indexOf('{'))).windows).toEqual([at(1)])
    feed.publish(at(2))
    const delta = (await next()) ?? ''
    expect(delta).toStartWith('id: r1-2\nevent: delta\ndata: {"nowMs":0,')
    expect(JSON.parse(delta.slice(delta.indexOf('{'))).windows).toEqual([at(2)])
  })

  test('goes on after the last event seen, by header or query, while that is held', async () => {
    const { feed, ask } = open()
    for (const minute of [1, 2, 3, 4, 5]) feed.publish(at(minute))
    const resumed = readerOf(await ask('/live/regions', { 'last-event-id': 'r1-3' }))
    expect(await resumed()).toBe('retry: 1000')
    expect(await resumed()).toStartWith('id: r1-4\nevent: delta')
    expect(await resumed()).toStartWith('id: r1-5\nevent: delta')
    const queried = readerOf(await ask('/live/regions?lastEventId=r1-4'))
    await queried()
    expect(await queried()).toStartWith('id: r1-5\n')
    for (const lost of ['r1-1', 'r0-5', 'e1-5', 'r1-6']) {
      const next = readerOf(await ask('/live/regions', { 'last-event-id': lost }))
      expect(await next()).toContain('id: r1-5\nevent: snapshot')
    }
  })

  test('has a heartbeat, and ends within a second of a sign-out', async () => {
    const { clock, feed, app, liveRegions, options } = open()
    const form = { 'content-type': 'application/x-www-form-urlencoded' }
    const body = `password=${encodeURIComponent(TEST_PASSWORD)}`
    const signIn = await app.request('/sign-in', { method: 'POST', headers: form, body }, REMOTE)
    const cookie = signIn.headers.get('set-cookie')?.split(';')[0] ?? ''
    const next = readerOf(await app.request('/live/regions', { headers: { cookie } }, REMOTE))
    await next()
    await clock.advanceMs(options.heartbeatMs)
    expect(await next()).toBe(':')
    await app.request('/sign-out', { method: 'POST', headers: { cookie } }, REMOTE)
    await clock.advanceMs(1_000)
    expect(await next()).toBeNull()
    expect(liveRegions.viewers).toBe(0)
    liveRegions.close()
    expect(feed.listeners).toBe(0)
  })

  test('is counted under its own names, and not with the map', async () => {
    const ports = testPorts()
    const { app, live, liveRegions } = createApp(ports)
    cleanups.push(() => liveRegions.close())
    cleanups.push(() => live.close())
    const answer = await app.request('/live/regions', { headers: LOCAL_HOST }, LOCAL)
    readerOf(answer)
    expect(ports.telemetry.gauge('orrery_live_regions_viewers', '').value).toBe(1)
    expect(ports.telemetry.gauge('orrery_live_viewers', '').value).toBe(0)
  })
})

test('the regions page is a page like the map', async () => {
  const answer = await open().ask('/regions', { cookie: 'orrery_theme=dark' })
  expect(await answer.text()).toContain('<title>regions</title>')
  expect(answer.headers.get('content-security-policy')).toContain("script-src 'self' 'nonce-")
})
