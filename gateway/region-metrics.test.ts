import { describe, expect, test } from 'bun:test'

import { OrreryError } from '../actors/kernel/errors.ts'
import type { RegionWindow } from '../actors/model/window.ts'
import { createApp } from './app.ts'
import type { GatewayPorts } from './ports.ts'
import { testWindow, TestWindows } from './regions-testing.ts'
import { LOCAL, LOCAL_HOST, testPorts } from './testing.ts'

const MINUTE_MS = 60_000
const START_MS = testWindow().startMs

type Windows = Readonly<{ served?: readonly RegionWindow[]; stored?: readonly RegionWindow[] }>

function open({ served = [], stored = [] }: Windows = {}, parts: Partial<GatewayPorts> = {}) {
  const windows = new TestWindows(served)
  const windowHistory = new TestWindows(stored)
  const { app } = createApp(testPorts({ windows, windowHistory, ...parts }))
  const ask = async (path: string, method = 'GET'): Promise<Response> =>
    app.request(path, { method, headers: LOCAL_HOST }, LOCAL)
  const text = async (path: string): Promise<readonly [number, string]> => {
    const answer = await ask(path)
    return [answer.status, await answer.text()]
  }
  return { windows, windowHistory, ask, text, app }
}

const minutes = (from: number, to: number, more: Partial<RegionWindow> = {}): RegionWindow[] =>
  Array.from({ length: to - from + 1 }, (_, index) =>
    testWindow({ startMs: START_MS + (from + index) * MINUTE_MS, ...more }),
  )
const none = (region: string): string =>
  `{"detail":"No metrics found for region ${region}. No keys available."}`
const notWhole = (where: 'path' | 'query', name: string): string =>
  `{"detail":[{"loc":["${where}","${name}"],"msg":"value is not a valid integer","type":"type_error.integer"}]}`

describe('the newest window of a region', () => {
  const served = [...minutes(-2, 0), testWindow({ regionId: 6, tripCount: 1 })]

  test("has StreamPulse's fields to the byte, then ours", async () => {
    const { ask } = open({ served })
    const answer = await ask('/metrics/region/5?window=1m')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.text()).toBe(
      '{"regionId":5,"windowStart":"2025-09-01T11:40:00+00:00","windowEnd":"2025-09-01T11:41:00+00:00",' +
        '"tripCount":7,"avgFare":50.25,"totalDistance":117.6,"avgDuration":1442.5714285714287,' +
        '"p50Duration":1602.0,"p95Duration":2686.0,"windowSize":"1m","totalFare":351.75,"minFare":12.5,' +
        '"maxFare":99.0,"minDistance":2.0,"maxDistance":29.9,"minDuration":300,"maxDuration":2686,' +
        '"lateCount":0,"final":true,"revision":0}',
    )
  })

  test('is of one minute unless another size is asked for', async () => {
    const hour = testWindow({ sizeS: 3_600, startMs: START_MS - 40 * MINUTE_MS, final: false })
    const { text } = open({ served: [...served, hour] })
    expect((await text('/metrics/region/5'))[1]).toContain('"windowSize":"1m"')
    const [status, body] = await text('/metrics/region/5?window=1h')
    expect(status).toBe(200)
    expect(body).toContain('"windowEnd":"2025-09-01T12:00:00+00:00"')
    expect(body).toContain('"final":false')
    expect((await text('/metrics/region/5?window=5m'))[0]).toBe(404)
    expect((await text('/metrics/region/5?window=15m'))[0]).toBe(404)
  })

  test('of a size that is not kept is 400 and names those that are', async () => {
    for (const window of ['2m', '', '1M', 'toString']) {
      expect(await open({ served }).text(`/metrics/region/5?window=${window}`)).toEqual([
        400,
        `{"detail":"Only '1m', '5m', '15m' and '1h' windows are supported at the moment; '1m' is the default."}`,
      ])
    }
  })

  test('of a region without any is 404 in its words, whatever whole number it is', async () => {
    const { ask, text } = open({ served })
    for (const region of ['7', '0', '-1', '1000', '99999999999999999999999']) {
      expect(await text(`/metrics/region/${region}`)).toEqual([404, none(region)])
    }
    expect(await text('/metrics/region/007')).toEqual([404, none('7')])
    const { headers } = await ask('/metrics/region/7')
    expect(headers.get('content-type')).toBe('application/json')
  })

  test('of a region that is no whole number is 422 in its words, before anything else', async () => {
    for (const region of ['abc', '5.0', '1e3', '5-', 'NaN']) {
      expect(await open({ served }).text(`/metrics/region/${region}?window=2m`)).toEqual([
        422,
        notWhole('path', 'region_id'),
      ])
    }
  })

  test('may be one of those before it', async () => {
    const { text } = open({ served: minutes(-2, 0), stored: minutes(-5, -1) })
    const startOf = async (offset: number): Promise<unknown> =>
      JSON.parse((await text(`/metrics/region/5?offset=${offset}`))[1]).windowStart
    expect(await startOf(0)).toBe('2025-09-01T11:40:00+00:00')
    expect(await startOf(1)).toBe('2025-09-01T11:39:00+00:00')
    // The store has let it go, the tables have it.
    expect(await startOf(5)).toBe('2025-09-01T11:35:00+00:00')
    expect(await text('/metrics/region/5?offset=6')).toEqual([
      404,
      '{"detail":"No metrics found for region 5 at offset 6."}',
    ])
    expect(await text('/metrics/region/5?offset=-1')).toEqual([
      422,
      '{"detail":[{"loc":["query","offset"],"msg":"ensure this value is greater than or equal to 0",' +
        '"type":"value_error.number.not_ge","ctx":{"limit_value":0}}]}',
    ])
  })

  test('outlives the store in the tables', async () => {
    const { text } = open({ stored: minutes(-1, 0) })
    expect((await text('/metrics/region/5'))[1]).toContain('"2025-09-01T11:40:00+00:00"')
  })

  test('from a store that does not answer is 503 and may be asked again; a fault of ours is 500', async () => {
    const { windows, ask } = open({ served })
    const body = '{"detail":"Internal server error while fetching metrics."}'
    windows.failure = new OrreryError('unavailable', 'redis is away', { retriable: true })
    const away = await ask('/metrics/region/5')
    expect([away.status, away.headers.get('retry-after'), await away.text()]).toEqual([
      ...[503, '1', body],
    ])
    windows.failure = new Error('a bug')
    const fault = await ask('/metrics/region/5')
    expect([fault.status, await fault.text()]).toEqual([500, body])
  })
})

describe('the ranking', () => {
  const served = [
    testWindow({ regionId: 1, tripCount: 3, avgFare: 80 }),
    testWindow({ regionId: 2, tripCount: 9, avgFare: 20.5, lateCount: 2 }),
    testWindow({ regionId: 3, tripCount: 3, avgFare: 50 }),
    // Of another minute: not to be compared with the others.
    testWindow({ regionId: 4, tripCount: 99, startMs: START_MS - MINUTE_MS }),
    testWindow({ regionId: 2, tripCount: 1, startMs: START_MS - MINUTE_MS }),
  ]
  const rows = async (query: string): Promise<unknown> => {
    const [status, body] = await open({ served }).text(`/metrics/regions/top${query}`)
    expect(status).toBe(200)
    const { regions }: { regions: { rank: number; regionId: number; value: number }[] } =
      JSON.parse(body)
    return regions.map(({ rank, regionId, value }) => [rank, regionId, value])
  }

  test('is of one and the same start, by trips, ten of them, unless asked otherwise', async () => {
    expect(await rows('')).toEqual([
      [1, 2, 9],
      [2, 1, 3],
      [3, 3, 3],
    ])
    expect(await rows('?window=1m&metric=avg_fare&limit=2')).toEqual([
      [1, 1, 80],
      [2, 3, 50],
    ])
    expect(await rows('?at=2025-09-01T11:39:59Z')).toEqual([
      [1, 4, 99],
      [2, 2, 1],
    ])
    expect(await rows('?at=2025-09-01T11:39:00+00:00&limit=1')).toEqual([[1, 4, 99]])
  })

  test('outlives the store in the tables, as newest and as one of before', async () => {
    const ranked = async (of: Windows, query = ''): Promise<unknown> => {
      const [status, body] = await open(of).text(`/metrics/regions/top${query}`)
      const { windowStart, regions } = JSON.parse(body)
      const ids = regions.map(({ regionId }: { regionId: number }) => regionId)
      return [status, windowStart, ids]
    }
    const before = served.map((window) => ({ ...window, startMs: window.startMs - 86_400_000 }))
    expect(await ranked({ stored: before })).toEqual([200, '2025-08-31T11:40:00+00:00', [2, 1, 3]])
    const both = { served, stored: before }
    expect(await ranked(both)).toEqual([200, '2025-09-01T11:40:00+00:00', [2, 1, 3]])
    const at = '?at=2025-08-31T11:39:30Z'
    expect(await ranked(both, at)).toEqual([200, '2025-08-31T11:39:00+00:00', [4, 2]])
    const newer = served.map((window) => ({ ...window, tripCount: window.tripCount * 10 }))
    expect(await ranked({ served: newer, stored: served }, '?at=2025-09-01T11:40:00Z')).toEqual([
      ...[200, '2025-09-01T11:40:00+00:00'],
      [2, 1, 3],
    ])
  })

  test('knows each metric', async () => {
    const first = async (metric: string): Promise<unknown> => {
      const [, body] = await open({ served }).text(`/metrics/regions/top?limit=1&metric=${metric}`)
      return JSON.parse(body).regions[0].value
    }
    expect(await first('total_distance')).toBe(117.6)
    expect(await first('total_fare')).toBe(351.75)
    expect(await first('avg_duration')).toBe(1442.5714285714287)
    expect(await first('p50_duration')).toBe(1602)
    expect(await first('p95_duration')).toBe(2686)
    expect(await first('late_count')).toBe(2)
  })

  test('says what it is of, with the whole window of each', async () => {
    const [, body] = await open({ served }).text('/metrics/regions/top?limit=1')
    expect(body).toStartWith(
      '{"window":"1m","metric":"trip_count","windowStart":"2025-09-01T11:40:00+00:00",' +
        '"windowEnd":"2025-09-01T11:41:00+00:00","regions":[{"rank":1,"regionId":2,"value":9,' +
        '"window":{"regionId":2,',
    )
    expect(await open().text('/metrics/regions/top?window=5m')).toEqual([
      200,
      '{"window":"5m","metric":"trip_count","windowStart":null,"windowEnd":null,"regions":[]}',
    ])
  })

  test('refuses what it does not know', async () => {
    const { text } = open({ served })
    expect(await text('/metrics/regions/top?limit=x')).toEqual([422, notWhole('query', 'limit')])
    const limits = async (limit: number): Promise<string> =>
      (await text(`/metrics/regions/top?limit=${limit}`))[1]
    expect(await limits(0)).toContain('"type":"value_error.number.not_ge"')
    expect(await limits(101)).toContain('less than or equal to 100')
    expect((await text('/metrics/regions/top?window=7m'))[0]).toBe(400)
    expect(await text('/metrics/regions/top?metric=p99')).toEqual([
      400,
      '{"detail":"Only these metrics are supported: trip_count, avg_fare, total_distance, total_fare, ' +
        'avg_duration, p50_duration, p95_duration, late_count."}',
    ])
    expect(await text('/metrics/regions/top?at=noon')).toEqual([
      422,
      '{"detail":[{"loc":["query","at"],"msg":"invalid datetime format","type":"value_error.datetime"}]}',
    ])
  })
})

describe('the timeline', () => {
  const startsOf = async (of: Windows, query: string): Promise<unknown> => {
    const [status, body] = await open(of).text(`/metrics/timeline/5${query}`)
    expect(status).toBe(200)
    const { windows }: { windows: { windowStart: string }[] } = JSON.parse(body)
    return windows.map(({ windowStart }) => windowStart.slice(11, 16))
  }

  test('goes back from the newest window of the region, oldest first', async () => {
    const served = [...minutes(-61, -58), ...minutes(-1, 0)]
    expect(await startsOf({ served }, '')).toEqual(['10:41', '10:42', '11:39', '11:40'])
    expect(await startsOf({ served }, '?hours=2&window=1m')).toEqual([
      ...['10:39', '10:40', '10:41', '10:42', '11:39', '11:40'],
    ])
    expect(
      await open({ served })
        .text('/metrics/timeline/5?hours=1')
        .then(([, body]) => body),
    ).toStartWith(
      '{"regionId":5,"window":"1m","hours":1,"from":"2025-09-01T10:41:00+00:00",' +
        '"to":"2025-09-01T11:41:00+00:00","windows":[{"regionId":5,',
    )
  })

  test('joins what the store serves and what the tables keep, the later version of each', async () => {
    const [older, newer] = [{ tripCount: 7 }, { tripCount: 8 }]
    const served = [...minutes(-3, -3, newer), ...minutes(-1, -1, older), ...minutes(0, 0)]
    const stored = [...minutes(-4, -2, older), ...minutes(-1, -1, newer)]
    const [, body] = await open({ served, stored }).text('/metrics/timeline/5')
    const { windows }: { windows: { windowStart: string; tripCount: number }[] } = JSON.parse(body)
    expect(
      windows.map(({ windowStart, tripCount }) => [windowStart.slice(11, 16), tripCount]),
    ).toEqual([
      ['11:36', 7],
      ['11:37', 8],
      ['11:38', 7],
      ['11:39', 8],
      ['11:40', 7],
    ])
  })

  test('of longer windows has at least the newest', async () => {
    const hour = testWindow({ sizeS: 3_600, startMs: START_MS - 40 * MINUTE_MS })
    const earlier = { ...hour, startMs: hour.startMs - 60 * MINUTE_MS }
    expect(await startsOf({ served: [earlier, hour] }, '?window=1h')).toEqual(['11:00'])
    expect(await startsOf({ served: [earlier, hour] }, '?window=1h&hours=2')).toEqual([
      ...['10:00', '11:00'],
    ])
  })

  test('refuses what it does not know', async () => {
    const { text } = open({ served: minutes(0, 0) })
    expect(await text('/metrics/timeline/6')).toEqual([404, none('6')])
    expect(await text('/metrics/timeline/x')).toEqual([422, notWhole('path', 'region_id')])
    expect(await text('/metrics/timeline/5?hours=1.5')).toEqual([422, notWhole('query', 'hours')])
    expect((await text('/metrics/timeline/5?hours=169'))[0]).toBe(422)
    expect((await text('/metrics/timeline/5?window=2m'))[0]).toBe(400)
  })
})

test('other methods and addresses under /metrics are refused in its form', async () => {
  const { ask, text } = open()
  const answer = await ask('/metrics/region/5', 'POST')
  expect([answer.status, answer.headers.get('allow'), await answer.text()]).toEqual([
    ...[405, 'GET', '{"detail":"Method Not Allowed"}'],
  ])
  expect(await text('/metrics/nothing')).toEqual([404, '{"detail":"Not Found"}'])
  expect((await text('/metrics'))[1]).toBe('orrery_up 1\n')
})
