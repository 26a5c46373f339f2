import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'
import { z } from 'zod'

import {
  parseAcceptedTrip,
  parseTrip,
  parseTripBySchema,
  type Trip,
  TRIP_LIMITS,
  wireTrip,
} from './trip.ts'

const NOW_MS = Date.parse('2025-08-17T23:00:00Z')
const GOOD = {
  trip_id: 'trip_000002',
  region_id: 4,
  event_time: '2025-08-17T06:00:00+00:00Z',
  fare: 13.39,
  duration: 825,
  distance: 4.6,
}

function accepted(fields: Readonly<Record<string, unknown>>): Trip {
  const parsed = parseTrip({ ...GOOD, ...fields }, NOW_MS)
  if (parsed.ok) return parsed.trip
  throw new Error(parsed.refusals[0]?.message)
}

function reasons(value: unknown): readonly string[] {
  const parsed = parseTrip(value, NOW_MS)
  return parsed.ok ? [] : parsed.refusals.map(({ message }) => message)
}

const refused = (fields: Readonly<Record<string, unknown>>): readonly string[] =>
  reasons({ ...GOOD, ...fields })

test('a trip as the replay producer really sends it is accepted', () => {
  expect(parseTrip(GOOD, NOW_MS)).toEqual({
    ok: true,
    trip: {
      tripId: 'trip_000002',
      regionId: 4,
      eventTimeUs: Date.parse('2025-08-17T06:00:00Z') * 1_000,
      fareUsd: 13.39,
      durationS: 825,
      distanceKm: 4.6,
      extras: null,
    },
  })
})

test.each([
  ['2025-08-17T06:40:53.240321Z', '2025-08-17T06:40:53.240Z', 321],
  ['2025-08-17T06:40:53.24Z', '2025-08-17T06:40:53.240Z', 0],
  ['2025-08-17T06:40:53Z', '2025-08-17T06:40:53Z', 0],
  ['2025-08-17 06:40:53', '2025-08-17T06:40:53Z', 0],
  ['2025-08-17T06:40:53', '2025-08-17T06:40:53Z', 0],
  ['2025-08-17T06:40:53.240321+00:00Z', '2025-08-17T06:40:53.240Z', 321],
  ['2025-08-17T06:40:53+00:00', '2025-08-17T06:40:53Z', 0],
  ['2025-08-17T13:40:53+07:00', '2025-08-17T06:40:53Z', 0],
  ['2025-08-17T01:10:53-0530', '2025-08-17T06:40:53Z', 0],
])('an event time may be %s', (event_time, iso, us) => {
  expect(accepted({ event_time }).eventTimeUs).toBe(Date.parse(iso) * 1_000 + us)
})

test('the bounds are those of the producer, and belong to what is accepted', () => {
  accepted({ trip_id: 'x' })
  expect(accepted({ trip_id: ` ${'x'.repeat(48)} ` }).tripId).toBe('x'.repeat(48))
  for (const region_id of [1, 100]) accepted({ region_id })
  for (const fare of [0, 1_000]) accepted({ fare })
  for (const duration of [60, 7_200]) accepted({ duration })
  for (const distance of [0.1, 200]) accepted({ distance })
  accepted({ event_time: '2025-08-17T23:05:00Z' })
  accepted({ event_time: '2000-01-01T00:00:00Z' })
})

test('numbers in quotes count, whole ones may have a point', () => {
  const trip = accepted({ region_id: '5', duration: '825.0', fare: '1e2', distance: '4.6' })
  expect(trip).toMatchObject({ regionId: 5, durationS: 825, fareUsd: 100, distanceKm: 4.6 })
  expect(accepted({ region_id: 5.0 }).regionId).toBe(5)
})

test('a fare of minus nothing is none', () => {
  expect(accepted({ fare: -0 }).fareUsd).toBe(0)
  expect(accepted({ fare: '-0' }).fareUsd).toBe(0)
})

describe('every kind of bad trip has its own reason', () => {
  const { trip_id: _, ...withoutId } = GOOD
  test.each([
    ['no object', [GOOD], ': expected an object, received an array of 1'],
    ['nothing', null, ': expected an object, received null'],
    ['no id', withoutId, 'trip_id: expected a string, received nothing (field required)'],
  ])('%s', (_name, value, reason) => {
    expect(
      reasons(value).map((text) => (text.startsWith('expected') ? `: ${text}` : text)),
    ).toEqual([reason])
  })

  test.each([
    ['trip_id', 7, 'a string, received 7'],
    ['trip_id', '', 'an id that is not blank, received ""'],
    ['trip_id', ' \t', 'an id that is not blank, received " \\t"'],
    ['trip_id', `${'x'.repeat(50)} `, `at most 50 characters, received "${'x'.repeat(50)} "`],
    ['trip_id', '\ud800', 'well-formed text, received "\\ud800"'],
    ['region_id', 'INVALID', 'a number, received "INVALID"'],
    ['region_id', '', 'a number, received ""'],
    ['region_id', true, 'a number, received true'],
    ['region_id', null, 'a number, received null'],
    ['region_id', 5.5, 'a whole number, received 5.5'],
    ['region_id', '5.5', 'a whole number, received "5.5"'],
    ['region_id', 0, '≥ 1, received 0'],
    ['region_id', -1, '≥ 1, received -1'],
    ['region_id', 101, '≤ 100, received 101'],
    ['event_time', 1_755_410_400, 'a string, received 1755410400'],
    ['event_time', null, 'a string, received null'],
    ['event_time', 'NaTZ', 'an ISO 8601 time such as 2026-11-21T03:59:21.422993Z, received "NaTZ"'],
    [
      'event_time',
      '2025-08-17T23:05:00.000001Z',
      'a time at most 5 min ahead of its receipt, received "2025-08-17T23:05:00.000001Z"',
    ],
    [
      'event_time',
      '1999-12-31T23:59:59Z',
      'a time from 2000-01-01T00:00:00.000Z on, received "1999-12-31T23:59:59Z"',
    ],
    ['fare', 'abc', 'a number, received "abc"'],
    ['fare', null, 'a number, received null'],
    ['fare', -0.01, '≥ 0, received -0.01'],
    ['fare', 1_000.01, '≤ 1000, received 1000.01'],
    ['fare', 'NaN', 'a number, received "NaN"'],
    ['fare', '1e999', 'a number, received "1e999"'],
    ['duration', 59, '≥ 60, received 59'],
    ['duration', 7_201, '≤ 7200, received 7201'],
    ['duration', 60.7, 'a whole number, received 60.7'],
    ['distance', 0, '≥ 0.1, received 0'],
    ['distance', 200.1, '≤ 200, received 200.1'],
    ['distance', 'Infinity', 'a number, received "Infinity"'],
  ])('%s: %p', (field, value, reason) => {
    expect(refused({ [field]: value })).toEqual([`${field}: expected ${reason}`])
  })

  test('two bad fields are two reasons, and the code says what it is', () => {
    const parsed = parseTrip({ ...GOOD, fare: -10, distance: -3.2 }, NOW_MS)
    expect(parsed).toMatchObject({
      ok: false,
      refusals: [
        { code: 'invalid_trip', path: 'fare', expected: '≥ 0', received: '-10' },
        { code: 'invalid_trip', path: 'distance' },
      ],
    })
    expect(parseTrip({ ...GOOD, event_time: 'garbage' }, NOW_MS)).toMatchObject({
      refusals: [{ code: 'invalid_trip', path: 'event_time' }],
    })
  })
})

describe('optional fields', () => {
  test('are kept', () => {
    const { extras } = accepted({
      pickup_location: { lat: 37.97, lon: 23.72 },
      dropoff_location: { lat: '38.01', lon: 23.8, zone: 3 },
      driver_id: 'driver_17',
      vehicle_type: 'economy',
      payment_method: 'barter',
    })
    expect(extras).toEqual({
      pickupLat: 37.97,
      pickupLng: 23.72,
      dropoffLat: 38.01,
      dropoffLng: 23.8,
      driverId: 'driver_17',
      vehicleType: 'economy',
      paymentMethod: 'barter',
    })
  })

  test('cost themselves when they are wrong, never the trip', () => {
    const bad = { pickup_location: { lat: 91, lon: 0 }, driver_id: 17, vehicle_type: '' }
    expect(accepted(bad).extras).toBeNull()
    const { extras } = accepted({ ...bad, payment_method: 'cash', dropoff_location: 'home' })
    expect(extras).toMatchObject({ pickupLat: null, driverId: null, paymentMethod: 'cash' })
    expect(accepted({ driver_id: null, payment_method: null }).extras).toBeNull()
  })

  test('that nobody knows are left alone', () => {
    expect(accepted({ surge: { factor: 2 } })).toEqual(accepted({}))
  })
})

test('what was accepted once is read back whatever the time is now', () => {
  const early = { ...GOOD, event_time: '1970-01-01T00:00:00Z' }
  expect(parseAcceptedTrip(early).eventTimeUs).toBe(0)
  expect(parseAcceptedTrip({ ...GOOD, event_time: '2199-01-01T00:00:00Z' }).regionId).toBe(4)
  expect(() => parseAcceptedTrip({ ...GOOD, fare: 'abc' })).toThrow('expected a number')
})

test('the schema can be written down for others', () => {
  const schema = z.toJSONSchema(wireTrip, { io: 'output' })
  expect(schema.additionalProperties).toEqual({})
  expect(schema.required?.toSorted()).toEqual(Object.keys(GOOD).toSorted())
  expect(schema.properties).toMatchObject({
    trip_id: { type: 'string', minLength: 1, maxLength: 50 },
    region_id: { type: 'integer', minimum: 1, maximum: 100 },
    fare: { type: 'number', minimum: 0, maximum: 1_000 },
    duration: { type: 'integer', minimum: 60, maximum: 7_200 },
    distance: { type: 'number', minimum: 0.1, maximum: 200 },
  })
})

test('the fast check and the schema agree on every input', () => {
  const odd = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.double(),
    fc.integer({ min: -10, max: 8_000 }),
    fc.double({ min: 0, max: 250 }),
    fc.constantFrom(null, true, '37.5', '7', '-1e1', ' 1', '', ' ', [], {}, '\ud800', -0, 60, 100),
    fc.constantFrom('x'.repeat(50), 'x'.repeat(51), ` ${'x'.repeat(49)}`, 'x'.repeat(65)),
    fc.constantFrom('2025-08-17 06:00:00', '2025-02-30T00:00:00', '2025-08-18T00:00:00+01:00'),
    fc.record({ lat: fc.double(), lon: fc.integer({ min: -200, max: 200 }) }),
    fc.record({ lat: fc.constantFrom(1, '2', -90, null), lon: fc.constantFrom(3, '4', -0) }),
    fc.record({ lat: fc.integer() }),
  )
  const fields = [
    ...Object.keys(GOOD),
    ...['pickup_location', 'dropoff_location', 'driver_id', 'vehicle_type', 'payment_method'],
  ]
  const field = fc.constantFrom(...fields)
  const changes = fc.array(fc.tuple(field, odd), { maxLength: 4 })
  fc.assert(
    fc.property(changes, fc.array(field, { maxLength: 1 }), (changed, dropped) => {
      const value: Record<string, unknown> = { ...GOOD, ...Object.fromEntries(changed) }
      for (const name of dropped) delete value[name]
      expect(parseTrip(value, NOW_MS)).toEqual(parseTripBySchema(value, NOW_MS, TRIP_LIMITS))
    }),
    { numRuns: 3_000 },
  )
})
