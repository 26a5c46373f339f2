import { expect, test } from 'bun:test'

import fc from 'fast-check'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'

import type { TripsFact } from '../../actors/model/fact.ts'
import { parseAcceptedTrip } from '../../actors/model/trip.ts'
import { decodeFrames } from './decode.ts'
import { packFrames } from './frames.ts'
import { type EncodedFile, ParquetEncoder } from './parquet.ts'
import { PING_COLUMNS, TRIP_COLUMNS } from './table-schema.ts'
import { TripColumns } from './trip-columns.ts'
import { tripFrameOf, tripOf, tripTimeUs } from './trip-testing.ts'

// As a process has them: reused, so that one batch could leak into the next.
const columns = new TripColumns(4)
const encoder = new ParquetEncoder()
const PARTITION = 1_003

function decode(frames: readonly TripsFact[]): TripColumns {
  const rows = frames.map((frame) => ({ ...frame, partition: PARTITION }))
  const range = { partition: PARTITION, offsetFirst: 0, offsetLast: 9_999 }
  columns.clear()
  decodeFrames(
    packFrames({ id: `${PARTITION}:0-9999`, ...range, rows }, { table: 'trips' }),
    columns,
  )
  return columns
}

const decodeText = (...payloads: readonly string[]): TripColumns =>
  decode(payloads.map((payload, offset) => ({ ...tripFrameOf(offset, []), count: 1, payload })))

function encode(trips: readonly unknown[]): EncodedFile {
  decode(trips.map((trip, offset) => tripFrameOf(offset, [trip])))
  return encoder.encode(columns, { day: 20_778, rows: null }, PARTITION)
}

function read({ bytes }: EncodedFile) {
  const compressors = { ZSTD: (input: Uint8Array) => Bun.zstdDecompressSync(input) }
  return parquetReadObjects({ file: bytes.slice().buffer, compressors })
}

const json = (offset: number, more: object = {}): string =>
  JSON.stringify({ ...tripOf(offset), ...more })

test('a time is read in every form its senders write, and its text stays', () => {
  const { eventTimeUs, timeText, day } = decode([
    tripFrameOf(
      0,
      Array.from({ length: 10 }, (_, offset) => tripOf(offset)),
    ),
  ])
  const times = Array.from({ length: 10 }, (_, offset) => tripTimeUs(offset))
  expect([...eventTimeUs.subarray(0, 10)]).toEqual(times)
  expect([...day.subarray(0, 10)]).toEqual(times.map((us) => Math.floor(us / 86_400_000_000)))
  expect(timeText.slice(0, 5).map(String)).toEqual([
    '2026-09-21T14:13:20Z',
    '2026-09-21T14:14:20+00:00Z',
    '2026-09-21T14:15:20+00:00',
    '2026-09-21T14:16:20',
    '2026-09-21 14:17:20',
  ])
})

test('a column has what was accepted, and what was sent in another form is kept among the extras', () => {
  const other = { trip_id: ' trip 7\t', region_id: '12', fare: '12.50', duration: '90' }
  const { tripId, regionId, fareUsd, durationS, extras } = decodeText(json(1, other), json(2))
  expect([tripId.at(0), regionId[0], fareUsd[0], durationS[0]]).toEqual(['trip 7', 12, 12.5, 90])
  expect(JSON.parse(extras.at(0) ?? '')).toEqual(other)
  expect(extras.at(1)).toBeNull()
})

test('fields without a column are kept with their digits', () => {
  const plain = json(1).slice(1)
  const decoded = decodeText(
    `{"pickup_location":{"lat":40.70,"lon":-74},"meter":12345678901234567890,${plain}`,
    `{"__proto__":{"a":1},${plain}`,
    json(2, { driver_id: 'driver_7', tags: ['a', null] }),
  )
  expect([0, 1, 2].map((row) => decoded.extras.at(row))).toEqual([
    '{"pickup_location":{"lat":40.70,"lon":-74},"meter":12345678901234567890}',
    '{"__proto__":{"a":1}}',
    '{"driver_id":"driver_7","tags":["a",null]}',
  ])
})

test('a frame that holds no trip, another number of them, or pings stops the sink', () => {
  expect(() => decodeText(json(0, { region_id: 101 }))).toThrow(/journal holds a trip that is none/)
  expect(() => decodeText(`${json(0)}\n${json(1)}`)).toThrow(/journal entry 0/)
  const batch = { id: '0:0-0', partition: 0, offsetFirst: 0, offsetLast: 0 }
  const rows = [tripFrameOf(0, [tripOf(0)])]
  expect(() => packFrames({ ...batch, rows })).toThrow(/trips does not belong into table pings/)
})

const sent = fc.record(
  {
    trip_id: fc.oneof(
      fc.constantFrom('t', ' t', 'ü🛵'),
      fc.string({ minLength: 1, maxLength: 20 }),
    ),
    region_id: fc.oneof(fc.integer({ min: 1, max: 100 }), fc.constantFrom('7', '100')),
    event_time: fc.constantFrom(
      '2025-08-17T06:00:00+00:00Z',
      '2025-08-17 06:00:00',
      '1969-12-31T23:59:59.000001Z',
    ),
    fare: fc.oneof(fc.double({ min: 0, max: 1_000, noNaN: true }), fc.constantFrom('9.5', -0)),
    duration: fc.integer({ min: 60, max: 7_200 }),
    distance: fc.double({ min: 0.1, max: 200, noNaN: true }),
    driver_id: fc.constantFrom<unknown>('driver_1', 'driver_2', null, 5),
    hops: fc.constantFrom<unknown>(1, [1], { deep: null }),
  },
  { requiredKeys: ['trip_id', 'region_id', 'event_time', 'fare', 'duration', 'distance'] },
)

test('what was sent is what a reader of the file gets', async () => {
  const trips = sent.filter(({ trip_id }) => trip_id.trim() !== '' && trip_id.isWellFormed())
  await fc.assert(
    fc.asyncProperty(fc.array(trips, { minLength: 1, maxLength: 40 }), async (all) => {
      const wires = all.map((trip) => JSON.parse(JSON.stringify(trip)) as Record<string, unknown>)
      const rows = await read(encode(all))
      expect(rows).toHaveLength(all.length)
      for (const [offset, row] of rows.entries()) {
        const wire = wires[offset] ?? {}
        const trip = parseAcceptedTrip(wire)
        expect(row).toMatchObject({
          trip_id: trip.tripId,
          region_id: trip.regionId,
          fare: trip.fareUsd,
          duration: trip.durationS,
          distance: trip.distanceKm,
          partition: PARTITION,
          offset: BigInt(offset),
          source: 'test',
          event_time_text: wire['event_time'],
        })
        const time: unknown = row['event_time']
        expect(time instanceof Date && time.getTime()).toBe(Math.trunc(trip.eventTimeUs / 1_000))
        // The columns and the extras together are what was sent.
        const extras: unknown =
          row['extras'] === null ? {} : JSON.parse(String(row['extras'] ?? '{}'))
        const { trip_id, region_id, fare, duration, distance } = row
        const columnsOfIt = { trip_id, region_id, fare, duration, distance }
        expect({ ...columnsOfIt, event_time: row['event_time_text'], ...Object(extras) }).toEqual(
          wire,
        )
      }
    }),
    { numRuns: 100 },
  )
}, 30_000)

test('a file has the ids and bounds of its columns, and none of them is null but extras', () => {
  const { bytes, file } = encode([tripOf(0), tripOf(1), tripOf(2)])
  const schema = parquetMetadata(bytes.slice().buffer).schema.slice(1)
  expect(schema.map(({ name, field_id }) => [name, field_id])).toEqual(
    TRIP_COLUMNS.map(({ name, id }) => [name, id]),
  )
  const optional = schema.filter((element) => element.repetition_type === 'OPTIONAL')
  expect(optional.map((element) => element.name)).toEqual(['extras'])
  const bound = (bounds: EncodedFile['file']['lowerBounds'], id: number) =>
    Buffer.from(bounds.find(([of]) => of === id)?.[1] ?? [])
  expect(bound(file.lowerBounds, 2).readInt32LE()).toBe(1)
  expect(bound(file.upperBounds, 2).readInt32LE()).toBe(3)
  expect(bound(file.lowerBounds, 4).readDoubleLE()).toBe(5)
  expect(bound(file.upperBounds, 3).readBigInt64LE()).toBe(BigInt(tripTimeUs(2)))
  expect(bound(file.lowerBounds, 1).toString()).toBe('trip_1_000000')
})

test('both tables name what they have in common alike', () => {
  const last = (all: readonly { name: string; type: string; required: boolean }[]) =>
    all.slice(-7, -1).map(({ name, type, required }) => [name, type, required])
  expect(last(TRIP_COLUMNS)).toEqual(last(PING_COLUMNS))
})
