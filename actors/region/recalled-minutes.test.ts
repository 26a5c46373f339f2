import { expect, test } from 'bun:test'

import { RecalledMinutes } from './recalled-minutes.ts'

const LIMITS = { recalledMinutesMax: 3, recalledIdsMax: 6 }
const minutesIn = (recalled: RecalledMinutes) =>
  Array.from({ length: 10 }, (_, minute) => minute).filter((minute) => recalled.has(minute))

test('the minutes that were not used for longest leave first', () => {
  const recalled = new RecalledMinutes()
  for (const minute of [1, 2, 3]) recalled.put(minute, ['a'], LIMITS)
  expect(recalled.use(1)?.has('a')).toBe(true)
  recalled.put(4, ['b'], LIMITS)
  expect(minutesIn(recalled)).toEqual([1, 3, 4])
  expect(recalled.use(2)).toBeNull()
})

test('ids are bounded too, those added later included', () => {
  const recalled = new RecalledMinutes()
  recalled.put(1, ['a', 'b'], LIMITS)
  recalled.put(2, ['a', 'b'], LIMITS)
  for (const id of ['c', 'd']) recalled.add(2, id)
  expect(minutesIn(recalled)).toEqual([1, 2])
  recalled.put(3, ['a'], LIMITS)
  expect(minutesIn(recalled)).toEqual([2, 3])
  // Looked up again: counted once.
  recalled.put(3, ['a', 'b'], LIMITS)
  expect(minutesIn(recalled)).toEqual([2, 3])
})

test('one minute is held however many ids it has', () => {
  const recalled = new RecalledMinutes()
  recalled.put(1, ['a'], LIMITS)
  const many = Array.from({ length: 20 }, (_, index) => String(index))
  recalled.put(2, many, LIMITS)
  expect(minutesIn(recalled)).toEqual([2])
  expect(recalled.use(2)?.size).toBe(20)
  recalled.put(3, ['a'], LIMITS)
  expect(minutesIn(recalled)).toEqual([3])
})
