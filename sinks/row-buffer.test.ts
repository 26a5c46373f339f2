import { expect, test } from 'bun:test'

import { RowBuffer } from './row-buffer.ts'

const LIMITS = { rowsMax: 100, bytesMax: 1_000 }

function bufferOf(...rows: readonly (readonly [offset: number, name: string])[]) {
  const buffer = new RowBuffer<string>()
  for (const [offset, name] of rows) buffer.push(offset, name, 10, 1_000 + offset)
  return buffer
}

test('takes the rows up to the watermark in order of offset, whatever order they came in', () => {
  const buffer = bufferOf([3, 'c'], [1, 'a'], [7, 'late'], [2, 'b1'], [2, 'b2'])
  buffer.cover(5)
  expect([buffer.covered, buffer.coveredBytes, buffer.rows]).toEqual([4, 40, 5])
  const taken = buffer.take(LIMITS, 5)
  expect(taken.rows).toEqual(['a', 'b1', 'b2', 'c'])
  expect(taken.receivedMs).toEqual([1_001, 1_002, 1_002, 1_003])
  expect([taken.bytes, taken.offsetLast]).toEqual([40, 5])
  expect([buffer.covered, buffer.coveredBytes, buffer.rows, buffer.bytes]).toEqual([0, 0, 1, 10])
})

test('keeps rows above the watermark until it reaches them', () => {
  const buffer = bufferOf([9, 'nine'], [8, 'eight'])
  buffer.cover(7)
  expect(buffer.covered).toBe(0)
  buffer.push(8, 'eight again', 10, 0)
  buffer.cover(8)
  expect(buffer.take(LIMITS, 8).rows).toEqual(['eight', 'eight again'])
  buffer.cover(9)
  expect(buffer.take(LIMITS, 9).rows).toEqual(['nine'])
})

test('a batch that is cut ends where the next message begins', () => {
  const buffer = bufferOf([1, 'a'], [4, 'b'], [9, 'c'], [9, 'd'])
  buffer.cover(12)
  expect(buffer.take({ rowsMax: 2, bytesMax: 1_000 }, 12)).toMatchObject({
    rows: ['a', 'b'],
    offsetLast: 8,
  })
  expect(buffer.take({ rowsMax: 2, bytesMax: 1_000 }, 12)).toMatchObject({
    rows: ['c', 'd'],
    offsetLast: 12,
  })
})

test('knows the oldest receipt among all it holds', () => {
  expect(bufferOf().oldestMs).toBeNull()
  expect(bufferOf([5, 'e'], [2, 'b'], [3, 'c']).oldestMs).toBe(1_002)
})
