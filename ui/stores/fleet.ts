import { signal } from '@preact/signals'

import {
  type LiveDelta,
  type LiveEvent,
  type LivePosition,
  type LiveSnapshot,
  type LiveStatus,
  type LiveVehicle,
  POSITION_STRIDE,
  unpackPosition,
} from '../../actors/model/live.ts'
import { mercatorX, mercatorY, type Motion, moveTo, progressOf, standing } from './motion.ts'

/** A vehicle on the map: who it is, its newest fix, and its way there. Changed in place. */
export type Vehicle = LiveVehicle & {
  /** Lower case, what a search looks in. */
  readonly haystack: string
  status: LiveStatus
  lat: number
  lng: number
  headingDeg: number
  speedKmh: number
  fixMs: number
  travelledM: number
  remainingM: number
  /** When its newest fix was heard, on the server's clock. */
  heardMs: number
  readonly motion: Motion
  /** When it left, on the page's clock; it fades from then. Infinity while it is there. */
  leftMs: number
}

/** What became of a delta. A gap means that deltas are missing: resume from `seq`. */
export type Applied = 'applied' | 'repeat' | 'gap' | 'other_epoch'

export type StatusCounts = Record<LiveStatus, number>

const EVENTS_MAX = 60
/** How long a vehicle that left is still drawn, fading. */
export const FADE_MS = 1_400
/** No fix for so many intervals: stale. */
const STALE_INTERVALS = 3
const STALE_MS_MIN = 5_000

/** Everything that the feed says is out there now; one for the page. */
export class Fleet {
  /** Goes up once a message; whoever shows vehicles reads it. */
  readonly revision = signal(0)
  /** Goes up when vehicles come or go. */
  readonly membership = signal(0)
  readonly counts = signal<StatusCounts>({ started: 0, en_route: 0, completed: 0, silent: 0 })
  /** Newest last. */
  readonly events = signal<readonly LiveEvent[]>([])
  /** True once a snapshot came. */
  readonly known = signal(false)

  readonly #now: () => number
  readonly #byHandle = new Map<number, Vehicle>()
  readonly #bySession = new Map<string, Vehicle>()
  #leaving: Vehicle[] = []
  #epoch = ''
  #seq = -1
  #clockOffsetMs = 0
  /** Off when the reader asked for less motion. */
  smooth = true

  /** `now` is the page's own steady clock, milliseconds. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Vehicles that are there. */
  get vehicles(): Iterable<Vehicle> {
    return this.#byHandle.values()
  }

  /** Vehicles that left a moment ago. */
  get leaving(): readonly Vehicle[] {
    return this.#leaving
  }

  get size(): number {
    return this.#byHandle.size
  }

  /** `<epoch>-<seq>` of the newest message, to resume from. */
  get lastEventId(): string {
    return this.#seq < 0 ? '' : `${this.#epoch}-${this.#seq}`
  }

  /** The server's clock, as far as this page can tell. */
  serverNowMs(): number {
    return this.#now() + this.#clockOffsetMs
  }

  find(sessionId: string): Vehicle | null {
    return this.#bySession.get(sessionId) ?? null
  }

  /** True when nothing was heard of it for three of its intervals. */
  isStale(vehicle: Vehicle, serverNowMs: number): boolean {
    if (vehicle.status === 'completed') return false
    const limitMs = Math.max(STALE_MS_MIN, STALE_INTERVALS * vehicle.motion.intervalMs)
    return vehicle.status === 'silent' || serverNowMs - vehicle.heardMs > limitMs
  }

  /** Replaces everything. A vehicle that was known glides on from where it is drawn. */
  applySnapshot(epoch: string, seq: number, snapshot: LiveSnapshot): void {
    this.#epoch = epoch
    this.#seq = seq
    this.#clockOffsetMs = snapshot.nowMs - this.#now()
    const before = new Map(this.#bySession)
    this.#byHandle.clear()
    this.#bySession.clear()
    this.#leaving = []
    for (const vehicle of snapshot.vehicles) this.#add(vehicle, before.get(vehicle.sessionId))
    this.#move(snapshot.pos, snapshot.nowMs, true)
    this.events.value = snapshot.events.slice(-EVENTS_MAX)
    this.known.value = true
    this.#changed(true)
  }

  /** Applies what changed in one tick, if it is the next one. */
  applyDelta(epoch: string, seq: number, delta: LiveDelta): Applied {
    if (epoch !== this.#epoch) return 'other_epoch'
    if (seq <= this.#seq) return 'repeat'
    if (seq !== this.#seq + 1) return 'gap'
    this.#seq = seq
    this.#clockOffsetMs = delta.nowMs - this.#now()
    for (const vehicle of delta.add ?? []) this.#add(vehicle, undefined)
    this.#move(delta.pos ?? [], delta.nowMs, false)
    for (const handle of delta.gone ?? []) this.#leave(handle)
    if (delta.events?.length) {
      this.events.value = [...this.events.value, ...delta.events].slice(-EVENTS_MAX)
    }
    this.#changed(Boolean(delta.add?.length || delta.gone?.length))
    return 'applied'
  }

  #add(from: LiveVehicle, before: Vehicle | undefined): void {
    const stale = this.#byHandle.get(from.handle)
    if (stale) this.#bySession.delete(stale.sessionId)
    const [x, y] = [mercatorX(from.startLng), mercatorY(from.startLat)]
    const vehicle: Vehicle = {
      ...from,
      haystack: `${from.vehicleId} ${from.orderId} ${from.sessionId}`.toLowerCase(),
      status: before?.status ?? 'started',
      lat: before?.lat ?? from.startLat,
      lng: before?.lng ?? from.startLng,
      headingDeg: before?.headingDeg ?? -1,
      speedKmh: 0,
      fixMs: 0,
      travelledM: 0,
      remainingM: 0,
      heardMs: this.serverNowMs(),
      motion: before?.motion ?? standing(x, y, -1, this.#now()),
      leftMs: Infinity,
    }
    this.#byHandle.set(vehicle.handle, vehicle)
    this.#bySession.set(vehicle.sessionId, vehicle)
  }

  #move(pos: readonly number[], serverNowMs: number, first: boolean): void {
    const nowMs = this.#now()
    for (let index = 0; index + POSITION_STRIDE <= pos.length; index += POSITION_STRIDE) {
      const position = unpackPosition(pos, index)
      const vehicle = this.#byHandle.get(position.handle)
      // A fix older than the one shown comes from a repeat on the way: the newer one stands.
      if (vehicle && position.fixMs >= vehicle.fixMs) {
        this.#moveOne(vehicle, position, { nowMs, serverNowMs, first })
      }
    }
  }

  #moveOne(
    vehicle: Vehicle,
    to: LivePosition,
    at: Readonly<{ nowMs: number; serverNowMs: number; first: boolean }>,
  ): void {
    const fresh = vehicle.fixMs === 0
    const newer = to.fixMs > vehicle.fixMs
    // A status alone may change, as to silent: that is no fix, and nothing was heard.
    if (newer) vehicle.heardMs = at.first ? Math.min(at.serverNowMs, to.fixMs) : at.serverNowMs
    vehicle.status = to.status
    vehicle.lat = to.lat
    vehicle.lng = to.lng
    vehicle.headingDeg = to.headingDeg
    vehicle.speedKmh = to.speedKmh
    vehicle.fixMs = to.fixMs
    vehicle.travelledM = to.travelledM
    vehicle.remainingM = to.remainingM
    if (!newer) return
    const [x, y] = [mercatorX(to.lng), mercatorY(to.lat)]
    const smooth = this.smooth && !(fresh && vehicle.motion.takesMs === 0)
    moveTo(vehicle.motion, { x, y, headingDeg: to.headingDeg, nowMs: at.nowMs, smooth })
  }

  #leave(handle: number): void {
    const vehicle = this.#byHandle.get(handle)
    if (!vehicle) return
    this.#byHandle.delete(handle)
    if (this.#bySession.get(vehicle.sessionId) === vehicle) {
      this.#bySession.delete(vehicle.sessionId)
    }
    vehicle.leftMs = this.#now()
    this.#leaving.push(vehicle)
  }

  #changed(membership: boolean): void {
    const limitMs = this.#now() - FADE_MS
    if (this.#leaving.length > 0) {
      this.#leaving = this.#leaving.filter((vehicle) => vehicle.leftMs > limitMs)
    }
    const counts: StatusCounts = { started: 0, en_route: 0, completed: 0, silent: 0 }
    for (const { status } of this.#byHandle.values()) counts[status] += 1
    this.counts.value = counts
    if (membership) this.membership.value += 1
    this.revision.value += 1
  }
}

/** Where a vehicle is drawn at a moment, Web Mercator 0 to 1. */
export function drawnAt({ motion }: Vehicle, nowMs: number): { x: number; y: number } {
  const part = progressOf(motion, nowMs)
  return {
    x: motion.fromX + (motion.toX - motion.fromX) * part,
    y: motion.fromY + (motion.toY - motion.fromY) * part,
  }
}
