import { expect, test } from 'bun:test'

import type { PingsFact } from '../../actors/model/fact.ts'
import type { Batch } from '../sink.ts'
import { decodeFrames } from './decode.ts'
import { packedBytes, packFrames } from './frames.ts'
import { PingColumns } from './ping-columns.ts'
import { frameOf, pingOf } from './testing.ts'

function decode(...frames: readonly (readonly [offset: number, count: number, payload: string])[]) {
  const rows = frames.map(([offset, count, payload]): PingsFact => ({
    ...frameOf(offset, []),
    count,
    payload: new TextEncoder().encode(payload),
  }))
  const batch: Batch<PingsFact> = {
    id: '0:0-99',
    partition: 0,
    offsetFirst: 0,
    offsetLast: 99,
    rows,
  }
  const columns = new PingColumns(2)
  decodeFrames(packFrames(batch), columns)
  return columns
}

const json = (offset: number, more: object = {}): string =>
  JSON.stringify({ ...pingOf(offset), ...more })

test('objects, arrays, lines and text over several lines may follow one another', () => {
  const pretty = JSON.stringify([pingOf(6), pingOf(7)], null, 2)
  const columns = decode(
    [0, 1, json(0)],
    [1, 2, `[${json(1)},${json(2)}]`],
    [3, 2, `${json(3)}\r\n\n  ${json(4)}\n`],
    [5, 1, JSON.stringify(pingOf(5), null, 4)],
    [6, 2, pretty],
    [8, 1, `[${json(8)}]`],
  )
  expect(columns.rows).toBe(9)
  expect([...columns.offset.subarray(0, 9)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
  const expected = Array.from({ length: 9 }, (_, offset) => pingOf(offset)['timestamp'])
  expect(columns.timeText.map(String)).toEqual(expected.map(String))
})

test('a frame that holds another number of pings than it says stops the sink', () => {
  for (const payload of [`${json(0)}\n${json(1)}`, `${json(0)}${json(1)}`, '', '[]', '7', 'null']) {
    expect(() => decode([0, 3, payload])).toThrow(/journal entry 0/)
  }
  expect(() => decode([0, 1, '{"a":'])).toThrow(/journal entry 0/)
})

test('numbers in quotes are numbers; what fits no column is kept among the extras', () => {
  const columns = decode([0, 1, json(1, { current_lat: ' 37.5 ', end_lat: 'north', status: 5 })])
  expect(columns.numbers.current_lat[0]).toBe(37.5)
  expect(columns.nulls.get('end_lat')?.has(0)).toBe(true)
  expect(columns.texts.status.at(0)).toBeNull()
  expect(JSON.parse(columns.extras.at(0) ?? '')).toEqual({ status: 5, end_lat: 'north' })
})

test('a time that cannot be read is null, its text stays, and the day of receipt files it', () => {
  const columns = decode([0, 1, json(1, { timestamp: 'yesterday' })])
  expect(columns.nulls.get('timestamp')?.has(0)).toBe(true)
  expect(columns.timeText[0]).toBe('yesterday')
  expect(columns.day[0]).toBe(20_717)
})

test('extras keep their digits, and a ping without extras has none', () => {
  const plain = { ...pingOf(1) }
  const columns = decode(
    [0, 1, JSON.stringify(plain)],
    [1, 1, `{"imei":12345678901234567890,${JSON.stringify(plain).slice(1)}`],
    [2, 1, `{"deep":[{"n":1e400}],"x":1.50,${JSON.stringify(plain).slice(1)}`],
    [3, 1, `{"__proto__":{"a":1},${JSON.stringify(plain).slice(1)}`],
  )
  expect([0, 1, 2, 3].map((row) => columns.extras.at(row))).toEqual([
    null,
    '{"imei":12345678901234567890}',
    '{"deep":[{"n":1e400}],"x":1.50}',
    '{"__proto__":{"a":1}}',
  ])
})

test('a batch is packed into memory that is used again, and a frame outside of it is a fault', () => {
  const batch = { id: '0:0-9', partition: 0, offsetFirst: 0, offsetLast: 9 }
  const rows = [frameOf(0, [pingOf(0)]), { ...frameOf(1, [pingOf(1)]), source: 'other' }]
  const first = packFrames({ ...batch, rows })
  expect(first.buffer.byteLength).toBeGreaterThanOrEqual(packedBytes(rows))
  expect(first).toMatchObject({ frames: 2, messages: 2, sources: ['test', 'other'] })
  expect(packFrames({ ...batch, rows: rows.slice(1) }, { spare: first.buffer }).buffer).toBe(
    first.buffer,
  )
  const outside = { ...batch, rows: [frameOf(9, [pingOf(9), pingOf(10)])] }
  expect(() => packFrames(outside)).toThrow(/not within batch/)
})
