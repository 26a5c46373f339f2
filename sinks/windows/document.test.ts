import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { double, parseTotals, parseWindow, totalsDocument, windowDocument } from './document.ts'
import { redisKey } from './keys.ts'
import { EXAMPLE_MS, sampleTotals, sampleWindow } from './testing.ts'

test('a window stands in Redis as StreamPulse writes it, our fields behind', () => {
  const window = sampleWindow({
    ...{ regionId: 1, startMs: 1_755_410_400_000, tripCount: 41, avgFare: 27.073658536585366 },
    ...{ totalDistance: 335.5, avgDuration: 1_478, p50Duration: 1_543, p95Duration: 2_000 },
    ...{ totalFare: 1_110.02, minFare: 5, maxFare: 80.25, minDistance: 1, maxDistance: 20.5 },
    ...{ minDuration: 300, maxDuration: 2_100, lateCount: 2, final: true, revision: 2 },
  })
  const theirs =
    '"regionId":1,"windowStart":1755410400.000000000,"windowEnd":1755410460.000000000,' +
    '"tripCount":41,"avgFare":27.073658536585366,"totalDistance":335.5,"avgDuration":1478.0,' +
    '"p50Duration":1543.0,"p95Duration":2000.0'
  const ours =
    '"totalFare":1110.02,"minFare":5.0,"maxFare":80.25,"minDistance":1.0,"maxDistance":20.5,' +
    '"minDuration":300.0,"maxDuration":2100.0,"lateCount":2,"final":true,"revision":2,' +
    '"updatedAt":1755410461.234000000'
  expect(windowDocument(window, 1_755_410_461_234)).toBe(`{${theirs},${ours}}`)
  expect(redisKey(window)).toBe('region:1:window:1755410400')
})

test('the worked example has its key; other sizes carry theirs', () => {
  expect(redisKey({ regionId: 3, sizeS: 60, startMs: EXAMPLE_MS })).toBe(
    'region:3:window:1755470640',
  )
  const hourMs = EXAMPLE_MS - 44 * 60_000
  const keys = ([300, 900, 3_600] as const).map((sizeS) =>
    redisKey({ regionId: 3, sizeS, startMs: hourMs }),
  )
  expect(keys).toEqual([
    'region:3:window-5m:1755468000',
    'region:3:window-15m:1755468000',
    'region:3:window-1h:1755468000',
  ])
})

test('doubles are printed as Java prints them', () => {
  const printed: readonly (readonly [number, string])[] = [
    ...([[0, '0.0'] as const, [42, '42.0'] as const, [-7, '-7.0'] as const] as const),
    ...([[0.001, '0.001'] as const, [9_999_999, '9999999.0'] as const] as const),
    ...([[1e7, '1.0E7'] as const, [24_000_000.5, '2.40000005E7'] as const] as const),
    ...([[0.00012, '1.2E-4'] as const, [1e21, '1.0E21'] as const] as const),
    ...([[9_999_999.5, '9999999.5'] as const, [1_478.25, '1478.25'] as const] as const),
  ]
  for (const [value, text] of printed) expect(double(value)).toBe(text)
})

test('what is printed reads back to the last digit', () => {
  const number = fc.double({ noNaN: true, noDefaultInfinity: true })
  fc.assert(
    fc.property(number, number, fc.integer({ min: 0, max: 60 }), (a, b, seed) => {
      expect(Number(double(a))).toBe(a === 0 ? 0 : a)
      const window = sampleWindow({ avgFare: a || 0, totalDistance: b || 0 }, seed)
      expect(parseWindow(windowDocument(window, EXAMPLE_MS + seed))).toEqual(window)
    }),
  )
  expect(parseTotals(totalsDocument(sampleTotals(9, 8)))).toEqual(sampleTotals(9, 8))
})

test('what is no window is refused with a reason', () => {
  for (const text of ['', '[]', '{"regionId":1}', 'null']) {
    expect(() => parseWindow(text)).toThrow()
  }
})
