import { expect, test } from 'bun:test'

import { PastMinutes } from './past-minutes.ts'

const LIMITS = { pastMinutesMax: 3, pastIdsMax: 6 }
const MINUTES = Array.from({ length: 10 }, (_, minute) => minute)
const knownBy = (past: PastMinutes) => MINUTES.filter((minute) => past.knows(minute))
const ids = (...names: string[]) => new Set(names)

test('the minutes that were not used for longest leave first', () => {
  const past = new PastMinutes(9)
  for (const minute of [1, 2, 3]) past.put(minute, ids('a'), LIMITS)
  expect(past.use(1)?.has('a')).toBe(true)
  past.put(4, ids('b'), LIMITS)
  expect(knownBy(past)).toEqual([1, 3, 4])
  expect(past.use(2)).toBeNull()
})

test('ids are bounded too, those added later included', () => {
  const past = new PastMinutes(9)
  past.put(1, ids('a', 'b'), LIMITS)
  past.put(2, ids('a', 'b'), LIMITS)
  for (const id of ['c', 'd']) past.add(2, id, LIMITS)
  expect(knownBy(past)).toEqual([1, 2])
  past.put(3, ids('a'), LIMITS)
  expect(knownBy(past)).toEqual([2, 3])
  // Looked up again: counted once.
  past.put(3, ids('a', 'b'), LIMITS)
  expect(knownBy(past)).toEqual([2, 3])
})

test('a minute that was looked up is held however many ids it has', () => {
  const past = new PastMinutes(9)
  past.put(1, ids('a'), LIMITS)
  past.put(2, new Set(MINUTES.map(String)), LIMITS)
  expect(knownBy(past)).toEqual([2])
  expect(past.use(2)?.size).toBe(10)
  past.put(3, ids('a'), LIMITS)
  expect(knownBy(past)).toEqual([3])
})

test('a minute after all that were let go and not here has had no trip', () => {
  const past = new PastMinutes()
  expect(knownBy(past)).toEqual(MINUTES)
  past.add(5, 'a', LIMITS)
  expect(past.use(5)?.has('a')).toBe(true)
  for (const minute of [2, 6, 7]) past.put(minute, ids('a'), LIMITS)
  // 5 had to leave: 2 is held, the others up to there may have had trips.
  expect(knownBy(past)).toEqual([2, 6, 7, 8, 9])
  past.forget(8)
  expect(knownBy(past)).toEqual([2, 6, 7, 9])
})
