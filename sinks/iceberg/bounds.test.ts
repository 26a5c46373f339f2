import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { BOUND_LENGTH_MAX, lowerBound, upperBound } from './bounds.ts'

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({ unit: fc.constantFrom('a', '\ud7ff', '\uffff', '\u{10ffff}', '🛵'), maxLength: 30 }),
)

test('no string is below its lower bound or above its upper bound, byte by byte', () => {
  const encoder = new TextEncoder()
  fc.assert(
    fc.property(text, (value) => {
      const bytes = encoder.encode(value)
      const lower = lowerBound('string', value)
      const upper = upperBound('string', value)
      expect(lower && Buffer.compare(lower, bytes)).toBeLessThanOrEqual(0)
      if (upper) expect(Buffer.compare(upper, bytes)).toBeGreaterThanOrEqual(0)
      for (const bound of [lower, upper]) {
        const decoded = new TextDecoder('utf-8', { fatal: true }).decode(bound)
        expect([...decoded].length).toBeLessThanOrEqual(BOUND_LENGTH_MAX)
      }
    }),
    { numRuns: 500 },
  )
})

test('a string of only the highest characters has no upper bound', () => {
  expect(upperBound('string', '\u{10ffff}'.repeat(20))).toBeUndefined()
  expect(upperBound('string', '\u{10ffff}'.repeat(16))).toBeDefined()
})

test('numbers are little-endian in the width of their type', () => {
  expect(lowerBound('int', 1)).toEqual(new Uint8Array([1, 0, 0, 0]))
  expect(lowerBound('date', -1)).toEqual(new Uint8Array([255, 255, 255, 255]))
  expect(upperBound('timestamptz', 258n)).toEqual(new Uint8Array([2, 1, 0, 0, 0, 0, 0, 0]))
  expect(upperBound('double', 1)).toEqual(new Uint8Array([0, 0, 0, 0, 0, 0, 0xf0, 0x3f]))
  expect(lowerBound('double', undefined)).toBeUndefined()
})
