import type { Fact, HeaderFact, MovementFact } from '../model/fact.ts'
import { packPosition, POSITION_STRIDE } from '../model/live.ts'
import type {
  LiveDelta,
  LiveEvent,
  LivePosition,
  LiveSnapshot,
  LiveStatus,
  LiveVehicle,
} from '../model/live.ts'
import { STATUSES } from '../model/ping.ts'
import type { Ping } from '../model/ping.ts'
import { DeltaRing } from './ring.ts'
import type { SequencedDelta } from './ring.ts'

type Track = {
  vehicle: LiveVehicle
  lat: number
  lng: number
  headingDeg: number
  speedKmh: number
  status: LiveStatus
  fixMs: number
  travelledM: number
  remainingM: number
}

/** What the feed must know of a session that it does not hold: after a restart, or when one comes back. */
export type FeedSession = Readonly<{
  header: Ping
  newest: Readonly<{ lat: number; lng: number; eventTimeUs: number; status: string }> | null
  travelledCm: number
  completed: boolean
  silent: boolean
}>

export type FeedOptions = Readonly<{
  /** Names this run of the process: event ids of another run mean nothing. */
  epoch: string
  nowMs: number
  limits: Readonly<{
    vehiclesMax: number
    /** How long a completed delivery stays on the map. */
    completedStayMs: number
    /** How long a silent one does. */
    silentStayMs: number
    /** Deltas held for clients that come back, and the positions in all of them. */
    deltasMax: number
    positionsMax: number
  }>
}>

const EVENTS_MAX = 20

/**
 * The live map's source: the newest position of every session on the map, and what changed since the
 * last tick. Facts come in; a tick makes one delta of them, however many there were.
 */
export class Feed {
  readonly epoch: string
  readonly #limits: FeedOptions['limits']
  readonly #tracks = new Map<string, Track>()
  readonly #ring: DeltaRing<LiveDelta>
  #nextHandle = 1
  /** Wall clock of the last tick: near enough for when a vehicle leaves. */
  #nowMs: number
  readonly #leaving = new Map<Track, number>()
  #added = new Set<Track>()
  #moved = new Set<Track>()
  #events: LiveEvent[] = []
  #recentEvents: LiveEvent[] = []

  constructor(options: FeedOptions) {
    this.epoch = options.epoch
    this.#limits = options.limits
    this.#nowMs = options.nowMs
    const { deltasMax, positionsMax } = options.limits
    this.#ring = new DeltaRing({ deltasMax, weightMax: positionsMax, weightOf: positionsOf })
  }

  get seq(): number {
    return this.#ring.seq
  }

  get vehicles(): number {
    return this.#tracks.size
  }

  /** Silent deliveries on the map. */
  get silentCount(): number {
    let count = 0
    for (const track of this.#tracks.values()) if (track.status === 'silent') count++
    return count
  }

  /** Of the vehicles under way: how many, and their speeds together, km/h. */
  get speeds(): Readonly<{ sumKmh: number; count: number }> {
    let sumKmh = 0
    let count = 0
    for (const track of this.#tracks.values()) {
      if (track.status !== 'started' && track.status !== 'en_route') continue
      sumKmh += track.speedKmh
      count++
    }
    return { sumKmh, count }
  }

  /** Puts a session on the map that is not known from facts. */
  restore(sessionId: string, session: FeedSession): void {
    const { header, newest } = session
    const track = this.#add(sessionId, header)
    if (!track || !newest) return
    track.lat = newest.lat
    track.lng = newest.lng
    track.fixMs = Math.floor(newest.eventTimeUs / 1_000)
    const known = STATUSES.find((status) => status === newest.status) ?? 'started'
    track.status = session.silent ? 'silent' : session.completed ? 'completed' : known
    track.travelledM = session.travelledCm / 100
  }

  /** Takes a fact; false when it is about a session that the map does not know. */
  accept(fact: Fact): boolean {
    switch (fact.kind) {
      case 'header':
        this.#header(fact)
        return true
      case 'movement':
        return this.#movement(fact)
      case 'status': {
        const track = this.#tracks.get(fact.sessionId)
        if (!track) return false
        this.#tell(track, fact.status, Math.floor(fact.eventTimeUs / 1_000))
        if (fact.status === 'completed') this.#leaveIn(track, this.#limits.completedStayMs)
        return true
      }
      case 'alert': {
        const track = this.#tracks.get(fact.sessionId)
        if (!track) return false
        if (fact.alert !== 'silent') return true
        track.status = 'silent'
        this.#leaveIn(track, this.#limits.silentStayMs)
        this.#moved.add(track)
        this.#tell(track, 'silent', fact.firedMs)
        return true
      }
      case 'pings':
      case 'dead_letter':
      case 'retry':
      case 'trips':
      case 'trip':
      case 'windows':
        return true
    }
  }

  /**
   * Makes one delta of everything since the last tick; null when nothing changed, or when nobody is
   * there to see it (`wanted`): then none is made, and who comes takes a snapshot.
   */
  tick(nowMs: number, wanted = true): SequencedDelta | null {
    this.#nowMs = nowMs
    const gone = this.#leave(nowMs)
    if (this.#added.size + this.#moved.size + this.#events.length + gone.length === 0) return null
    const delta = wanted ? this.#delta(nowMs, gone) : null
    this.#recentEvents = [...this.#recentEvents, ...this.#events].slice(-EVENTS_MAX)
    this.#added.clear()
    this.#moved.clear()
    this.#events = []
    if (delta) return this.#ring.push(delta)
    this.#ring.skip()
    return null
  }

  #delta(nowMs: number, gone: readonly number[]): LiveDelta {
    const pos: number[] = []
    for (const track of this.#moved) pack(pos, track)
    return {
      nowMs,
      ...(this.#added.size > 0 && { add: Array.from(this.#added, (track) => track.vehicle) }),
      ...(pos.length > 0 && { pos }),
      ...(gone.length > 0 && { gone }),
      ...(this.#events.length > 0 && { events: this.#events }),
    }
  }

  snapshot(nowMs: number): LiveSnapshot {
    const vehicles: LiveVehicle[] = []
    const pos: number[] = []
    for (const track of this.#tracks.values()) {
      vehicles.push(track.vehicle)
      if (track.fixMs > 0) pack(pos, track)
    }
    return { nowMs, vehicles, pos, events: this.#recentEvents }
  }

  /** Deltas after `seq`, or null when some of them are no longer held. */
  since(seq: number): readonly SequencedDelta[] | null {
    return this.#ring.since(seq)
  }

  #header(fact: HeaderFact): void {
    const known = this.#tracks.get(fact.sessionId)
    if (!known) {
      this.#add(fact.sessionId, fact)
      return
    }
    known.vehicle = vehicleOf(known.vehicle.handle, fact.sessionId, fact)
    this.#added.add(known)
  }

  #add(sessionId: string, from: HeaderLike): Track | null {
    // A map can show only so many; the tables have them all.
    if (this.#tracks.size >= this.#limits.vehiclesMax) return null
    const track: Track = {
      vehicle: vehicleOf(this.#nextHandle++, sessionId, from),
      lat: from.startLat,
      lng: from.startLng,
      headingDeg: -1,
      speedKmh: 0,
      status: 'started',
      fixMs: 0,
      travelledM: 0,
      remainingM: 0,
    }
    this.#tracks.set(sessionId, track)
    this.#added.add(track)
    return track
  }

  #movement(fact: MovementFact): boolean {
    const track = this.#tracks.get(fact.sessionId)
    if (!track) return false
    track.travelledM = fact.travelledCm / 100
    this.#moved.add(track)
    if (fact.late) return true
    track.lat = fact.lat
    track.lng = fact.lng
    track.fixMs = Math.floor(fact.eventTimeUs / 1_000)
    track.speedKmh = fact.speedKmh ?? 0
    track.headingDeg = fact.headingDeg ?? track.headingDeg
    track.remainingM = fact.remainingCm / 100
    // Completed is final: a fix after it moves the vehicle, not the delivery.
    if (track.status === 'completed') return true
    if (track.status === 'silent') this.#leaving.delete(track)
    track.status = fact.status
    return true
  }

  #tell(track: Track, status: LiveStatus, atMs: number): void {
    const { sessionId, vehicleId, orderId } = track.vehicle
    const event: LiveEvent = { sessionId, vehicleId, orderId, status, atMs }
    this.#events.push(event)
    if (this.#events.length > EVENTS_MAX) this.#events.shift()
  }

  #leaveIn(track: Track, stayMs: number): void {
    this.#leaving.set(track, this.#nowMs + stayMs)
  }

  #leave(nowMs: number): number[] {
    const gone: number[] = []
    for (const [track, leavesMs] of this.#leaving) {
      if (leavesMs > nowMs) continue
      this.#leaving.delete(track)
      this.#tracks.delete(track.vehicle.sessionId)
      this.#added.delete(track)
      this.#moved.delete(track)
      gone.push(track.vehicle.handle)
    }
    return gone
  }
}

type HeaderLike = Pick<
  Ping,
  'vehicleId' | 'orderId' | 'startLat' | 'startLng' | 'endLat' | 'endLng'
>

function vehicleOf(handle: number, sessionId: string, from: HeaderLike): LiveVehicle {
  const { vehicleId, orderId, startLat, startLng, endLat, endLng } = from
  return { handle, sessionId, vehicleId, orderId, startLat, startLng, endLat, endLng }
}

function pack(into: number[], track: Track): void {
  const position: LivePosition = { ...track, handle: track.vehicle.handle }
  packPosition(into, position)
}

function positionsOf(delta: LiveDelta): number {
  return (delta.pos?.length ?? 0) / POSITION_STRIDE + (delta.add?.length ?? 0)
}
