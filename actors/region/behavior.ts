import type { Behavior, Step, Tide, Turn } from '../kernel/behavior.ts'
import { assert } from '../kernel/errors.ts'
import { windowsPart } from '../model/fact.ts'
import type { TripFact, WindowsFact } from '../model/fact.ts'
import type { TripsPage } from '../model/history.ts'
import { REGION_ID_MAX } from '../model/trip.ts'
import type { Trip } from '../model/trip.ts'
import { WINDOW_SIZES_S } from '../model/window.ts'
import type { TripArrival } from './arrival.ts'
import { decodeRegion, encodeRegion, REGION_STATE_VERSION } from './codec.ts'
import { DURATION_MAX_S, DURATION_MIN_S } from './durations.ts'
import { HeldWindow, MINUTE_US, WINDOW_MINUTES } from './held-window.ts'
import type { PastLimits } from './past-minutes.ts'
import { markDirty, markLate, unknownRegion } from './state.ts'
import type { RegionState } from './state.ts'

export type RegionOptions = Readonly<{
  /** How long after it is final a window still takes trips, and is revised by them. */
  allowedLatenessMs: number
  /** Of a minute with more trips the ids are not stored with the state: after a restart they are looked up. */
  storedIdsMax: number
}> &
  PastLimits

export const REGION_OPTIONS: RegionOptions = {
  allowedLatenessMs: 0,
  storedIdsMax: 1_000,
  pastMinutesMax: 2_048,
  pastIdsMax: 20_000,
}

/**
 * One region: tumbling windows of four sizes over the event time of its trips. What a window shows depends on
 * the set of its trips alone (SPEC.md R1). The state is changed in place: each turn checks what can throw
 * before its first change, so that a turn that threw has changed nothing and may be tried again.
 */
export function regionBehavior(
  chosen: Partial<RegionOptions> = {},
): Behavior<RegionState, TripArrival, TripsPage> {
  const options: RegionOptions = { ...REGION_OPTIONS, ...chosen }
  assert(options.allowedLatenessMs >= 0, 'an allowed lateness is not negative')
  return {
    name: 'region',
    version: REGION_STATE_VERSION,
    initial: unknownRegion,
    recalls,
    recalled: (state, page) => recalled(state, page, options),
    // What was looked up is kept, within bounds: who asked about a minute is likely to ask again.
    forgotten: (state) => state,
    receive: (state, arrival, turn) => receive(state, arrival, turn, options),
    onTimer: (state) => ({ state, facts: [] }),
    onTide: (state, tide, turn) => onTide(state, tide, turn, options),
    ebbs: (state, watermarkMs) => isUntold(state) || state.nextDueMs <= watermarkMs,
    timer: () => null,
    // A window can fall due in a region that hears of no trip: all of them are woken at a start.
    live: () => true,
    encode: (state) => encodeRegion(state, options.storedIdsMax),
    decode: decodeRegion,
  }
}

/** Up to here windows take no trip any more, as this trip finds them. */
function floorFor(state: RegionState, watermarkMs: number, options: RegionOptions): number {
  return Math.max(state.floorMs, watermarkMs - options.allowedLatenessMs)
}

/** Event time to look around when the ids of the trip's minute are not at hand; else null. */
function recalls(state: RegionState, { trip }: TripArrival): number | null {
  const minute = Math.floor(trip.eventTimeUs / MINUTE_US)
  const held = state.windows[0]?.get(minute)
  const known = held ? held.ids !== null : state.past.knows(minute)
  return known ? null : trip.eventTimeUs
}

function recalled(state: RegionState, page: TripsPage, options: RegionOptions): RegionState {
  const minute = Math.floor(page.minuteMs / 60_000)
  const held = state.windows[0]?.get(minute)
  if (held) held.ids ??= new Set(page.tripIds)
  else state.past.put(minute, new Set(page.tripIds), options)
  return state
}

function receive(
  state: RegionState,
  arrival: TripArrival,
  turn: Turn,
  options: RegionOptions,
): Step<RegionState> {
  const { trip } = arrival
  check(state, trip)
  const minute = Math.floor(trip.eventTimeUs / MINUTE_US)
  const ids = state.windows[0]?.get(minute)?.ids ?? state.past.use(minute)
  if (!ids && recalls(state, arrival) !== null) {
    throw new TypeError('a trip of a minute that is no longer held needs it recalled')
  }
  // Text without its other half is stored as another character: the same here, so that it is found again.
  const tripId = trip.tripId.toWellFormed()
  const repeated = ids?.has(tripId) ?? false

  // Nothing throws from here on.
  state.regionId = trip.regionId
  state.seenOffset = turn.offset
  state.totalsChanged = true
  const { totals } = state
  if (repeated) {
    totals.duplicates++
    return { state, facts: [], duplicate: true }
  }
  const { late, counted } = addToWindows(state, arrival, minute, options)
  const held = state.windows[0]?.get(minute)
  if (held) (held.ids ??= new Set()).add(tripId)
  else state.past.add(minute, tripId, options)
  totals.trips++
  if (late) totals.late++
  if (!counted) totals.tooLate++
  totals.newestMs = Math.max(totals.newestMs, Math.floor(trip.eventTimeUs / 1_000))
  const { partition, offset, receivedMs } = turn
  const fact: TripFact = {
    kind: 'trip',
    partition,
    offset,
    part: 0,
    trip,
    late,
    counted,
    receivedMs,
  }
  return { state, facts: [fact], late }
}

/** Throws on what no window can take; the gateway has refused it, and a journal may be older than a rule. */
function check(state: RegionState, trip: Trip): void {
  const { regionId, eventTimeUs, fareUsd, durationS, distanceKm } = trip
  if (!Number.isInteger(regionId) || regionId < 1 || regionId > REGION_ID_MAX) {
    throw new RangeError(`no region ${regionId}`)
  }
  if (state.regionId !== 0 && state.regionId !== regionId) {
    throw new TypeError(`a trip of region ${regionId} came to region ${state.regionId}`)
  }
  if (!Number.isSafeInteger(eventTimeUs)) throw new RangeError('a trip needs an event time')
  if (!Number.isInteger(durationS) || durationS < DURATION_MIN_S || durationS > DURATION_MAX_S) {
    throw new RangeError(`no window takes a duration of ${durationS} s`)
  }
  if (!Number.isFinite(fareUsd + distanceKm))
    throw new RangeError('a fare or distance is no number')
}

/** Puts the trip into the window of each size, or counts it as too late there; says what the one-minute window did. */
function addToWindows(
  state: RegionState,
  { trip, watermarkMs }: TripArrival,
  minute: number,
  options: RegionOptions,
): Readonly<{ late: boolean; counted: boolean }> {
  const floorMs = floorFor(state, watermarkMs, options)
  // Kept, so that a state stored before the tide knows which minutes may have had trips too late for them.
  state.floorMs = floorMs
  let minuteLate = false
  let minuteCounted = true
  for (let place = 0; place < WINDOW_SIZES_S.length; place++) {
    const sizeS = WINDOW_SIZES_S[place] ?? 60
    const index = place === 0 ? minute : Math.floor(minute / (WINDOW_MINUTES[place] ?? 1))
    const windows = state.windows[place]
    const lastMs = (index + 1) * sizeS * 1_000 - 1
    if (lastMs <= floorMs) {
      markLate(state, place, sizeS, index)
      if (place === 0) {
        minuteLate = true
        minuteCounted = false
      }
      continue
    }
    let window = windows?.get(index)
    if (!window) {
      window = new HeldWindow(sizeS, index)
      windows?.set(index, window)
    }
    if (lastMs <= watermarkMs) window.final = true
    if (window.final) {
      window.lateCount++
      if (place === 0) minuteLate = true
    }
    window.add(trip)
    markDirty(state, window)
    const dueMs = dueOf(window, options)
    if (dueMs < state.nextDueMs) state.nextDueMs = dueMs
  }
  return { late: minuteLate, counted: minuteCounted }
}

/** The watermark at which the window turns final, and after that the one at which it leaves. */
function dueOf(window: HeldWindow, options: RegionOptions): number {
  return window.final ? window.lastMs + options.allowedLatenessMs : window.lastMs
}

function onTide(
  state: RegionState,
  tide: Tide,
  turn: Turn,
  options: RegionOptions,
): Step<RegionState> {
  // A replay over a newer state: what that frame led to was told when the state was made.
  if (turn.offset < state.seenOffset || state.regionId === 0) return { state, facts: [] }
  state.seenOffset = turn.offset
  state.watermarkMs = Math.max(state.watermarkMs, tide.watermarkMs)
  state.floorMs = floorFor(state, state.watermarkMs, options)
  const due = state.nextDueMs <= state.watermarkMs
  if (due || tide.flush) closeWindows(state, tide.flush)
  const facts = isUntold(state) ? [windowsFact(state, turn)] : []
  if (due || tide.flush) letGo(state, options)
  return { state, facts }
}

function isUntold(state: RegionState): boolean {
  return state.totalsChanged || state.dirty.length > 0
}

function closeWindows(state: RegionState, flush: boolean): void {
  for (const windows of state.windows) {
    for (const window of windows.values()) {
      if (window.final || (!flush && window.lastMs > state.watermarkMs)) continue
      window.final = true
      markDirty(state, window)
    }
  }
}

/** Drops the windows that no trip can change any more; they have been told as final. */
function letGo(state: RegionState, options: RegionOptions): void {
  let nextDueMs = Infinity
  for (const windows of state.windows) {
    for (const [index, window] of windows) {
      if (window.lastMs <= state.floorMs) {
        windows.delete(index)
        if (window.sizeS === 60) keepIds(state, window, options)
      } else nextDueMs = Math.min(nextDueMs, dueOf(window, options))
    }
  }
  state.nextDueMs = nextDueMs
}

/** Late trips are most often of minutes that were let go last. */
function keepIds(state: RegionState, { index, ids }: HeldWindow, options: RegionOptions): void {
  if (ids && ids.size <= options.pastIdsMax) state.past.put(index, ids, options)
  else state.past.forget(index)
}

/** Everything that was not told, as it stands now; afterwards it counts as told. */
function windowsFact(state: RegionState, turn: Turn): WindowsFact {
  const { regionId, totals, watermarkMs } = state
  const { partition, offset, receivedMs } = turn
  // By size and start, so that a state that came from its bytes says the same.
  state.dirty.sort((a, b) => a.sizeS - b.sizeS || a.index - b.index)
  const windows = state.dirty.map((window) => {
    window.dirty = false
    return window.figures(regionId)
  })
  const lateMarks = [...state.lateMarks.values()].sort(
    (a, b) => a.sizeS - b.sizeS || a.startMs - b.startMs,
  )
  state.dirty = []
  if (lateMarks.length > 0) state.lateMarks = new Map()
  state.totalsChanged = false
  return {
    kind: 'windows',
    partition,
    offset,
    part: windowsPart(regionId),
    regionId,
    windows,
    lateMarks,
    totals: { regionId, ...totals },
    watermarkMs,
    receivedMs,
  }
}
