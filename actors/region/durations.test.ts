import { expect, test } from 'bun:test'

import fc from 'fast-check'

import { DURATION_MAX_S, DURATION_MIN_S, Durations } from './durations.ts'

const seconds = fc.oneof(
  fc.integer({ min: DURATION_MIN_S, max: DURATION_MAX_S }),
  fc.constantFrom(DURATION_MIN_S, DURATION_MAX_S, 75, 76, 315, 316, 900),
)

function filled(values: readonly number[]): Durations {
  const durations = new Durations()
  for (const value of values) durations.add(value)
  return durations
}

test('every rank is exact, from one duration to more than a list holds', () => {
  const many = fc.oneof(
    fc.array(seconds, { minLength: 1, maxLength: 200 }),
    fc.array(seconds, { minLength: 1_000, maxLength: 1_100 }),
    fc.array(seconds, { minLength: 2_500, maxLength: 3_000 }),
  )
  fc.assert(
    fc.property(many, (values) => {
      const durations = filled(values)
      const sorted = values.toSorted((a, b) => a - b)
      expect(durations.count).toBe(sorted.length)
      expect(durations.sum).toBe(sorted.reduce((sum, value) => sum + value, 0))
      expect(sorted.map((_, index) => durations.at(index + 1))).toEqual(sorted)
    }),
    { numRuns: 60 },
  )
})

test('they come back from their distinct values and counts', () => {
  const values = Array.from({ length: 5_000 }, (_, index) => 60 + ((index * 31) % 7_141))
  for (const count of [3, 1_024, 1_025, 5_000]) {
    const durations = filled(values.slice(0, count))
    const copy = new Durations()
    durations.forEach((durationS, times) => copy.add(durationS, times))
    const again = new Durations()
    durations.forEach((durationS, times) => {
      for (let time = 0; time < times; time++) again.add(durationS)
    })
    const ranks = Array.from({ length: count }, (_, index) => durations.at(index + 1))
    expect(ranks).toEqual(values.slice(0, count).sort((a, b) => a - b))
    for (const other of [copy, again]) {
      expect(other.count).toBe(count)
      expect(other.sum).toBe(durations.sum)
      expect(ranks.map((_, index) => other.at(index + 1))).toEqual(ranks)
    }
  }
})
