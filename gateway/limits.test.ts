import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { ByteBudget, RateLimit, TokenBucket } from './limits.ts'

test('a full bucket lets its burst through at once, and then its rate', () => {
  const bucket = new TokenBucket({ perSecond: 10, capacity: 5, nowMs: 0 })
  for (let taken = 0; taken < 5; taken++) {
    expect(bucket.waitMs(0)).toBe(0)
    bucket.take(1)
  }
  expect(bucket.waitMs(0)).toBe(100)
  expect(bucket.waitMs(100)).toBe(0)
})

test('a message larger than the burst passes once and is paid for by waiting', () => {
  const bucket = new TokenBucket({ perSecond: 10, capacity: 5, nowMs: 0 })
  bucket.take(25)
  expect(bucket.waitMs(0)).toBe(2_100)
  expect(bucket.waitMs(2_100)).toBe(0)
})

test('property: over any run no more passes than the burst, the rate and one message', () => {
  const step = fc.record({ afterMs: fc.nat(500), tokens: fc.integer({ min: 1, max: 50 }) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const bucket = new TokenBucket({ perSecond: 20, capacity: 30, nowMs: 0 })
      let nowMs = 0
      let passed = 0
      for (const { afterMs, tokens } of steps) {
        nowMs += afterMs
        if (bucket.waitMs(nowMs) > 0) continue
        bucket.take(tokens)
        passed += tokens
        expect(passed).toBeLessThanOrEqual(30 + (nowMs * 20) / 1_000 + 50)
      }
    }),
  )
})

test('property: who waits as long as told may send', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.nat(5_000), (perSecond, taken) => {
      const bucket = new TokenBucket({ perSecond, capacity: 10, nowMs: 0 })
      bucket.take(taken)
      expect(bucket.waitMs(bucket.waitMs(0))).toBe(0)
    }),
  )
})

test('each name has its own bucket, and their number is bounded', () => {
  const limit = new RateLimit({ perSecond: 1, capacity: 1, namesMax: 3 })
  limit.bucket('busy', 0).take(1)
  for (let index = 0; index < 100; index++) limit.bucket(`stranger ${index}`, 0)
  expect(limit.size).toBeLessThanOrEqual(3)
  const again = new RateLimit({ perSecond: 1, capacity: 1, namesMax: 3 })
  again.bucket('busy', 0).take(1)
  again.bucket('idle', 0)
  again.bucket('another', 0)
  again.bucket('third', 0)
  // The full ones were forgotten, the one that has to wait was not.
  expect(again.bucket('busy', 0).waitMs(0)).toBeGreaterThan(0)
})

test('a budget of bytes refuses beyond itself and takes back what is given back', () => {
  const budget = new ByteBudget(10)
  expect(budget.reserve(8)).toBe(true)
  expect(budget.reserve(3)).toBe(false)
  budget.release(8)
  expect(budget.bytes).toBe(0)
  expect(budget.reserve(100)).toBe(true)
})
