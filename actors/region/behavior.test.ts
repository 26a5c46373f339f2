import { expect, test } from 'bun:test'

import type { Trip } from '../model/trip.ts'
import { WINDOW_SIZES_S } from '../model/window.ts'
import { REGION_OPTIONS, regionBehavior } from './behavior.ts'
import type { RegionState } from './state.ts'
import { marksOf, runStream } from './testing.ts'

const MINUTE_MS = 60_000

const TRIP: Trip = {
  tripId: 'a',
  regionId: 3,
  eventTimeUs: 0,
  fareUsd: 10.1,
  durationS: 600,
  distanceKm: 2.5,
  extras: null,
}
/** A trip at so many minutes and seconds. */
const at = (minutes: number, seconds = 0, changes: Partial<Trip> = {}): Trip => ({
  ...TRIP,
  tripId: `${minutes}:${seconds}`,
  eventTimeUs: (minutes * 60 + seconds) * 1_000_000,
  ...changes,
})

test('a provisional window is told at the end of its frame', () => {
  const regions = runStream([at(0, 1), at(0, 2)], 2)
  expect(regions.windowsFacts.length).toBe(1)
  const [fact] = regions.windowsFacts
  expect(fact?.windows.map(({ sizeS, tripCount, final }) => [sizeS, tripCount, final])).toEqual(
    WINDOW_SIZES_S.map((sizeS) => [sizeS, 2, false]),
  )
  expect([fact?.offset, fact?.part]).toEqual([1, 4])
})

test('a region without trips closes its windows when the stream moves on, and lets them go', () => {
  const regions = runStream([at(0), at(5, 59, { regionId: 9 })], 1)
  expect(regions.windows(60)[0]?.final).toBe(false)
  const said = regions.windowsFacts.length
  regions.frame([at(6, 0, { regionId: 9 })])
  expect(regions.windows(60)[0]).toMatchObject({ regionId: 3, final: true, revision: 0 })
  expect(regions.windowsFacts.length).toBe(said + 2)
  regions.frame([at(600, 0, { regionId: 9 })])
  regions.frame([at(700, 0, { regionId: 9 })])
  expect(regions.windows().filter(({ final }) => !final).length).toBe(4)
  expect(regions.held).toBe(4)
})

test('a trip after its minute is gone is late, kept, and counted in the hour that is open', () => {
  const regions = runStream([at(0), at(10), at(0, 30), at(0, 30)], 1)
  const fact = regions.tripFacts[2]
  expect(fact).toMatchObject({ late: true, counted: false, part: 0 })
  expect(regions.duplicates).toBe(1)
  expect(regions.windows(60)[0]).toMatchObject({ tripCount: 1, lateCount: 0, revision: 0 })
  expect(regions.windows(3_600)[0]).toMatchObject({ tripCount: 3, lateCount: 0, final: false })
  expect(marksOf(regions)).toEqual([
    ['3|300|0', 1],
    ['3|60|0', 1],
  ])
  expect(regions.totals()[0]).toEqual({
    regionId: 3,
    trips: 3,
    duplicates: 1,
    late: 1,
    tooLate: 1,
    newestMs: 600_000,
  })
  // The ids of what was let go last stay at hand.
  expect(regions.recalls).toBe(0)
})

test('ids that are not at hand are looked up once, and none where no trip can have been', () => {
  const bounds = { pastMinutesMax: 2, pastIdsMax: 10 }
  const regions = runStream([at(3), at(5), at(6), at(30), at(3), at(3, 30), at(3, 30)], 1, bounds)
  expect(regions.recalls).toBe(1)
  expect(regions.duplicates).toBe(2)
  // Nothing that late has been let go: there was no trip.
  regions.frames([at(10), at(11), at(10)], 1)
  expect(regions.recalls).toBe(1)
  expect(regions.duplicates).toBe(3)
  expect(regions.totals()[0]).toMatchObject({ trips: 7, tooLate: 3 })
})

test('a trip within the allowed lateness revises its window, one beyond it does not', () => {
  // Up to the watermark of 299,999 ms that the second trip leaves behind.
  const options = { allowedLatenessMs: 4 * MINUTE_MS + 1 }
  const regions = runStream([at(0), at(10), at(0, 30)], 1, options)
  expect(regions.tripFacts[2]).toMatchObject({ late: true, counted: true })
  const revised = { tripCount: 2, lateCount: 1, revision: 1, final: true }
  expect(regions.windows(60)[0]).toMatchObject(revised)
  expect(regions.windowsFacts.at(-1)?.windows.map(({ sizeS }) => sizeS)).toEqual([
    ...WINDOW_SIZES_S,
  ])
  expect(regions.recalls).toBe(0)
  regions.frame([at(10, 1)])
  regions.frame([at(0, 40)])
  expect(regions.tripFacts.at(-1)).toMatchObject({ late: true, counted: false })
  expect(regions.windows(60)[0]).toMatchObject(revised)
  expect(regions.totals()[0]).toMatchObject({ late: 2, tooLate: 1 })
})

test('a window whose first trip comes within the allowed lateness is a revision of nothing', () => {
  const regions = runStream([at(10), at(0)], 1, { allowedLatenessMs: 10 * MINUTE_MS })
  expect(regions.windows(60)[0]).toMatchObject({ tripCount: 1, final: true, revision: 1 })
})

test('after a flush an on-time trip revises what was open, and opens what was not', () => {
  const regions = runStream([at(0), 'flush', at(0, 30), at(1)], 1)
  expect(regions.watermarkMs).toBe(60_000 - 300_001)
  expect(regions.windows(60)).toMatchObject([
    { startMs: 0, tripCount: 2, final: true, revision: 1, lateCount: 1 },
    { startMs: MINUTE_MS, tripCount: 1, final: false, revision: 0 },
  ])
  expect(regions.windows(3_600)).toMatchObject([{ tripCount: 3, final: true, revision: 2 }])
  expect(regions.tripFacts.map(({ late, counted }) => [late, counted])).toEqual([
    [false, true],
    [true, true],
    [false, true],
  ])
  regions.flush()
  regions.flush()
  const [, , , , closing, ...none] = regions.windowsFacts
  expect(closing?.windows).toMatchObject([{ startMs: MINUTE_MS, final: true, revision: 0 }])
  expect(none).toEqual([])
})

test('a minute with more ids than are held past its window is looked up', () => {
  const regions = runStream([at(0), at(0, 1), at(30), at(0, 1)], 1, { pastIdsMax: 1 })
  expect([regions.recalls, regions.duplicates]).toEqual([1, 1])
})

test('a trip too late for a minute without any is known again after a restart within its frame', () => {
  const regions = runStream([at(0), at(60), at(3), at(3)], 4, { storeEvery: 1 })
  expect([regions.recalls, regions.duplicates]).toEqual([1, 1])
  expect(regions.totals()[0]).toMatchObject({ trips: 3, tooLate: 1 })
})

test('after a restart the minutes that may have had trips are looked up, and no others', () => {
  const region = regionBehavior({ storedIdsMax: 0 })
  const turnAt = (offset: number) => ({ partition: 1_000, offset, receivedMs: 0 })
  const ask = (state: RegionState, minute: number) =>
    region.recalls(state, { trip: at(minute, 30), watermarkMs: 0 }) !== null
  const { state } = region.receive(region.initial(), { trip: at(0), watermarkMs: 0 }, turnAt(0))
  const stored = region.decode(region.encode(state), region.version)
  expect([ask(state, 0), ask(stored, 0), ask(stored, 1)]).toEqual([false, true, false])
  // Its window leaves before anybody asked.
  region.onTide?.(stored, { watermarkMs: MINUTE_MS - 1, flush: false }, turnAt(1))
  expect([-1, 0, 1].map((minute) => ask(stored, minute))).toEqual([true, true, false])
  const again = region.decode(region.encode(stored), region.version)
  expect([-1, 0, 1].map((minute) => ask(again, minute))).toEqual([true, true, false])
})

test('the same id in another minute or region is another trip', () => {
  const regions = runStream([at(0, 0, { tripId: 'x' }), at(1, 0, { tripId: 'x' })], 1)
  regions.frame([at(0, 0, { tripId: 'x', regionId: 4 }), at(0, 59, { tripId: 'x', fareUsd: 7 })])
  expect(regions.tripFacts.length).toBe(3)
  expect(regions.duplicates).toBe(1)
  expect(regions.windows(60)[0]).toMatchObject({ tripCount: 1, totalFare: 10.1 })
})

test('a message that no window can take throws and changes nothing', () => {
  const region = regionBehavior()
  const turn = { partition: 1_000, offset: 0, receivedMs: 0 }
  const first = region.receive(region.initial(), { trip: at(0), watermarkMs: 0 }, turn)
  region.onTide?.(first.state, { watermarkMs: 5 * MINUTE_MS, flush: false }, turn)
  const before = region.encode(first.state)
  const state = region.decode(before, region.version)
  const bad: Partial<Trip>[] = [
    { regionId: 4 },
    { regionId: 101 },
    { durationS: 59 },
    { durationS: 60.5 },
    { durationS: 7_201 },
    { fareUsd: Number.NaN },
    { distanceKm: Infinity },
    { eventTimeUs: 0.5 },
  ]
  for (const changes of bad) {
    const arrival = { trip: at(20, 0, changes), watermarkMs: 0 }
    expect(() => region.receive(state, arrival, { ...turn, offset: 1 })).toThrow()
  }
  // Its minute is gone, and nobody looked it up.
  const past = { trip: at(-10), watermarkMs: 0 }
  expect(region.recalls(state, past)).toBe(past.trip.eventTimeUs)
  expect(() => region.receive(state, past, { ...turn, offset: 1 })).toThrow('recalled')
  expect(region.encode(state)).toEqual(before)
})

test('a replay over a newer state says nothing of what it has seen, and what is untold at its place', () => {
  const region = regionBehavior()
  const turnAt = (offset: number) => ({ partition: 1_000, offset, receivedMs: 0 })
  const arrival = { trip: at(0), watermarkMs: -Infinity }
  const { state } = region.receive(region.initial(), arrival, turnAt(7))
  expect(region.ebbs?.(state, -Infinity)).toBe(true)
  const stored = region.decode(region.encode(state), region.version)
  const tide = { watermarkMs: -Infinity, flush: false }
  expect(region.ebbs?.(stored, -Infinity)).toBe(true)
  expect(region.onTide?.(stored, { ...tide, flush: true }, turnAt(6)).facts).toEqual([])
  const told = region.onTide?.(stored, tide, turnAt(9)).facts
  expect(told).toEqual(region.onTide?.(state, tide, turnAt(9)).facts)
  expect(told).toMatchObject([{ offset: 9, windows: [{ final: false }, {}, {}, {}] }])
  expect(region.onTide?.(stored, tide, turnAt(9)).facts).toEqual([])
  expect(region.ebbs?.(stored, -1)).toBe(false)
  expect(region.ebbs?.(stored, MINUTE_MS - 1)).toBe(true)
})

test('windows that were let go do not come back when more lateness is allowed later', () => {
  const strict = regionBehavior()
  const lenient = regionBehavior({ allowedLatenessMs: 60 * MINUTE_MS })
  const turnAt = (offset: number) => ({ partition: 1_000, offset, receivedMs: 0 })
  const first = { trip: at(0), watermarkMs: -Infinity }
  let { state } = strict.receive(strict.initial(), first, turnAt(0))
  strict.onTide?.(state, { watermarkMs: 5 * MINUTE_MS, flush: false }, turnAt(1))
  state = lenient.decode(strict.encode(state), lenient.version)
  const late = { trip: at(0, 30), watermarkMs: 5 * MINUTE_MS }
  expect(lenient.recalls(state, late)).toBe(late.trip.eventTimeUs)
  state = lenient.recalled(state, { minuteMs: 0, tripIds: [first.trip.tripId] })
  const { facts } = lenient.receive(state, late, turnAt(2))
  expect(facts).toMatchObject([{ late: true, counted: false }])
})

test('every region is woken at a start, and none has a timer', () => {
  const region = regionBehavior()
  expect(region.live(region.initial())).toBe(true)
  expect(region.timer(region.initial())).toBeNull()
  expect(() => regionBehavior({ ...REGION_OPTIONS, allowedLatenessMs: -1 })).toThrow()
})
