import { expect, test } from 'bun:test'

import { lostAndDouble } from './scaled-case.ts'

test('what is missing in one store is lost, what is there twice is double', () => {
  const sound = { silver: 10, silverUnique: 10, bronze: 10, bronzeUnique: 10 }
  expect(lostAndDouble(10, sound)).toEqual({ lost: 0, double: 0 })
  expect(lostAndDouble(10, { ...sound, silver: 11 })).toEqual({ lost: 0, double: 1 })
  // One lost and another twice: the sums alone would look right.
  expect(lostAndDouble(10, { ...sound, bronzeUnique: 9 })).toEqual({ lost: 1, double: 1 })
  expect(lostAndDouble(10, { ...sound, bronzeUnique: null })).toEqual({ lost: 0, double: 0 })
  const more = { ...sound, bronze: 12, bronzeUnique: null }
  expect(lostAndDouble(10, more)).toEqual({ lost: 0, double: 2 })
  const fewer = { ...sound, bronze: 8, bronzeUnique: null }
  expect(lostAndDouble(10, fewer)).toEqual({ lost: 2, double: 0 })
})
