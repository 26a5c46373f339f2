import { Feed } from '../actors/feed/feed.ts'
import type { Sequenced } from '../actors/feed/ring.ts'
import type { Random } from '../actors/kernel/clock.ts'
import type { Fact, HeaderFact, MovementFact, WindowsFact } from '../actors/model/fact.ts'
import type { RegionsDelta, RegionsSnapshot } from '../actors/model/live-regions.ts'
import {
  type LiveDelta,
  type LiveKpi,
  type LiveSnapshot,
  type LiveVehicle,
  POSITION_STRIDE,
} from '../actors/model/live.ts'
import type { RegionTotals, RegionWindow } from '../actors/model/window.ts'
import type { LiveFeed, RegionsFeed } from '../gateway/ports.ts'

/** What a viewer holds of a vehicle, without the handle, which is each feed's own. */
type Shown = Readonly<{ vehicle: Omit<LiveVehicle, 'handle'>; pos: readonly number[] | null }>

/** Sessions of a snapshot as viewers would have them, to be compared. */
export function shownOf({ vehicles, pos }: Pick<LiveSnapshot, 'vehicles' | 'pos'>) {
  const viewer = new ShownVehicles()
  viewer.change({ nowMs: 0, add: vehicles, pos })
  return viewer.bySession()
}

class ShownVehicles {
  readonly #vehicles = new Map<number, LiveVehicle>()
  readonly #pos = new Map<number, readonly number[]>()

  change({ add = [], pos = [], gone = [] }: LiveDelta): void {
    for (const handle of gone) {
      this.#vehicles.delete(handle)
      this.#pos.delete(handle)
    }
    for (const vehicle of add) this.#vehicles.set(vehicle.handle, vehicle)
    for (let at = 0; at < pos.length; at += POSITION_STRIDE) {
      const handle = pos[at] ?? 0
      if (!this.#vehicles.has(handle)) throw new Error(`a position of unknown handle ${handle}`)
      this.#pos.set(handle, pos.slice(at + 1, at + POSITION_STRIDE))
    }
  }

  bySession(): Record<string, Shown> {
    const shown: Record<string, Shown> = {}
    for (const [handle, { handle: _, ...vehicle }] of this.#vehicles) {
      if (shown[vehicle.sessionId]) throw new Error(`${vehicle.sessionId} is there twice`)
      shown[vehicle.sessionId] = { vehicle, pos: this.#pos.get(handle) ?? null }
    }
    return shown
  }
}

/** A browser: snapshot first, then each delta once and in order; one that breaks that is an error. */
export class TestViewer {
  #shown = new ShownVehicles()
  seq = -1
  snapshots = 0
  deltas = 0
  kpi: LiveKpi | null = null
  readonly #feed: LiveFeed
  #leave: (() => void) | null = null

  constructor(feed: LiveFeed) {
    this.#feed = feed
    this.join()
  }

  /** Comes, or comes back, as a browser does with its last event's id. */
  join(): void {
    const missed = this.seq < 0 ? null : this.#feed.since(this.seq)
    if (missed) for (const next of missed) this.#take(next)
    else this.#reset()
    const delta = (next: Sequenced<LiveDelta>): void => this.#take(next)
    this.#leave = this.#feed.subscribe({ delta, kpi: (kpi) => void (this.kpi = kpi) })
  }

  leave(): void {
    this.#leave?.()
    this.#leave = null
  }

  shown(): Record<string, Shown> {
    return this.#shown.bySession()
  }

  #reset(): void {
    const { vehicles, pos } = this.#feed.snapshot()
    this.#shown = new ShownVehicles()
    this.#shown.change({ nowMs: 0, add: vehicles, pos })
    this.seq = this.#feed.seq
    this.snapshots++
  }

  #take({ seq, delta }: Sequenced<LiveDelta>): void {
    // As a stream does for a gap: some were not made while nobody watched.
    if (seq > this.seq + 1) return this.#reset()
    if (seq <= this.seq) throw new Error(`delta ${seq} came again`)
    this.seq = seq
    this.deltas++
    this.#shown.change(delta)
  }
}

/** What a viewer of regions holds, by name and in order. */
export function windowsOf({ windows, regions, watermarkMs }: Omit<RegionsSnapshot, 'nowMs'>) {
  const ordered = <One>(of: readonly One[], nameOf: (one: One) => string) =>
    of.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  return {
    windows: ordered(windows, windowName),
    regions: ordered(regions, ({ regionId }) => String(regionId)),
    watermarkMs,
  }
}

/** As `TestViewer`, of the regions page. */
export class TestRegionsViewer {
  readonly #windows = new Map<string, RegionWindow>()
  readonly #regions = new Map<number, RegionTotals>()
  #watermarkMs: number | null = null
  seq = -1
  deltas = 0
  readonly #feed: RegionsFeed
  #leave: (() => void) | null = null

  constructor(feed: RegionsFeed) {
    this.#feed = feed
    this.join()
  }

  join(): void {
    const missed = this.seq < 0 ? null : this.#feed.since(this.seq)
    if (missed) for (const next of missed) this.#take(next)
    else this.#reset()
    this.#leave = this.#feed.subscribe({ delta: (next) => this.#take(next) })
  }

  leave(): void {
    this.#leave?.()
    this.#leave = null
  }

  shown() {
    const [windows, regions] = [[...this.#windows.values()], [...this.#regions.values()]]
    return windowsOf({ windows, regions, watermarkMs: this.#watermarkMs })
  }

  #reset(): void {
    this.#windows.clear()
    this.#regions.clear()
    this.#change(this.#feed.snapshot())
    this.seq = this.#feed.seq
  }

  #take({ seq, delta }: Sequenced<RegionsDelta>): void {
    if (seq > this.seq + 1) return this.#reset()
    if (seq <= this.seq) throw new Error(`delta ${seq} came again`)
    this.seq = seq
    this.deltas++
    this.#change(delta)
  }

  #change({ windows, regions, watermarkMs }: RegionsDelta | RegionsSnapshot): void {
    for (const window of windows) this.#windows.set(windowName(window), window)
    for (const totals of regions) this.#regions.set(totals.regionId, totals)
    this.#watermarkMs = watermarkMs
  }
}

function windowName({ regionId, sizeS, startMs }: RegionWindow): string {
  return `${regionId} ${sizeS} ${startMs}`
}

/** A feed without bounds that a test could reach: the truth of what was accepted. */
export function truthFeed(nowMs: number): Feed {
  const limits = { vehiclesMax: 1e6, completedStayMs: 30_000, silentStayMs: 3_600_000 }
  return new Feed({ epoch: 'truth', nowMs, limits: { ...limits, deltasMax: 1, positionsMax: 1 } })
}

export function headerFact(sessionId: string, partition: number): HeaderFact {
  return {
    ...{ kind: 'header', partition, offset: 0, part: 0, sessionId, revision: 0 },
    ...{ vehicleId: `v-${sessionId}`, orderId: `o-${sessionId}`, deviceId: `d-${sessionId}` },
    ...{ startLat: 38, startLng: 23, endLat: 39, endLng: 24, createdAtUs: 0, receivedMs: 0 },
  }
}

/** A fix in event time `atMs`, everything else drawn. */
export function movementFact(
  sessionId: string,
  { partition, atMs, random }: Readonly<{ partition: number; atMs: number; random: Random }>,
): MovementFact {
  return {
    ...{ kind: 'movement', partition, offset: 0, part: 0, sessionId, movementId: 'm' },
    ...{ status: 'en_route', eventTimeUs: atMs * 1_000, receivedMs: atMs, late: false },
    ...{ lat: 38 + random() / 10, lng: 23 + random() / 10 },
    ...{ distanceCm: 100, speedKmh: Math.round(random() * 500) / 10 },
    ...{ headingDeg: Math.floor(random() * 360), travelledCm: atMs % 1e6, remainingCm: 45_600 },
  }
}

export function completedFact(sessionId: string, partition: number): Fact {
  return {
    ...{ kind: 'status', partition, offset: 0, part: 0, sessionId, eventId: 'e', revision: 0 },
    ...{ status: 'completed', from: 'en_route', eventTimeUs: 1, receivedMs: 0 },
  }
}

/** A region's minute with so many trips in it. */
export function windowsFact(
  regionId: number,
  { minute, trips, partition }: Readonly<{ minute: number; trips: number; partition: number }>,
): WindowsFact {
  const window: RegionWindow = {
    ...{ regionId, sizeS: 60, startMs: minute * 60_000, tripCount: trips },
    ...{ totalFare: trips, avgFare: 1, minFare: 1, maxFare: 1 },
    ...{ totalDistance: 1, minDistance: 1, maxDistance: 1 },
    ...{ avgDuration: 60, minDuration: 60, maxDuration: 60, p50Duration: 60, p95Duration: 60 },
    ...{ lateCount: 0, final: false, revision: 0 },
  }
  const totals = { regionId, trips: minute * 100 + trips, duplicates: 0, late: 0, tooLate: 0 }
  return {
    ...{ kind: 'windows', partition, offset: 1, part: 1 + regionId, regionId, windows: [window] },
    ...{ lateMarks: [], totals: { ...totals, newestMs: minute }, receivedMs: 0 },
    watermarkMs: minute * 60_000,
  }
}
