import { expect, test } from 'bun:test'

import fc from 'fast-check'

import type { Trip } from '../model/trip.ts'
import { WINDOW_SIZES_S } from '../model/window.ts'
import type { RegionWindow } from '../model/window.ts'
import { reckon } from './reckoning.ts'
import { byTime, marksOf, runStream, sampleTrips } from './testing.ts'
import type { RegionsInMemory, RegionsOptions } from './testing.ts'

const tripsIn = (windows: readonly RegionWindow[]) =>
  windows.reduce((sum, { tripCount }) => sum + tripCount, 0)

/** Equal to the reckoning, sums to within what plain decimals can say. */
function expectReckoned(
  regions: RegionsInMemory,
  stream: readonly (Trip | 'flush')[],
  options: RegionsOptions,
) {
  const { windows, figures, marks } = reckon(stream, options)
  const close = (window: RegionWindow) =>
    Object.fromEntries(
      Object.entries(window).map(([name, value]) => [
        name,
        typeof value === 'number' ? Number(value.toPrecision(14)) : value,
      ]),
    )
  expect(regions.windows().map(close)).toEqual(windows.map(close))
  expect(marksOf(regions)).toEqual(marks.map(([key, count]) => [key, count]))
  const told = { trips: 0, duplicates: 0, late: 0, tooLate: 0 }
  for (const totals of regions.totals()) {
    for (const name of ['trips', 'duplicates', 'late', 'tooLate'] as const)
      told[name] += totals[name]
  }
  expect(told).toEqual(figures)
  expect(regions.tripFacts.length).toBe(figures.trips)
  expect(regions.tripFacts.filter(({ late }) => late).length).toBe(figures.late)
  expect(regions.tripFacts.filter(({ counted }) => !counted).length).toBe(figures.tooLate)
}

test('the sample in event-time order: 280 final windows with 293 trips, 5 open with 7', () => {
  const regions = runStream(byTime(sampleTrips()), 50)
  const minutes = regions.windows(60)
  const final = minutes.filter((window) => window.final)
  const open = minutes.filter((window) => !window.final)
  expect([final.length, tripsIn(final), open.length, tripsIn(open)]).toEqual([280, 293, 5, 7])
  expect(regions.watermarkMs).toBe(Date.parse('2025-08-17T23:53:59.999Z'))
  for (const sizeS of WINDOW_SIZES_S) expect(tripsIn(regions.windows(sizeS))).toBe(300)
  expect(minutes.every(({ revision }) => revision === 0)).toBe(true)
  expectReckoned(regions, byTime(sampleTrips()), {})
})

test('the worked example, to the last digit', () => {
  const [window] = runStream(byTime(sampleTrips()), 50)
    .windows(60)
    .filter(({ regionId, startMs }) => regionId === 3 && startMs === 1_755_470_640_000)
  expect(window).toEqual({
    regionId: 3,
    sizeS: 60,
    startMs: 1_755_470_640_000,
    tripCount: 1,
    totalFare: 99.42,
    avgFare: 99.42,
    minFare: 99.42,
    maxFare: 99.42,
    totalDistance: 26.9,
    minDistance: 26.9,
    maxDistance: 26.9,
    avgDuration: 3_836,
    minDuration: 3_836,
    maxDuration: 3_836,
    p50Duration: 3_836,
    p95Duration: 3_836,
    lateCount: 0,
    final: true,
    revision: 0,
  })
})

test('a flush at the end of the sample: 285 final windows with 300 trips', () => {
  const minutes = runStream([...byTime(sampleTrips()), 'flush'], 50).windows(60)
  expect(minutes.length).toBe(285)
  expect(tripsIn(minutes)).toBe(300)
  expect(minutes.every(({ final }) => final)).toBe(true)
})

test('the sample again changes nothing but the count of repeats', () => {
  const once = runStream(byTime(sampleTrips()), 50)
  const twice = runStream([...byTime(sampleTrips()), ...byTime(sampleTrips())], 50)
  expect(twice.windows()).toEqual(once.windows())
  expect(twice.duplicates).toBe(300)
  expect(twice.tripFacts).toEqual(once.tripFacts)
  const duplicates = twice.totals().reduce((sum, totals) => sum + totals.duplicates, 0)
  expect(duplicates).toBe(300)
})

const tripArbitrary = fc
  .record({
    id: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
    regionId: fc.constantFrom(1, 2, 7),
    // Repeats and near ones are as likely as anything.
    second: fc.oneof(fc.integer({ min: 0, max: 5_400 }), fc.constantFrom(59, 60, 61, 600, 3_600)),
    cents: fc.integer({ min: 0, max: 100_000 }),
    tenths: fc.integer({ min: 1, max: 2_000 }),
    durationS: fc.integer({ min: 60, max: 7_200 }),
  })
  .map(({ id, regionId, second, cents, tenths, durationS }): Trip => ({
    tripId: id,
    regionId,
    eventTimeUs: second * 1_000_000 + cents,
    fareUsd: cents / 100,
    durationS,
    distanceKm: tenths / 10,
    extras: null,
  }))

test('any order within the bound, any repetition and any frames give the same windows, bit for bit', () => {
  const scenario = fc.record({
    trips: fc.uniqueArray(tripArbitrary, {
      selector: ({ tripId, regionId, eventTimeUs }) =>
        [tripId, regionId, Math.floor(eventTimeUs / 60_000_000)].join('|'),
      minLength: 1,
      maxLength: 150,
    }),
    delays: fc.infiniteStream(fc.nat(299_999_000)),
    repeats: fc.infiniteStream(fc.nat(5)),
    frame: fc.integer({ min: 1, max: 20 }),
  })
  fc.assert(
    fc.property(scenario, ({ trips, delays, repeats, frame }) => {
      const ordered = runStream(byTime(trips), 10)
      const late = trips
        .map((trip) => ({ trip, arrivalUs: trip.eventTimeUs + (delays.next().value ?? 0) }))
        .sort((a, b) => a.arrivalUs - b.arrivalUs)
        .map(({ trip }) => trip)
      const sent: Trip[] = []
      for (const trip of late) {
        sent.push(trip)
        if (repeats.next().value === 0) sent.push(sent[Math.floor(sent.length / 3)] ?? trip)
      }
      const disturbed = runStream(sent, frame)
      expect(disturbed.windows()).toEqual(ordered.windows())
      expect(disturbed.tripFacts.length).toBe(trips.length)
      expect(disturbed.duplicates).toBe(sent.length - trips.length)
      disturbed.flush()
      ordered.flush()
      expect(disturbed.windows()).toEqual(ordered.windows())
    }),
    { numRuns: 150 },
  )
})

const streamScenario = fc.record({
  stream: fc.array(
    fc.oneof({ weight: 20, arbitrary: tripArbitrary }, fc.constant('flush' as const)),
    { minLength: 1, maxLength: 150 },
  ),
  frame: fc.integer({ min: 1, max: 20 }),
  other: fc.integer({ min: 1, max: 20 }),
  allowedLatenessMs: fc.constantFrom(0, 1, 90_000, 1_200_000),
  boundMs: fc.constantFrom(0, 60_000, 300_000),
})

test('windows, late marks and totals equal a plain reckoning, whatever comes in whatever order', () => {
  fc.assert(
    fc.property(streamScenario, ({ stream, frame, allowedLatenessMs, boundMs }) => {
      const options = { allowedLatenessMs, boundMs }
      expectReckoned(runStream(stream, frame, options), stream, options)
    }),
    { numRuns: 300 },
  )
})

test('stored after every turn, without ids and with almost no memory, a region says the same', () => {
  fc.assert(
    fc.property(streamScenario, ({ stream, frame, allowedLatenessMs, boundMs }) => {
      const options = { allowedLatenessMs, boundMs }
      const undisturbed = runStream(stream, frame, options)
      const least = { storedIdsMax: 0, pastMinutesMax: 1, pastIdsMax: 1 }
      for (const bounds of [{}, { storedIdsMax: 2 }, least]) {
        const stored = runStream(stream, frame, { ...options, ...bounds, storeEvery: 1 })
        expect(stored.windowsFacts).toEqual(undisturbed.windowsFacts)
        expect(stored.tripFacts).toEqual(undisturbed.tripFacts)
        expect(stored.duplicates).toBe(undisturbed.duplicates)
      }
    }),
    { numRuns: 100 },
  )
})

test('frames decide when windows are told, not what they show', () => {
  fc.assert(
    fc.property(streamScenario, ({ stream, frame, other, allowedLatenessMs, boundMs }) => {
      const options = { allowedLatenessMs, boundMs }
      const a = runStream(stream, frame, options)
      const b = runStream(stream, other, options)
      expect(b.windows()).toEqual(a.windows())
      expect(b.totals()).toEqual(a.totals())
      const said = ({ tripFacts }: RegionsInMemory) =>
        tripFacts.map(({ trip, late, counted }) => ({ trip, late, counted }))
      expect(said(b)).toEqual(said(a))
    }),
    { numRuns: 100 },
  )
})
