import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { csvFields, csvTime, csvTrip, parseHeader } from './csv.ts'
import { LineCutter } from './lines.ts'

const HEADER = parseHeader('trip_id,region_id,event_time,fare,duration,distance')
const place = { file: 'malformed.csv', line: 3 }
const json = (line: string, header = HEADER): unknown =>
  JSON.parse(csvTrip(line, header, place).json)

function cut(text: string, pieceBytes: number, quotes = true): [number, string | null][] {
  const all = Buffer.from(text)
  const cutter = new LineCutter({ lineBytesMax: 20_000, quotes })
  const lines = []
  for (let at = 0; at < all.byteLength; at += pieceBytes)
    lines.push(...cutter.push(all.subarray(at, at + pieceBytes)))
  lines.push(...cutter.end())
  for (const { offset, bytes } of lines)
    if (bytes) expect(all.subarray(offset, offset + bytes.byteLength)).toEqual(Buffer.from(bytes))
  return lines.map(({ number, bytes }) => [number, bytes && Buffer.from(bytes).toString()])
}

describe('lines', () => {
  test('are the same however the bytes come: CRLF, a mark, blank lines, quotes over line ends', () => {
    const text = '\uFEFFa,b\r\n\r\n"x\r\ny",2\n  \nz,"q ""w"" e"\nlast,1'
    const expected: [number, string][] = [
      ...([
        [1, 'a,b'],
        [3, '"x\r\ny",2'],
      ] as [number, string][]),
      ...([
        [6, 'z,"q ""w"" e"'],
        [7, 'last,1'],
      ] as [number, string][]),
    ]
    for (let pieceBytes = 1; pieceBytes < 60; pieceBytes++)
      expect(cut(text, pieceBytes)).toEqual(expected)
  })

  test('a quote that is never closed spoils its own line only', () => {
    const rest = Array.from({ length: 3_000 }, (_, n) => `row ${n}`)
    const lines = cut(['h', '"open,1', ...rest].join('\n'), 4_096)
    expect(lines.length).toBe(3_002)
    expect(lines[1]).toEqual([2, '"open,1'])
    expect(lines[3_001]).toEqual([3_002, 'row 2999'])
    expect(cut('h\na,5" pipe,b\nc\n', 5)).toEqual([
      [1, 'h'],
      [2, 'a,5" pipe,b'],
      [3, 'c'],
    ])
    expect(cut('h\n"a\nb', 5)).toEqual([
      [1, 'h'],
      [2, '"a'],
      [3, 'b'],
    ])
  })

  test('one that is too long is named, at the end of the file too', () => {
    const long = 'x'.repeat(30_000)
    expect(cut(`a\n${long}\nb`, 4_096, false)).toEqual([
      [1, 'a'],
      [2, null],
      [3, 'b'],
    ])
    expect(cut(`a\n${long}`, 4_096, false)).toEqual([
      [1, 'a'],
      [2, null],
    ])
  })
})

describe('a record', () => {
  test('any fields that are written as CSV come back', () => {
    const field = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', 'é', ' x') })
    fc.assert(
      fc.property(fc.array(field, { minLength: 1 }), (fields) => {
        const line = fields.map((one) => `"${one.replaceAll('"', '""')}"`).join(',')
        expect(csvFields(line)).toEqual(fields)
      }),
    )
    expect(csvFields('a, b ,, "c,d" ,e"f')).toEqual(['a', 'b', '', 'c,d', 'e"f'])
    expect(csvFields('a,"b')).toBeNull()
  })

  test('keeps numbers as they are written, in any order of columns, with more columns than needed', () => {
    const header = parseHeader('Distance,fare,"trip_id",driver_id,duration,event_time,region_id')
    const line = '8.0,29.60,"t ""1""",,1195,2025-08-17T06:40:53.240321Z,1'
    expect(csvTrip(line, header, place)).toEqual({
      json: '{"distance":8.0,"fare":29.60,"trip_id":"t \\"1\\"","duration":1195,"event_time":"2025-08-17T06:40:53.240321Z","region_id":1}',
      why: null,
    })
    expect(csvTime(line, header)).toBe('2025-08-17T06:40:53.240321Z')
    expect(csvTime('8.0,1', header)).toBe('')
    expect(json('t,007,2025-08-17 06:40:53,+5,60.,.5')).toMatchObject({
      ...{ region_id: 7, fare: 5, duration: 60, distance: 0.5 },
    })
  })

  test('that is no trip keeps its values as text, and says where it stood', () => {
    expect(json('t,ABC,2025-01-15T10:31:00.000Z,,900,Infinity')).toEqual({
      ...{ trip_id: 't', region_id: 'ABC', event_time: '2025-01-15T10:31:00.000Z' },
      ...{ fare: '', duration: 900, distance: 'Infinity', file: 'malformed.csv', line: 3 },
    })
    expect(csvTrip('t,1,T,10,600,4', HEADER, place).why).toStartWith('invalid_trip: event_time')
    expect(csvTrip('a,b,c', HEADER, place)).toEqual({
      json: '{"file":"malformed.csv","line":3,"why":"3 fields where the header names 6","raw":"a,b,c"}',
      why: '3 fields where the header names 6',
    })
    expect(csvTrip('"a,b,c,1,2,3', HEADER, place).why).toBe('a quote is opened and not closed')
  })

  test('a header that lacks a column is refused by name', () => {
    expect(() => parseHeader('trip_id,region_id,event_time,fare')).toThrow(
      'missing: duration, distance',
    )
    expect(() => parseHeader('')).toThrow('missing: trip_id')
    const twice = 'trip_id,region_id,event_time,fare,duration,distance,fare'
    expect(() => parseHeader(twice)).toThrow('names fare twice')
  })
})
