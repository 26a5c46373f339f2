import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { parsePing, parsePingBySchema, TIME_LIMITS } from './ping.ts'

const NOW_MS = Date.parse('2026-11-21T04:00:00Z')
const GOOD = {
  device_id: 'd',
  vehicle_id: 'v',
  session_id: 's',
  order_id: 'o',
  status: 'en_route',
  timestamp: '2026-11-21T03:59:21.422993',
  start_lat: 38.1,
  start_lon: 23.7,
  end_lat: 37.9,
  end_lon: 23.6,
  current_lat: 38,
  current_lon: 23.65,
}

const refusalsOf = (value: unknown) => {
  const parsed = parsePing(value, NOW_MS)
  return parsed.ok ? [] : parsed.refusals
}

test('a ping of the old simulator is accepted, its time read as UTC', () => {
  const parsed = parsePing({ ...GOOD, route_name: 'Route 6', waypoint_count: 396 }, NOW_MS)
  expect(parsed).toMatchObject({ ok: true, ping: { sessionId: 's', lat: 38, lng: 23.65 } })
  if (parsed.ok)
    expect(parsed.ping.eventTimeUs).toBe(Date.parse('2026-11-21T03:59:21.422Z') * 1_000 + 993)
})

test('numbers in quotes count as numbers, as they did at the old gateway', () => {
  const parsed = parsePing({ ...GOOD, current_lat: '37.5' }, NOW_MS)
  expect(parsed).toMatchObject({ ok: true, ping: { lat: 37.5 } })
})

test('each refusal names path, expected and received', () => {
  const { order_id: _, ...without } = GOOD
  expect(refusalsOf(without)).toEqual([
    {
      code: 'invalid_ping',
      path: 'order_id',
      expected: 'a string',
      received: 'nothing (field required)',
      message: 'order_id: expected a string, received nothing (field required)',
    },
  ])
  expect(refusalsOf({ ...GOOD, device_id: 5 })[0]?.message).toBe(
    'device_id: expected a string, received 5',
  )
  expect(refusalsOf({ ...GOOD, current_lat: 999 })[0]?.message).toBe(
    'current_lat: expected ≤ 90, received 999',
  )
  expect(refusalsOf({ ...GOOD, current_lat: null })[0]?.message).toBe(
    'current_lat: expected a number, received null',
  )
  expect(refusalsOf({ ...GOOD, current_lat: 'abc' })[0]?.message).toBe(
    'current_lat: expected a number, received "abc"',
  )
  expect(refusalsOf({ ...GOOD, status: 'paused' })[0]).toMatchObject({
    path: 'status',
    received: '"paused"',
  })
  expect(refusalsOf({ ...GOOD, session_id: '' })[0]?.expected).toBe('at least 1 character')
  expect(refusalsOf({ ...GOOD, session_id: 'x'.repeat(65) })[0]?.expected).toBe(
    'at most 64 characters',
  )
  expect(refusalsOf({ ...GOOD, timestamp: 'yesterday' })[0]?.path).toBe('timestamp')
  expect(refusalsOf({ ...GOOD, timestamp: '2031-01-01T00:00:00Z' })[0]?.expected).toContain(
    '24 h ahead',
  )
  expect(refusalsOf({ ...GOOD, timestamp: '1970-01-01T00:00:00Z' })[0]?.expected).toContain(
    '2000-01-01',
  )
  expect(refusalsOf([GOOD])[0]).toMatchObject({
    path: '',
    expected: 'an object',
    received: 'an array of 1',
  })
  expect(refusalsOf({ ...GOOD, status: 'paused', order_id: 7 })).toHaveLength(2)
})

test('the fast check and the schema agree on every input', () => {
  const odd = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.integer(),
    fc.constantFrom(
      null,
      true,
      '37.5',
      '-1e1',
      ' 1',
      '',
      [],
      {},
      'x'.repeat(64),
      'x'.repeat(65),
      '\ud800',
    ),
    fc.constantFrom(
      'started',
      'completed',
      '2026-11-21T03:59:21',
      '2026-02-30T00:00:00',
      '2026-11-22 04:00:00+00',
    ),
  )
  const field = fc.constantFrom(...Object.keys(GOOD))
  const changes = fc.array(fc.tuple(field, odd), { maxLength: 3 })
  fc.assert(
    fc.property(changes, fc.array(field, { maxLength: 1 }), (changed, dropped) => {
      const value: Record<string, unknown> = { ...GOOD, ...Object.fromEntries(changed) }
      for (const name of dropped) delete value[name]
      expect(parsePing(value, NOW_MS)).toEqual(parsePingBySchema(value, NOW_MS, TIME_LIMITS))
    }),
    { numRuns: 3_000 },
  )
})
