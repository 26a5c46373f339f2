import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { testTotals, testWindow } from '../testing.ts'
import { headlineOf, rankBy, searchRegions } from './ranking.ts'
import { isLate, lateForSure, lateShare, momentOf, sumTotals } from './region-figures.ts'
import { metricOf, percentText, type RegionFigures, shortText, withUnit } from './region-metrics.ts'

const region = (
  regionId: number,
  tripCount: number | null,
  { late = 0, trips = 1_000 } = {},
): RegionFigures => ({
  regionId,
  window: tripCount === null ? null : testWindow({ regionId, tripCount }),
  totals: testTotals({ regionId, late, trips }),
  deliveries: null,
})

test('highest first, equal values share a rank in order of ids, no value comes last', () => {
  const rows = rankBy(metricOf('trips'), [
    region(3, 5),
    region(7, null),
    region(2, 5),
    region(1, 20),
  ])
  expect(rows.map(({ figures, rank }) => [figures.regionId, rank])).toEqual([
    [1, 1],
    [2, 2],
    [3, 2],
    [7, 4],
  ])
  expect(rows.map(({ part }) => part)).toEqual([1, 0.25, 0.25, 0])
})

test('the order of the input does not matter', () => {
  const counts = fc.array(fc.option(fc.nat(9)), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(counts, fc.integer(), (values, turn) => {
      const regions = values.map((value, index) => region(index + 1, value))
      const at = ((turn % regions.length) + regions.length) % regions.length
      const turned = [...regions.slice(at), ...regions.slice(0, at)].reverse()
      const ids = (of: readonly RegionFigures[]) =>
        rankBy(metricOf('trips'), of).map(({ figures }) => figures.regionId)
      expect(ids(turned)).toEqual(ids(regions))
    }),
  )
})

test('the headline names the busiest, and the one that is late for certain', () => {
  const regions = [
    region(4, 41),
    region(2, 12, { late: 120 }),
    region(5, 1, { late: 1, trips: 1 }),
    region(6, 3, { late: 60 }),
  ]
  const { busiest, latest, lateBeside } = headlineOf(regions)
  expect(busiest).toEqual({ regionId: 4, trips: 41 })
  // One late trip of one is all of them, and still chance.
  expect(latest).toEqual({ regionId: 2, percent: 12, late: 120 })
  expect(lateBeside).toBe(1)
  expect(headlineOf([region(1, null)])).toEqual({ busiest: null, latest: null, lateBeside: 0 })
})

test('a late share is sure only with enough trips', () => {
  expect(lateShare({ late: 12, trips: 100 })).toBeCloseTo(0.12)
  expect(lateShare({ late: 0, trips: 0 })).toBe(0)
  expect(lateForSure({ late: 0, trips: 50 })).toBe(0)
  expect(lateForSure({ late: 120, trips: 1_000 })).toBeGreaterThan(0.1)
  expect(lateForSure({ late: 12, trips: 100 })).toBeLessThan(0.08)
  expect(isLate({ late: 3, trips: 1_000 })).toBe(false)
  expect(isLate({ late: 60, trips: 1_000 })).toBe(true)
  fc.assert(
    fc.property(fc.nat(1_000), fc.nat(1_000), (one, other) => {
      const [late, trips] = [Math.min(one, other), Math.max(one, other, 1)]
      expect(lateForSure({ late, trips })).toBeLessThanOrEqual(late / trips + 1e-12)
    }),
  )
})

test('the moment is the newest window with half of the usual trips, not one that has just begun', () => {
  const at = (startMs: number, tripCount: number) => testWindow({ startMs, tripCount })
  const usual = [at(1, 10), at(2, 12), at(3, 11)]
  expect(momentOf(usual)).toBe(3)
  expect(momentOf([...usual, at(4, 1)])).toBe(3)
  expect(momentOf([...usual, at(4, 3), at(4, 3)])).toBe(4)
  // A stray trip ahead of all others.
  expect(momentOf([...usual, at(900, 1)])).toBe(3)
  expect(momentOf([at(5, 1)])).toBe(5)
  expect(momentOf([])).toBeNull()
})

test('a search finds names by words and regions by number', () => {
  const rows = rankBy(metricOf('trips'), [region(4, 1), region(14, 1), region(40, 1)])
  const find = (query: string) =>
    searchRegions(rows, query, (id) => (id === 40 ? 'Old Port' : `Region ${id}`)).map(
      ({ figures }) => figures.regionId,
    )
  expect(find('')).toEqual([4, 14, 40])
  expect(find('4')).toEqual([4])
  expect(find('#14')).toEqual([14])
  expect(find('port OLD')).toEqual([40])
  expect(find('nowhere')).toEqual([])
})

test('values carry their unit', () => {
  expect(withUnit(metricOf('trips'), 1)).toBe('1 trip')
  expect(withUnit(metricOf('trips'), 1_234)).toBe('1,234 trips')
  expect(withUnit(metricOf('avg_fare'), 21.456)).toBe('21.46 USD')
  expect(shortText(metricOf('total_fare'), 16_427)).toBe('16k')
  expect(shortText(metricOf('total_fare'), 999.5)).toBe('999.5')
  expect(withUnit(metricOf('p95_duration'), 2_100)).toBe('35.0 min')
  expect([0, 0.04, 5.94, 12.4, 100].map(percentText)).toEqual(['0', '<0.1', '5.9', '12', '100'])
})

test('totals add up', () => {
  const all = [
    testTotals({ trips: 5, late: 1 }),
    testTotals({ trips: 7, duplicates: 2, tooLate: 1 }),
  ]
  expect(sumTotals(all)).toEqual({ trips: 12, duplicates: 2, late: 1, tooLate: 1 })
})
