import { beforeEach, expect, test } from 'bun:test'

import {
  type LivePosition,
  type LiveSnapshot,
  type LiveVehicle,
  packPosition,
} from '../../actors/model/live.ts'
import { drawnAt, FADE_MS, Fleet } from './fleet.ts'

let nowMs = 0
let fleet = new Fleet(() => nowMs)

beforeEach(() => {
  nowMs = 1_000
  fleet = new Fleet(() => nowMs)
})

const vehicle = (handle: number, sessionId = `s${handle}`): LiveVehicle => ({
  handle,
  sessionId,
  vehicleId: `VAN-${handle}`,
  orderId: `ORD-${handle}`,
  startLat: 37.98,
  startLng: 23.72,
  endLat: 37.99,
  endLng: 23.75,
})

const at = (handle: number, change: Partial<LivePosition> = {}): number[] => {
  const into: number[] = []
  packPosition(into, {
    handle,
    lat: 37.98,
    lng: 23.72,
    headingDeg: 90,
    speedKmh: 30,
    status: 'en_route',
    fixMs: 5_000,
    travelledM: 100,
    remainingM: 900,
    ...change,
  })
  return into
}

const snapshot = (handles: number[]): LiveSnapshot => ({
  nowMs: 5_000,
  vehicles: handles.map((handle) => vehicle(handle)),
  pos: handles.flatMap((handle) => at(handle)),
  events: [],
})

test('a snapshot replaces everything and is counted by status', () => {
  fleet.applySnapshot('e1', 7, snapshot([1, 2]))
  fleet.applySnapshot('e1', 9, snapshot([2, 3]))
  expect([...fleet.vehicles].map((one) => one.handle)).toEqual([2, 3])
  expect(fleet.find('s1')).toBeNull()
  expect(fleet.counts.value).toEqual({ started: 0, en_route: 2, completed: 0, silent: 0 })
  expect(fleet.lastEventId).toBe('e1-9')
})

test('deltas apply in order only: a repeat does nothing, a gap and another epoch are told', () => {
  fleet.applySnapshot('e1', 7, snapshot([1]))
  const far = { nowMs: 6_000, pos: at(1, { lat: 37.99, fixMs: 6_000 }) }
  expect(fleet.applyDelta('e1', 7, far)).toBe('repeat')
  expect(fleet.applyDelta('e1', 9, far)).toBe('gap')
  expect(fleet.applyDelta('e2', 8, far)).toBe('other_epoch')
  expect(fleet.find('s1')?.lat).toBe(37.98)
  expect(fleet.applyDelta('e1', 8, far)).toBe('applied')
  expect(fleet.find('s1')?.lat).toBe(37.99)
  expect(fleet.lastEventId).toBe('e1-8')
})

test('an older fix never undoes a newer one', () => {
  fleet.applySnapshot('e1', 0, snapshot([1]))
  fleet.applyDelta('e1', 1, { nowMs: 6_000, pos: at(1, { lat: 37.99, fixMs: 6_000 }) })
  fleet.applyDelta('e1', 2, { nowMs: 7_000, pos: at(1, { lat: 37.5, fixMs: 5_500 }) })
  expect(fleet.find('s1')?.lat).toBe(37.99)
})

test('a position for a handle that is gone or was never named is left out', () => {
  fleet.applySnapshot('e1', 0, snapshot([1]))
  fleet.applyDelta('e1', 1, { nowMs: 6_000, gone: [1] })
  fleet.applyDelta('e1', 2, { nowMs: 7_000, pos: [...at(1, { fixMs: 7_000 }), ...at(99)] })
  expect(fleet.size).toBe(0)
})

test('a vehicle that leaves fades for a moment and is then forgotten', () => {
  fleet.applySnapshot('e1', 0, snapshot([1, 2]))
  fleet.applyDelta('e1', 1, { nowMs: 6_000, gone: [1] })
  expect(fleet.find('s1')).toBeNull()
  expect(fleet.leaving.map((one) => one.handle)).toEqual([1])
  nowMs += FADE_MS + 1
  fleet.applyDelta('e1', 2, { nowMs: 9_000 })
  expect(fleet.leaving).toEqual([])
})

test('a handle that is used again means the new session', () => {
  fleet.applySnapshot('e1', 0, snapshot([1]))
  fleet.applyDelta('e1', 1, { nowMs: 6_000, gone: [1] })
  fleet.applyDelta('e1', 2, {
    nowMs: 7_000,
    add: [vehicle(1, 'later')],
    pos: at(1, { fixMs: 4_000 }),
  })
  expect(fleet.find('later')?.status).toBe('en_route')
  expect(fleet.find('s1')).toBeNull()
})

test('a new epoch renames handles, yet a known session glides on from where it is drawn', () => {
  fleet.applySnapshot('e1', 0, snapshot([1]))
  fleet.applyDelta('e1', 1, { nowMs: 6_000, pos: at(1, { lng: 23.7205, fixMs: 6_000 }) })
  nowMs += 300
  const known = fleet.find('s1')
  const drawn = known && drawnAt(known, nowMs)
  const renamed = { ...vehicle(44, 's1') }
  fleet.applySnapshot('e2', 0, {
    nowMs: 7_000,
    vehicles: [renamed],
    pos: at(44, { lng: 23.721, fixMs: 7_000 }),
    events: [],
  })
  const again = fleet.find('s1')
  if (!again || !drawn) throw new Error('the session is lost')
  expect(again.handle).toBe(44)
  expect(drawnAt(again, nowMs).x).toBeCloseTo(drawn.x, 10)
  expect(again.lng).toBe(23.721)
})

test('a vehicle is stale after three intervals without a fix, a status alone is no fix', () => {
  fleet.applySnapshot('e1', 0, snapshot([1]))
  const one = fleet.find('s1')
  if (!one) throw new Error('no vehicle')
  expect(fleet.isStale(one, 9_000)).toBe(false)
  expect(fleet.isStale(one, 10_500)).toBe(true)
  nowMs += 6_000
  fleet.applyDelta('e1', 1, { nowMs: 11_000, pos: at(1, { status: 'silent' }) })
  expect(one.heardMs).toBe(5_000)
  expect(fleet.counts.value.silent).toBe(1)
  fleet.applyDelta('e1', 2, { nowMs: 12_000, pos: at(1, { fixMs: 11_500 }) })
  expect(fleet.isStale(one, 12_500)).toBe(false)
})

test('events are kept newest last and bounded', () => {
  fleet.applySnapshot('e1', 0, snapshot([1]))
  const event = {
    sessionId: 's1',
    vehicleId: 'VAN-1',
    orderId: 'ORD-1',
    status: 'completed',
  } as const
  for (let seq = 1; seq <= 200; seq += 1) {
    fleet.applyDelta('e1', seq, { nowMs: 6_000, events: [{ ...event, atMs: seq }] })
  }
  expect(fleet.events.value.length).toBeLessThanOrEqual(60)
  expect(fleet.events.value.at(-1)?.atMs).toBe(200)
})
