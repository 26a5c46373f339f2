import { expect, test } from 'bun:test'

import { figuresIn } from './live-figures.ts'

const kpi = (activeSessions: number): string =>
  `id: 1-7\nevent: kpi\ndata: ${JSON.stringify({ activeSessions, completedToday: 2, distanceKmToday: 1.5 })}\n\n`

test('the newest figures of a stream count, and only whole ones', () => {
  const delta = 'event: delta\ndata: {"activeSessions":9}\n\n'
  expect(figuresIn(kpi(3) + delta + kpi(4))).toEqual({
    ...{ activeSessions: 4, completedToday: 2, distanceM: 1_500 },
  })
  expect(figuresIn(delta)).toBeNull()
  expect(figuresIn('event: kpi\ndata: {"active')).toBeNull()
})
