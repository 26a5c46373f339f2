import { expect, test } from 'bun:test'

import { parseLossless, parseVerbatim, sameLong, stringifyLossless } from './lossless-json.ts'

test('an integer that no double can hold keeps its digits', () => {
  const text =
    '{"a":7059123383736359210,"b":[-9223372036854775808],"c":12,"d":1.5,"e":"7059123383736359210"}'
  const value = parseLossless(text) as Record<string, unknown>
  expect(value['a']).toBe(7_059_123_383_736_359_210n)
  expect(value['c']).toBe(12)
  expect(stringifyLossless(value)).toBe(text)
})

test('the same integer is the same, whatever holds it', () => {
  expect(sameLong(5, 5n)).toBe(true)
  expect(sameLong(5n, 6)).toBe(false)
  expect(sameLong(null, null)).toBe(true)
  expect(sameLong(null, -1)).toBe(false)
})

test('verbatim numbers come out as they went in', () => {
  const text = '{"a":1.50,"b":123456789012345678901234567890,"c":1e400,"d":"x"}'
  expect(JSON.stringify(parseVerbatim(text))).toBe(text)
})
