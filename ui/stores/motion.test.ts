import { expect, test } from 'bun:test'

import { headingOf, mercatorX, mercatorY, moveTo, progressOf, standing } from './motion.ts'

const x = (motion: ReturnType<typeof standing>, nowMs: number): number =>
  motion.fromX + (motion.toX - motion.fromX) * progressOf(motion, nowMs)

test('a vehicle glides to its newest fix within about one interval and stops there', () => {
  const motion = standing(0.5, 0.5, 90, 0)
  moveTo(motion, { x: 0.500001, y: 0.5, headingDeg: 90, nowMs: 1_000, smooth: true })
  expect(x(motion, 1_000)).toBe(0.5)
  expect(x(motion, 1_500)).toBeGreaterThan(0.5000004)
  expect(x(motion, 1_500)).toBeLessThan(0.5000006)
  expect(x(motion, 2_100)).toBe(0.500001)
  expect(x(motion, 60_000)).toBe(0.500001)
})

test('a fix that comes early starts from where the vehicle is drawn, without a jump', () => {
  const motion = standing(0.5, 0.5, 0, 0)
  moveTo(motion, { x: 0.500001, y: 0.5, headingDeg: 0, nowMs: 1_000, smooth: true })
  const drawn = x(motion, 1_400)
  moveTo(motion, { x: 0.500002, y: 0.5, headingDeg: 0, nowMs: 1_400, smooth: true })
  expect(x(motion, 1_400)).toBeCloseTo(drawn, 12)
})

test('a jump over kilometres and a page without motion are drawn at once', () => {
  const far = standing(0.5, 0.5, 0, 0)
  moveTo(far, { x: 0.6, y: 0.5, headingDeg: 0, nowMs: 1_000, smooth: true })
  expect(x(far, 1_000)).toBe(0.6)
  const still = standing(0.5, 0.5, 0, 0)
  moveTo(still, { x: 0.500001, y: 0.5, headingDeg: 0, nowMs: 1_000, smooth: false })
  expect(x(still, 1_000)).toBe(0.500001)
})

test('a heading turns the short way round and keeps the last one when it is unknown', () => {
  const motion = standing(0.5, 0.5, 350, 0)
  moveTo(motion, { x: 0.500001, y: 0.5, headingDeg: 10, nowMs: 1_000, smooth: true })
  expect(headingOf(motion, 1_200)).toBeCloseTo(0, 6)
  expect(headingOf(motion, 3_000)).toBe(10)
  moveTo(motion, { x: 0.500001, y: 0.5, headingDeg: -1, nowMs: 3_000, smooth: true })
  expect(headingOf(motion, 5_000)).toBe(10)
})

test('Web Mercator puts null island in the middle', () => {
  expect(mercatorX(0)).toBe(0.5)
  expect(mercatorY(0)).toBe(0.5)
  expect(mercatorY(37.9838)).toBeCloseTo(0.386, 3)
})
