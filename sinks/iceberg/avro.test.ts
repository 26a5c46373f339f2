import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { AvroReader, AvroWriter } from './avro-bytes.ts'
import { type AvroSchema, decodeAvroFile, encodeAvroFile } from './avro.ts'

const SCHEMA: AvroSchema = {
  type: 'record',
  name: 'row',
  fields: [
    { name: 'id', type: 'long', 'field-id': 1 },
    { name: 'text', type: ['null', 'string'], 'field-id': 2 },
    { name: 'bytes', type: { type: 'array', items: 'bytes' }, 'field-id': 3 },
    { name: 'number', type: 'double', 'field-id': 4 },
    { name: 'flag', type: 'boolean', 'field-id': 5 },
  ],
}

test('what is written to an Avro file is read back', () => {
  const row = fc.record({
    id: fc.maxSafeInteger(),
    text: fc.option(fc.string({ unit: 'grapheme' })),
    bytes: fc.array(fc.uint8Array()),
    number: fc.double({ noNaN: true }),
    flag: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      const { rows: back, metadata } = decodeAvroFile(encodeAvroFile(SCHEMA, { kind: 'é' }, rows))
      expect(back).toEqual(rows)
      expect(metadata.get('kind')).toBe('é')
    }),
    { numRuns: 100 },
  )
})

test('every 64-bit long survives, and one that a double can hold is a number', () => {
  const longs = [
    0n,
    -1n,
    63n,
    64n,
    -(2n ** 30n),
    2n ** 30n,
    2n ** 53n,
    -(2n ** 63n),
    2n ** 63n - 1n,
  ]
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (long) => {
      const writer = new AvroWriter()
      writer.long(long)
      const back = new AvroReader(writer.take()).long()
      expect(BigInt(back)).toBe(long)
      expect(typeof back).toBe(Number.isSafeInteger(Number(long)) ? 'number' : 'bigint')
    }),
    { examples: longs.map((long) => [long]) },
  )
})

test('a number and a bigint of the same value have the same bytes', () => {
  fc.assert(
    fc.property(fc.maxSafeInteger(), (value) => {
      const [a, b] = [new AvroWriter(), new AvroWriter()]
      a.long(value)
      b.long(BigInt(value))
      expect(a.take()).toEqual(b.take())
    }),
  )
})

test('an uncompressed file of another writer is read, its named types and blocks with sizes too', () => {
  const schema = {
    type: 'record',
    name: 'r',
    fields: [
      { name: 'a', type: { type: 'record', name: 'inner', fields: [{ name: 'x', type: 'int' }] } },
      { name: 'b', type: 'inner' },
      { name: 'list', type: { type: 'array', items: 'int' } },
      { name: 'map', type: { type: 'map', values: 'string' } },
      { name: 'hash', type: { type: 'fixed', name: 'md5', size: 2 } },
      { name: 'colour', type: { type: 'enum', name: 'c', symbols: ['red', 'green'] } },
    ],
  }
  const sync = new Uint8Array(16).fill(7)
  const block = new AvroWriter()
  block.long(5)
  block.long(6)
  block.long(-2)
  block.long(2)
  block.long(1)
  block.long(2)
  block.long(0)
  block.long(1)
  block.string('k')
  block.string('v')
  block.long(0)
  block.raw(new Uint8Array([1, 2]))
  block.long(1)
  const out = new AvroWriter()
  out.raw(new TextEncoder().encode('Obj\u0001'))
  out.long(1)
  out.string('avro.schema')
  out.string(JSON.stringify(schema))
  out.long(0)
  out.raw(sync)
  out.long(1)
  out.bytes(block.take())
  out.raw(sync)
  expect(decodeAvroFile(out.take()).rows).toEqual([
    {
      a: { x: 5 },
      b: { x: 6 },
      list: [1, 2],
      map: { k: 'v' },
      hash: new Uint8Array([1, 2]),
      colour: 'green',
    },
  ])
})

test('a file of an unknown codec is refused with what to do', () => {
  const bytes = encodeAvroFile('long', {}, [1])
  const text = new TextDecoder('latin1').decode(bytes).replace('deflate', 'snappy!')
  const snappy = Uint8Array.from(text, (char) => char.charCodeAt(0))
  expect(() => decodeAvroFile(snappy)).toThrow(/codec snappy! is not supported.*gzip/)
})

test('a file cut anywhere, or damaged, is an error', () => {
  const bytes = encodeAvroFile(SCHEMA, {}, [{ id: 1, text: 'a', bytes: [], number: 1, flag: true }])
  for (let length = 0; length < bytes.length - 1; length++) {
    // Cut right after the header it is a whole file without rows.
    let rows: number | 'error' = 'error'
    try {
      rows = decodeAvroFile(bytes.subarray(0, length)).rows.length
    } catch {}
    expect([0, 'error']).toContain(rows)
  }
  expect(() => decodeAvroFile(bytes.with(bytes.length - 1, 1))).toThrow(/damaged/)
})
