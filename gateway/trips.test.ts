import { afterEach, describe, expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import type { StoredDeadLetter } from '../actors/model/dead-letter.ts'
import { TRIPS_PARTITION_FIRST } from '../actors/model/fact.ts'
import type { Offer } from '../actors/model/offer.ts'
import { parseAcceptedTrip, type Trip } from '../actors/model/trip.ts'
import { createApp } from './app.ts'
import { runContractCase } from './contract-cases.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts } from './ports.ts'
import { RECEIVED } from './replies.ts'
import { type GatewayServer, startServer } from './server.ts'
import { TestSocket } from './test-socket.ts'
import {
  emptyReader,
  LOCAL,
  LOCAL_HOST,
  REMOTE,
  TEST_KEY,
  TEST_SOURCE,
  TestIngest,
  testPorts,
  TestTripsIngest,
  wirePing,
  wireTrip,
} from './testing.ts'
import { TRIP_CASES } from './trips-cases.ts'

const servers: GatewayServer[] = []
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()))
})

function open(overrides: Partial<GatewayOptions> = {}, parts: Partial<GatewayPorts> = {}) {
  const ingest = new TestIngest()
  const trips = new TestTripsIngest()
  const ports = testPorts({ ingest, trips, ...parts })
  const { app } = createApp(ports, overrides)
  const post = async (
    body: BodyInit,
    headers: Readonly<Record<string, string>> = {},
    path = '/ingest/trips',
  ) => {
    const all = { authorization: `Bearer ${TEST_KEY}`, ...headers }
    const response = await app.request(path, { method: 'POST', body, headers: all }, REMOTE)
    return { status: response.status, headers: response.headers, body: await response.json() }
  }
  return { ingest, trips, app, ports, post }
}

const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wireTrip(fields))
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
const ids = (offer: Offer<Trip> | undefined): readonly string[] =>
  offer?.messages.map(({ tripId }) => tripId) ?? []
const NDJSON = { 'content-type': 'application/x-ndjson' }
const CSV = { 'content-type': 'text/csv; charset=utf-8' }
const HEAD = 'trip_id,region_id,event_time,fare,duration,distance'

/** What the journal's reader makes of a payload, if it has a line for each trip. */
function payloadTrips(offer: Offer<Trip> | undefined): readonly Trip[] {
  const payload = offer?.payload ?? ''
  const lines = typeof payload === 'string' ? payload : new TextDecoder().decode(payload)
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => parseAcceptedTrip(JSON.parse(line)))
}

describe('POST /ingest/trips', () => {
  test('takes lines, a list and an object, with counts, and gives them to the trips alone', async () => {
    const { ingest, trips, post } = open()
    const none = { refused: [], refusedCount: 0 }
    const lines = `${text()}\n${text({ trip_id: 'b' })}\n`
    expect((await post(lines, NDJSON)).body).toEqual({ accepted: 2, ...none })
    expect((await post(`[${text()}]`)).body).toEqual({ accepted: 1, ...none })
    expect((await post(text())).body).toEqual({ accepted: 1, ...none })
    expect(trips.offers.map(({ source }) => source)).toEqual(Array(3).fill(TEST_SOURCE))
    expect(ids(trips.offers[0])).toEqual(['trip_000002', 'b'])
    expect(trips.offers[0]?.payload).toEqual(bytes(lines))
    expect(ingest.offers).toEqual([])
  })

  test('needs a key, and other methods are told what it takes', async () => {
    const { trips, app, post } = open()
    for (const path of ['/ingest/trips', '/ingest/trips/flush']) {
      expect((await post(text(), { authorization: 'Bearer wrong' }, path)).status).toBe(401)
      const got = await app.request(path, {}, REMOTE)
      expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST'])
    }
    expect([trips.offers, trips.flushes]).toEqual([[], []])
  })

  test('counts repeats when asked for', async () => {
    const { trips, post } = open()
    trips.outcome = ({ countDuplicates }) => ({ ok: true, duplicates: countDuplicates ? 1 : null })
    const path = '/ingest/trips?duplicates=count'
    expect((await post(text(), NDJSON, path)).body).toMatchObject({ accepted: 1, duplicates: 1 })
    expect((await post(text(), NDJSON)).body).not.toHaveProperty('duplicates')
  })

  test('keeps what it refuses, with its bytes, its field and who sent it', async () => {
    const { trips, post } = open()
    const bad = text({ fare: -10 })
    const { status, body } = await post(`${text()}\n${bad}`, NDJSON)
    expect([status, body]).toMatchObject([
      200,
      { accepted: 1, refused: [{ index: 1, code: 'invalid_trip', path: 'fare' }] },
    ])
    const [letter] = trips.offers[0]?.deadLetters ?? []
    expect(letter).toMatchObject({ code: 'invalid_trip', path: 'fare', source: TEST_SOURCE })
    expect(letter?.raw).toEqual(bytes(bad))
    const all = await post(bad, NDJSON)
    expect([all.status, all.body.error.code]).toEqual([400, 'invalid_trip'])
    const many = await post([bad, bad].join('\n'), NDJSON)
    expect(many.body.error).toEqual({ code: 'all_refused', message: '2 of 2 trips refused' })
  })

  test('how far ahead a trip may be is a setting', async () => {
    const clock = new VirtualClock(Date.parse('2025-08-17T06:00:00Z'))
    const trip = (time: string): string => text({ event_time: time })
    const near = open({}, { clock })
    expect((await near.post(trip('2025-08-17T06:05:00Z'))).status).toBe(200)
    expect((await near.post(trip('2025-08-17T06:05:01Z'))).body.error.message).toBe(
      'event_time: expected a time at most 5 min ahead of its receipt, received "2025-08-17T06:05:01Z"',
    )
    const far = open({ tripTime: { aheadMsMax: 3_600_000, oldestMs: 0 } }, { clock })
    expect((await far.post(trip('2025-08-17T07:00:00Z'))).status).toBe(200)
  })

  test('its bounds say what they are of', async () => {
    const { post } = open({ pingsPerMessageMax: 2, refusedPerMessageMax: 1 })
    const many = await post([text(), text(), text()].join('\n'))
    expect(many.body.error.message).toBe('expected at most 2 trips in a message, received more')
    const bad = await post(Array(2).fill('{"fare":1}').join('\n'))
    expect(bad.body.error.message).toStartWith('expected at most 1 refused trips in a message')
    const large = await post(text({ note: 'x'.repeat(20_000) }))
    expect(large.body.error.message).toStartWith('expected a trip of at most')
    expect((await post('')).body.error.message).toBe('expected at least one trip, received nothing')
  })

  test('a key that sends too fast waits, for its trips and not for its pings', async () => {
    const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'))
    const { post } = open({ pingsPerSecondMax: 1, burstSecondsMax: 1 }, { clock })
    await post(`${text()}\n${text()}`)
    const refused = await post(text())
    expect(refused.status).toBe(429)
    expect(refused.body.error.message).toStartWith('too many trips for this key')
    expect((await post('', {}, '/ingest/trips/flush')).status).toBe(429)
    expect((await post(JSON.stringify(wirePing()), {}, '/ingest')).status).toBe(200)
  })

  test('a server that takes no trips says so before it reads one', async () => {
    const { trips, post } = open()
    const message = 'no trips here'
    trips.refusal = () => ({ ok: false, code: 'unavailable', message, retryAfterMs: 2_000 })
    for (const path of ['/ingest/trips', '/ingest/trips/flush']) {
      const { status, headers, body } = await post('garbage', NDJSON, path)
      expect([status, headers.get('retry-after'), body.error.code]).toEqual([
        503,
        '2',
        'unavailable',
      ])
    }
    expect([trips.offers, trips.flushes]).toEqual([[], []])
  })
})

describe('a table of trips', () => {
  const MALFORMED = [
    ['malformed_001,1,2025-01-15T10:30:00.000Z,25.50,1200,8.5', null],
    ['malformed_002,INVALID_REGION,2025-01-15T10:31:00.000Z,25.50,1200,8.5', 'region_id'],
    ['malformed_003,3,INVALID_TIMESTAMP,25.50,1200,8.5', 'event_time'],
    ['malformed_004,4,2025-01-15T10:33:00.000Z,INVALID_FARE,1200,8.5', 'fare'],
    ['malformed_005,5,2025-01-15T10:34:00.000Z,25.50,INVALID_DURATION,8.5', 'duration'],
    ['malformed_006,5,2025-01-15T10:35:00.000Z,25.50,1200,INVALID_DISTANCE', 'distance'],
    ['MALFORMED_JSON_NO_COMMAS,6,2025-01-15T10:36:00.000Z,25.50,1200,8.5', null],
    ['malformed_008,,2025-01-15T10:37:00.000Z,25.50,1200,8.5', 'region_id'],
    ['malformed_009,8,,25.50,1200,8.5', 'event_time'],
    ['malformed_010,9,2025-01-15T10:39:00.000Z,,1200,8.5', 'fare'],
    ['malformed_011,10,2025-01-15T10:40:00.000Z,25.50,,8.5', 'duration'],
    ['malformed_012,11,2025-01-15T10:41:00.000Z,25.50,1200,', 'distance'],
    ['malformed_013,-1,2025-01-15T10:42:00.000Z,25.50,1200,8.5', 'region_id'],
    ['malformed_014,999,2025-01-15T10:43:00.000Z,25.50,1200,8.5', 'region_id'],
    ['malformed_015,12,2025-01-15T10:44:00.000Z,-10.00,1200,8.5', 'fare'],
    ['malformed_016,13,2025-01-15T10:45:00.000Z,25.50,-500,8.5', 'duration'],
    ['malformed_017,14,2025-01-15T10:46:00.000Z,25.50,1200,-3.2', 'distance'],
    ['malformed_018,1,2025-01-15T10:47:00.000Z,25.50,1200,8.5', null],
  ] as const

  test("StreamPulse's file of bad rows: three trips, and fifteen reasons in their places", async () => {
    const { trips, post } = open()
    const { status, body } = await post(
      `${HEAD}\n${MALFORMED.map(([row]) => row).join('\n')}\n`,
      CSV,
    )
    expect([status, body.accepted, body.refusedCount]).toEqual([200, 3, 15])
    expect(ids(trips.offers[0])).toEqual([
      'malformed_001',
      'MALFORMED_JSON_NO_COMMAS',
      'malformed_018',
    ])
    const refused: readonly { index: number; code: string; path: string }[] = body.refused
    expect(refused.map(({ index, code, path }) => [index, code, path])).toEqual(
      MALFORMED.flatMap(([, path], index) =>
        path === null ? [] : [[index, 'invalid_trip', path]],
      ),
    )
    expect(new Set(body.refused.map(({ message }: { message: string }) => message)).size).toBe(15)
    expect(new TextDecoder().decode(trips.offers[0]?.deadLetters[0]?.raw)).toBe(
      `${HEAD}\n${MALFORMED[1][0]}`,
    )
  })

  test('is taken by pings as little as before', async () => {
    const { post } = open()
    expect((await post(`${HEAD}\n`, CSV, '/ingest')).status).toBe(415)
    expect((await post(`${HEAD}\n${MALFORMED[0][0]}`, {}, '/ingest')).body.error.code).toBe(
      'invalid_json',
    )
  })

  test('is offered as lines of JSON that the journal reads back', async () => {
    const { trips, post } = open()
    await post(
      `${HEAD},note\na,1,2025-08-17 06:00:00,07.5,60,1,"x, ""y"""\nb,2,2025-08-17T06:00:00Z,1,61,2,\n`,
      CSV,
    )
    const [offer] = trips.offers
    expect(payloadTrips(offer)).toEqual([...(offer?.messages ?? [])])
    expect(offer?.messages).toMatchObject([{ tripId: 'a', fareUsd: 7.5 }, { tripId: 'b' }])
    expect(String(offer?.payload)).toContain('"note":"x, \\"y\\""')
  })

  test('without rows is empty, and bytes that are no text spoil their row alone', async () => {
    const { trips, post } = open()
    for (const nothing of ['', '\n', `${HEAD}\n`]) {
      expect((await post(nothing, CSV)).body.error.code).toBe('empty')
    }
    const headless = await post(MALFORMED[0][0], CSV)
    expect(headless.body.error).toMatchObject({
      code: 'invalid_csv',
      message: expect.stringContaining(`a first line that names ${HEAD}`),
    })
    const row = bytes(`\n${MALFORMED[0][0]}`)
    const spoilt = Buffer.concat([bytes(HEAD), row, row.with(3, 0xff), row])
    const { body } = await post(spoilt, CSV)
    expect(body).toMatchObject({ accepted: 2, refused: [{ index: 1, code: 'invalid_utf8' }] })
    expect(trips.offers.at(-1)?.deadLetters[0]?.raw).toEqual(
      Buffer.concat([bytes(HEAD), row.with(3, 0xff)]),
    )
  })

  test('of many rows is one message, each row read under the head', async () => {
    const { trips, post } = open()
    const rows = Array.from({ length: 8_000 }, (_, index) =>
      [
        `trip_${index}`,
        index % 2_000 === 1_999 ? 0 : 7,
        '2025-08-17T06:00:00Z',
        1.5,
        600,
        3,
      ].join(),
    )
    const { body } = await post(`\ufeff${HEAD}\r\n${rows.join('\r\n')}\r\n`, CSV)
    expect(body).toMatchObject({
      accepted: 7_996,
      refused: [{ index: 1_999 }, { index: 3_999 }, { index: 5_999 }, { index: 7_999 }],
    })
    const [offer] = trips.offers
    expect(payloadTrips(offer)).toEqual([...(offer?.messages ?? [])])
    expect(trips.offers).toHaveLength(1)
    const good = rows.filter((_, index) => index % 2_000 !== 1_999)
    expect((await post(`${HEAD}\n${good.join('\n')}`, CSV)).body).toMatchObject({ accepted: 7_996 })
    expect(payloadTrips(trips.offers[1])).toHaveLength(7_996)
  })
})

describe('POST /ingest/trips/flush', () => {
  test('is answered when it has been handled', async () => {
    const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'))
    const { trips, post } = open({}, { clock })
    trips.flushOutcome = null
    const answer = post('', {}, '/ingest/trips/flush')
    const first = await Promise.race([
      answer,
      new Promise((resolve) => setImmediate(resolve, 'no')),
    ])
    expect(first).toBe('no')
    trips.releaseFlush()
    const { status, body } = await answer
    expect([status, body]).toEqual([200, { flushed: true }])
    expect(trips.flushes).toEqual([{ source: TEST_SOURCE, receivedMs: clock.nowMs() }])
  })

  test('that cannot be taken is 503 with a time', async () => {
    const { trips, post } = open()
    trips.flushOutcome = { ok: false, code: 'busy', message: 'full', retryAfterMs: 3_000 }
    const { status, headers } = await post('', {}, '/ingest/trips/flush')
    expect([status, headers.get('retry-after')]).toEqual([503, '3'])
  })
})

describe('/ws/trips', () => {
  function listen(overrides: Partial<GatewayOptions> = {}) {
    const { ingest, trips, ports } = open(overrides)
    const server = startServer(ports, { port: 0, host: '127.0.0.1', ...overrides })
    servers.push(server)
    const at = (path: string): string => `ws://127.0.0.1:${server.port}${path}`
    return { ingest, trips, at }
  }

  for (const each of TRIP_CASES) {
    test(each.name, async () => {
      const { ingest, trips, at } = listen()
      await runContractCase(each, { url: at('/ws/trips'), key: TEST_KEY })
      expect(trips.deadLetterCodes).toEqual(each.deadLetters)
      expect(trips.itemCount).toBe(each.accepted)
      expect(ingest.offers).toEqual([])
    })
  }

  test('stands beside /ws, under one cap, and a near miss is no socket', async () => {
    const { ingest, trips, at } = listen({ connectionsMax: 2 })
    const pings = await TestSocket.open(at('/ws?v=1'), TEST_KEY)
    const both = await TestSocket.open(at('/ws/trips?v=1'), TEST_KEY)
    expect(await pings.ask(JSON.stringify(wirePing()))).toBe(RECEIVED)
    expect(await both.ask(text())).toBe(RECEIVED)
    expect([ingest.itemCount, trips.itemCount]).toEqual([1, 1])
    expect(await TestSocket.connect(at('/ws/trips')).catch(() => 'refused')).toBe('refused')
    for (const path of ['/ws/', '/ws/trip', '/ws/trips/', '/wss']) {
      expect((await fetch(at(path).replace('ws:', 'http:'))).status).toBe(404)
    }
  })

  test('takes a table too', async () => {
    const { trips, at } = listen()
    const socket = await TestSocket.open(at('/ws/trips'), TEST_KEY)
    const reply = await socket.ask(`${HEAD}\na,1,2025-08-17T06:00:00Z,1,60,1\nb,0,x,1,60,1`)
    expect(JSON.parse(reply)).toMatchObject({ success: false, accepted: 1, refusedCount: 1 })
    expect(ids(trips.offers[0])).toEqual(['a'])
  })
})

describe('a dead letter of a trip', () => {
  function stored(raw: string | Uint8Array, partition: number): StoredDeadLetter {
    const name = { partition, offset: 4, part: 0 }
    const kept = typeof raw === 'string' ? bytes(raw) : raw
    return { name, raw: kept, truncated: false, source: 'depot', done: null }
  }

  async function retry(letter: StoredDeadLetter) {
    const reader = { ...emptyReader, deadLetter: async () => letter }
    const { ingest, trips, app } = open({}, { reader })
    const path = `/api/dead-letters/${letter.name.partition}-4-0/retry`
    const answer = await app.request(path, { method: 'POST', headers: LOCAL_HOST }, LOCAL)
    return { ingest, trips, body: await answer.json() }
  }

  test('is retried as a trip, one of a ping as a ping', async () => {
    const trip = await retry(stored(text(), TRIPS_PARTITION_FIRST))
    expect(trip.body).toMatchObject({ outcome: 'accepted', pings: 1 })
    expect(trip.trips.offers).toMatchObject([
      { source: 'depot/retry', retry: { letter: { partition: 1_000 }, outcome: 'accepted' } },
    ])
    expect(trip.ingest.offers).toEqual([])
    const ping = await retry(stored(JSON.stringify(wirePing()), TRIPS_PARTITION_FIRST - 1))
    expect([ping.ingest.itemCount, ping.trips.itemCount]).toEqual([1, 0])
    const mixed = await retry(stored(JSON.stringify(wirePing()), TRIPS_PARTITION_FIRST))
    expect(mixed.body).toMatchObject({ outcome: 'refused', code: 'invalid_trip', path: 'trip_id' })
  })

  test('that was a row of a table is read as one', async () => {
    const { trips, post } = open()
    await post(`${HEAD}\nfar,7,2025-01-01T00:00:00Z,1,60,1\nbad,x,,1,60,1`, CSV)
    const [letter] = trips.offers[0]?.deadLetters ?? []
    const again = await retry(stored(letter?.raw ?? '', TRIPS_PARTITION_FIRST))
    expect(again.body).toMatchObject({
      outcome: 'refused',
      code: 'invalid_trip',
      path: 'region_id',
    })
    const good = `${HEAD}\nfar,7,2025-08-17T06:00:00Z,1,60,1`
    const better = await retry(stored(good, TRIPS_PARTITION_FIRST))
    expect(better.body).toMatchObject({ outcome: 'accepted' })
    expect(ids(better.trips.offers[0])).toEqual(['far'])
  })
})
