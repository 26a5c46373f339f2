import { describe, expect, test } from 'bun:test'

import { systemClock } from '../../../actors/kernel/clock.ts'
import type { Trip } from '../../../actors/model/trip.ts'
import { reckon } from '../../../actors/region/reckoning.ts'
import { startRedis } from '../../../actors/testing/servers.ts'
import { skipped } from '../../../actors/testing/services.ts'
import { windowDocument } from '../../../sinks/windows/document.ts'
import { redisKey } from '../../../sinks/windows/keys.ts'
import { type MadeTrip, TripMaker } from '../../trips.ts'
import { parseReply, RedisReader } from './redis-reader.ts'
import { compareWindows, reckonWindows } from './windows.ts'

const START_MS = Date.UTC(2026, 10, 21, 9, 58, 30)

/** A minute and a half of trips around a full hour, one of them twice. */
function someTrips(): readonly MadeTrip[] {
  const maker = new TripMaker(7, 5)
  const trips = Array.from({ length: 400 }, (_, n) => maker.make(`t${n}`, START_MS + n * 500))
  return [...trips, ...trips.slice(0, 1)]
}

function asTrip(made: MadeTrip): Trip {
  const { trip_id: tripId, region_id: regionId, fare: fareUsd } = made
  const eventTimeUs = Date.parse(made.event_time) * 1_000
  const { duration: durationS, distance: distanceKm } = made
  return { tripId, regionId, eventTimeUs, fareUsd, durationS, distanceKm, extras: null }
}

/** What stands in Redis when all is well: by the shipped documents of windows that were reckoned elsewhere. */
function asStored(trips: readonly MadeTrip[]): Map<string, string> {
  const { windows } = reckon(trips.map(asTrip))
  return new Map(windows.map((window) => [redisKey(window), windowDocument(window, START_MS)]))
}

test('windows are what their trips say, in every size', () => {
  const trips = someTrips()
  const verdict = compareWindows(reckonWindows(trips), asStored(trips))
  expect(verdict).toMatchObject({ lost: 0, double: 0, wrong: 0, examples: [] })
  expect(verdict.windows).toBeGreaterThan(30)
})

test('a trip that is missing is lost, and one too many is double, once a size', () => {
  const trips = someTrips()
  const [fewer, more] = [trips.slice(5), trips]
  expect(compareWindows(reckonWindows(more), asStored(fewer))).toMatchObject({ lost: 4 * 4 })
  expect(compareWindows(reckonWindows(fewer), asStored(more))).toMatchObject({ double: 4 * 4 })
})

test('another figure, and a window of nobody, are wrong', () => {
  const trips = someTrips()
  const stored = asStored(trips)
  const [first] = stored.keys()
  stored.set(
    first ?? '',
    (stored.get(first ?? '') ?? '').replace(/"maxFare":[^,]+/, '"maxFare":1.0'),
  )
  stored.set('region:9:window:0', '{"tripCount":1}')
  expect(compareWindows(reckonWindows(trips), stored)).toMatchObject({
    ...{ lost: 0, double: 0, wrong: 2 },
    examples: [expect.stringContaining('maxFare'), expect.stringContaining('nobody')],
  })
})

test('a reply is read when it is there whole', () => {
  const whole = Buffer.from('*3\r\n$2\r\nab\r\n:7\r\n$-1\r\n+OK\r\n')
  for (let cut = 0; cut < whole.length - 5; cut++) {
    expect(parseReply(whole.subarray(0, cut), 0)).toBeNull()
  }
  expect(parseReply(whole, 0)).toEqual({ reply: ['ab', 7, null], end: whole.length - 5 })
})

describe.skipIf(skipped(['redis'], process.env))('a real Redis', () => {
  test('gives the values of its keys', async () => {
    await using redis = await startRedis({ env: process.env })
    using reader = await RedisReader.open({ ...redis, port: redis.plan.port }, systemClock)
    for (let n = 0; n < 700; n++) void reader.send('SET', `region:1:window:${n}`, `ö${n}`)
    await reader.send('SADD', 'region:set', 'x')
    const values = await reader.values('region:*')
    expect(values.size).toBe(700)
    expect(values.get('region:1:window:650')).toBe('ö650')
    await expect(reader.send('NONSENSE')).rejects.toThrow('unknown command')
  })
})
