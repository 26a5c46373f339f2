import { expect, test } from 'bun:test'

import { signal } from '../conformance-bench.ts'
import { describeMetricsStore } from './conformance.ts'
import { type Counts, noCounts } from './counts.ts'
import { MemoryMetricsStore } from './memory-store.ts'
import { TestMarks } from './testing.ts'

describeMetricsStore('in memory', async () => {
  const marks = new TestMarks()
  return {
    store: new MemoryMetricsStore(marks),
    reopen: async () => new MemoryMetricsStore(marks),
    cleanup: async () => {},
  }
})

const pings = (count: number): Counts => ({ ...noCounts(), pings: count })

/** The change of one minute; the number of pings in it is its offset. */
const minuteChange = (from: number, minute: number) => ({
  partition: 0,
  fenceFrom: from,
  fenceTo: from + 1,
  totals: pings(from + 1),
  minutes: new Map([[minute, pings(from + 1)]]),
  expireBefore: 0,
})

test('a head that has grown is written out as a base, and the next writes are small again', async () => {
  const marks = new TestMarks()
  const store = new MemoryMetricsStore(marks, 10)
  for (let at = -1; at < 200; at++) await store.apply(minuteChange(at, 1_000 + at), signal())
  expect([...marks.stored.keys()].toSorted()).toEqual([
    'metrics-0-base-0',
    'metrics-0-base-1',
    'metrics-0-head',
  ])
  expect(marks.stored.get('metrics-0-head')?.length ?? Infinity).toBeLessThan(600)
  const state = await new MemoryMetricsStore(marks).load(0, signal())
  expect([state.offset, state.minutes.size]).toEqual([200, 201])
})

test('a save that stops anywhere leaves all of the change or nothing of it', async () => {
  for (const faults of [['before'], ['after'], [null, 'before'], [null, 'after']] as const) {
    const marks = new TestMarks()
    let store = new MemoryMetricsStore(marks, 3)
    let stored = -1
    for (let round = 0; round < 12; round++) {
      marks.faults.push(...faults)
      const change = minuteChange(stored, 1_000 + round)
      await store.apply(change, signal()).catch(() => {})
      marks.faults.length = 0
      // Both the store that goes on and one that starts anew see the same.
      const [here, anew] = [store, new MemoryMetricsStore(marks, 3)]
      const state = await anew.load(0, signal())
      expect(await here.load(0, signal())).toEqual(state)
      expect([stored, change.fenceTo]).toContain(state.offset)
      expect(state.totals.pings).toBe(Math.max(0, state.offset))
      stored = state.offset
      store = anew
    }
  }
})

test('marks that cannot be read are an error that names them, not zeros', async () => {
  const marks = new TestMarks()
  await new MemoryMetricsStore(marks, 0).apply(minuteChange(-1, 5), signal())
  const load = () => new MemoryMetricsStore(marks).load(0, signal())
  const head = marks.stored.get('metrics-0-head')
  for (const bad of ['', '{}', '{"version":9}', '{"version":1,"generation":1,"offset":0.5}']) {
    marks.stored.set('metrics-0-head', new TextEncoder().encode(bad))
    await expect(load()).rejects.toThrow('metrics cannot be read from metrics-0-head')
  }
  if (head) marks.stored.set('metrics-0-head', head)
  marks.stored.delete('metrics-0-base-1')
  await expect(load()).rejects.toMatchObject({ retriable: false })
})
