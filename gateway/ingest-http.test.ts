import { expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { createApp } from './app.ts'
import type { GatewayOptions } from './options.ts'
import type { GatewayPorts } from './ports.ts'
import { REMOTE, TEST_KEY, TEST_SOURCE, TestIngest, testPorts, wirePing } from './testing.ts'

type Answer = Readonly<{ status: number; headers: Headers; body: Record<string, unknown> }>
type Post = (
  body: BodyInit,
  headers?: Readonly<Record<string, string>>,
  path?: string,
) => Promise<Answer>

function open(
  overrides: Partial<GatewayOptions> = {},
  parts: Partial<GatewayPorts> = {},
): Readonly<{ ingest: TestIngest; post: Post }> {
  const ingest = new TestIngest()
  const { app } = createApp(testPorts({ ingest, ...parts }), overrides)
  const post: Post = async (body, headers = {}, path = '/ingest') => {
    const all = { authorization: `Bearer ${TEST_KEY}`, ...headers }
    const response = await app.request(path, { method: 'POST', body, headers: all }, REMOTE)
    return { status: response.status, headers: response.headers, body: await response.json() }
  }
  return { ingest, post }
}

const NDJSON = { 'content-type': 'application/x-ndjson' }
const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' }
const text = (fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify(wirePing(fields))

test('lines, a list, an object and plain text are all taken, with counts', async () => {
  const { ingest, post } = open()
  const none = { refused: [], refusedCount: 0 }
  expect((await post(`${text()}\n${text()}\n`, NDJSON)).body).toEqual({ accepted: 2, ...none })
  expect((await post(`[${text()}]`, JSON_TYPE)).body).toEqual({ accepted: 1, ...none })
  expect((await post(text(), JSON_TYPE)).body).toEqual({ accepted: 1, ...none })
  expect((await post(text())).body).toEqual({ accepted: 1, ...none })
  expect(ingest.offers.map((offer) => offer.source)).toEqual(Array(4).fill(TEST_SOURCE))
})

test('a key may come as X-API-Key', async () => {
  const { post } = open()
  const headers = { ...NDJSON, authorization: '', 'x-api-key': TEST_KEY }
  expect((await post(text(), headers)).status).toBe(200)
})

test('no key or a wrong one is 401 and nothing is kept', async () => {
  const { ingest, post } = open()
  for (const authorization of [
    '',
    'Bearer wrong',
    `Basic ${TEST_KEY}`,
    `Bearer ${'x'.repeat(999)}`,
  ]) {
    const answer = await post(text(), { ...NDJSON, authorization })
    expect(answer.status).toBe(401)
    expect(answer.headers.get('www-authenticate')).toBe('Bearer')
    expect(answer.body).toMatchObject({ error: { code: 'unauthorized' } })
  }
  expect(ingest.offers).toHaveLength(0)
})

test('some refused: 200 with place and reason of each, and dead letters', async () => {
  const { ingest, post } = open()
  const answer = await post([text(), text({ status: 'paused' }), 'garbage'].join('\n'), NDJSON)
  expect(answer.status).toBe(200)
  expect(answer.body).toMatchObject({
    accepted: 1,
    refusedCount: 2,
    refused: [
      { index: 1, code: 'invalid_ping', path: 'status', received: '"paused"' },
      { index: 2, code: 'invalid_json', path: '' },
    ],
  })
  expect(ingest.deadLetterCodes).toEqual(['invalid_ping', 'invalid_json'])
})

test('all refused, an empty or an unreadable body: 400 with reasons', async () => {
  const { ingest, post } = open()
  for (const [body, code] of [
    ['', 'empty'],
    ['{"a":', 'invalid_json'],
    [text({ order_id: 1 }), 'invalid_ping'],
    [`${text({ order_id: 1 })}\n${text({ order_id: 2 })}`, 'all_refused'],
  ] as const) {
    const answer = await post(body, NDJSON)
    expect(answer.status).toBe(400)
    expect(answer.body).toMatchObject({ error: { code }, accepted: 0 })
    expect(answer.body.refused).toBeArray()
  }
  expect(ingest.deadLetterCodes).toHaveLength(5)
})

test('a repeated body is counted when asked for', async () => {
  const { ingest, post } = open()
  ingest.outcome = ({ countDuplicates, messages }) => ({
    ok: true,
    duplicates: countDuplicates ? messages.length : null,
  })
  expect((await post(text(), NDJSON, '/ingest?duplicates=count')).body).toMatchObject({
    accepted: 1,
    duplicates: 1,
  })
  expect((await post(text(), NDJSON)).body).not.toHaveProperty('duplicates')
})

test('a body that is too large is 413, with or without its length given', async () => {
  const { ingest, post } = open({ bodyBytesMax: 1_000 })
  const large = `${text()}\n${text()}\n${text()}`
  const streamed = new ReadableStream({
    start(controller) {
      for (let part = 0; part < 3; part++) controller.enqueue(new TextEncoder().encode(text()))
      controller.close()
    },
  })
  const length = { 'content-length': String(large.length) }
  for (const [body, headers] of [
    [large, { ...NDJSON, ...length }],
    [large, NDJSON],
    [streamed, NDJSON],
  ] as const) {
    const answer = await post(body, headers)
    expect(answer.status).toBe(413)
    expect(answer.body).toMatchObject({ error: { code: 'too_large' } })
  }
  expect(ingest.offers).toHaveLength(0)
})

test('gzip and zstd are taken, bounded after inflation; other codings are 415', async () => {
  const { ingest, post } = open({ bodyBytesMax: 100_000 })
  const lines = new TextEncoder().encode(`${text()}\n${text()}`)
  const gzip = { ...NDJSON, 'content-encoding': 'gzip' }
  const zstd = { ...NDJSON, 'content-encoding': 'zstd' }
  expect((await post(Bun.gzipSync(lines), gzip)).body).toMatchObject({ accepted: 2 })
  expect((await post(Uint8Array.from(Bun.zstdCompressSync(lines)), zstd)).body).toMatchObject({
    accepted: 2,
  })
  const bomb = new Uint8Array(10_000_000)
  expect((await post(Bun.gzipSync(bomb), gzip)).status).toBe(413)
  expect((await post(Uint8Array.from(Bun.zstdCompressSync(bomb)), zstd)).status).toBe(413)
  expect((await post(lines, gzip)).status).toBe(400)
  expect((await post(lines, { ...NDJSON, 'content-encoding': 'br' })).status).toBe(415)
  expect(ingest.offers).toHaveLength(2)
})

test('a type that is none of ours is 415 and says which are', async () => {
  const { post } = open()
  const answer = await post(text(), { 'content-type': 'application/x-www-form-urlencoded' })
  expect(answer.status).toBe(415)
  expect(JSON.stringify(answer.body)).toContain('application/x-ndjson')
})

test('a key that posts too fast is 429 with Retry-After', async () => {
  const clock = new VirtualClock(Date.parse('2026-01-01T00:00:00Z'))
  const { post } = open({ pingsPerSecondMax: 1, burstSecondsMax: 1 }, { clock })
  expect((await post(`${text()}\n${text()}\n${text()}`, NDJSON)).status).toBe(200)
  const answer = await post(text(), NDJSON)
  expect(answer.status).toBe(429)
  expect(answer.headers.get('retry-after')).toBe('3')
  expect(answer.body).toMatchObject({ error: { code: 'rate_limited' } })
  await clock.advanceMs(3_000)
  expect((await post(text(), NDJSON)).status).toBe(200)
})

test('busy, a full disk and a store that is away are 503 with Retry-After', async () => {
  const { ingest, post } = open()
  for (const code of ['busy', 'disk_full', 'unavailable'] as const) {
    ingest.outcome = () => ({ ok: false, code, message: 'not now', retryAfterMs: 1_500 })
    const answer = await post(text(), NDJSON)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('2')
    expect(answer.body).toMatchObject({ error: { code, message: 'not now, retry after 1500 ms' } })
  }
})

test('while nothing can be taken, a body is not read', async () => {
  const { ingest, post } = open()
  ingest.refusal = () => ({ ok: false, code: 'busy', message: 'not now', retryAfterMs: 1_500 })
  const answer = await post('no ping at all', NDJSON)
  expect(answer.status).toBe(503)
  expect(answer.headers.get('retry-after')).toBe('2')
  ingest.refusal = () => null
  expect((await post(text(), NDJSON)).status).toBe(200)
})

test('bodies beyond the budget of all are 503, and their bytes are given back', async () => {
  const { ingest, post } = open({ bodiesBytesMax: 1_000 })
  ingest.outcome = null
  const sized = { ...NDJSON, 'content-length': String(text().length) }
  const first = post(text(), sized)
  const second = post(text(), sized)
  await ingest.atLeast(2)
  expect((await post(text(), sized)).status).toBe(503)
  ingest.release()
  ingest.release()
  expect([(await first).status, (await second).status]).toEqual([200, 200])
  ingest.outcome = () => ({ ok: true, duplicates: null })
  expect((await post(text(), sized)).status).toBe(200)
})

test('a body that does not end is 408', async () => {
  const clock = new VirtualClock()
  const { post } = open({}, { clock })
  const answer = post(new ReadableStream({ start: () => {} }), NDJSON)
  await clock.advanceMs(30_000)
  expect((await answer).status).toBe(408)
})

test('a large body of lines is one message, refused lines found at their places', async () => {
  const { ingest, post } = open()
  const lines = Array.from({ length: 3_000 }, (_, index) =>
    index % 1_000 === 999 ? text({ current_lat: 999 }) : text({ route_name: `Route ${index}` }),
  )
  const answer = await post(`\ufeff${lines.join('\n')}\n`, NDJSON)
  expect(answer.body).toMatchObject({
    accepted: 2_997,
    refusedCount: 3,
    refused: [{ index: 999 }, { index: 1_999 }, { index: 2_999 }],
  })
  const [offer] = ingest.offers
  const payload = String(offer?.payload).split('\n')
  expect(payload).toEqual(lines.filter((_, index) => index % 1_000 !== 999))
  expect(ingest.offers).toHaveLength(1)
})

test('empty lines at the end of a large body are nothing, wherever it is cut', async () => {
  const { ingest, post } = open()
  // The last line passes the first window's end, so that the empty lines are alone in the next.
  const short = Array.from({ length: 400 }, () => text()).join('\n')
  const line = text({ route_name: 'x'.repeat(10_000) })
  const lines = `${short}\n${Array.from({ length: 8 }, () => line).join('\n')}`
  const answer = await post(`${lines}\n\n \n`, NDJSON)
  expect(answer.body).toEqual({ accepted: 408, refused: [], refusedCount: 0 })
  expect(ingest.offers).toHaveLength(1)
})

test('a large good body is passed on as it came', async () => {
  const { ingest, post } = open()
  const body = new TextEncoder().encode(Array.from({ length: 2_000 }, () => text()).join('\n'))
  expect((await post(body, NDJSON)).body).toMatchObject({ accepted: 2_000 })
  expect(ingest.offers[0]?.payload).toEqual(body)
})

test('too many pings in a body, or too many bad ones, are refused as one', async () => {
  const { ingest, post } = open({ pingsPerMessageMax: 1_500 })
  const many = await post(Array.from({ length: 1_600 }, () => text()).join('\n'), NDJSON)
  expect(many.body).toMatchObject({ error: { code: 'too_many' }, accepted: 0, refusedCount: 1 })
  const bad = text({ current_lat: 999 })
  const spoilt = await post(Array.from({ length: 1_400 }, () => bad).join('\n'), NDJSON)
  expect(spoilt.body).toMatchObject({ error: { code: 'too_many_refused' }, accepted: 0 })
  expect(ingest.deadLetterCodes).toEqual(['too_many', 'too_many_refused'])
})
