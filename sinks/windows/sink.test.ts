import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import type { WindowsFact } from '../../actors/model/fact.ts'
import type { RegionWindow } from '../../actors/model/window.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import { TestMarks } from '../metrics/testing.ts'
import { WindowsCopy } from './copy.ts'
import { windowDocument } from './document.ts'
import { redisKey } from './keys.ts'
import { MemoryWindowStore } from './memory-store.ts'
import { WindowsSink } from './sink.ts'
import {
  EXAMPLE_MS,
  ForgetfulCopy,
  sampleFact,
  sampleFacts,
  sampleTotals,
  sampleWindow,
} from './testing.ts'

const ALL = { sizeS: 60, fromMs: -Infinity, toMs: Infinity, limit: 10_000 } as const

describeSink(
  'windows',
  async () => {
    const marks = new TestMarks()
    const clock = new VirtualClock(EXAMPLE_MS)
    const store = () => new MemoryWindowStore(marks, { clock, slots: 5 })
    const sink = () => new WindowsSink({ store: store(), clock })
    return {
      sink: sink(),
      reopen: async () => sink(),
      readBack: async () => {
        const reader = store()
        await reader.fence(0, signal())
        const regions = Array.from({ length: 100 }, (_, at) => at + 1)
        const found = regions.map((regionId) => reader.range({ ...ALL, regionId }))
        return (await Promise.all(found)).flat().map((window) => windowDocument(window, 0))
      },
      rowsFor: sampleFacts,
      fingerprints: (fact) =>
        fact.kind === 'windows' ? fact.windows.map((window) => windowDocument(window, 0)) : [],
      crashAt: (point) => {
        marks.faults.push(point === 'before the mark' ? 'before' : 'after')
      },
      cleanup: async () => {},
    }
  },
  { crashPoints: ['before the mark', 'after the mark'] },
)

/** A process with a sink over marks and a copy that survive it. */
function lifeOver(marks: TestMarks, store: ForgetfulCopy) {
  const clock = new VirtualClock(EXAMPLE_MS)
  const ledger = new MemoryWindowStore(marks, { clock, slots: 4 })
  const copy = new WindowsCopy({ ledger, store, clock, log: silentLog })
  return { clock, ledger, copy, sink: new WindowsSink({ store: ledger, copy, clock }) }
}

describe('a windows sink', () => {
  test('leaves the last of every window in the ledger and its copy, whatever fails or forgets', async () => {
    const fault = fc.constantFrom(null, null, null, 'before' as const, 'after' as const)
    const story = fc.record({
      facts: fc.array(
        fc.record({
          regionId: fc.integer({ min: 1, max: 3 }),
          minutes: fc.uniqueArray(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 3 }),
        }),
        { minLength: 1, maxLength: 30 },
      ),
      cuts: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 }),
      rounds: fc.array(
        fc.record({
          ...{ mark: fault, copy: fault, killed: fc.boolean() },
          forgotten: fc.constantFrom(0, 0, 1, 2, 100),
        }),
        { minLength: 1 },
      ),
    })
    await fc.assert(
      fc.asyncProperty(story, async ({ facts: made, cuts, rounds }) => {
        const facts = made.map(({ regionId, minutes }, offset): WindowsFact => {
          const windows = minutes.map((at) =>
            sampleWindow({ regionId, startMs: EXAMPLE_MS + at * 60_000 }, offset),
          )
          return { ...sampleFact(offset, 0), regionId, windows, watermarkMs: offset }
        })
        const expected = new Map<string, RegionWindow>()
        for (const { windows } of facts) {
          for (const window of windows) expected.set(redisKey(window), window)
        }
        const marks = new TestMarks()
        const stored = new ForgetfulCopy()
        let life = lifeOver(marks, stored)
        let next = (await life.sink.open(1_000, signal())) + 1
        for (let round = 0; next < facts.length; round++) {
          expect(round).toBeLessThan(1_000)
          const { mark, copy, killed, forgotten } = rounds[round % rounds.length] ?? {}
          // A round without a fault now and then, or a story may fail for ever.
          if (round % 3 !== 2) {
            if (mark) marks.faults.push(mark)
            if (copy) stored.faults.push(copy)
          }
          stored.forget(forgotten ?? 0)
          const last = Math.min(facts.length, next + (cuts[round % cuts.length] ?? 1)) - 1
          const rows = facts.slice(next, last + 1).toReversed()
          const batch = { ...batchOf(next, last, rows), partition: 1_000 }
          const failed = await rejection(life.sink.write(batch, signal()))
          marks.faults.length = 0
          stored.faults.length = 0
          if (failed === null) {
            // Acknowledged: the ledger has it, and the copy unless it is in trouble.
            if (life.sink.trouble === null) expect(stored.state.fence).toBeGreaterThanOrEqual(last)
            next = last + 1
          }
          if (!killed) continue
          life = lifeOver(marks, stored)
          next = (await life.sink.open(1_000, signal())) + 1
        }
        // Forgotten while idle: the next look finds it.
        stored.forget(2)
        await life.clock.advanceMs(1_000)
        await life.copy.settle(signal())
        expect(new Map([...stored.state.windows].toSorted())).toEqual(
          new Map([...expected].toSorted()),
        )
        for (const regionId of [1, 2, 3]) {
          const windows = [...expected.values()].filter((window) => window.regionId === regionId)
          expect(await life.ledger.range({ ...ALL, regionId })).toEqual(
            windows.toSorted((a, b) => a.startMs - b.startMs),
          )
        }
        expect(await life.ledger.watermarkMs()).toBe(facts.length - 1)
      }),
      { numRuns: 150 },
    )
  })

  test('takes the last of each window of a batch, in whatever order its facts come', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const store = new MemoryWindowStore(new TestMarks(), { clock })
    const sink = new WindowsSink({ store, clock })
    await sink.open(0, signal())
    const fact = (offset: number): WindowsFact => ({
      ...sampleFact(offset, 0),
      ...{ regionId: 3, windows: [sampleWindow({}, offset)], totals: sampleTotals(3, offset) },
    })
    await sink.write(batchOf(0, 9, [fact(4), fact(9), fact(2), fact(7)]), signal())
    expect(await store.latest(3, 60)).toEqual(sampleWindow({}, 9))
    expect(await store.totals()).toEqual([sampleTotals(3, 9)])
    expect(await store.watermarkMs()).toBe(fact(9).watermarkMs)
  })

  test('refuses a batch that leaves something out', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const store = new MemoryWindowStore(new TestMarks(), { clock })
    const sink = new WindowsSink({ store, clock })
    await sink.open(0, signal())
    const error = await rejection(sink.write(batchOf(5, 9, []), signal()))
    expect(error).toMatchObject({ retriable: false })
    expect(String(error)).toContain('does not follow -1')
  })

  test('looks again when another writer was first', async () => {
    const clock = new VirtualClock(EXAMPLE_MS)
    const store = new MemoryWindowStore(new TestMarks(), { clock })
    const made = () => new WindowsSink({ store, clock })
    const [ours, theirs] = [made(), made()]
    await ours.open(0, signal())
    await theirs.open(0, signal())
    await theirs.write(batchOf(0, 5, sampleFacts(0, 5, 1)), signal())
    await ours.write(batchOf(0, 9, sampleFacts(0, 9, 1)), signal())
    expect(await store.fence(0, signal())).toBe(9)
    expect(await store.totals()).toHaveLength(10)
  })
})

describe('a copy of windows', () => {
  const written = async (marks: TestMarks, stored: ForgetfulCopy, last: number) => {
    const life = lifeOver(marks, stored)
    const next = (await life.sink.open(0, signal())) + 1
    await life.sink.write(batchOf(next, last, sampleFacts(next, last, 1)), signal())
    return life
  }

  test('that does not answer keeps no sink from opening, and is behind until it does', async () => {
    const stored = new ForgetfulCopy()
    const marks = new TestMarks()
    await written(marks, stored, 9)
    stored.forget(100)
    stored.faults.push('before', 'before')
    const life = lifeOver(marks, stored)
    expect(await life.sink.open(0, signal())).toBe(9)
    expect(life.sink.trouble).toContain('lost before the step')
    await life.clock.advanceMs(1_000)
    expect(life.sink.trouble).not.toBeNull()
    await life.clock.advanceMs(1_000)
    expect(life.sink.trouble).toBeNull()
    expect(stored.state).toMatchObject({ fence: 9 })
    expect(stored.state.windows.size).toBe(10)
  })

  test('is looked at no more once its sink is closed', async () => {
    const life = await written(new TestMarks(), new ForgetfulCopy(), 9)
    expect(life.clock.waiting).toBe(1)
    await life.sink.close()
    expect(life.clock.waiting).toBe(0)
  })

  test('of other data is replaced when the sink opens, whether it stands behind or ahead', async () => {
    for (const theirs of [3, 50]) {
      const stored = new ForgetfulCopy()
      const before = await written(new TestMarks(), stored, theirs)
      await before.sink.close()
      const life = await written(new TestMarks(), stored, 5)
      expect(stored.state).toMatchObject({ fence: 5, owner: await life.ledger.owner() })
      expect(stored.state.windows.size).toBe(6)
    }
  })

  test('that stands ahead of a ledger put back from an older one is replaced', async () => {
    const stored = new ForgetfulCopy()
    const marks = new TestMarks()
    await written(marks, stored, 5)
    const older = new TestMarks()
    for (const [name, value] of marks.stored) older.stored.set(name, value)
    await written(marks, stored, 20)
    const life = lifeOver(older, stored)
    expect(await life.sink.open(0, signal())).toBe(5)
    expect(stored.state.fence).toBe(5)
    expect(stored.state.windows.size).toBe(6)
  })

  test('that another Orrery takes over is not taken back: a person must say whose it is', async () => {
    const stored = new ForgetfulCopy()
    const ours = await written(new TestMarks(), stored, 9)
    const theirs = await written(new TestMarks(), stored, 4)
    stored.own(await ours.ledger.owner())
    const batch = batchOf(10, 12, sampleFacts(10, 12, 1))
    const error = await rejection(ours.sink.write(batch, signal()))
    expect(error).toMatchObject({ retriable: false })
    expect(String(error)).toContain('another Orrery')
    expect(ours.sink.trouble).toContain('another Orrery')
    expect(stored.state.owner).toBe(await theirs.ledger.owner())
  })
})
