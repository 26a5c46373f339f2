import {
  type LiveDelta,
  type LiveEvent,
  type LiveSnapshot,
  type LiveVehicle,
  POSITION_STRIDE,
} from '../model/live.ts'
import { DeltaRing, type SequencedDelta } from './ring.ts'

/** A vehicle of some partition, under a handle of this feed. */
type Track = {
  vehicle: LiveVehicle
  /** As `packPosition` has it, this feed's handle first; null before the first fix. */
  pos: readonly number[] | null
}

type Part = {
  /** By the handle that the partition's own feed gave. */
  tracks: Map<number, Track>
  events: readonly LiveEvent[]
}

export type MergedFeedOptions = Readonly<{
  /** Names this run of the process: event ids of another run mean nothing. */
  epoch: string
  limits: Readonly<{
    vehiclesMax: number
    /** Deltas held for clients that come back, and the positions in all of them. */
    deltasMax: number
    positionsMax: number
  }>
}>

const EVENTS_MAX = 20

/**
 * The feeds of all partitions as one, with handles and numbers of its own. A partition's snapshot replaces
 * what was held of it; viewers are told what differs, so they never have to load anew.
 */
export class MergedFeed {
  readonly epoch: string
  readonly #vehiclesMax: number
  readonly #ring: DeltaRing<LiveDelta>
  readonly #parts = new Map<number, Part>()
  #nextHandle = 1
  #vehicles = 0
  readonly #added = new Set<Track>()
  readonly #moved = new Set<Track>()
  #gone: number[] = []
  #events: LiveEvent[] = []

  constructor({ epoch, limits }: MergedFeedOptions) {
    this.epoch = epoch
    this.#vehiclesMax = limits.vehiclesMax
    const { deltasMax, positionsMax } = limits
    this.#ring = new DeltaRing({ deltasMax, weightMax: positionsMax, weightOf: positionsOf })
  }

  get seq(): number {
    return this.#ring.seq
  }

  get vehicles(): number {
    return this.#vehicles
  }

  /** Takes a partition as it stands, in place of what was known of it. */
  replace(partition: number, snapshot: LiveSnapshot): void {
    const before = this.#parts.get(partition)
    const bySession = new Map<string, Track>()
    for (const track of before?.tracks.values() ?? []) bySession.set(track.vehicle.sessionId, track)
    const part: Part = { tracks: new Map(), events: before?.events ?? [] }
    this.#parts.set(partition, part)
    // First those that leave: they make room.
    const stay = new Set(snapshot.vehicles.map(({ sessionId }) => sessionId))
    for (const [sessionId, track] of bySession) if (!stay.has(sessionId)) this.#drop(track)
    for (const vehicle of snapshot.vehicles) {
      const known = bySession.get(vehicle.sessionId)
      if (known) part.tracks.set(vehicle.handle, known)
      this.#add(part, vehicle)
    }
    this.#move(part, snapshot.pos)
    const told = new Set(part.events.map(nameOf))
    this.#tell(
      part,
      snapshot.events.filter((event) => !told.has(nameOf(event))),
    )
  }

  /** Takes what changed in a partition since the last of its deltas, or its snapshot. */
  apply(partition: number, delta: LiveDelta): void {
    const part = this.#parts.get(partition)
    if (!part) return
    for (const handle of delta.gone ?? []) {
      const track = part.tracks.get(handle)
      part.tracks.delete(handle)
      if (track) this.#drop(track)
    }
    for (const vehicle of delta.add ?? []) this.#add(part, vehicle)
    this.#move(part, delta.pos ?? [])
    this.#tell(part, delta.events ?? [])
  }

  /** Forgets a partition that nobody has any more. */
  drop(partition: number): void {
    for (const track of this.#parts.get(partition)?.tracks.values() ?? []) this.#drop(track)
    this.#parts.delete(partition)
  }

  /**
   * Makes one delta of everything since the last tick; null when nothing changed, or when nobody is
   * there to see it (`wanted`): then none is made, and who comes takes a snapshot.
   */
  tick(nowMs: number, wanted = true): SequencedDelta | null {
    if (this.#added.size + this.#moved.size + this.#gone.length + this.#events.length === 0) {
      return null
    }
    const delta = wanted ? this.#delta(nowMs) : null
    this.#added.clear()
    this.#moved.clear()
    this.#gone = []
    this.#events = []
    if (delta) return this.#ring.push(delta)
    this.#ring.skip()
    return null
  }

  snapshot(nowMs: number): LiveSnapshot {
    const vehicles: LiveVehicle[] = []
    const pos: number[] = []
    const events: LiveEvent[] = []
    for (const part of this.#parts.values()) {
      for (const track of part.tracks.values()) {
        vehicles.push(track.vehicle)
        if (track.pos) pos.push(...track.pos)
      }
      events.push(...part.events)
    }
    events.sort((a, b) => a.atMs - b.atMs)
    return { nowMs, vehicles, pos, events: events.slice(-EVENTS_MAX) }
  }

  /** Deltas after `seq`, or null when some of them are no longer held. */
  since(seq: number): readonly SequencedDelta[] | null {
    return this.#ring.since(seq)
  }

  #delta(nowMs: number): LiveDelta {
    const pos: number[] = []
    for (const track of this.#moved) if (track.pos) pos.push(...track.pos)
    return {
      nowMs,
      ...(this.#added.size > 0 && { add: Array.from(this.#added, (track) => track.vehicle) }),
      ...(pos.length > 0 && { pos }),
      ...(this.#gone.length > 0 && { gone: this.#gone }),
      ...(this.#events.length > 0 && { events: this.#events }),
    }
  }

  #add(part: Part, from: LiveVehicle): void {
    const known = part.tracks.get(from.handle)
    if (known) {
      const vehicle = { ...from, handle: known.vehicle.handle }
      if (isSame(vehicle, known.vehicle)) return
      known.vehicle = vehicle
      this.#added.add(known)
      return
    }
    // A map can show only so many; the tables have them all.
    if (this.#vehicles >= this.#vehiclesMax) return
    const track: Track = { vehicle: { ...from, handle: this.#nextHandle++ }, pos: null }
    part.tracks.set(from.handle, track)
    this.#added.add(track)
    this.#vehicles++
  }

  #move(part: Part, pos: readonly number[]): void {
    for (let at = 0; at + POSITION_STRIDE <= pos.length; at += POSITION_STRIDE) {
      const track = part.tracks.get(pos[at] ?? 0)
      if (!track) continue
      const next = pos.slice(at, at + POSITION_STRIDE)
      next[0] = track.vehicle.handle
      if (track.pos?.every((value, place) => value === next[place])) continue
      track.pos = next
      this.#moved.add(track)
    }
  }

  #drop(track: Track): void {
    this.#vehicles--
    this.#moved.delete(track)
    this.#added.delete(track)
    this.#gone.push(track.vehicle.handle)
  }

  #tell(part: Part, events: readonly LiveEvent[]): void {
    if (events.length === 0) return
    part.events = [...part.events, ...events].slice(-EVENTS_MAX)
    this.#events = [...this.#events, ...events].slice(-EVENTS_MAX)
  }
}

function isSame(one: LiveVehicle, other: LiveVehicle): boolean {
  return (
    one.sessionId === other.sessionId &&
    one.vehicleId === other.vehicleId &&
    one.orderId === other.orderId &&
    one.startLat === other.startLat &&
    one.startLng === other.startLng &&
    one.endLat === other.endLat &&
    one.endLng === other.endLng
  )
}

function nameOf({ sessionId, status, atMs }: LiveEvent): string {
  return `${sessionId} ${status} ${atMs}`
}

function positionsOf(delta: LiveDelta): number {
  return (delta.pos?.length ?? 0) / POSITION_STRIDE + (delta.add?.length ?? 0)
}
