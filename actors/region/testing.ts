import { readFileSync } from 'node:fs'
import { join } from 'node:path'

import type { Behavior, Tide, Turn } from '../kernel/behavior.ts'
import { TRIPS_PARTITION_FIRST } from '../model/fact.ts'
import type { TripFact, WindowsFact } from '../model/fact.ts'
import type { TripsPage } from '../model/history.ts'
import type { Trip } from '../model/trip.ts'
import type { RegionTotals, RegionWindow, WindowSizeS } from '../model/window.ts'
import type { TripArrival } from './arrival.ts'
import { regionBehavior } from './behavior.ts'
import type { RegionOptions } from './behavior.ts'
import { MINUTE_US } from './held-window.ts'
import { heldWindows } from './state.ts'
import type { RegionState } from './state.ts'
import { TideGauge } from './tide-gauge.ts'

export type RegionsOptions = Partial<RegionOptions> &
  Readonly<{
    boundMs?: number
    /** Each actor goes through its bytes after so many of its messages, and after so many tides; 0 for never. */
    storeEvery?: number
  }>

/** The regions of one partition in memory: trips in, windows out. For tests; nothing is durable. */
export class RegionsInMemory {
  readonly tripFacts: TripFact[] = []
  readonly windowsFacts: WindowsFact[] = []
  duplicates = 0
  /** How often a region looked into its past. */
  recalls = 0
  readonly #behavior: Behavior<RegionState, TripArrival, TripsPage>
  readonly #states = new Map<number, RegionState>()
  readonly #gauge: TideGauge
  readonly #storeEvery: number
  readonly #minutes = new Map<string, string[]>()
  readonly #windows = new Map<string, RegionWindow>()
  readonly #totals = new Map<number, RegionTotals>()
  #offset = 0
  #turns = 0

  constructor(options: RegionsOptions = {}) {
    const { boundMs, storeEvery = 0, ...region } = options
    this.#behavior = regionBehavior(region)
    this.#gauge = TideGauge.from(null, boundMs)
    this.#storeEvery = storeEvery
  }

  get watermarkMs(): number {
    return this.#gauge.watermarkMs
  }

  /** Windows that the actors hold, of all sizes and regions. */
  get held(): number {
    return [...this.#states.values()].reduce((sum, state) => sum + heldWindows(state), 0)
  }

  /** One frame of the journal, as one sender sent it. */
  frame(trips: readonly Trip[]): void {
    const { arrivals, tide } = this.#gauge.stamp(trips, this.#offset)
    const touched = new Set<number>()
    for (const arrival of arrivals) {
      touched.add(arrival.trip.regionId)
      this.#receive(arrival)
    }
    this.#turnTide(tide, touched)
  }

  /** All trips, in frames of so many. */
  frames(trips: readonly Trip[], size: number): void {
    for (let at = 0; at < trips.length; at += size) this.frame(trips.slice(at, at + size))
  }

  flush(): void {
    this.#offset++
    this.#turnTide(this.#gauge.tide(true), new Set(this.#states.keys()))
  }

  /** The newest row of every window, by region, size and start. */
  windows(sizeS?: WindowSizeS): RegionWindow[] {
    return [...this.#windows.values()]
      .filter((window) => sizeS === undefined || window.sizeS === sizeS)
      .sort((a, b) => a.regionId - b.regionId || a.sizeS - b.sizeS || a.startMs - b.startMs)
  }

  /** By region. */
  totals(): RegionTotals[] {
    return [...this.#totals.values()].sort((a, b) => a.regionId - b.regionId)
  }

  #receive(arrival: TripArrival): void {
    const { trip } = arrival
    const behavior = this.#behavior
    let state = this.#states.get(trip.regionId) ?? behavior.initial()
    const aroundUs = behavior.recalls(state, arrival)
    if (aroundUs !== null) {
      this.recalls++
      const minute = Math.floor(aroundUs / MINUTE_US)
      const tripIds = this.#minutes.get(`${trip.regionId}:${minute}`) ?? []
      state = behavior.recalled(state, { minuteMs: minute * 60_000, tripIds: [...tripIds] })
    }
    const step = behavior.receive(state, arrival, this.#turnAt(this.#offset++))
    if (step.duplicate) this.duplicates++
    for (const fact of step.facts) if (fact.kind === 'trip') this.#keep(fact)
    this.#states.set(trip.regionId, this.#stored(behavior.forgotten(step.state)))
  }

  #turnTide(tide: Tide, touched: ReadonlySet<number>): void {
    const behavior = this.#behavior
    for (const [regionId, state] of this.#states) {
      if (!touched.has(regionId) && !behavior.ebbs?.(state, tide.watermarkMs)) continue
      const step = behavior.onTide?.(state, tide, this.#turnAt(this.#offset - 1))
      if (!step) continue
      for (const fact of step.facts) if (fact.kind === 'windows') this.#show(fact)
      this.#states.set(regionId, this.#stored(step.state))
    }
  }

  #turnAt(offset: number): Turn {
    return { partition: TRIPS_PARTITION_FIRST, offset, receivedMs: 1_000 + offset }
  }

  #stored(state: RegionState): RegionState {
    if (this.#storeEvery === 0 || ++this.#turns % this.#storeEvery > 0) return state
    return this.#behavior.decode(this.#behavior.encode(state), this.#behavior.version)
  }

  #keep(fact: TripFact): void {
    this.tripFacts.push(fact)
    const { regionId, eventTimeUs, tripId } = fact.trip
    const key = `${regionId}:${Math.floor(eventTimeUs / MINUTE_US)}`
    const ids = this.#minutes.get(key)
    if (ids) ids.push(tripId)
    else this.#minutes.set(key, [tripId])
  }

  #show(fact: WindowsFact): void {
    this.windowsFacts.push(fact)
    this.#totals.set(fact.regionId, fact.totals)
    for (const window of fact.windows) {
      this.#windows.set(`${fact.regionId}:${window.sizeS}:${window.startMs}`, window)
    }
  }
}

/** A stream in frames of at most so many trips; a flush ends the frame before it. */
export function runStream(
  stream: readonly (Trip | 'flush')[],
  frame: number,
  options: RegionsOptions = {},
): RegionsInMemory {
  const regions = new RegionsInMemory(options)
  let waiting: Trip[] = []
  const send = (): void => {
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

/** What was told of late trips, by `region|size|start`. */
export function marksOf(regions: RegionsInMemory): [string, number][] {
  const marks = new Map<string, number>()
  for (const { regionId, lateMarks } of regions.windowsFacts) {
    for (const { sizeS, startMs, count } of lateMarks) {
      const key = [regionId, sizeS, startMs].join('|')
      marks.set(key, (marks.get(key) ?? 0) + count)
    }
  }
  return [...marks].sort()
}

/** The 300 trips of the sample, as its file has them. */
export function sampleTrips(): Trip[] {
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

/** In order of event time, as a sorting replay sends them. */
export function byTime(trips: readonly Trip[]): Trip[] {
  return trips.toSorted((a, b) => a.eventTimeUs - b.eventTimeUs)
}
