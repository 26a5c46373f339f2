import type { City, RoadClass } from '../actors/model/city.ts'
import { distanceM } from '../actors/model/geo.ts'

/** Free-flow speed of each class of road, km/h. */
const ROAD_KMH: Readonly<Record<RoadClass, number>> = {
  motorway: 90,
  primary: 60,
  secondary: 50,
  street: 30,
}

/** Where goods wait: a node of the graph in the middle of a named part of the city. */
export type Hub = Readonly<{ index: number; name: string; node: number }>

/** A drive from one node to another, over every node between them. */
export type Route = Readonly<{ name: string; nodes: readonly number[] }>

/** One way along a road, as an entry of the adjacency lists. */
export type Road = Readonly<{ to: number; lengthM: number; limitKmh: number; name: string }>

/**
 * The city as vehicles see it. Every route begins or ends at a hub, so that one tree of fastest ways
 * a hub, made when first asked for, holds all of its routes; a route is then read off, not searched.
 */
export class StreetGraph {
  readonly hubs: readonly Hub[]
  readonly nodeCount: number
  readonly #city: City
  readonly #roads: readonly (readonly Road[])[]
  readonly #trees = new Map<number, FastestWays>()

  constructor(city: City) {
    this.#city = city
    this.nodeCount = city.nodes.length
    this.#roads = adjacency(city)
    this.hubs = findHubs(city)
  }

  at(node: number): Readonly<{ lat: number; lng: number }> {
    const found = this.#city.nodes[node]
    if (!found) throw new RangeError(`no node ${node}`)
    return found
  }

  crowFliesM(from: number, to: number): number {
    const a = this.at(from)
    const b = this.at(to)
    return distanceM(a.lat, a.lng, b.lat, b.lng)
  }

  roadsFrom(node: number): readonly Road[] {
    return this.#roads[node] ?? []
  }

  /** The road between two neighbours; undefined when they are none. */
  road(from: number, to: number): Road | undefined {
    return this.roadsFrom(from).find((road) => road.to === to)
  }

  /** Length of the fastest way between a hub and a node. */
  distanceFromHubM(hub: Hub, node: number): number {
    return this.#tree(hub).distanceM[node] ?? 0
  }

  /** The fastest way from a hub to a door. */
  outbound(hub: Hub, door: number): Route {
    const nodes = this.#wayBack(hub, door).reverse()
    return { name: `${hub.name} – ${this.#streetAt(door)}`, nodes }
  }

  /** The fastest way from a door to a hub; roads are driven both ways. */
  inbound(door: number, hub: Hub): Route {
    return { name: `${this.#streetAt(door)} – ${hub.name}`, nodes: this.#wayBack(hub, door) }
  }

  #wayBack(hub: Hub, door: number): number[] {
    const { previous } = this.#tree(hub)
    const nodes = [door]
    for (let node = door; node !== hub.node;) {
      node = previous[node] ?? -1
      if (node < 0) throw new RangeError(`no way between ${hub.name} and node ${door}`)
      nodes.push(node)
    }
    return nodes
  }

  #streetAt(node: number): string {
    const named = this.roadsFrom(node).find((road) => road.name !== '')
    return named?.name ?? `corner ${node}`
  }

  #tree(hub: Hub): FastestWays {
    const made = this.#trees.get(hub.index)
    if (made) return made
    const tree = fastestWays(this.#roads, hub.node)
    this.#trees.set(hub.index, tree)
    return tree
  }
}

type FastestWays = Readonly<{ previous: Int32Array; distanceM: Float64Array }>

/** Dijkstra's algorithm by driving time, from one node to all. */
function fastestWays(roads: readonly (readonly Road[])[], from: number): FastestWays {
  const seconds = new Float64Array(roads.length).fill(Infinity)
  const distance = new Float64Array(roads.length)
  const previous = new Int32Array(roads.length).fill(-1)
  const queue = new NodeQueue()
  seconds[from] = 0
  queue.push(from, 0)
  for (let next = queue.pop(); next; next = queue.pop()) {
    const { node, cost } = next
    if (cost > (seconds[node] ?? 0)) continue
    for (const road of roads[node] ?? []) {
      const reachedS = cost + road.lengthM / (road.limitKmh / 3.6)
      if (reachedS >= (seconds[road.to] ?? 0)) continue
      seconds[road.to] = reachedS
      distance[road.to] = (distance[node] ?? 0) + road.lengthM
      previous[road.to] = node
      queue.push(road.to, reachedS)
    }
  }
  return { previous, distanceM: distance }
}

/** A binary heap of nodes by cost. */
class NodeQueue {
  readonly #nodes: number[] = []
  readonly #costs: number[] = []

  push(node: number, cost: number): void {
    let at = this.#nodes.length
    this.#nodes.push(node)
    this.#costs.push(cost)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (this.#cost(parent) <= cost) break
      this.#move(parent, at)
      at = parent
    }
    this.#nodes[at] = node
    this.#costs[at] = cost
  }

  pop(): { node: number; cost: number } | null {
    const node = this.#nodes[0]
    const cost = this.#costs[0]
    const lastNode = this.#nodes.pop()
    const lastCost = this.#costs.pop()
    if (node === undefined || cost === undefined) return null
    if (lastNode === undefined || lastCost === undefined || this.#nodes.length === 0)
      return { node, cost }
    let at = 0
    for (;;) {
      let child = at * 2 + 1
      if (this.#cost(child + 1) < this.#cost(child)) child++
      if (this.#cost(child) >= lastCost) break
      this.#move(child, at)
      at = child
    }
    this.#nodes[at] = lastNode
    this.#costs[at] = lastCost
    return { node, cost }
  }

  #cost(at: number): number {
    return this.#costs[at] ?? Infinity
  }

  #move(from: number, to: number): void {
    this.#nodes[to] = this.#nodes[from] ?? 0
    this.#costs[to] = this.#costs[from] ?? 0
  }
}

function adjacency(city: City): Road[][] {
  const roads: Road[][] = city.nodes.map(() => [])
  for (const edge of city.edges) {
    const a = city.nodes[edge.a]
    const b = city.nodes[edge.b]
    if (!a || !b || edge.a === edge.b) continue
    const lengthM = distanceM(a.lat, a.lng, b.lat, b.lng)
    const road = { lengthM, limitKmh: ROAD_KMH[edge.class], name: edge.name ?? '' }
    roads[edge.a]?.push({ to: edge.b, ...road })
    roads[edge.b]?.push({ to: edge.a, ...road })
  }
  return roads
}

/** One hub a town and quarter: the crossing nearest to where its name stands. */
function findHubs(city: City): Hub[] {
  const hubs: Hub[] = []
  for (const label of city.labels) {
    if (label.kind === 'water') continue
    let node = 0
    let nearestM = Infinity
    for (const [index, at] of city.nodes.entries()) {
      const awayM = distanceM(at.lat, at.lng, label.at.lat, label.at.lng)
      if (awayM < nearestM) [node, nearestM] = [index, awayM]
    }
    if (!hubs.some((hub) => hub.node === node))
      hubs.push({ index: hubs.length, name: label.text, node })
  }
  return hubs
}
