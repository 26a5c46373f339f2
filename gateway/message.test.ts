import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { parseAccepted, parsePing } from '../actors/model/ping.ts'
import { parseAcceptedTrip, type Trip } from '../actors/model/trip.ts'
import { PINGS, TRIPS } from './item-kind.ts'
import { type AnyMessage, type Message, readMessage } from './message.ts'
import { GATEWAY_DEFAULTS, type GatewayOptions } from './options.ts'
import { wirePing } from './testing.ts'

const RECEIVED_MS = Date.parse('2026-01-01T00:00:00Z')

function read(input: string | Uint8Array, limits: Partial<GatewayOptions> = {}): Message {
  return readMessage(input, {
    kind: PINGS,
    receivedMs: RECEIVED_MS,
    source: 'depot',
    limits: { ...GATEWAY_DEFAULTS, ...limits },
  })
}

function readTrips(input: string | Uint8Array): Message<Trip> {
  const receipt = { receivedMs: RECEIVED_MS, source: 'depot', limits: GATEWAY_DEFAULTS }
  return readMessage(input, { kind: TRIPS, ...receipt })
}

const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wirePing(fields))
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
const codes = (message: AnyMessage): readonly string[] =>
  message.deadLetters.map((letter) => letter.code)

/** What the journal's reader makes of a payload. */
function payloadValues({ payload }: AnyMessage): readonly unknown[] {
  const whole = typeof payload === 'string' ? payload : new TextDecoder().decode(payload)
  if (whole === '') return []
  try {
    const value: unknown = JSON.parse(whole)
    return Array.isArray(value) ? value : [value]
  } catch {
    return whole
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line): unknown => JSON.parse(line))
  }
}

describe('a message that is accepted as it is', () => {
  for (const [name, frame, count] of [
    ['an object', text(), 1],
    ['a list', `[${text()}, ${text()}]`, 2],
    ['lines', `${text()}\n${text()}\r\n\n${text()}\n`, 3],
    ['text beyond ASCII', `${text({ route_name: 'Οδός 🛵' })}\n${text()}`, 2],
  ] as const) {
    test(`${name}: the sender's own text or bytes are the payload`, () => {
      for (const input of [frame, bytes(frame)]) {
        const message = read(input)
        expect(message.items).toHaveLength(count)
        expect(message.payload).toBe(input)
        expect(message.refusedCount).toBe(0)
      }
    })
  }

  test('a byte order mark is no part of it', () => {
    const message = read(bytes(`\ufeff${text()}`))
    expect(message.items).toHaveLength(1)
    expect(message.payload).toBe(text())
  })

  test('extra fields, nested ones too, stay in the payload', () => {
    const nested = text({ device: { battery: [1, 2, { cell: 3 }] }, note: '}{][' })
    const message = read(`[${nested},${text()}]`)
    expect(message.items).toHaveLength(2)
    expect(payloadValues(message)[0]).toMatchObject({ device: { battery: [1, 2, { cell: 3 }] } })
  })

  test('an object over several lines is one ping', () => {
    const message = read(JSON.stringify(wirePing(), null, 2))
    expect(message).toMatchObject({ batch: false, refusedCount: 0 })
    expect(message.items).toHaveLength(1)
  })

  test('a list over several lines becomes one line a ping when one of them is refused', () => {
    const list = [wirePing(), wirePing({ status: 'paused' }), wirePing()]
    const message = read(JSON.stringify(list, null, 2))
    expect(message.items).toHaveLength(2)
    expect(String(message.payload).split('\n')).toHaveLength(2)
    expect(payloadValues(message)).toEqual([wirePing(), wirePing()])
  })
})

describe('a message that is refused', () => {
  test('one bad line of bytes spoils itself alone', () => {
    const bad = Uint8Array.of(...bytes('{"session_id":"'), 0xff, ...bytes('"}'))
    const message = read(Buffer.concat([bytes(`${text()}\n`), bad, bytes(`\n${text()}`)]))
    expect(message.items).toHaveLength(2)
    expect(message.refused).toMatchObject([{ index: 1, code: 'invalid_utf8' }])
    expect(message.deadLetters[0]?.raw).toEqual(bad)
  })

  test('one bad element of a list spoils itself alone', () => {
    const message = read(`[${text()},{"session_id":NaN},${text()},]`)
    expect(message.items).toHaveLength(2)
    expect(message.refused.map(({ index, code }) => [index, code])).toEqual([
      [1, 'invalid_json'],
      [3, 'invalid_json'],
    ])
  })

  test('a list that does not end is refused as one', () => {
    const message = read(`[${text()},${text()}`)
    expect(message).toMatchObject({ batch: false, items: [], refusedCount: 1 })
    expect(codes(message)).toEqual(['invalid_json'])
  })

  test('nothing at all is refused', () => {
    for (const empty of ['', ' \n ', '[]', '\ufeff']) {
      expect(codes(read(empty))).toEqual(['empty'])
    }
  })

  test('more pings than allowed are refused as one', () => {
    const lines = Array.from({ length: 4 }, () => text())
    for (const frame of [lines.join('\n'), `[${lines.join()}]`]) {
      const message = read(frame, { pingsPerMessageMax: 3 })
      expect(codes(message)).toEqual(['too_many'])
      expect(message.items).toHaveLength(0)
    }
  })

  test('a ping that is too long, too deep or has too many fields spoils itself alone', () => {
    const long = text({ note: 'x'.repeat(20_000) })
    const nest: unknown = JSON.parse(`${'['.repeat(20)}${']'.repeat(20)}`)
    const deep = text({ note: nest })
    const wide = text(
      Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, index])),
    )
    const message = read([text(), long, deep, wide, text()].join('\n'))
    expect(message.items).toHaveLength(2)
    expect(codes(message)).toEqual(['too_large', 'too_deep', 'too_large'])
  })

  test('its dead letter keeps the first bytes only', () => {
    const message = read(`{"note":"${'é'.repeat(500)}"`, { deadLetterBytesMax: 100 })
    expect(message.deadLetters[0]).toMatchObject({ truncated: true, receivedMs: RECEIVED_MS })
    expect(message.deadLetters[0]?.raw.byteLength).toBe(100)
  })

  test('the list of refused pings is bounded, their count and their dead letters are not', () => {
    const lines = Array.from({ length: 30 }, () => '{"status":1}').join('\n')
    const message = read(lines, { refusedListMax: 10 })
    expect(message.refused).toHaveLength(10)
    expect(message.refusedCount).toBe(30)
    expect(message.deadLetters).toHaveLength(30)
  })
})

test('with too many refused pings a message is refused as one', () => {
  const lines = [text(), ...Array.from({ length: 11 }, () => '{"status":1}')].join('\n')
  const message = read(lines, { refusedPerMessageMax: 10 })
  expect(codes(message)).toEqual(['too_many_refused'])
  expect(message).toMatchObject({ batch: false, items: [], refusedCount: 1 })
  expect(message.reasons[0]?.message).toContain('device_id: expected a string')
})

test('hostile megabytes cost less than 50 ms of CPU each', () => {
  const size = 1_048_576
  const hostile = [
    '['.repeat(size),
    '{"a":'.repeat(size / 5),
    `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
    `{"a":${'['.repeat(size / 2)}`,
    ','.repeat(size),
    `[${','.repeat(size - 2)}]`,
    '\n'.repeat(size),
    '{}\n'.repeat(size / 3),
    `${'{}\n'.repeat(19_000)}${text()}`,
    '"'.repeat(size),
    '\\"'.repeat(size / 2),
    '{"a":"\\'.repeat(size / 7),
    `{${Array.from({ length: 60_000 }, (_, index) => `"k${index}":1`).join()}}`,
    '[{'.repeat(size / 2),
    '}{'.repeat(size / 2),
  ]
  const head = 'trip_id,region_id,event_time,fare,duration,distance\n'
  const tables = [
    head + ','.repeat(size),
    head + ',\n'.repeat(size / 2),
    head + ',,,,,\n'.repeat(size / 6),
    head + '"'.repeat(size),
    head + `"${'""'.repeat(7_000)}\n`.repeat(size / 14_000),
    'trip_id,'.repeat(size / 8),
    `${head.trim()},${Array.from({ length: 94 }, (_, index) => `c${index}`).join()}\n${`${','.repeat(99)}\n`.repeat(size / 100)}`,
  ]
  for (const [reads, frame] of [
    ...hostile.map((frame) => [read, frame] as const),
    ...[...hostile, ...tables].map((frame) => [readTrips, frame] as const),
  ]) {
    // CPU time, the best of three: another process on the machine must not fail this one.
    const tookMs = [0, 1, 2].map(() => {
      const before = process.cpuUsage()
      expect(reads(frame).items).toHaveLength(0)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1_000
    })
    expect(Math.min(...tookMs)).toBeLessThan(50)
  }
})

const element = fc.oneof(
  { weight: 4, arbitrary: fc.constant(text()) },
  { weight: 2, arbitrary: fc.string().map((note) => text({ note })) },
  { weight: 1, arbitrary: fc.jsonValue().map((note) => text({ note })) },
  { weight: 1, arbitrary: fc.constant(text({ current_lat: 999 })) },
  { weight: 1, arbitrary: fc.jsonValue().map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: fc.constantFrom('{bad}', 'NaN', '{"a":', 'true', '{"a":1}}') },
)

function isGood(json: string): boolean {
  try {
    return parsePing(JSON.parse(json), RECEIVED_MS).ok
  } catch {
    return false
  }
}

test('property: lines are accepted and refused each by itself, and the payload holds exactly the accepted', () => {
  fc.assert(
    fc.property(
      fc.array(element, { minLength: 2, maxLength: 6 }),
      fc.boolean(),
      (lines, asBytes) => {
        // A frame without any object on a line of its own is not taken apart.
        const all = [...lines, text()]
        const frame = all.join('\n')
        const message = read(asBytes ? bytes(frame) : frame)
        const good = all.filter(isGood)
        expect(message.items).toEqual(good.map((line) => parseAccepted(JSON.parse(line))))
        expect(payloadValues(message)).toEqual(good.map((line): unknown => JSON.parse(line)))
        expect(message.refused.map(({ index }) => index)).toEqual(
          all.flatMap((line, index) => (isGood(line) ? [] : [index])),
        )
        expect(message.deadLetters.map((letter) => new TextDecoder().decode(letter.raw))).toEqual(
          all.filter((line) => !isGood(line)),
        )
      },
    ),
    { numRuns: 300 },
  )
})

test('property: elements of a list are accepted and refused each by itself', () => {
  const inList = element.filter((json) => json !== '{"a":' && json !== '{"a":1}}')
  fc.assert(
    fc.property(fc.array(inList, { minLength: 1, maxLength: 6 }), fc.boolean(), (list, pretty) => {
      const frame = `[${list.join(pretty ? ' ,\n ' : ',')}]`
      const message = read(frame)
      const good = list.filter(isGood)
      expect(message.batch).toBe(true)
      expect(payloadValues(message)).toEqual(good.map((line): unknown => JSON.parse(line)))
      expect(message.items).toHaveLength(good.length)
      expect(message.refused.map(({ index }) => index)).toEqual(
        list.flatMap((json, index) => (isGood(json) ? [] : [index])),
      )
    }),
    { numRuns: 300 },
  )
})

test('property: no bytes make it throw, and every message is accepted or kept', () => {
  const anything = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.string({ unit: fc.constantFrom(...'[]{}",:\\\n 1a') }),
    fc
      .string({ unit: fc.constantFrom(...'",\n 1a') })
      .map((rows) => `trip_id,region_id,event_time,fare,duration,distance\n${rows}`),
  )
  fc.assert(
    fc.property(anything, (input) => {
      for (const message of [read(input), readTrips(input)]) {
        expect(message.deadLetters.length).toBe(message.refusedCount)
        expect(message.items.length + message.refusedCount).toBeGreaterThan(0)
      }
    }),
    { numRuns: 1_000 },
  )
})

const COLUMNS = ['fare', 'trip_id', 'note', 'event_time', 'distance', 'region_id', 'duration']
const trip = fc.record({
  trip_id: fc.constantFrom('a', 'b,c', '"', '', 'é'),
  region_id: fc.constantFrom('1', '007', '0', 'x', ''),
  event_time: fc.constantFrom('2025-08-17T06:00:00Z', '2025-08-17 06:00:00', 'NaT'),
  fare: fc.constantFrom('1', '1.50', '-1'),
  duration: fc.constantFrom('60', '60.0', '1'),
  distance: fc.constantFrom('1', '.5', 'NaN'),
  note: fc.string(),
})

test('property: a table says of its trips what lines of JSON say of them', () => {
  const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`
  fc.assert(
    fc.property(fc.array(trip, { minLength: 2, maxLength: 5 }), (trips) => {
      const known = trips.map((each) => ({ ...each, note: each.note.replace(/[\r\n]/g, ' ') }))
      const rows = known.map((each) =>
        COLUMNS.map((name) => quoted(String(Reflect.get(each, name)))).join(),
      )
      const objects = known.map((each) => {
        const given = Object.entries(each).filter(([, field]) => field !== '')
        return JSON.stringify(Object.fromEntries(given))
      })
      const table = readTrips(`${COLUMNS.join()}\n${rows.join('\n')}`)
      const lines = readTrips(objects.join('\n'))
      expect(table.items).toEqual(lines.items)
      expect(table.refused.map(({ index, path }) => [index, path])).toEqual(
        lines.refused.map(({ index, path }) => [index, path]),
      )
      expect(payloadValues(table).map(parseAcceptedTrip)).toEqual([...table.items])
    }),
    { numRuns: 300 },
  )
})
