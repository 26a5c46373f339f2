import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { systemClock, VirtualClock } from '../../actors/kernel/clock.ts'
import type { RegionWindow } from '../../actors/model/window.ts'
import { rejection, signal } from '../conformance-bench.ts'
import { TestMarks } from '../metrics/testing.ts'
import { describeWindowStore } from './conformance.ts'
import { MemoryWindowStore } from './memory-store.ts'
import { changeOf, EXAMPLE_MS, sampleTotals, sampleWindow } from './testing.ts'

for (const slots of [3, 512]) {
  describeWindowStore(`in memory, ${slots} marks`, async () => {
    const marks = new TestMarks()
    const open = () => new MemoryWindowStore(marks, { clock: systemClock, slots })
    return { store: open(), reopen: async () => open(), cleanup: async () => {} }
  })
}

const HOUR_MS = 3_600_000
const ALL = { regionId: 3, sizeS: 60, fromMs: -Infinity, toMs: Infinity, limit: 10_000 } as const
const minute = (at: number, seed = 0): RegionWindow =>
  sampleWindow({ startMs: EXAMPLE_MS + at * 60_000 }, seed)

describe('windows in memory', () => {
  test('are those of all changes, in as many marks as there are slots, whatever stops the saves', async () => {
    const story = fc.record({
      slots: fc.integer({ min: 1, max: 6 }),
      steps: fc.array(
        fc.record({
          windows: fc.uniqueArray(fc.integer({ min: 0, max: 11 }), { maxLength: 4 }),
          fault: fc.constantFrom(null, null, null, 'before' as const, 'after' as const),
          reopen: fc.boolean(),
          waitMs: fc.constantFrom(0, 0, 600_000),
        }),
        { minLength: 1, maxLength: 40 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(story, async ({ slots, steps }) => {
        const clock = new VirtualClock(EXAMPLE_MS)
        const marks = new TestMarks()
        const open = () => new MemoryWindowStore(marks, { clock, slots, ttlMs: HOUR_MS })
        let store = open()
        const expected = new Map<number, { window: RegionWindow; writtenMs: number }>()
        let stood = await store.fence(0, signal())
        for (const [seed, { windows, fault, reopen, waitMs }] of steps.entries()) {
          clock.jumpMs(waitMs)
          if (fault) marks.faults.push(fault)
          const writtenMs = clock.nowMs()
          const change = changeOf(stood, stood + 2, {
            windows: windows.map((at) => minute(at, seed)),
            ...{ totals: [sampleTotals(3, seed)], watermarkMs: seed, nowMs: writtenMs },
          })
          const failed = (await rejection(store.apply(change, signal()))) !== null
          expect(failed).toBe(fault !== null)
          if (reopen) store = open()
          const stands = await store.fence(0, signal())
          expect(stands).toBe(fault === 'before' ? stood : stood + 2)
          if (stands !== stood) {
            for (const window of change.windows) expected.set(window.startMs, { window, writtenMs })
            expect(await store.watermarkMs()).toBe(seed)
            expect(await store.totals()).toEqual([sampleTotals(3, seed)])
          }
          stood = stands
          const served = [...expected.values()]
            .filter((one) => one.writtenMs + HOUR_MS > clock.nowMs())
            .map(({ window }) => window)
            .toSorted((a, b) => a.startMs - b.startMs)
          expect(await store.range(ALL)).toEqual(served)
          expect(await store.latest(3, 60)).toEqual(served.at(-1) ?? null)
          expect(marks.stored.size).toBeLessThanOrEqual(slots)
        }
      }),
      { numRuns: 150 },
    )
  })

  test('go when their time to live is over, counted from their last write', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const store = new MemoryWindowStore(new TestMarks(), { clock, ttlMs: HOUR_MS })
    const nowMs = (): { nowMs: number } => ({ nowMs: clock.nowMs() })
    await store.apply(changeOf(-1, 1, { windows: [minute(0), minute(1)], ...nowMs() }), signal())
    clock.jumpMs(HOUR_MS / 2)
    await store.apply(changeOf(1, 2, { windows: [minute(0, 1)], ...nowMs() }), signal())
    clock.jumpMs(HOUR_MS / 2 - 1)
    expect(await store.range(ALL)).toHaveLength(2)
    clock.jumpMs(1)
    expect(await store.range(ALL)).toEqual([minute(0, 1)])
    clock.jumpMs(HOUR_MS / 2)
    expect(await store.latest(3, 60)).toBeNull()
    expect(store.size).toBe(0)
  })

  test('that go while a change is being saved do not come back with it', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const marks = new TestMarks()
    const store = new MemoryWindowStore(marks, { clock, ttlMs: HOUR_MS, slots: 1 })
    const change = (from: number, at: number) =>
      changeOf(from, from + 1, { windows: [minute(at)], nowMs: clock.nowMs() })
    await store.apply(change(-1, 0), signal())
    clock.jumpMs(HOUR_MS - 1)
    const saved = Promise.withResolvers<void>()
    const save = marks.saveMark.bind(marks)
    marks.saveMark = (name, value) => saved.promise.then(() => save(name, value))
    const applied = store.apply(change(0, 1), signal())
    await Promise.resolve()
    clock.jumpMs(1)
    expect(await store.range(ALL)).toEqual([])
    saved.resolve()
    expect(await applied).toBe(true)
    expect(await store.range(ALL)).toEqual([minute(1)])
    expect(store.size).toBe(1)
  })

  test('are bounded, and a mark stays as small as its change and its share', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const marks = new TestMarks()
    const limits = { clock, windowsMax: 100, slots: 10 }
    const store = new MemoryWindowStore(marks, limits)
    for (let at = 0; at < 1_000; at++) {
      await store.apply(changeOf(at - 1, at, { windows: [minute(at)] }), signal())
    }
    expect(store.size).toBe(100)
    expect(await store.range(ALL)).toEqual(
      Array.from({ length: 100 }, (_, index) => minute(900 + index)),
    )
    expect(marks.stored.size).toBe(10)
    const bytes = [...marks.stored.values()].map(({ length }) => length)
    expect(Math.max(...bytes)).toBeLessThan(100 * 200)
    const anew = new MemoryWindowStore(marks, limits)
    await anew.fence(0, signal())
    expect(await anew.range(ALL)).toHaveLength(100)
  })

  test('tell a copy what was written after the offset where it stands', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const store = new MemoryWindowStore(new TestMarks(), { clock, slots: 3 })
    for (let at = 0; at < 20; at++) {
      const windows = [minute(at % 7, at)]
      const change = changeOf(at - 1, at, { windows, totals: [sampleTotals(at % 4, at)] })
      await store.apply({ ...change, nowMs: clock.nowMs(), watermarkMs: at }, signal())
    }
    const since = (offset: number) => {
      const { windows, totals, ...rest } = store.since(0, offset)
      const starts = windows.map(({ window }) => (window.startMs - EXAMPLE_MS) / 60_000).toSorted()
      return { starts, totals: totals.map(({ trips }) => trips).toSorted((a, b) => a - b), ...rest }
    }
    expect(since(16)).toEqual({
      ...{ starts: [3, 4, 5], totals: [17, 18, 19], fence: 19, watermarkMs: 19 },
    })
    expect(since(-1).starts).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(since(19)).toMatchObject({ starts: [], totals: [] })
  })

  test('marks that cannot be read, or are missing, are an error that names them', async () => {
    const marks = new TestMarks()
    const options = { clock: systemClock, slots: 3 }
    const store = new MemoryWindowStore(marks, options)
    for (let at = 0; at < 5; at++) {
      await store.apply(changeOf(at - 1, at, { windows: [minute(at)] }), signal())
    }
    const look = (slots = 3) =>
      new MemoryWindowStore(marks, { ...options, slots }).fence(0, signal())
    await expect(look(4)).rejects.toThrow('written for 3 slots, not 4')
    const good = marks.stored.get('windows-0-1') ?? new Uint8Array()
    for (const bad of [new Uint8Array(), good.slice(0, -8), good.slice(1), new Uint8Array(64)]) {
      marks.stored.set('windows-0-1', bad)
      await expect(look()).rejects.toThrow('windows cannot be read from windows-0-1')
    }
    marks.stored.set('windows-0-1', good)
    marks.stored.delete('windows-0-0')
    await expect(look()).rejects.toMatchObject({ retriable: false })
  })

  test('keep their name', async () => {
    const marks = new TestMarks()
    const open = () => new MemoryWindowStore(marks, { clock: systemClock })
    const name = await open().owner()
    expect(name.length).toBeGreaterThan(10)
    expect(await open().owner()).toBe(name)
    expect(await new MemoryWindowStore(new TestMarks(), { clock: systemClock }).owner()).not.toBe(
      name,
    )
  })
})
