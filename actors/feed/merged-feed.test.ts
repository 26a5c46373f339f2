import { describe, expect, test } from 'bun:test'

import { LATENCY_BOUNDS_MS } from '../kernel/telemetry.ts'
import type { LiveEvent, LiveSnapshot, LiveVehicle } from '../model/live.ts'
import { type FeedFigures, kpiOf } from './figures.ts'
import { MergedFeed } from './merged-feed.ts'

const LIMITS = { vehiclesMax: 5, deltasMax: 4, positionsMax: 1_000 }
const feedOf = () => new MergedFeed({ epoch: 'e', limits: LIMITS })
const vehicle = (handle: number, sessionId: string, orderId = 'o'): LiveVehicle => ({
  ...{ handle, sessionId, vehicleId: `v-${sessionId}`, orderId },
  ...{ startLat: 1, startLng: 2, endLat: 3, endLng: 4 },
})
const at = (handle: number, fixMs: number): number[] => [handle, 1, 2, 3, 4, 1, fixMs, 7, 8]
const event = (sessionId: string, atMs: number): LiveEvent => ({
  ...{ sessionId, vehicleId: 'v', orderId: 'o', status: 'started', atMs },
})
const snapshotOf = (...vehicles: readonly LiveVehicle[]): LiveSnapshot => ({
  nowMs: 0,
  vehicles,
  pos: vehicles.flatMap(({ handle }) => at(handle, handle)),
  events: [],
})

describe('feeds of all partitions as one', () => {
  test('the same handle of two partitions is two vehicles', () => {
    const feed = feedOf()
    feed.replace(0, snapshotOf(vehicle(1, 'a')))
    feed.replace(1, snapshotOf(vehicle(1, 'b')))
    feed.tick(1)
    feed.apply(1, { nowMs: 0, pos: at(1, 50) })
    expect(feed.tick(2)).toEqual({ seq: 2, delta: { nowMs: 2, pos: at(2, 50) } })
    feed.apply(0, { nowMs: 0, gone: [1] })
    expect(feed.tick(3)?.delta).toEqual({ nowMs: 3, gone: [1] })
    expect(feed.snapshot(4)).toMatchObject({
      vehicles: [{ handle: 2, sessionId: 'b' }],
      pos: at(2, 50),
    })
  })

  test('another snapshot of a partition tells only what differs, whatever handles it has', () => {
    const feed = feedOf()
    feed.replace(0, snapshotOf(vehicle(1, 'stays'), vehicle(2, 'goes'), vehicle(3, 'renamed')))
    feed.replace(1, snapshotOf(vehicle(1, 'of another')))
    feed.tick(1)
    feed.replace(0, {
      ...{ nowMs: 0, events: [] },
      vehicles: [vehicle(9, 'stays'), vehicle(8, 'comes'), vehicle(1, 'renamed', 'o2')],
      pos: [...at(9, 1), ...at(8, 8), ...at(1, 30)],
    })
    expect(feed.tick(2)?.delta).toEqual({
      nowMs: 2,
      add: [vehicle(5, 'comes'), vehicle(3, 'renamed', 'o2')],
      pos: [...at(5, 8), ...at(3, 30)],
      gone: [2],
    })
    // From now on by the new handles.
    feed.apply(0, { nowMs: 0, pos: at(9, 77) })
    expect(feed.tick(3)?.delta.pos).toEqual(at(1, 77))
    feed.replace(0, snapshotOf(vehicle(9, 'stays')))
    feed.tick(4)
    feed.replace(0, snapshotOf(vehicle(9, 'stays')))
    expect(feed.tick(5)).toBeNull()
  })

  test('a partition that is forgotten leaves, and others take its room', () => {
    const feed = feedOf()
    feed.replace(0, snapshotOf(vehicle(1, 'a'), vehicle(2, 'b'), vehicle(3, 'c')))
    feed.replace(1, snapshotOf(vehicle(1, 'd'), vehicle(2, 'e'), vehicle(3, 'f')))
    expect(feed.vehicles).toBe(5)
    feed.tick(1)
    feed.drop(0)
    expect(feed.tick(2)?.delta).toEqual({ nowMs: 2, gone: [1, 2, 3] })
    feed.apply(0, { nowMs: 0, add: [vehicle(4, 'nobody')] })
    expect(feed.tick(3)).toBeNull()
    feed.replace(1, snapshotOf(vehicle(1, 'd'), vehicle(2, 'e'), vehicle(3, 'f')))
    expect(feed.vehicles).toBe(3)
  })

  test('events are told once, also when a snapshot has them again', () => {
    const feed = feedOf()
    feed.replace(0, { ...snapshotOf(), events: [event('a', 1)] })
    feed.apply(0, { nowMs: 0, events: [event('b', 3)] })
    feed.apply(1, { nowMs: 0, events: [event('of nobody', 3)] })
    feed.replace(1, { ...snapshotOf(), events: [event('c', 2)] })
    expect(feed.tick(1)?.delta.events?.map(({ sessionId }) => sessionId)).toEqual(['a', 'b', 'c'])
    feed.replace(0, { ...snapshotOf(), events: [event('a', 1), event('b', 3), event('d', 4)] })
    expect(feed.tick(2)?.delta.events).toEqual([event('d', 4)])
    expect(feed.snapshot(3).events.map(({ atMs }) => atMs)).toEqual([1, 2, 3, 4])
  })

  test('with nobody watching no delta is made, and who comes takes a snapshot', () => {
    const feed = feedOf()
    feed.replace(0, snapshotOf(vehicle(1, 'a')))
    const before = feed.seq
    expect(feed.tick(1, false)).toBeNull()
    expect(feed.since(before)).toBeNull()
    expect(feed.since(feed.seq)).toEqual([])
  })
})

test('figures of the parts add up, and the least complete counts', () => {
  const counts = (bound: number, count: number): number[] =>
    [...LATENCY_BOUNDS_MS, Infinity].map((one) => (one === bound ? count : 0))
  const figures = (more: Partial<FeedFigures>): FeedFigures => ({
    ...{ activeSessions: 2, silentSessions: 1, completedToday: 3, distanceKmToday: 1.5 },
    ...{ pingsPerSecond: 0.4, speedSumKmh: 30, speedCount: 1, completeUpToMs: 900 },
    ...{ ackCounts: [], queryableCounts: counts(10, 95), ...more },
  })
  const slow = figures({ completeUpToMs: 500, speedCount: 2, queryableCounts: counts(500, 5) })
  expect(kpiOf([figures({}), slow], 1_000)).toEqual({
    ...{ nowMs: 1_000, activeSessions: 4, silentSessions: 2, completedToday: 6 },
    ...{ distanceKmToday: 3, pingsPerSecond: 1, meanSpeedKmh: 20, completeUpToMs: 500 },
    ...{ ackP95Ms: null, queryableP95Ms: 10 },
  })
  const beyond = figures({ queryableCounts: counts(Infinity, 1) })
  expect(kpiOf([beyond], 1_000).queryableP95Ms).toBe(60_000)
  expect(kpiOf([figures({ queryableCounts: [] })], 1_000).queryableP95Ms).toBeNull()
})
