import { describe, expect, test } from 'bun:test'

import { seededRandom, VirtualClock } from '../actors/kernel/clock.ts'
import { backoffMs, pause, retry, type RetryOptions } from './retry.ts'

const backoff = { firstMs: 100, longestMs: 1_000 }

function harness(failures: number, asked: Partial<RetryOptions> = {}) {
  const clock = new VirtualClock()
  const triedMs: number[] = []
  const call = async (): Promise<string> => {
    triedMs.push(clock.monotonicMs())
    if (triedMs.length <= failures) throw new Error(`failure ${triedMs.length}`)
    return 'done'
  }
  const outcome = retry(call, {
    clock,
    random: () => 1,
    backoff,
    deadlineMs: null,
    signal: new AbortController().signal,
    judge: () => 'again',
    ...asked,
  }).then(String, (thrown: Error) => thrown.message)
  return { clock, triedMs, outcome }
}

describe('backing off', () => {
  test('doubles up to its cap', () => {
    const waits = [0, 1, 2, 3, 4, 5, 2_000].map((attempt) => backoffMs(attempt, backoff, () => 1))
    expect(waits).toEqual([100, 200, 400, 800, 1_000, 1_000, 1_000])
  })

  test('has full jitter: anything from nothing to the cap', () => {
    const random = seededRandom(3)
    const waits = Array.from({ length: 2_000 }, () => backoffMs(9, backoff, random))
    expect(Math.min(...waits)).toBeLessThan(10)
    expect(Math.max(...waits)).toBeGreaterThan(990)
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000)
  })
})

describe('retrying', () => {
  test('goes on for ever without a deadline', async () => {
    const { clock, triedMs, outcome } = harness(200)
    await clock.advanceMs(300_000)
    expect(await outcome).toBe('done')
    expect(triedMs).toHaveLength(201)
    expect(triedMs.slice(0, 5)).toEqual([0, 100, 300, 700, 1_500])
  })

  test('throws the last failure when the next try would be too late', async () => {
    const { clock, triedMs, outcome } = harness(Infinity, { deadlineMs: 1_000 })
    await clock.advanceMs(10_000)
    expect(await outcome).toBe('failure 4')
    expect(triedMs).toEqual([0, 100, 300, 700])
  })

  test('stops at once at a failure that is judged final', async () => {
    const { clock, triedMs, outcome } = harness(Infinity, {
      judge: (_, attempt) => (attempt < 1 ? 'again' : 'stop'),
    })
    await clock.advanceMs(10_000)
    expect(await outcome).toBe('failure 2')
    expect(triedMs).toEqual([0, 100])
  })

  test('is slow when told so', async () => {
    const { clock, triedMs } = harness(3, { judge: () => 'slowly' })
    await clock.advanceMs(10_000)
    expect(triedMs).toEqual([0, 1_000, 2_000, 3_000])
  })

  test('ends when aborted while it waits, and leaves no timer', async () => {
    const stop = new AbortController()
    const { clock, outcome } = harness(Infinity, { signal: stop.signal })
    await clock.advanceMs(50)
    stop.abort(new Error('closing'))
    expect(await outcome).toBe('closing')
    expect(clock.waiting).toBe(0)
  })

  test('a pause ends early when aborted', async () => {
    const clock = new VirtualClock()
    const stop = new AbortController()
    const paused = pause(clock, 1_000, stop.signal)
    stop.abort()
    await paused
    expect(clock.waiting).toBe(0)
    expect(clock.monotonicMs()).toBe(0)
    await pause(clock, 1_000, stop.signal)
  })
})
