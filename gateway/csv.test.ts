import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { type Columns, tableHead, tablePieces } from './csv.ts'
import { lineSpans } from './json-shape.ts'
import { textAsPieces } from './pieces.ts'

const COLUMNS: Columns = { id: 'text', size: 'number' }

/** What each row becomes: its JSON, or its refusal. */
function rows(text: string): readonly unknown[] {
  const head = tableHead(text, COLUMNS)
  if (!head) throw new Error('no table')
  const pieces = tablePieces(textAsPieces(text), head, COLUMNS)
  return lineSpans(text, 1_000)
    .slice(1)
    .map((span) => {
      const json = pieces.text(span)
      return typeof json === 'string' ? (JSON.parse(json) as unknown) : json
    })
}

describe('a text is a table', () => {
  test('when its first line names every column, in any order, with others', () => {
    for (const head of ['id,size', 'size,note,id\r', '"id","size"', ' id,size']) {
      expect(tableHead(`${head}\n1,2`, COLUMNS)).not.toBeNull()
    }
    expect(tableHead('id,size', COLUMNS)?.names).toEqual(['id', 'size'])
  })

  test('else not', () => {
    const far = `${'x,'.repeat(5_000)}id,size\n`
    const wide = `${Array.from({ length: 99 }, (_, index) => `c${index}`).join()},id,size\n`
    for (const text of [
      '',
      'id\n1',
      'id,size,id\n',
      '{"id":1}',
      '[1]',
      '\nid,size',
      '"id,size',
      far,
      wide,
    ]) {
      expect(tableHead(text, COLUMNS)).toBeNull()
    }
  })
})

test('a row is an object of its fields; numbers are numbers, empty fields are not there', () => {
  expect(
    rows('id,size,note\n007,1.50,x\r\n\n  a b , -2e3 ,\n,,\n1,+5,2\n"q,""r""",01,"z"\n'),
  ).toEqual([
    { id: '007', size: 1.5, note: 'x' },
    { id: 'a b', size: -2_000 },
    {},
    { id: '1', size: '+5', note: '2' },
    { id: 'q,"r"', size: '01', note: 'z' },
  ])
})

test('a row that does not fit its head says why', () => {
  expect(rows('id,size\n1,2,3\n1\n"1,2\n"1"2,3\n')).toMatchObject([
    { code: 'invalid_csv', expected: '2 fields as in the first line', received: '3: 1,2,3' },
    { code: 'invalid_csv', received: '1: 1' },
    { code: 'invalid_csv', expected: 'quotes that close', received: '"1,2' },
    { code: 'invalid_csv', expected: 'quotes that close' },
  ])
})

test('a row is kept under its head, and cut with it', () => {
  const text = 'id,size\nfirst,1\nsecond,2'
  const head = tableHead(text, COLUMNS)
  const [, , second] = lineSpans(text, 10)
  if (!head || !second) throw new Error('no table')
  const pieces = tablePieces(textAsPieces(text), head, COLUMNS)
  const kept = (bytesMax: number) => {
    const { raw, truncated } = pieces.raw(second, bytesMax)
    return [new TextDecoder().decode(raw), truncated]
  }
  expect(kept(100)).toEqual(['id,size\nsecond,2', false])
  expect(kept(12)).toEqual(['id,size\nseco', true])
})

test('property: whatever fields are written, those are read', () => {
  const field = fc.string({ unit: fc.constantFrom(...'ab"", 1é🛵') })
  const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`
  fc.assert(
    fc.property(fc.array(fc.tuple(field, field), { minLength: 1, maxLength: 5 }), (pairs) => {
      const lines = pairs.map(([id, note]) => `${quoted(id)},5,${quoted(note)}`)
      expect(rows(`id,size,note\n${lines.join('\n')}`)).toEqual(
        pairs.map(([id, note]) => ({
          ...(id.trim() && { id: id.trim() }),
          size: 5,
          ...(note.trim() && { note: note.trim() }),
        })),
      )
    }),
  )
})
