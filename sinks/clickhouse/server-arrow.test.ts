import { afterAll, beforeAll, expect, test } from 'bun:test'

import { BytesColumn, FloatColumn, IntColumn, TextColumn } from './columns.ts'
import type { ClickHouse } from './engine.ts'
import { arrowStream } from './server-arrow.ts'
import { openTestClickHouse } from './testing.ts'

let engine: ClickHouse
beforeAll(async () => {
  engine = await openTestClickHouse()
})
afterAll(() => engine.close())

/** ClickHouse's own reader of the format; types and all are what the stream says they are. */
const read = (stream: Buffer, select = '*') =>
  engine.query(
    `SELECT ${select} FROM format(ArrowStream, base64Decode('${stream.toString('base64')}'))`,
  )

test('a stream says its own names and types', async () => {
  const columns = [
    new IntColumn('count'),
    new IntColumn('at', 'time'),
    new FloatColumn('speed'),
    new TextColumn('naïve name 🛵'),
    new BytesColumn('raw'),
  ] as const
  columns[0].add(-7)
  columns[1].add(1_790_000_000_123)
  columns[2].add(null)
  columns[3].add('Ζωή')
  columns[4].add(new Uint8Array([0, 255, 10, 10]))
  const stream = arrowStream(columns.map((column) => column.column()))
  const rows = await read(
    stream,
    'count, toTypeName(at), at, speed, toTypeName(speed), `naïve name 🛵`, hex(raw)',
  )
  expect(rows).toEqual([
    [
      '-7',
      "DateTime64(3, 'UTC')",
      '2026-09-21 14:13:20.123',
      null,
      'Nullable(Float64)',
      'Ζωή',
      '00FF0A0A',
    ],
  ])
  // Every part of it stands at a multiple of 8, as a reader that maps memory needs it.
  expect(stream.length % 8).toBe(0)
})

test('a stream has as many columns and rows as there are', async () => {
  for (const [width, length] of [
    [1, 1],
    [1, 70_000],
    [90, 3],
    [7, 64],
    [3, 65],
  ] as const) {
    const columns = Array.from({ length: width }, (_, at) => {
      const column = new IntColumn(`column_${at}`)
      for (let row = 0; row < length; row += 1) column.add(at * 1_000_000 + row)
      return column.column()
    })
    const last = `column_${width - 1}`
    const [row] = await read(arrowStream(columns), `count(), sum(column_0), max(${last})`)
    const sum = (length * (length - 1)) / 2
    expect(row).toEqual([length, sum, (width - 1) * 1_000_000 + length - 1].map(String))
  }
})

test('columns that differ in length are no rows', () => {
  const [long, short] = [new IntColumn('a'), new IntColumn('b')]
  long.add(1)
  expect(() => arrowStream([long.column(), short.column()])).toThrow('differ in length')
})
