import { type Random, seededRandom } from '../actors/kernel/clock.ts'
import { buildCity, type City } from '../actors/model/city.ts'
import { type Leg, legFrom, planLeg } from './leg.ts'
import { type Hub, type Route, StreetGraph } from './routes.ts'
import { Drive, GpsNoise, VEHICLE_KINDS, type VehicleKind } from './vehicle.ts'
import { derivedUuid, type WirePing, wireTime } from './wire.ts'

export type FleetOptions = Readonly<{
  vehicles: number
  seed: number
  /** Pings a second of each vehicle. */
  rateHz: number
  /** How many times faster than a real vehicle each moves; times on the wire stay real. */
  speed: number
  /** Told apart from every other run of the same seed: goes into session and order ids. */
  run: string
  /** Standard deviation of the GPS error in metres; 0 by default. */
  noiseM?: number
  city?: City
}>

/** A fleet on the road, moved by the one who asks: the same options and times give the same pings. */
export type Fleet = Readonly<{
  vehicles: number
  /** All pings due up to now, in order of their times. After a long pause it goes on, and does not catch up. */
  step(nowMs: number): WirePing[]
}>

/** A fleet that stood still for longer (a laptop's sleep) goes on from here instead of catching up. */
const BEHIND_MS_MAX = 3_000

/** Puts a fleet on the streets of the city, each vehicle somewhere on a delivery. */
export function createFleet(options: FleetOptions): Fleet {
  const graph = new StreetGraph(options.city ?? buildCity())
  const couriers = Array.from(
    { length: options.vehicles },
    (_, index) => new Courier(graph, options, index),
  )
  const periodMs = 1_000 / options.rateHz
  const gapMs = periodMs / Math.max(1, couriers.length)
  const drivenS = (periodMs / 1_000) * options.speed
  const behindMsMax = Math.max(BEHIND_MS_MAX, 2 * periodMs)
  // Clocks of vehicles do not tick on whole milliseconds.
  const phaseMs = seededRandom(options.seed)()
  let originMs: number | null = null
  let sent = 0

  return {
    vehicles: options.vehicles,
    step(nowMs) {
      originMs ??= nowMs - phaseMs
      const dueMs = originMs + sent * gapMs
      if (nowMs - dueMs > behindMsMax || dueMs - nowMs > periodMs + gapMs) {
        originMs = nowMs
        sent %= Math.max(1, couriers.length)
        originMs -= sent * gapMs
      }
      const pings: WirePing[] = []
      for (;;) {
        const atMs = originMs + sent * gapMs
        const courier = couriers[sent % couriers.length]
        if (!courier || atMs > nowMs) return pings
        pings.push(courier.report(atMs, drivenS))
        sent++
      }
    },
  }
}

const EARLIEST_DOOR_M = 700
/** Doors looked at for one delivery; the one whose distance fits best is taken. */
const DOORS_TRIED = 6
const NEXT_HUBS = 6

/** What all pings of a delivery have in common. */
type Header = Omit<WirePing, 'status' | 'timestamp' | 'current_lat' | 'current_lon'>

/** A vehicle and its work: out from a hub to a door, back from the door to a hub, each a delivery. */
class Courier {
  readonly #graph: StreetGraph
  readonly #random: Random
  readonly #noise: GpsNoise
  readonly #kind: VehicleKind
  readonly #vehicleId: string
  readonly #deviceId: string
  readonly #name: string
  #hub: Hub
  #door = 0
  #outbound = true
  #deliveries = 0
  #drive: Drive
  #header: Header
  #started = false

  constructor(graph: StreetGraph, options: FleetOptions, index: number) {
    this.#graph = graph
    this.#name = `${options.seed}/${options.run}/${index}`
    this.#random = seededRandom(
      Math.imul(options.seed + 1, 0x9e37_79b1) ^ Math.imul(index, 0x85eb_ca6b),
    )
    this.#noise = new GpsNoise(options.noiseM ?? 0, this.#random)
    this.#kind = pickKind(this.#random)
    this.#vehicleId = `${this.#kind.prefix}-${String(index + 1).padStart(4, '0')}`
    this.#deviceId = derivedUuid('device', options.seed, index)
    this.#hub = pick(graph.hubs, this.#random)
    const whole = this.#planNext()
    // Met anywhere on its way, so that the city is alive from the first second on.
    const first = Math.floor(this.#random() ** 1.3 * (whole.lat.length - 2))
    const leg = legFrom(whole, Math.max(0, first))
    this.#drive = new Drive(leg, this.#kind, true)
    this.#header = this.#describe(leg)
  }

  /** Drives on and says where it is now. */
  report(atMs: number, drivenS: number): WirePing {
    if (this.#started && this.#drive.finished) {
      const last = this.#ping('completed', atMs, this.#header.end_lat, this.#header.end_lon)
      this.#takeNextOrder()
      return last
    }
    this.#drive.advance(drivenS)
    const status = this.#started ? 'en_route' : 'started'
    this.#started = true
    const { lat, lng } = this.#noise.apply(this.#drive.lat, this.#drive.lng)
    return this.#ping(status, atMs, roundDegrees(lat), roundDegrees(lng))
  }

  #ping(status: WirePing['status'], atMs: number, lat: number, lng: number): WirePing {
    const { device_id, vehicle_id, session_id, order_id, route_name, waypoint_count } = this.#header
    const { start_lat, start_lon, end_lat, end_lon } = this.#header
    return {
      device_id,
      vehicle_id,
      session_id,
      order_id,
      status,
      timestamp: wireTime(atMs),
      start_lat,
      start_lon,
      end_lat,
      end_lon,
      current_lat: lat,
      current_lon: lng,
      route_name,
      waypoint_count,
    }
  }

  #takeNextOrder(): void {
    const leg = this.#planNext()
    this.#drive = new Drive(leg, this.#kind, false)
    this.#header = this.#describe(leg)
    this.#started = false
  }

  #planNext(): Leg {
    const route = this.#outbound ? this.#toDoor() : this.#toHub()
    this.#outbound = !this.#outbound
    this.#deliveries++
    return planLeg(this.#graph, route, this.#kind, this.#random)
  }

  #toDoor(): Route {
    const random = this.#random
    // Many short ways, few long ones: the mean is about 4 km.
    const wantedM = EARLIEST_DOOR_M - Math.log(1 - random() * 0.98) * 3_300
    let misfitM = Infinity
    for (let attempt = 0; attempt < DOORS_TRIED; attempt++) {
      const door = Math.floor(random() * this.#graph.nodeCount)
      const awayM = this.#graph.distanceFromHubM(this.#hub, door)
      if (awayM < EARLIEST_DOOR_M / 2 || Math.abs(awayM - wantedM) >= misfitM) continue
      misfitM = Math.abs(awayM - wantedM)
      this.#door = door
    }
    if (misfitM === Infinity)
      this.#door = this.#graph.hubs.find((hub) => hub !== this.#hub)?.node ?? 0
    return this.#graph.outbound(this.#hub, this.#door)
  }

  #toHub(): Route {
    const door = this.#door
    const byDistance = this.#graph.hubs
      .filter((hub) => hub.node !== door)
      .map((hub) => ({ hub, awayM: this.#graph.crowFliesM(hub.node, door) }))
      .sort((a, b) => a.awayM - b.awayM)
      .slice(0, NEXT_HUBS)
    this.#hub = pick(byDistance, this.#random).hub
    return this.#graph.inbound(door, this.#hub)
  }

  #describe(leg: Leg): Header {
    const last = leg.lat.length - 1
    return {
      device_id: this.#deviceId,
      vehicle_id: this.#vehicleId,
      session_id: derivedUuid('session', this.#name, this.#deliveries),
      order_id: derivedUuid('order', this.#name, this.#deliveries),
      start_lat: leg.lat[0] ?? 0,
      start_lon: leg.lng[0] ?? 0,
      end_lat: leg.lat[last] ?? 0,
      end_lon: leg.lng[last] ?? 0,
      route_name: leg.name,
      waypoint_count: leg.lat.length,
    }
  }
}

function pickKind(random: Random): VehicleKind {
  let left = random()
  return VEHICLE_KINDS.find((kind) => (left -= kind.share) < 0) ?? pick(VEHICLE_KINDS, random)
}

function pick<Item>(items: readonly Item[], random: Random): Item {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}

/** A tenth of a metre: what a good receiver tells apart. */
function roundDegrees(degrees: number): number {
  return Math.round(degrees * 1e6) / 1e6
}
