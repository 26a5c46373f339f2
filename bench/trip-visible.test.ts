import { expect, test } from 'bun:test'

import { minutesOf, Unseen } from './trip-visible.ts'

test('a trip is seen when its window shows as many as were sent by then', () => {
  const unseen = new Unseen()
  unseen.sent(6, 60_000, 10)
  unseen.sent(6, 60_000, 20)
  unseen.sent(6, 120_000, 30)
  unseen.seen(6, 60_000, 1, 100)
  expect(unseen.tookMs).toEqual([90])
  unseen.seen(6, 60_000, 1, 150)
  unseen.seen(7, 120_000, 1, 150)
  expect(unseen.waiting).toBe(2)
  unseen.seen(6, 60_000, 2, 200)
  unseen.seen(6, 120_000, 1, 230)
  expect(unseen.tookMs).toEqual([90, 180, 200])
  expect(unseen.waiting).toBe(0)
})

test('reads the one-minute windows of an event, and nothing of a heartbeat', () => {
  const window = { regionId: 9, sizeS: 60, startMs: 60_000, tripCount: 3 }
  const data = JSON.stringify({ windows: [window, { ...window, sizeS: 300 }] })
  expect(minutesOf(`event: delta\nid: e-1\ndata: ${data}`)).toEqual([
    { regionId: 9, startMs: 60_000, tripCount: 3 },
  ])
  expect(minutesOf(':')).toEqual([])
})
