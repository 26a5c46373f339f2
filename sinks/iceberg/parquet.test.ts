import { expect, test } from 'bun:test'

import fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'

import { parseEventTimeUs } from '../../actors/model/time.ts'
import { compareCodePoints } from './column-encoder.ts'
import { decodeFrames } from './decode.ts'
import { packFrames } from './frames.ts'
import { type EncodedFile, ParquetEncoder } from './parquet.ts'
import { PingColumns } from './ping-columns.ts'
import { PING_COLUMNS as COLUMNS } from './table-schema.ts'
import { frameOf, pingOf } from './testing.ts'

// As a process has them: reused, so that one batch could leak into the next.
const columns = new PingColumns(4)
const encoder = new ParquetEncoder()

function encode(pings: readonly unknown[], picked: Uint32Array | null = null): EncodedFile {
  const rows = pings.map((ping, offset) => frameOf(offset, [ping]))
  const batch = { id: '3:0', partition: 3, offsetFirst: 0, offsetLast: pings.length, rows }
  columns.clear()
  decodeFrames(packFrames(batch), columns)
  return encoder.encode(columns, { day: 20_778, rows: picked }, 3)
}

function read({ bytes }: EncodedFile) {
  const compressors = { ZSTD: (input: Uint8Array) => Bun.zstdDecompressSync(input) }
  return parquetReadObjects({ file: bytes.slice().buffer, compressors })
}

type Pings = Readonly<Record<string, unknown>>[]

const coordinate = fc.oneof(
  fc.double({ min: -90, max: 90, noNaN: true }),
  fc.constantFrom(0, -0, 37.5, '37.25', undefined, 'north'),
)
const text = fc.oneof(
  fc.constantFrom('a', 'b', 'ü🛵'),
  fc.string({ unit: 'grapheme', maxLength: 30 }),
)
const ping = fc.record({
  session_id: fc.constantFrom<unknown>('s1', 's2', 's3', 's4', undefined),
  device_id: text,
  order_id: fc.constantFrom<unknown>('o1', 'o2', 7, undefined),
  status: fc.constantFrom('started', 'en_route'),
  timestamp: fc.constantFrom<unknown>(
    '2026-11-21T03:59:21.422993',
    '2026-11-21T03:59:21Z',
    '1969-01-01T00:00:00.000001+05:30',
    'never',
    undefined,
  ),
  start_lat: coordinate,
  end_lon: coordinate,
  current_lat: coordinate,
  route: fc.option(fc.constantFrom('r1', 'r2'), { nil: undefined }),
  hops: fc.option(fc.constantFrom<unknown>(1, 2, [1], { deep: null }), { nil: undefined }),
})

function expectedRow(sent: Readonly<Record<string, unknown>>, offset: number) {
  const wire = JSON.parse(JSON.stringify(sent)) as Record<string, unknown>
  const misfits: Record<string, unknown> = {}
  const textAt = (name: string): string | null => {
    const value = wire[name]
    if (typeof value !== 'string' && value !== undefined) misfits[name] = value
    return typeof value === 'string' ? value : null
  }
  const numberAt = (name: string): number | null => {
    const value = wire[name]
    const number = value === undefined || value === '' ? Number.NaN : Number(value)
    if (Number.isNaN(number) && value !== undefined) misfits[name] = value
    return Number.isNaN(number) ? null : number
  }
  const time = textAt('timestamp')
  const us = time === null ? null : parseEventTimeUs(time)
  const row = {
    session_id: textAt('session_id'),
    device_id: textAt('device_id'),
    order_id: textAt('order_id'),
    status: textAt('status'),
    // hyparquet cuts microseconds toward 1970.
    timestamp: us === null ? null : Math.trunc(us / 1_000),
    timestamp_text: time,
    start_lat: numberAt('start_lat'),
    end_lon: numberAt('end_lon'),
    current_lat: numberAt('current_lat'),
    offset,
  }
  const { route, hops } = wire
  const rest = {
    ...(route === undefined ? {} : { route }),
    ...(hops === undefined ? {} : { hops }),
  }
  const extras = { ...misfits, ...rest }
  return { ...row, extras: Object.keys(extras).length === 0 ? null : extras }
}

function actualRow(row: Readonly<Record<string, unknown>>) {
  const names = ['session_id', 'device_id', 'order_id', 'status', 'timestamp_text']
  const numbers = ['start_lat', 'end_lon', 'current_lat']
  const { timestamp, extras, offset } = row
  return {
    ...Object.fromEntries([...names, ...numbers].map((name) => [name, row[name] ?? null])),
    timestamp: timestamp instanceof Date ? timestamp.getTime() : null,
    offset: Number(offset),
    extras: typeof extras === 'string' ? JSON.parse(extras) : null,
  }
}

test('what was sent is what a reader of the file gets, whatever repeats, changes or is missing', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(ping, { minLength: 1, maxLength: 60 }), async (pings: Pings) => {
      const rows = (await read(encode(pings))).map(actualRow)
      expect(rows).toEqual(pings.map(expectedRow))
    }),
    { numRuns: 150 },
  )
}, 30_000)

test('a file of some rows holds these, and its numbers are of these alone', async () => {
  const sent = Array.from({ length: 400 }, (_, offset) => pingOf(offset, offset % 90))
  const picked = Uint32Array.from(sent.keys()).filter((row) => row % 3 === 1)
  const encoded = encode(sent, picked)
  const rows = await read(encoded)
  expect(rows.map((row) => Number(row['offset']))).toEqual([...picked])
  expect(rows.map((row) => row['order_id'])).toEqual(
    [...picked].map((at) => sent[at]?.['order_id']),
  )
  expect(rows.every((row) => row['partition'] === 3)).toBe(true)
  expect(encoded.file.rows).toBe(picked.length)
  const bound = (bounds: EncodedFile['file']['lowerBounds'], name: string) =>
    Buffer.from(bounds.find(([id]) => id === COLUMNS.find((c) => c.name === name)?.id)?.[1] ?? [])
  expect(bound(encoded.file.lowerBounds, 'offset').readBigInt64LE()).toBe(1n)
  expect(bound(encoded.file.upperBounds, 'offset').readBigInt64LE()).toBe(397n)
  expect(bound(encoded.file.upperBounds, 'current_lat').readDoubleLE()).toBeCloseTo(38.000397, 9)
  expect(bound(encoded.file.lowerBounds, 'device_id').toString()).toBe('device-0')
  expect(encoded.file.lowerBounds.some(([id]) => id === 19)).toBe(false)
})

test('nulls are counted, and a column without any carries no levels', () => {
  const { bytes, file } = encode([pingOf(0), { ...pingOf(1), current_lat: undefined }, pingOf(2)])
  const nulls = new Map(file.nullCounts)
  expect([nulls.get(11), nulls.get(12), nulls.get(18)]).toEqual([1, 0, 2])
  const schema = parquetMetadata(bytes.slice().buffer).schema.slice(1)
  expect(schema.map((element) => element.field_id)).toEqual(COLUMNS.map(({ id }) => id))
  const optional = schema.filter((element) => element.repetition_type === 'OPTIONAL')
  expect(optional.map((element) => element.name)).toEqual(['current_lat', 'extras'])
})

test('texts are in the order of their bytes', () => {
  const unit = fc.constantFrom('a', 'z', '\ud7ff', '\ue000', '\uffff', '\u{10000}', '\u{10ffff}')
  const texts = fc.string({ unit, maxLength: 5 })
  fc.assert(
    fc.property(texts, texts, (a, b) => {
      const byBytes = Buffer.compare(Buffer.from(a), Buffer.from(b))
      expect(Math.sign(compareCodePoints(a, b))).toBe(byBytes)
    }),
    { numRuns: 500 },
  )
})
