import { expect, test } from 'bun:test'

import type { HeaderFact, MovementFact, StatusFact } from '../model/fact.ts'
import { POSITION_STRIDE, unpackPosition } from '../model/live.ts'
import { Feed } from './feed.ts'

const LIMITS = {
  vehiclesMax: 3,
  completedStayMs: 1_000,
  silentStayMs: 5_000,
  deltasMax: 4,
  positionsMax: 1_000,
}
const feedOf = () => new Feed({ epoch: 'e', nowMs: 0, limits: LIMITS })
const name = { partition: 0, offset: 0, part: 0 }

const header = (sessionId: string, orderId = 'o'): HeaderFact => ({
  ...name,
  kind: 'header',
  sessionId,
  revision: 0,
  vehicleId: 'v',
  orderId,
  deviceId: 'd',
  startLat: 38,
  startLng: 23,
  endLat: 39,
  endLng: 24,
  createdAtUs: 0,
  receivedMs: 0,
})
const movement = (sessionId: string, more: Partial<MovementFact> = {}): MovementFact => ({
  ...name,
  kind: 'movement',
  sessionId,
  movementId: 'm',
  status: 'en_route',
  lat: 38.1,
  lng: 23.1,
  eventTimeUs: 5_000_000,
  receivedMs: 0,
  distanceCm: 100,
  speedKmh: 36,
  headingDeg: 90,
  travelledCm: 12_300,
  remainingCm: 45_600,
  late: false,
  ...more,
})
const status = (sessionId: string, to: StatusFact['status']): StatusFact => ({
  ...name,
  kind: 'status',
  sessionId,
  eventId: 'e',
  revision: 0,
  status: to,
  from: null,
  eventTimeUs: 6_000_000,
  receivedMs: 0,
})

test('a tick makes one delta of everything since the last', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  feed.accept(movement('a', { lat: 38.05 }))
  feed.accept(movement('a'))
  const first = feed.tick(10)
  expect(first?.seq).toBe(1)
  expect(first?.delta.add?.map((vehicle) => vehicle.sessionId)).toEqual(['a'])
  expect(first?.delta.pos).toHaveLength(POSITION_STRIDE)
  expect(unpackPosition(first?.delta.pos ?? [], 0)).toEqual({
    handle: 1,
    lat: 38.1,
    lng: 23.1,
    headingDeg: 90,
    speedKmh: 36,
    status: 'en_route',
    fixMs: 5_000,
    travelledM: 123,
    remainingM: 456,
  })
  expect(feed.tick(20)).toBeNull()
})

test('a late fix changes the distance, not the place', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  feed.accept(movement('a'))
  feed.accept(movement('a', { late: true, lat: 30, travelledCm: 20_000, eventTimeUs: 1 }))
  expect(unpackPosition(feed.tick(0)?.delta.pos ?? [], 0)).toMatchObject({
    lat: 38.1,
    fixMs: 5_000,
    travelledM: 200,
  })
})

test('a completed delivery stays a while and leaves; a fix after it does not open it again', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  feed.accept(movement('a', { status: 'completed' }))
  feed.accept(status('a', 'completed'))
  feed.accept(movement('a', { status: 'en_route', lat: 38.2 }))
  const delta = feed.tick(500)?.delta
  expect(unpackPosition(delta?.pos ?? [], 0)).toMatchObject({ status: 'completed', lat: 38.2 })
  expect(delta?.events).toMatchObject([{ sessionId: 'a', status: 'completed', atMs: 6_000 }])
  expect(feed.tick(1_000)?.delta.gone).toEqual([1])
  expect(feed.vehicles).toBe(0)
})

test('a silent one that is heard again stays', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  feed.accept({
    ...name,
    kind: 'alert',
    sessionId: 'a',
    alert: 'silent',
    dueMs: 0,
    firedMs: 0,
    late: false,
  })
  expect(feed.silentCount).toBe(1)
  feed.accept(movement('a'))
  feed.tick(10_000)
  expect([feed.silentCount, feed.vehicles]).toEqual([0, 1])
})

test('who comes back gets what it missed, or is told to take a snapshot', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  for (let tick = 0; tick < 20; tick++) {
    feed.accept(movement('a', { lat: 38 + tick / 100 }))
    feed.tick(tick)
  }
  expect(feed.seq).toBe(20)
  expect(feed.since(17)?.map(({ seq }) => seq)).toEqual([18, 19, 20])
  expect(feed.since(20)).toEqual([])
  expect(feed.since(2)).toBeNull()
  expect(feed.since(21)).toBeNull()
  expect(feed.snapshot(0).vehicles).toHaveLength(1)
})

test('the map shows so many vehicles and no more', () => {
  const feed = feedOf()
  for (const id of ['a', 'b', 'c', 'd']) feed.accept(header(id))
  expect(feed.vehicles).toBe(3)
  feed.accept(movement('d'))
  expect(feed.snapshot(0).vehicles.map((vehicle) => vehicle.sessionId)).toEqual(['a', 'b', 'c'])
})

test('a revised header renames the vehicle under its handle', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  feed.tick(0)
  feed.accept(header('a', 'other'))
  expect(feed.tick(1)?.delta.add).toMatchObject([{ handle: 1, orderId: 'other' }])
})

test('what is held for who comes back is bounded by weight, too', () => {
  const feed = new Feed({ epoch: 'e', nowMs: 0, limits: { ...LIMITS, positionsMax: 3 } })
  feed.accept(header('a'))
  feed.accept(header('b'))
  for (let tick = 0; tick < 4; tick++) {
    feed.accept(movement('a', { lat: 38 + tick / 100 }))
    feed.accept(movement('b', { lat: 38 + tick / 100 }))
    feed.tick(tick)
  }
  expect(feed.since(3)?.map(({ seq }) => seq)).toEqual([4])
  expect(feed.since(2)).toBeNull()
})

test('with nobody watching no delta is made, and who comes takes a snapshot', () => {
  const feed = feedOf()
  feed.accept(header('a'))
  feed.tick(0)
  feed.accept(movement('a'))
  expect(feed.tick(1, false)).toBeNull()
  expect(feed.since(1)).toBeNull()
  expect(feed.snapshot(1).pos).toHaveLength(POSITION_STRIDE)
})
