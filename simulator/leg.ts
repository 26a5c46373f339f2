import type { Random } from '../actors/kernel/clock.ts'
import { bearingDeg } from '../actors/model/geo.ts'
import type { Route, StreetGraph } from './routes.ts'

/** How a vehicle of some kind drives. */
export type Handling = Readonly<{ kmhMax: number; accelerationMs2: number; brakingMs2: number }>

/** A route made ready to drive: how fast each stretch and node may be passed, and where it waits. */
export type Leg = Readonly<{
  name: string
  /** Coordinates of the nodes, in order. */
  lat: Float64Array
  lng: Float64Array
  /** Of the stretch that begins at this node. */
  lengthM: Float32Array
  cruiseMs: Float32Array
  /** Speed at which the node is passed, low enough to brake for all that follows; 0 is a stop. */
  passMs: Float32Array
  waitS: Float32Array
}>

const CORNER_DEG = 35
const SHARP_CORNER_DEG = 75
const CORNER_MS = 18 / 3.6
const SHARP_CORNER_MS = 11 / 3.6
/** Chance to find a crossing of three or more roads closed, and of one with a big road. */
const RED_SHARE = 0.08
const BIG_RED_SHARE = 0.22
const BIG_KMH = 50
const RED_S_MIN = 4
const RED_S_MAX = 30
const DOOR_S_MIN = 15
const DOOR_S_MAX = 45

/** Plans the drive over a route: corners, red lights, the wait at the door, and the braking for each. */
export function planLeg(graph: StreetGraph, route: Route, handling: Handling, random: Random): Leg {
  const count = route.nodes.length
  const leg: Leg = {
    name: route.name,
    lat: new Float64Array(count),
    lng: new Float64Array(count),
    lengthM: new Float32Array(count),
    cruiseMs: new Float32Array(count),
    passMs: new Float32Array(count),
    waitS: new Float32Array(count),
  }
  for (const [index, node] of route.nodes.entries()) {
    const at = graph.at(node)
    leg.lat[index] = at.lat
    leg.lng[index] = at.lng
    const road = graph.road(node, route.nodes[index + 1] ?? -1)
    leg.lengthM[index] = road?.lengthM ?? 0
    // Nobody drives the limit all day: each stretch has its own traffic.
    const flow = 0.75 + random() * 0.3
    leg.cruiseMs[index] = (Math.min(handling.kmhMax, road?.limitKmh ?? 0) * flow) / 3.6
  }
  for (let index = 0; index < count; index++) limitNode(graph, route, leg, index, random)
  brakeBackwards(leg, handling)
  return leg
}

/** The same leg from a later node on, as for a vehicle met half way. */
export function legFrom(leg: Leg, node: number): Leg {
  return {
    name: leg.name,
    lat: leg.lat.subarray(node),
    lng: leg.lng.subarray(node),
    lengthM: leg.lengthM.subarray(node),
    cruiseMs: leg.cruiseMs.subarray(node),
    passMs: leg.passMs.subarray(node),
    waitS: leg.waitS.subarray(node),
  }
}

function limitNode(
  graph: StreetGraph,
  route: Route,
  leg: Leg,
  index: number,
  random: Random,
): void {
  const last = route.nodes.length - 1
  if (index === last) {
    leg.waitS[index] = DOOR_S_MIN + random() * (DOOR_S_MAX - DOOR_S_MIN)
    return
  }
  leg.passMs[index] = Math.min(leg.cruiseMs[index - 1] ?? 0, leg.cruiseMs[index] ?? 0)
  if (index === 0) return
  const roads = graph.roadsFrom(route.nodes[index] ?? -1)
  const big = roads.some((road) => road.limitKmh >= BIG_KMH)
  const redShare = roads.length < 3 ? 0 : big ? BIG_RED_SHARE : RED_SHARE
  if (random() < redShare) {
    leg.passMs[index] = 0
    leg.waitS[index] = RED_S_MIN + random() * (RED_S_MAX - RED_S_MIN)
    return
  }
  const turnDeg = turnAt(leg, index)
  const cornerMs =
    turnDeg > SHARP_CORNER_DEG ? SHARP_CORNER_MS : turnDeg > CORNER_DEG ? CORNER_MS : Infinity
  leg.passMs[index] = Math.min(leg.passMs[index] ?? 0, cornerMs)
}

function turnAt(leg: Leg, index: number): number {
  const bearing = (from: number): number =>
    bearingDeg(
      leg.lat[from] ?? 0,
      leg.lng[from] ?? 0,
      leg.lat[from + 1] ?? 0,
      leg.lng[from + 1] ?? 0,
    )
  const turn = Math.abs(bearing(index) - bearing(index - 1))
  return Math.min(turn, 360 - turn)
}

/** A node may be passed only so fast that the next one's speed can still be reached by braking. */
function brakeBackwards(leg: Leg, handling: Handling): void {
  for (let index = leg.passMs.length - 2; index >= 0; index--) {
    const next = leg.passMs[index + 1] ?? 0
    const braking = Math.sqrt(next * next + 2 * handling.brakingMs2 * (leg.lengthM[index] ?? 0))
    leg.passMs[index] = Math.min(leg.passMs[index] ?? 0, braking)
  }
}
