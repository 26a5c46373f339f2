import { beforeEach, expect, test } from 'bun:test'

import { testTotals, testWindow } from '../testing.ts'
import { HELD_MAX, merged, Regions } from './regions.ts'

const MINUTE = 60_000

let regions = new Regions()

beforeEach(() => {
  regions = new Regions()
  regions.applySnapshot('e', 4, {
    nowMs: 0,
    watermarkMs: 7,
    regions: [testTotals({ regionId: 9 }), testTotals({ regionId: 2 })],
    windows: [
      testWindow({ regionId: 2, startMs: 0 }),
      testWindow({ regionId: 2, startMs: MINUTE }),
    ],
  })
})

const delta = (windows = [testWindow({ regionId: 2, startMs: MINUTE, tripCount: 77 })]) => ({
  nowMs: 0,
  watermarkMs: 8,
  regions: [testTotals({ regionId: 2, trips: 101 })],
  windows,
})

test('a snapshot replaces everything, and names the place to resume from', () => {
  expect(regions.lastEventId).toBe('e-4')
  expect(regions.totals.map(({ regionId }) => regionId)).toEqual([2, 9])
  regions.applySnapshot('f', 0, { nowMs: 0, watermarkMs: null, regions: [], windows: [] })
  expect(regions.totals).toEqual([])
  expect(regions.windows(2, 60)).toEqual([])
  expect(regions.watermarkMs.value).toBeNull()
  expect(regions.lastEventId).toBe('f-0')
})

test('a delta replaces windows of the same region, size and start, and is applied in order only', () => {
  expect(regions.applyDelta('e', 5, delta())).toBe('applied')
  expect(regions.windows(2, 60).map(({ tripCount }) => tripCount)).toEqual([10, 77])
  expect(regions.totalsOf(2)?.trips).toBe(101)
  expect(regions.watermarkMs.value).toBe(8)
  const changed = delta([testWindow({ regionId: 2, startMs: MINUTE, tripCount: 1 })])
  expect(regions.applyDelta('e', 5, changed)).toBe('repeat')
  expect(regions.applyDelta('e', 7, changed)).toBe('gap')
  expect(regions.applyDelta('x', 6, changed)).toBe('other_epoch')
  expect(regions.windows(2, 60).at(-1)?.tripCount).toBe(77)
})

test('sizes do not mix', () => {
  regions.applyDelta('e', 5, delta([testWindow({ regionId: 2, sizeS: 300, startMs: 0 })]))
  expect(regions.windows(2, 60).length).toBe(2)
  expect(regions.windows(2, 300).length).toBe(1)
  expect(regions.allOf(300).length).toBe(1)
})

test('windows held are bounded, the newest stay', () => {
  for (let at = 0; at < HELD_MAX + 40; at += 1) {
    regions.applyDelta('e', 5 + at, delta([testWindow({ regionId: 2, startMs: at * MINUTE })]))
  }
  const held = regions.windows(2, 60)
  expect(held.length).toBe(HELD_MAX)
  expect(held.at(-1)?.startMs).toBe((HELD_MAX + 39) * MINUTE)
})

test('older windows that were asked for never undo what the stream said', () => {
  regions.addOlder(2, 60, [
    testWindow({ regionId: 2, startMs: -MINUTE, tripCount: 3 }),
    testWindow({ regionId: 2, startMs: MINUTE, tripCount: 4 }),
  ])
  expect(regions.windows(2, 60).map(({ tripCount }) => tripCount)).toEqual([3, 10, 10])
  expect(regions.windows(9, 60)).toEqual([])
})

test('merging keeps order by start', () => {
  const at = (startMs: number, tripCount: number) => testWindow({ startMs, tripCount })
  const both = merged([at(2, 1), at(4, 1)], [at(5, 2), at(3, 2), at(4, 2)])
  expect(both.map(({ startMs, tripCount }) => [startMs, tripCount])).toEqual([
    [2, 1],
    [3, 2],
    [4, 2],
    [5, 2],
  ])
})
