import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import {
  type DeadLetterFilter,
  deadLetterId,
  parseDeadLetterId,
} from '../../actors/model/dead-letter.ts'
import {
  type DeadLetterFact,
  type FactName,
  type HeaderFact,
  type StatusFact,
  TRIPS_PARTITION_FIRST,
} from '../../actors/model/fact.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import type { ClickHouse } from './engine.ts'
import { sampleMovement, sampleRetry } from './fact-samples.ts'
import { ClickHouseReader, READER_ROWS_MAX } from './reader.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

const MS = 1_790_000_000_000
const EVIL = `x' OR 1=1 --\\' \0 \n "\``
let engine: ClickHouse
let reader: ClickHouseReader

const header = (given: Partial<HeaderFact>): HeaderFact => ({
  kind: 'header',
  partition: 0,
  offset: 0,
  part: 1,
  sessionId: 'session-1',
  revision: 0,
  vehicleId: 'vehicle-1',
  orderId: 'order-1',
  deviceId: 'device-1',
  startLat: 37.9,
  startLng: 23.7,
  endLat: 38,
  endLng: 23.8,
  createdAtUs: MS * 1_000,
  receivedMs: MS,
  ...given,
})
const status = (given: Partial<StatusFact>): StatusFact => ({
  kind: 'status',
  partition: 0,
  offset: 0,
  part: 2,
  sessionId: 'session-1',
  eventId: 'event-1',
  revision: 0,
  status: 'started',
  from: null,
  eventTimeUs: MS * 1_000,
  receivedMs: MS,
  ...given,
})
const deadLetter = (offset: number, code: string, raw: Uint8Array): DeadLetterFact => ({
  kind: 'dead_letter',
  partition: 0,
  offset,
  part: 0,
  code,
  path: 'current_lat',
  expected: 'a number',
  received: 'null',
  message: 'current_lat must be a number',
  raw,
  truncated: false,
  receivedMs: MS + offset,
  source: 'key-1',
})

beforeAll(async () => {
  engine = await openTestClickHouse()
  reader = new ClickHouseReader(engine)
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  await sink.write(
    batchOf(0, 9, [
      header({}),
      status({}),
      status({ status: 'completed', eventTimeUs: (MS + 4_000) * 1_000, part: 3 }),
      ...[0, 1, 2, 3, 4].map((offset) =>
        sampleMovement({ offset, distanceCm: 150, eventTimeUs: (MS + offset * 1_000) * 1_000 + 7 }),
      ),
      sampleMovement({ offset: 5, sessionId: EVIL, speedKmh: null }),
      header({ offset: 5, sessionId: EVIL }),
      deadLetter(6, 'invalid_ping', Buffer.from('{"a":"Ζωή"}')),
      deadLetter(7, 'invalid_json', new Uint8Array([0xff, 0x00, 0x0a, 0x0a, 0x27])),
    ]),
    signal(),
  )
  // A late, earlier ping revises what was known.
  await sink.write(
    batchOf(10, 10, [
      header({
        offset: 10,
        revision: 1,
        createdAtUs: (MS - 9_000) * 1_000,
        vehicleId: 'vehicle-0',
      }),
      status({ offset: 10, revision: 1, eventTimeUs: (MS - 9_000) * 1_000 }),
    ]),
    signal(),
  )
})
afterAll(() => engine.close())

describe('a session', () => {
  test('shows its newest header, its events in event time, and sums of its movements', async () => {
    expect(await reader.session('session-1')).toEqual({
      sessionId: 'session-1',
      vehicleId: 'vehicle-0',
      orderId: 'order-1',
      deviceId: 'device-1',
      startLat: 37.9,
      startLng: 23.7,
      endLat: 38,
      endLng: 23.8,
      createdAtMs: MS - 9_000,
      pings: 5,
      distanceM: 7.5,
      events: [
        { status: 'started', atMs: MS - 9_000 },
        { status: 'completed', atMs: MS + 4_000 },
      ],
    })
  })

  test('that nobody has heard of is null', async () => {
    expect(await reader.session('nobody')).toBeNull()
  })

  test('with an id made to break out of the SQL is just an id', async () => {
    expect((await reader.session(EVIL))?.sessionId).toBe(EVIL)
    expect(await reader.session(`' OR '1'='1`)).toBeNull()
    expect(await reader.session(`\\' OR 1=1 --`)).toBeNull()
    expect(await reader.trail(EVIL, 0, 5)).toHaveLength(1)
  })
})

test('a trail has the newest points, oldest first', async () => {
  const times = async (sinceMs: number, limit: number): Promise<number[]> =>
    (await reader.trail('session-1', sinceMs, limit)).map((point) => point.atMs - MS)
  expect(await times(0, 3)).toEqual([2_000, 3_000, 4_000])
  expect(await times(MS + 3_000, 10)).toEqual([3_000, 4_000])
  expect(await times(-1e300, READER_ROWS_MAX * 9)).toHaveLength(5)
  expect((await reader.trail(EVIL, 0, 1))[0]?.speedKmh).toBeNull()
})

describe('dead letters', () => {
  test('come newest first, with their bytes as text or base64', async () => {
    const rows = (await reader.deadLetters({ limit: 10 })) ?? []
    expect(rows.map(({ id, code, raw, rawEncoding }) => [id, code, raw, rawEncoding])).toEqual([
      ['0-7-0', 'invalid_json', '/wAKCic=', 'base64'],
      ['0-6-0', 'invalid_ping', '{"a":"Ζωή"}', 'utf8'],
    ])
    expect(rows[1]).toMatchObject({
      path: 'current_lat',
      expected: 'a number',
      truncated: false,
      receivedMs: MS + 6,
      source: 'key-1',
    })
  })

  test('can be paged by time and chosen by code', async () => {
    expect(await reader.deadLetters({ limit: 1 })).toHaveLength(1)
    const before = await reader.deadLetters({ limit: 9, beforeMs: MS + 7 })
    expect(before?.map((row) => row.id)).toEqual(['0-6-0'])
    expect(await reader.deadLetters({ limit: 9, code: "' OR 1=1 --" })).toEqual([])
    expect(await reader.deadLetters({ limit: 9, code: 'invalid_json' })).toHaveLength(1)
  })
})

describe('dead letters read again', () => {
  const idsOf = async (filter: DeadLetterFilter): Promise<string[]> =>
    ((await letters.deadLetters({ limit: 9, ...filter })) ?? []).map((row) => row.id)
  const openIds = async (filter: DeadLetterFilter = {}, after?: FactName): Promise<string[]> => {
    const page = { limit: 9, ...filter, ...(after && { after }) }
    return (await letters.openDeadLetters(page)).map(({ name }) => deadLetterId(name))
  }
  const nameAt = (offset: number): FactName => ({ partition: 0, offset, part: 0 })
  let own: ClickHouse
  let letters: ClickHouseReader

  // 10 never, 11 refused twice, 12 refused and then accepted while the clock was set back, 13 partial, 14 cut.
  beforeAll(async () => {
    own = await openTestClickHouse()
    letters = new ClickHouseReader(own)
    const sink = new ClickHouseSink(own)
    await sink.open(0, signal())
    const refused = {
      outcome: 'refused',
      pings: 0,
      refused: 1,
      message: 'still no number',
    } as const
    const at = { receivedMs: MS + 500 }
    await sink.write(
      batchOf(0, 99, [
        deadLetter(10, 'invalid_ping', Buffer.from('{"a":1}')),
        { ...deadLetter(11, 'invalid_ping', Buffer.from('b')), source: EVIL, receivedMs: MS + 10 },
        deadLetter(12, 'invalid_json', Buffer.from('c')),
        { ...deadLetter(13, 'too_many', Buffer.from('d')), path: '' },
        { ...deadLetter(14, 'too_large', Buffer.from('e')), truncated: true },
        sampleRetry({ ...refused, offset: 20, letter: nameAt(11), ...at }),
        sampleRetry({ ...refused, offset: 21, letter: nameAt(12), ...at }),
        sampleRetry({ ...refused, offset: 22, letter: nameAt(11), receivedMs: MS + 600 }),
        sampleRetry({ offset: 23, letter: nameAt(12), receivedMs: MS + 1 }),
        sampleRetry({
          offset: 24,
          letter: nameAt(13),
          outcome: 'partial',
          pings: 2,
          refused: 1,
          ...at,
        }),
      ]),
      signal(),
    )
  })
  afterAll(() => own.close())

  test('show how often, when, and what came of it', async () => {
    expect(await letters.deadLetters({ limit: 9 })).toMatchObject([
      { id: '0-14-0', retries: 0, outcome: null, retriedMs: null, retryMessage: '' },
      { id: '0-13-0', retries: 1, outcome: 'partial', retriedMs: MS + 500 },
      { id: '0-12-0', retries: 2, outcome: 'accepted', retriedMs: MS + 1, retryMessage: '' },
      { id: '0-11-0', retries: 2, outcome: 'refused', retryMessage: 'still no number' },
      { id: '0-10-0', retries: 0 },
    ])
  })

  test('are chosen by what came of it, by source, path and time', async () => {
    expect(await idsOf({ retried: true })).toEqual(['0-13-0', '0-12-0', '0-11-0'])
    expect(await idsOf({ retried: false })).toEqual(['0-14-0', '0-10-0'])
    expect(await idsOf({ outcome: 'accepted' })).toEqual(['0-12-0'])
    expect(await idsOf({ outcome: 'refused' })).toEqual(['0-11-0'])
    expect(await idsOf({ source: EVIL })).toEqual(['0-11-0'])
    expect(await idsOf({ path: '' })).toEqual(['0-13-0'])
    expect(await idsOf({ sinceMs: MS + 13, code: 'too_large' })).toEqual(['0-14-0'])
  })

  test('are paged by id, also where many came at one time', async () => {
    const pages: string[] = []
    for (let before: FactName | undefined; ;) {
      const page = (await letters.deadLetters({ limit: 1, ...(before && { before }) })) ?? []
      const [row] = page
      if (!row) break
      pages.push(row.id)
      before = nameAt(Number(row.id.split('-')[1]))
    }
    expect(pages).toEqual(['0-14-0', '0-13-0', '0-12-0', '0-11-0', '0-10-0'])
    expect(await letters.deadLetters({ limit: 1, before: nameAt(999) })).toBeNull()
  })

  test('are counted by code', async () => {
    expect(await letters.deadLetterCounts({})).toEqual({
      invalid_ping: 2,
      invalid_json: 1,
      too_large: 1,
      too_many: 1,
    })
    expect(await letters.deadLetterCounts({ retried: false })).toEqual({
      invalid_ping: 1,
      too_large: 1,
    })
  })

  test('are open until they are accepted; one that was cut cannot be', async () => {
    expect(await openIds()).toEqual(['0-10-0', '0-11-0'])
    expect(await openIds({}, nameAt(10))).toEqual(['0-11-0'])
    expect(await openIds({ code: 'too_many' })).toEqual([])
    expect(await letters.countOpenDeadLetters({})).toEqual({ open: 2, cut: 1 })
    expect(await letters.countOpenDeadLetters({ after: nameAt(10) })).toEqual({ open: 1, cut: 1 })
    expect(await letters.deadLetter(nameAt(12))).toEqual({
      name: nameAt(12),
      raw: new Uint8Array(Buffer.from('c')),
      truncated: false,
      source: 'key-1',
      done: { outcome: 'accepted', atMs: MS + 1 },
    })
    expect((await letters.deadLetter(nameAt(11)))?.done).toBeNull()
    expect(await letters.deadLetter(nameAt(15))).toBeNull()
  })
})

describe('dead letters of trips', () => {
  test('are listed, paged, counted and retried beside those of pings', async () => {
    const own = await openTestClickHouse()
    const letters = new ClickHouseReader(own)
    const partition = TRIPS_PARTITION_FIRST
    const name = { partition, offset: 3, part: 2 }
    const trip = { ...deadLetter(3, 'invalid_trip', Buffer.from('{"fare":-1}')), ...name }
    const other = { ...deadLetter(4, 'invalid_trip', Buffer.from('x')), partition: partition + 2 }
    const ping = deadLetter(3, 'invalid_ping', Buffer.from('{}'))
    const retry = sampleRetry({ partition, offset: 9, letter: name, receivedMs: MS + 50 })
    for (const facts of [[ping], [trip, retry], [other]]) {
      const sink = new ClickHouseSink(own)
      const of = facts[0]?.partition ?? 0
      await sink.open(of, signal())
      const batch = { id: `${of}:0-9`, partition: of, offsetFirst: 0, offsetLast: 9, rows: facts }
      await sink.write(batch, signal())
    }
    const listed = await letters.deadLetters({ limit: 9 })
    expect(listed?.map(({ id, outcome }) => [id, outcome])).toEqual([
      ['1002-4-0', null],
      ['1000-3-2', 'accepted'],
      ['0-3-0', null],
    ])
    const before = parseDeadLetterId('1000-3-2')
    expect(before).toEqual(name)
    const older = await letters.deadLetters({ limit: 9, before: before ?? name })
    expect(older?.map(({ id }) => id)).toEqual(['0-3-0'])
    expect(await letters.deadLetterCounts({})).toEqual({ invalid_trip: 2, invalid_ping: 1 })
    expect((await letters.deadLetter(name))?.done).toEqual({ outcome: 'accepted', atMs: MS + 50 })
    const after = { partition: 0, offset: 3, part: 0 }
    const open = await letters.openDeadLetters({ limit: 9, after })
    expect(open.map((letter) => deadLetterId(letter.name))).toEqual(['1002-4-0'])
    expect(await letters.countOpenDeadLetters({})).toEqual({ open: 2, cut: 0 })
    await own.close()
  })
})

describe('the documented views', () => {
  test('show one row for what was revised, the newest, with a plain count', async () => {
    expect(
      await engine.query(
        'SELECT (SELECT count() FROM sessions_base), (SELECT count() FROM session_events), ' +
          "(SELECT count() FROM sessions), (SELECT count() FROM vehicles WHERE vehicle_id = 'vehicle-1')",
      ),
    ).toEqual([['2', '2', '2', '1']])
    expect(await engine.query('SELECT order_id, status FROM orders')).toEqual([
      ['order-1', 'completed'],
    ])
  })

  test('look a session up by its key', async () => {
    for (const view of ['sessions_base', 'session_events', 'sessions']) {
      const plan = await engine.query(
        `EXPLAIN indexes = 1 SELECT * FROM ${view} WHERE session_id = 'session-1'`,
      )
      expect(plan.join('\n')).toContain("(session_id in ['session-1', 'session-1'])")
    }
  })
})
