import { expect, test } from 'bun:test'

import { delayP99Ms, longestStandstill, type Sample } from './watcher.ts'

/** A look each 250 ms; rows arrive but from 2 s to 9 s. */
const samples: readonly Sample[] = Array.from({ length: 80 }, (_, n) => {
  const atMs = n * 250
  const stoodMs = Math.max(0, Math.min(atMs, 9_000) - 2_000)
  return {
    atMs,
    offset: atMs < 2_000 ? n : atMs < 9_000 ? 7 : n,
    delayMs: atMs < 9_000 ? stoodMs : 0,
  }
})

test('a standstill is as long as nothing new was stored, and over with the next row', () => {
  const found = longestStandstill(samples, { fromMs: 2_100, toMs: 15_000 })
  expect(found).toEqual({ lengthMs: 9_000 - 2_000, overMs: 9_000 - 2_100 })
})

test('one that has no end in the span lasts until its end', () => {
  const { overMs } = longestStandstill(samples, { fromMs: 2_100, toMs: 6_000 })
  expect(overMs).toBe(6_000 - 2_100)
  expect(longestStandstill([], { fromMs: 0, toMs: 5_000 }).lengthMs).toBe(5_000)
})

test('delays are those of the span', () => {
  expect(delayP99Ms([samples], { fromMs: 0, toMs: 1_900 })).toBe(0)
  expect(delayP99Ms([samples], { fromMs: 0, toMs: 8_000 })).toBe(6_000)
})
