import { expect, test } from 'bun:test'

import fc from 'fast-check'

import type { Turn } from '../kernel/behavior.ts'
import type { Fact, MovementFact } from '../model/fact.ts'
import { distanceCm } from '../model/geo.ts'
import type { Fix, HistoryPage } from '../model/history.ts'
import type { Ping } from '../model/ping.ts'
import { sessionBehavior } from './behavior.ts'
import { compareFixes } from './fixes.ts'
import { comparePings, FIXES_MAX } from './state.ts'
import type { SessionState } from './state.ts'

const session = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 300_000 })
const PING: Ping = {
  deviceId: 'd',
  vehicleId: 'v',
  sessionId: 's',
  orderId: 'o',
  status: 'en_route',
  eventTimeUs: 0,
  startLat: 38,
  startLng: 23.7,
  endLat: 38.1,
  endLng: 23.8,
  lat: 38,
  lng: 23.7,
}
const turnAt = (offset: number): Turn => ({
  partition: 0,
  offset,
  receivedMs: 1_000 + offset,
})

/** Feeds pings to one actor; the past it asks for comes from the movements it made before. */
function run(pings: readonly Ping[], options: { pageSize?: number; storeEvery?: number } = {}) {
  const { pageSize = 3, storeEvery = 0 } = options
  let state = session.initial()
  const facts: Fact[] = []
  let duplicates = 0
  pings.forEach((ping, offset) => {
    const around = session.recalls(state, ping)
    if (around !== null) state = session.recalled(state, pageAround(facts, around, pageSize))
    const step = session.receive(state, ping, turnAt(offset))
    facts.push(...step.facts)
    duplicates += step.duplicate ? 1 : 0
    state = step.state
    if (storeEvery > 0 && offset % storeEvery === 0) {
      state = session.decode(session.encode(session.forgotten(state)), session.version)
    }
  })
  return { state, facts, duplicates, outcome: outcomeOf(state, facts) }
}

function pageAround(facts: readonly Fact[], aroundUs: number, size: number): HistoryPage {
  const all = facts.filter((fact) => fact.kind === 'movement').sort(compareFixes)
  const earlier = all.filter((fix) => fix.eventTimeUs < aroundUs)
  const later = all.filter((fix) => fix.eventTimeUs > aroundUs)
  const from = earlier.at(-size)?.eventTimeUs ?? -Infinity
  const to = later[size - 1]?.eventTimeUs ?? Infinity
  const fixes: Fix[] = all.filter((fix) => fix.eventTimeUs >= from && fix.eventTimeUs <= to)
  return { fixes, fromUs: from, toUs: to }
}

const documented = (fact: MovementFact) =>
  [fact.sessionId, fact.lat, fact.lng, fact.eventTimeUs, fact.movementId].join('|')

/** What silver shows in the end: one header, one row a status, all movements, the total. */
function outcomeOf(state: SessionState, facts: readonly Fact[]) {
  const headers = facts.filter((fact) => fact.kind === 'header')
  const header = headers.reduce((a, b) => (b.revision > a.revision ? b : a))
  const statuses = new Map<string, Fact & { kind: 'status' }>()
  for (const fact of facts) {
    if (fact.kind !== 'status') continue
    const known = statuses.get(fact.status)
    if (!known || fact.revision > known.revision) statuses.set(fact.status, fact)
  }
  const movements = facts.filter((fact) => fact.kind === 'movement')
  const total = movements.reduce((sum, fact) => sum + fact.distanceCm, 0)
  expect(state.travelledCm).toBe(total)
  expect(new Set(movements.map((fact) => fact.movementId)).size).toBe(movements.length)
  return {
    header: [
      header.vehicleId,
      header.orderId,
      header.deviceId,
      header.createdAtUs,
      header.startLat,
      header.endLng,
    ],
    statuses: [...statuses.values()]
      .map((fact) => [fact.status, fact.eventTimeUs, fact.eventId])
      .sort(),
    movements: movements.map(documented).sort(),
    total,
  }
}

const pingArbitrary: fc.Arbitrary<Ping> = fc
  .record({
    status: fc.constantFrom('started' as const, 'en_route' as const, 'completed' as const),
    second: fc.integer({ min: 0, max: 60 }),
    lat: fc.integer({ min: 0, max: 3 }),
    orderId: fc.constantFrom('o', 'p'),
  })
  .map(({ status, second, lat, orderId }) => ({
    ...PING,
    status,
    orderId,
    eventTimeUs: second * 1_000_000,
    lat: 38 + lat / 100,
  }))

const shuffled = <T>(items: readonly T[]) =>
  fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length })

test('any order and repetition of the same pings ends in the same rows and totals', () => {
  const scenario = fc.array(pingArbitrary, { minLength: 1, maxLength: 60 }).chain((pings) =>
    fc.record({
      pings: fc.constant(pings),
      again: shuffled([...pings, ...pings]),
      pageSize: fc.integer({ min: 1, max: 5 }),
      storeEvery: fc.integer({ min: 0, max: 3 }),
    }),
  )
  fc.assert(
    fc.property(scenario, ({ pings, again, pageSize, storeEvery }) => {
      const inOrder = run([...pings].sort(comparePings))
      const otherwise = run(again, { pageSize, storeEvery })
      expect(otherwise.outcome).toEqual(inOrder.outcome)
      const straight = [...new Map(pings.map((ping) => [documentedKey(ping), ping])).values()]
        .sort(compareFixes)
        .reduce((sum, ping, at, all) => {
          const before = all[at - 1]
          return before ? sum + distanceCm(before.lat, before.lng, ping.lat, ping.lng) : sum
        }, 0)
      expect(otherwise.outcome.total).toBe(straight)
    }),
    { numRuns: 400 },
  )
})

const documentedKey = (ping: Ping) => `${ping.eventTimeUs}|${ping.status}|${ping.lat}|${ping.lng}`

const track = (length: number): Ping[] =>
  Array.from({ length }, (_, index) => ({
    ...PING,
    eventTimeUs: index * 1_000_000,
    lat: 38 + index / 10_000,
    status: index === 0 ? 'started' : index === length - 1 ? 'completed' : 'en_route',
  }))

test('a first ping of any status makes the header', () => {
  const { facts } = run(track(3).slice(1))
  expect(facts.map((fact) => fact.kind)).toEqual([
    'header',
    'status',
    'movement',
    'status',
    'movement',
  ])
})

test('completed sent again with a later time is one status event and one more movement', () => {
  const [started, , completed] = track(3)
  if (!started || !completed) throw new Error('track of three')
  const { outcome } = run([started, completed, { ...completed, eventTimeUs: 9_000_000 }])
  expect(outcome.statuses.map(([status]) => status)).toEqual(['completed', 'started'])
  expect(outcome.statuses[0]?.[1]).toBe(completed.eventTimeUs)
  expect(outcome.movements).toHaveLength(3)
})

test('exact repeats are dropped over the whole life, far beyond what the actor holds', () => {
  const life = track(200)
  const { duplicates, outcome, state } = run([...life, ...life, ...life.toReversed()])
  expect(duplicates).toBe(400)
  expect(outcome.movements).toHaveLength(200)
  expect(state.fixes).toHaveLength(FIXES_MAX)
})

test('a late ping undoes no later truth', () => {
  const life = track(40)
  const late = { ...PING, eventTimeUs: 5_500_000, lat: 38.5 }
  const { state, facts } = run([...life, late])
  expect(state.completed?.eventTimeUs).toBe(39_000_000)
  expect(facts.at(-1)).toMatchObject({ kind: 'movement', late: true })
  expect(session.live(state)).toBe(false)
})

test('speed, heading and remaining distance come with each fix', () => {
  const { facts } = run(track(3))
  const [first, second] = facts.filter((fact) => fact.kind === 'movement')
  expect(first).toMatchObject({ distanceCm: 0, speedKmh: null, headingDeg: null, travelledCm: 0 })
  expect(second).toMatchObject({ headingDeg: 0, late: false })
  expect(second?.distanceCm).toBe(1_112)
  expect(second?.speedKmh).toBeCloseTo(40.03, 2)
  expect(second?.remainingCm).toBe(distanceCm(38.0001, 23.7, 38.1, 23.8))
})

test('silence is told once, and a ping ends it', () => {
  const { state } = run(track(5).slice(0, 3))
  const timer = session.timer(state)
  const basisMs = state.lastReceivedMs
  expect(timer).toEqual({ timer: 'silent', dueMs: basisMs + 600_000, basisMs })
  if (!timer) return
  const fired = session.onTimer(state, timer, { ...turnAt(7), receivedMs: timer.dueMs + 61_000 })
  expect(fired.facts).toMatchObject([{ kind: 'alert', alert: 'silent', late: true }])
  expect(session.timer(fired.state)).toBeNull()
  expect(
    session.onTimer(fired.state, timer, { ...turnAt(8), receivedMs: timer.dueMs + 61_000 }).facts,
  ).toEqual([])
})

test('a ping that came after its timer was sent moves it', () => {
  const life = track(5)
  const timer = session.timer(run(life.slice(0, 3)).state)
  if (!timer) throw new Error('a delivery under way has a timer')
  const { state } = run(life.slice(0, 4))
  const late = { ...turnAt(9), receivedMs: timer.dueMs + 1 }
  expect(session.onTimer(state, timer, late).facts).toEqual([])
})

test('a replay under other settings sees a timer fire where it fired', () => {
  const { state } = run(track(5).slice(0, 3))
  const patient = sessionBehavior({ silentAfterMs: 86_400_000, overdueAfterMs: 86_400_000 })
  const timer = session.timer(state)
  if (!timer) throw new Error('a delivery under way has a timer')
  const turn = { ...turnAt(7), receivedMs: timer.dueMs }
  expect(patient.onTimer(state, timer, turn)).toEqual(session.onTimer(state, timer, turn))
  expect(patient.onTimer(state, timer, turn).facts).toHaveLength(1)
})

test('a state comes back from its bytes as it was, and from nothing else', () => {
  const { state } = run(track(30))
  expect(session.decode(session.encode(state), session.version)).toEqual(state)
  expect(session.encode(state).length).toBeLessThan(1_024)
  expect(() => session.decode(session.encode(state), session.version + 1)).toThrow('version 3')
  expect(() => session.decode(session.encode(state).slice(0, -3), session.version)).toThrow()
})

/** A delivery at 10 m/s, one fix each 10 s. */
const drive = (fixes: number): Ping[] =>
  Array.from({ length: fixes }, (_, index) => ({
    ...PING,
    eventTimeUs: index * 10_000_000,
    lat: 38 + (index * 100) / 111_195,
    endLat: 38.02,
    endLng: 23.7,
  }))

test('a delivery that is not there when it should be is told as overdue, once', () => {
  const { state } = run(drive(8))
  // Made after a minute, at 600 m: the 1,624 m that are left take 234 s on streets.
  expect(state.etaMs).toBeCloseTo(1_006 + 233_800, -3)
  const silent = session.onTimer(
    state,
    { timer: 'silent', dueMs: 601_007, basisMs: state.lastReceivedMs },
    { ...turnAt(9), receivedMs: 700_000 },
  )
  const due = session.timer(silent.state)
  const basisMs = state.etaMs ?? 0
  expect(due).toEqual({ timer: 'overdue', dueMs: basisMs + 300_000, basisMs })
})

test('an estimate once made stays, and none is made from the first metres', () => {
  expect(run(drive(5)).state.etaMs).toBeNull()
  const { etaMs } = run(drive(8)).state
  expect(run(drive(15)).state.etaMs).toBe(etaMs)
})

test('whichever of silence and arrival is due first fires first, and each once', () => {
  const early = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 1_000 })
  const { state } = run(drive(8))
  const due = early.timer(state)
  expect(due?.timer).toBe('overdue')
  if (!due) return
  const fired = early.onTimer(state, due, { ...turnAt(9), receivedMs: due.dueMs })
  expect(fired.facts).toMatchObject([{ kind: 'alert', alert: 'overdue', late: false }])
  expect(early.timer(fired.state)?.timer).toBe('silent')
  expect(early.onTimer(fired.state, due, { ...turnAt(10), receivedMs: due.dueMs }).facts).toEqual(
    [],
  )
  const [completed] = drive(9).slice(-1)
  if (!completed) return
  const done = early.receive(fired.state, { ...completed, status: 'completed' }, turnAt(11))
  expect(early.timer(done.state)).toBeNull()
})

test('a state of the version before is read, its arrival estimated at the next ping', () => {
  const { state } = run(drive(8))
  const bytes = session.encode(state)
  // Version 1 had no arrival: the eight bytes behind the flags and three numbers.
  const old = new Uint8Array([...bytes.subarray(0, 25), ...bytes.subarray(33)])
  expect(session.decode(old, 1)).toEqual({ ...state, etaMs: null })
})
