import { expect, test } from 'bun:test'

import { asRecord, parseJson } from '../simulator/wire.ts'
import { InOrder, tripBodies } from './trip-bodies.ts'

const OPTIONS = {
  ...{ count: 2_500, seed: 7, regions: 3, startMs: Date.UTC(2025, 7, 17), spanMs: 3_600_000 },
  ...{ disorderMs: 30_000, duplicateShare: 0.1, lateShare: 0 },
}

test('bodies hold every trip and every copy, whole, and the same ones each time', () => {
  const { bodies, rows } = tripBodies(OPTIONS, 1_000)
  const ids = bodies.flatMap((body) =>
    new TextDecoder()
      .decode(body)
      .split('\n')
      .flatMap((line) => (line === '' ? [] : [String(asRecord(parseJson(line))?.trip_id)])),
  )
  expect(new Set(ids).size).toBe(2_500)
  expect(ids.length).toBeGreaterThan(2_650)
  expect(rows.reduce((sum, count) => sum + count, 0)).toBe(ids.length)
  expect(rows.slice(0, -1).every((count) => count === 1_000)).toBe(true)
  expect(tripBodies(OPTIONS, 1_000).bodies).toEqual(bodies)
})

test('no body is sent too far ahead of the oldest without an answer', () => {
  const order = new InOrder(5, 3)
  expect([order.take(), order.take(), order.take(), order.take()]).toEqual([0, 1, 2, null])
  order.answered(1)
  expect(order.take()).toBe(null)
  order.answered(0)
  expect([order.take(), order.take(), order.take()]).toEqual([3, 4, null])
  for (const body of [4, 3]) order.answered(body)
  expect(order.isOver).toBe(false)
  order.answered(2)
  expect(order.isOver).toBe(true)
})
