import { expect, test } from 'bun:test'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'

import type { Trip } from '../model/trip.ts'
import { WINDOW_SIZES_S } from '../model/window.ts'
import type { RegionWindow } from '../model/window.ts'
import { REGION_OPTIONS, regionBehavior } from './behavior.ts'
import { RegionsInMemory } from './testing.ts'
import type { RegionsOptions } from './testing.ts'

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

function sample(): Trip[] {
  const text = readFileSync(join(import.meta.dir, 'fixtures/trips-sample.csv'), 'utf8')
  return text
    .trim()
    .split('\n')
    .slice(1)
    .map((line): Trip => {
      const [tripId = '', region, time = '', fare, duration, distance] = line.split(',')
      const micros = Number(/\.(\d{6})Z/.exec(time)?.[1] ?? 0)
      return {
        tripId,
        regionId: Number(region),
        eventTimeUs: Date.parse(time.replace(/\.\d+/, '')) * 1_000 + micros,
        fareUsd: Number(fare),
        durationS: Number(duration),
        distanceKm: Number(distance),
        extras: null,
      }
    })
}

const byTime = (trips: readonly Trip[]) => trips.toSorted((a, b) => a.eventTimeUs - b.eventTimeUs)

const tripsIn = (windows: readonly RegionWindow[]) =>
  windows.reduce((sum, { tripCount }) => sum + tripCount, 0)

/** Plain sums of the fares and kilometres, cents and tenths being whole. */
const plain = (values: readonly number[], unit: number) =>
  values.reduce((sum, value) => sum + Math.round(value * unit), 0) / unit

type Reckoned = { trips: Trip[]; late: number; flushed: boolean }

/** The same windows, reckoned from the whole stream without accumulators, tides or memory bounds. */
function reckon(stream: readonly (Trip | 'flush')[], options: RegionsOptions) {
  const { boundMs = 300_000, allowedLatenessMs = 0 } = options
  const windows = new Map<string, Reckoned>()
  const seen = new Set<string>()
  const figures = { trips: 0, duplicates: 0, late: 0, tooLate: 0 }
  const marks = new Map<string, number>()
  let newestMs = -Infinity
  for (const trip of stream) {
    if (trip === 'flush') {
      for (const window of windows.values()) window.flushed = true
      continue
    }
    const timeMs = Math.floor(trip.eventTimeUs / 1_000)
    const id = [trip.regionId, Math.floor(timeMs / MINUTE_MS), trip.tripId].join('|')
    const watermarkMs = newestMs - boundMs - 1
    newestMs = Math.max(newestMs, timeMs)
    if (seen.has(id)) {
      figures.duplicates++
      continue
    }
    seen.add(id)
    figures.trips++
    for (const sizeS of WINDOW_SIZES_S) {
      const startMs = timeMs - (timeMs % (sizeS * 1_000))
      const lastMs = startMs + sizeS * 1_000 - 1
      const key = [trip.regionId, sizeS, startMs].join('|')
      const gone = lastMs + allowedLatenessMs <= watermarkMs
      const window = windows.get(key) ?? { trips: [], late: 0, flushed: false }
      const late = lastMs <= watermarkMs || window.flushed
      if (sizeS === 60 && late) figures.late++
      if (sizeS === 60 && gone) figures.tooLate++
      if (gone) {
        marks.set(key, (marks.get(key) ?? 0) + 1)
        continue
      }
      if (late) window.late++
      window.trips.push(trip)
      windows.set(key, window)
    }
  }
  const watermarkMs = newestMs - boundMs - 1
  const rows = [...windows].map(([key, window]) => rowOf(key, window, watermarkMs))
  return { rows: rows.sort(compareRows), figures, marks: [...marks].sort() }
}

function rowOf(key: string, { trips, late, flushed }: Reckoned, watermarkMs: number) {
  const [regionId = 0, sizeS = 0, startMs = 0] = key.split('|').map(Number)
  const durations = trips.map(({ durationS }) => durationS).sort((a, b) => a - b)
  const fares = trips.map(({ fareUsd }) => fareUsd)
  const distances = trips.map(({ distanceKm }) => distanceKm)
  const count = trips.length
  const totalFare = plain(fares, 100)
  const totalDistance = plain(distances, 10)
  return {
    regionId,
    sizeS,
    startMs,
    tripCount: count,
    totalFare,
    avgFare: totalFare / count,
    minFare: Math.min(...fares),
    maxFare: Math.max(...fares),
    totalDistance,
    minDistance: Math.min(...distances),
    maxDistance: Math.max(...distances),
    avgDuration: durations.reduce((sum, value) => sum + value, 0) / count,
    minDuration: durations[0] ?? 0,
    maxDuration: durations.at(-1) ?? 0,
    p50Duration: durations[Math.max(0, Math.ceil((50 / 100) * count) - 1)] ?? 0,
    p95Duration: durations[Math.max(0, Math.ceil((95 / 100) * count) - 1)] ?? 0,
    lateCount: late,
    final: flushed || startMs + sizeS * 1_000 - 1 <= watermarkMs,
    revision: late,
  }
}

type Row = Readonly<{ regionId: number; sizeS: number; startMs: number }>
const compareRows = (a: Row, b: Row) =>
  a.regionId - b.regionId || a.sizeS - b.sizeS || a.startMs - b.startMs

function run(stream: readonly (Trip | 'flush')[], frame: number, options: RegionsOptions = {}) {
  const regions = new RegionsInMemory(options)
  let waiting: Trip[] = []
  const send = () => {
    if (waiting.length > 0) regions.frame(waiting)
    waiting = []
  }
  for (const message of stream) {
    if (message !== 'flush') waiting.push(message)
    if (message === 'flush' || waiting.length === frame) send()
    if (message === 'flush') regions.flush()
  }
  send()
  return regions
}

/** What was told of late trips, window by window. */
function marksOf(regions: RegionsInMemory): [string, number][] {
  const marks = new Map<string, number>()
  for (const { regionId, lateMarks } of regions.windowsFacts) {
    for (const { sizeS, startMs, count } of lateMarks) {
      const key = [regionId, sizeS, startMs].join('|')
      marks.set(key, (marks.get(key) ?? 0) + count)
    }
  }
  return [...marks].sort()
}

/** Equal to the reckoning, sums to within what plain decimals can say. */
function expectReckoned(
  regions: RegionsInMemory,
  stream: readonly (Trip | 'flush')[],
  options: RegionsOptions,
) {
  const { rows, figures, marks } = reckon(stream, options)
  const close = (window: Row & Record<string, unknown>) =>
    Object.fromEntries(
      Object.entries(window).map(([name, value]) => [
        name,
        typeof value === 'number' ? Number(value.toPrecision(14)) : value,
      ]),
    )
  expect(regions.windows().map(close)).toEqual(rows.map(close))
  expect(marksOf(regions)).toEqual(marks)
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
  const regions = run(byTime(sample()), 50)
  const minutes = regions.windows(60)
  const final = minutes.filter((window) => window.final)
  const open = minutes.filter((window) => !window.final)
  expect([final.length, tripsIn(final), open.length, tripsIn(open)]).toEqual([280, 293, 5, 7])
  expect(regions.watermarkMs).toBe(Date.parse('2025-08-17T23:53:59.999Z'))
  for (const sizeS of WINDOW_SIZES_S) expect(tripsIn(regions.windows(sizeS))).toBe(300)
  expect(minutes.every(({ revision }) => revision === 0)).toBe(true)
  expectReckoned(regions, byTime(sample()), {})
})

test('the worked example, to the last digit', () => {
  const [window] = run(byTime(sample()), 50)
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
  const minutes = run([...byTime(sample()), 'flush'], 50).windows(60)
  expect(minutes.length).toBe(285)
  expect(tripsIn(minutes)).toBe(300)
  expect(minutes.every(({ final }) => final)).toBe(true)
})

test('the sample again changes nothing but the count of repeats', () => {
  const once = run(byTime(sample()), 50)
  const twice = run([...byTime(sample()), ...byTime(sample())], 50)
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
    second: fc.integer({ min: 0, max: 5_400 }),
    cents: fc.integer({ min: 0, max: 100_000 }),
    tenths: fc.integer({ min: 1, max: 2_000 }),
    durationS: fc.integer({ min: 60, max: 7_200 }),
  })
  .map(({ id, regionId, second, cents, tenths, durationS }): Trip => ({
    ...TRIP,
    tripId: id,
    regionId,
    eventTimeUs: second * 1_000_000 + cents,
    fareUsd: cents / 100,
    durationS,
    distanceKm: tenths / 10,
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
      const ordered = run(byTime(trips), 10)
      const late = trips
        .map((trip) => ({ trip, arrivalUs: trip.eventTimeUs + (delays.next().value ?? 0) }))
        .sort((a, b) => a.arrivalUs - b.arrivalUs)
        .map(({ trip }) => trip)
      const sent: Trip[] = []
      for (const trip of late) {
        sent.push(trip)
        if (repeats.next().value === 0) sent.push(sent[Math.floor(sent.length / 3)] ?? trip)
      }
      const disturbed = run(sent, frame)
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
      expectReckoned(run(stream, frame, options), stream, options)
    }),
    { numRuns: 300 },
  )
})

test('stored after every turn, without ids and with almost no memory, a region says the same', () => {
  fc.assert(
    fc.property(streamScenario, ({ stream, frame, allowedLatenessMs, boundMs }) => {
      const options = { allowedLatenessMs, boundMs }
      const undisturbed = run(stream, frame, options)
      const least = { storedIdsMax: 0, recalledMinutesMax: 1, recalledIdsMax: 1 }
      for (const bounds of [{}, { storedIdsMax: 2 }, least]) {
        const stored = run(stream, frame, { ...options, ...bounds, storeEvery: 1 })
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
      const a = run(stream, frame, options)
      const b = run(stream, other, options)
      expect(b.windows()).toEqual(a.windows())
      expect(b.totals()).toEqual(a.totals())
      const said = ({ tripFacts }: RegionsInMemory) =>
        tripFacts.map(({ trip, late, counted }) => ({ trip, late, counted }))
      expect(said(b)).toEqual(said(a))
    }),
    { numRuns: 100 },
  )
})

test('a provisional window is told at the end of its frame', () => {
  const regions = run([at(0, 1), at(0, 2)], 2)
  expect(regions.windowsFacts.length).toBe(1)
  const [fact] = regions.windowsFacts
  expect(fact?.windows.map(({ sizeS, tripCount, final }) => [sizeS, tripCount, final])).toEqual(
    WINDOW_SIZES_S.map((sizeS) => [sizeS, 2, false]),
  )
  expect([fact?.offset, fact?.part]).toEqual([1, 4])
})

test('a region without trips closes its windows when the stream moves on, and lets them go', () => {
  const regions = run([at(0), at(5, 59, { regionId: 9 })], 1)
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
  const regions = run([at(0), at(10), at(0, 30), at(0, 30)], 1)
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
  // Looked up once: what was recalled stays at hand.
  expect(regions.recalls).toBe(1)
})

test('a trip within the allowed lateness revises its window, one beyond it does not', () => {
  // Up to the watermark of 299,999 ms that the second trip leaves behind.
  const options = { allowedLatenessMs: 4 * MINUTE_MS + 1 }
  const regions = run([at(0), at(10), at(0, 30)], 1, options)
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
  const regions = run([at(10), at(0)], 1, { allowedLatenessMs: 10 * MINUTE_MS })
  expect(regions.windows(60)[0]).toMatchObject({ tripCount: 1, final: true, revision: 1 })
})

test('after a flush an on-time trip revises what was open, and opens what was not', () => {
  const regions = run([at(0), 'flush', at(0, 30), at(1)], 1)
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

test('the same id in another minute or region is another trip', () => {
  const regions = run([at(0, 0, { tripId: 'x' }), at(1, 0, { tripId: 'x' })], 1)
  regions.frame([at(0, 0, { tripId: 'x', regionId: 4 }), at(0, 59, { tripId: 'x', fareUsd: 7 })])
  expect(regions.tripFacts.length).toBe(3)
  expect(regions.duplicates).toBe(1)
  expect(regions.windows(60)[0]).toMatchObject({ tripCount: 1, totalFare: 10.1 })
})

test('a message that no window can take throws and changes nothing', () => {
  const region = regionBehavior()
  const turn = { partition: 1_000, offset: 0, receivedMs: 0 }
  const { state } = region.receive(region.initial(), { trip: at(0), watermarkMs: 0 }, turn)
  const before = region.encode(state)
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
    const arrival = { trip: at(1, 0, changes), watermarkMs: 0 }
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
