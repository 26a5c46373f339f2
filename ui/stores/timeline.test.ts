import { expect, test } from 'bun:test'

import { testWindow } from '../testing.ts'
import { roundUp, roundUpCount, scaleOver, STEPS } from './colour-scale.ts'
import { newestOf } from './regions-api.ts'
import {
  formatRegionsLink,
  parseRegionsLink,
  type RegionsView,
  VIEW_FIRST,
} from './regions-link.ts'
import { lateShareOf, SLOTS, slotsUpTo, stateOf } from './timeline.ts'

const MINUTE = 60_000

test('a window without trips is a gap; what lies before the screen is left out', () => {
  const end = 100 * MINUTE
  const windows = [30, 41, 99, 100].map((at) => testWindow({ startMs: at * MINUTE }))
  const slots = slotsUpTo(end, 60, windows)
  expect(slots.length).toBe(SLOTS)
  expect(slots[0]?.startMs).toBe(41 * MINUTE)
  expect(slots.at(-1)?.startMs).toBe(end)
  expect(slots.filter(({ window }) => window).map(({ startMs }) => startMs / MINUTE)).toEqual([
    41, 99, 100,
  ])
})

test('provisional, final and revised are told apart, also when a window is revised while open', () => {
  expect(stateOf(testWindow({ final: false, revision: 0 }))).toBe('provisional')
  expect(stateOf(testWindow({ final: true }))).toBe('final')
  expect(stateOf(testWindow({ final: true, revision: 2 }))).toBe('revised')
  expect(lateShareOf(testWindow({ tripCount: 8, lateCount: 2 }))).toBe(0.25)
  expect(lateShareOf(testWindow({ tripCount: 0 }))).toBe(0)
})

test('counts are coloured from nothing, means within their own range', () => {
  const counts = scaleOver([10, 70], 'zero')
  expect([counts.low, counts.high]).toEqual([0, 70])
  expect([0, 9.9, 10, 70, 500].map((value) => counts.stepOf(value))).toEqual([0, 0, 1, 6, 6])
  const means = scaleOver([20, 27, NaN], 'lowest')
  expect([means.low, means.high]).toEqual([20, 27])
  expect(means.stepOf(20)).toBe(0)
  expect(scaleOver([], 'lowest').stepOf(0)).toBe(0)
  expect(scaleOver([5, 5], 'lowest').stepOf(5)).toBe(STEPS - 1)
})

test('the upper edge of an axis is round', () => {
  expect([0, 1, 3, 7, 41, 82, 999].map(roundUp)).toEqual([1, 1, 4, 8, 50, 100, 1_000])
  expect([0, 1, 2, 3, 5, 7, 41, 82].map(roundUpCount)).toEqual([2, 2, 2, 4, 6, 8, 50, 100])
})

test('a view comes back from its own link, and nonsense in it does no harm', () => {
  const view: RegionsView = {
    metric: 'p95_duration',
    size: '15m',
    regionId: 42,
    query: 'a&b=ü',
    atMs: 900_000,
  }
  expect(parseRegionsLink(formatRegionsLink(view))).toEqual(view)
  expect(formatRegionsLink(VIEW_FIRST)).toBe('')
  expect(parseRegionsLink('#metric=x&size=2h&region=101&at=61&q=%E0%A4%A')).toMatchObject({
    ...VIEW_FIRST,
    query: expect.any(String),
  })
})

test('of deliveries, each region counts with its newest window, unless that is long past', () => {
  const row = (regionId: number, minute: number, active: number) => ({
    ...{ regionId, active, completed: 1, meanSpeedKmh: null },
    startMs: minute * MINUTE,
  })
  const found = newestOf([row(1, 10, 4), row(1, 11, 5), row(2, 10, 6), row(3, 2, 7)], 60)
  expect(found.map(({ regionId, active }) => [regionId, active])).toEqual([
    [1, 5],
    [2, 6],
  ])
  expect(newestOf([], 60)).toEqual([])
})
