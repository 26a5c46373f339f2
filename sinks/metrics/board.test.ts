import { describe, expect, test } from 'bun:test'

import { MetricsBoard } from './board.ts'
import { type Counts, minuteOf, noCounts } from './counts.ts'
import { NOON_MS } from './testing.ts'

const NOON = minuteOf(NOON_MS)

function boardOf(
  totals: Partial<Counts>,
  minutes: readonly (readonly [minute: number, counts: Partial<Counts>])[],
  board = new MetricsBoard(),
  partition = 0,
): MetricsBoard {
  board.show(partition, {
    offset: 0,
    totals: { ...noCounts(), ...totals },
    minutes: new Map(minutes.map(([minute, counts]) => [minute, { ...noCounts(), ...counts }])),
  })
  return board
}

describe('figures', () => {
  test('of today are those of the UTC day by event time', () => {
    const day = { completed: 1, started: 2, distanceCm: 150_000 }
    const board = boardOf({ opened: 9, finished: 4 }, [
      [NOON - 721, day],
      [NOON - 720, day],
      [NOON, day],
      [NOON + 719, day],
      [NOON + 720, day],
    ])
    expect(board.kpis(NOON_MS)).toMatchObject({
      activeSessions: 5,
      sessions: 9,
      completedToday: 3,
      startedToday: 6,
      distanceKmToday: 4.5,
    })
  })

  test('add up over partitions, and without one that has gone', () => {
    const board = boardOf({ pings: 5 }, [[NOON - 1, { pings: 5 }]])
    boardOf({ pings: 7 }, [[NOON - 1, { pings: 6 }]], board, 1)
    expect(board.kpis(NOON_MS)).toMatchObject({ pings: 12, pingsLastMinute: 11 })
    board.hide(0)
    expect(board.kpis(NOON_MS)).toMatchObject({ pings: 7, pingsLastMinute: 6 })
  })

  test('are zero while nothing is shown', () => {
    expect(Object.values(new MetricsBoard().kpis(NOON_MS)).every((value) => value === 0)).toBe(true)
  })
})

describe('a series', () => {
  test('has each of the last whole minutes, oldest first', () => {
    const board = boardOf({}, [
      [NOON - 61, { pings: 1 }],
      [NOON - 60, { pings: 2 }],
      [NOON - 1, { pings: 3, distanceCm: 50_000 }],
      [NOON, { pings: 4 }],
    ])
    const points = board.series(NOON_MS + 30_000)
    expect(points).toHaveLength(60)
    expect(points[0]).toMatchObject({ minuteMs: NOON_MS - 3_600_000, pings: 2 })
    expect(points.at(-1)).toMatchObject({ minuteMs: NOON_MS - 60_000, pings: 3, distanceKm: 0.5 })
    expect(points.slice(1, -1).every(({ pings }) => pings === 0)).toBe(true)
  })

  test('knows how many sessions were active at the end of each minute', () => {
    const board = boardOf({ opened: 10, finished: 4 }, [
      [NOON - 3, { opened: 5 }],
      [NOON - 2, { opened: 2, finished: 3 }],
      [NOON - 1, { finished: 1 }],
      [NOON, { opened: 1 }],
    ])
    const active = board.series(NOON_MS, 4).map((point) => point.activeSessions)
    expect(active).toEqual([2, 7, 6, 5])
  })
})
