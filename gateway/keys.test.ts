import { expect, test } from 'bun:test'

import { VirtualClock } from '../actors/kernel/clock.ts'
import { keyOfHeaders, Keys } from './keys.ts'
import { TEST_KEY, TEST_SOURCE, TestAccounts } from './testing.ts'

test('a key is looked up once a second, and one that was taken back stops working by then', async () => {
  const clock = new VirtualClock()
  const accounts = new TestAccounts()
  let lookUps = 0
  let valid = true
  accounts.verifyKey = (key) => {
    lookUps++
    return valid && key === TEST_KEY ? TEST_SOURCE : null
  }
  const keys = new Keys(accounts, clock)
  for (let count = 0; count < 5; count++) expect(keys.nameOf(TEST_KEY)).toBe(TEST_SOURCE)
  expect(lookUps).toBe(1)
  valid = false
  await clock.advanceMs(1_000)
  expect(keys.nameOf(TEST_KEY)).toBeNull()
})

test('wrong keys are not remembered, and absurd ones not even looked up', () => {
  const accounts = new TestAccounts()
  let lookUps = 0
  accounts.verifyKey = () => {
    lookUps++
    return null
  }
  const keys = new Keys(accounts, new VirtualClock())
  for (const key of ['wrong', 'wrong', '', 'x'.repeat(257)]) expect(keys.nameOf(key)).toBeNull()
  expect(lookUps).toBe(2)
})

test('a key is taken from Authorization or X-API-Key', () => {
  const of = (headers: Record<string, string>): string | null => keyOfHeaders(new Headers(headers))
  expect(of({ authorization: 'Bearer abc' })).toBe('abc')
  expect(of({ authorization: 'bearer  abc ' })).toBe('abc')
  expect(of({ 'x-api-key': ' abc ' })).toBe('abc')
  expect(of({ authorization: 'Basic abc' })).toBeNull()
  expect(of({})).toBeNull()
})
