import { expect, test } from 'bun:test'

import { isSound, lostAndDouble } from './scaled-case.ts'
import { type Reading, strangersPercent, usedBetween } from './scaled-reading.ts'

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

const reading = (
  atMs: number,
  cpuUs: Readonly<Record<string, number>>,
  busyUs: number,
): Reading => ({
  ...{ atMs, cpuUs, rssMaxMb: {}, requests: { scripts: atMs / 10 } },
  machine: { busyUs, idleUs: atMs * 2_000 - busyUs },
})

test('what nobody of the bench used is told as the use of others', () => {
  const before = reading(1_000, { worker: 50_000, broker: 10_000 }, 1_000_000)
  const after = reading(11_000, { worker: 4_050_000, broker: 1_010_000 }, 9_000_000)
  const used = usedBetween(before, after)
  expect(used).toMatchObject({
    ...{ tookS: 10, cpuUs: { worker: 4_000_000, broker: 1_000_000 }, requests: { scripts: 1_000 } },
    machineBusyPercent: 40,
  })
  // 8 s of two cores were busy: 5 s by the parts, 1 s by the load.
  expect(strangersPercent(used, 1_000_000)).toBe(20)
  expect(strangersPercent(used, 4_000_000)).toBe(0)
})

test('a case is sound when both stores have everything once and all ended in order', () => {
  const sound = { silverAfterS: 1, bronzeAfterS: 2, lost: 0, double: 0, unclean: [] }
  expect(isSound(sound)).toBe(true)
  expect(isSound({ ...sound, lost: 1 })).toBe(false)
  expect(isSound({ ...sound, double: 1 })).toBe(false)
  expect(isSound({ ...sound, bronzeAfterS: null })).toBe(false)
  expect(isSound({ ...sound, unclean: ['worker-1: killed'] })).toBe(false)
})
