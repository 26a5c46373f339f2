import { describe, expect, test } from 'bun:test'

import { cutRows, dueAtMs, dueTrigger, type OpenRange } from './batcher.ts'

const limits = { rowsMax: 100, bytesMax: 1_000, ageMsMax: 50, inFlightMax: 1, progressMsMax: 5_000 }
const open: OpenRange = {
  offsets: 10,
  rows: 10,
  bytes: 100,
  sinceMs: 1_000,
  closedMs: 0,
  closing: false,
}

describe('a batch is due', () => {
  test('when it has the rows it may have', () => {
    expect(dueTrigger({ ...open, rows: 99 }, limits, 1_000)).toBeNull()
    expect(dueTrigger({ ...open, rows: 100 }, limits, 1_000)).toBe('rows')
  })

  test('when it has the bytes it may have', () => {
    expect(dueTrigger({ ...open, bytes: 999 }, limits, 1_000)).toBeNull()
    expect(dueTrigger({ ...open, bytes: 1_000 }, limits, 1_000)).toBe('bytes')
  })

  test('when its oldest row is too old', () => {
    expect(dueAtMs(open, limits)).toBe(1_050)
    expect(dueTrigger(open, limits, 1_049)).toBeNull()
    expect(dueTrigger(open, limits, 1_050)).toBe('age')
  })

  test('when a flush waits for it, with rows or without', () => {
    expect(dueTrigger({ ...open, closing: true }, limits, 1_000)).toBe('close')
    expect(dueTrigger({ ...open, rows: 0, bytes: 0, closing: true }, limits, 0)).toBe('close')
  })

  test('without rows only to move the offset, and seldom', () => {
    const empty = { ...open, rows: 0, bytes: 0 }
    expect(dueTrigger(empty, limits, 4_999)).toBeNull()
    expect(dueTrigger(empty, limits, 5_000)).toBe('progress')
  })

  test('never, when nothing was handed over', () => {
    const nothing = { ...open, offsets: 0, rows: 0, closing: true }
    expect(dueTrigger(nothing, limits, 1e9)).toBeNull()
    expect(dueAtMs(nothing, limits)).toBe(Infinity)
  })
})

describe('a batch is cut', () => {
  const sizes = [10, 10, 10, 10, 10, 10]

  test('at the limit on rows', () => {
    expect(cutRows([1, 2, 3, 4, 5, 6], sizes, 6, { rowsMax: 4, bytesMax: 1_000 })).toBe(4)
  })

  test('at the limit on bytes', () => {
    expect(cutRows([1, 2, 3, 4, 5, 6], sizes, 6, { rowsMax: 100, bytesMax: 35 })).toBe(3)
  })

  test('between two messages, never within what one made', () => {
    expect(cutRows([1, 2, 2, 2, 3, 3], sizes, 6, { rowsMax: 3, bytesMax: 1_000 })).toBe(1)
    expect(cutRows([1, 2, 2, 2, 3, 3], sizes, 6, { rowsMax: 5, bytesMax: 1_000 })).toBe(4)
  })

  test('after one whole message, however much that made', () => {
    expect(cutRows([7, 7, 7, 7, 8, 9], sizes, 6, { rowsMax: 2, bytesMax: 15 })).toBe(4)
  })

  test('within the rows that count', () => {
    expect(cutRows([1, 2, 3, 4, 5, 6], sizes, 2, { rowsMax: 4, bytesMax: 1_000 })).toBe(2)
  })
})
