import type { LatLng } from '../../actors/model/city-plane.ts'
import { buildCity, type City, type CityEdge, type RoadClass } from '../../actors/model/city.ts'
import { mercatorX, mercatorY } from '../stores/motion.ts'

/** A flat list x0, y0, x1, y1 … in Web Mercator units. */
export type Line = Float64Array

/** A named street as one line, for its label. */
export type NamedLine = Readonly<{ name: string; class: RoadClass; line: Line }>

export type AtlasArea = Readonly<{
  name: string
  kind: 'park' | 'hill' | 'mountain'
  ring: Line
  centre: readonly [number, number]
}>

/** The city ready to paint: projected, and binned so that a tile finds what it needs. */
export type Atlas = Readonly<{
  water: readonly Line[]
  areas: readonly AtlasArea[]
  labels: readonly Readonly<{
    text: string
    kind: City['labels'][number]['kind']
    x: number
    y: number
  }>[]
  /** Road pieces of a class that may touch a box. */
  roads(kind: RoadClass, box: Box): Float64Array
  /** Blocks between the streets that touch a box. */
  blocks(box: Box): readonly Block[]
  named: readonly NamedLine[]
}>

/** The ground between streets. */
export type Block = Readonly<{ ring: Line; box: Box }>

export type Box = Readonly<{ x0: number; y0: number; x1: number; y1: number }>

/** Bins are tiles of zoom 14: about 1.9 km wide here. */
const BIN = 1 / 2 ** 14
/** The sea of the city’s own data ends just beyond these. */
const SEA_WEST = 23.405
const SEA_SOUTH = 37.705

/** Projects and bins the built-in city; takes about a tenth of a second, once. */
export function makeAtlas(): Atlas {
  const city = buildCity()
  const xs = Float64Array.from(city.nodes, (node) => mercatorX(node.lng))
  const ys = Float64Array.from(city.nodes, (node) => mercatorY(node.lat))
  const pieces = binPieces(city.edges, xs, ys)
  const blocks = binBlocks(city.edges, xs, ys)
  return {
    water: city.water.map((ring) => project(ring.map(farOut))),
    areas: city.parks.map(({ name, kind, ring }) => {
      const line = project(ring)
      return { name, kind, ring: line, centre: middle(line) }
    }),
    labels: city.labels.map(({ text, kind, at }) => ({
      text,
      kind,
      x: mercatorX(at.lng),
      y: mercatorY(at.lat),
    })),
    roads: (kind, box) => {
      const found: number[] = []
      for (const key of binsOf(box)) found.push(...(pieces.get(`${kind} ${key}`) ?? []))
      return Float64Array.from(found)
    },
    blocks: (box) => {
      const found = new Set(binsOf(box).flatMap((key) => blocks.get(key) ?? []))
      return [...found].filter((block) => overlap(block.box, box))
    },
    named: nameLines(city.edges, xs, ys),
  }
}

/** The sea ends where nobody drives; on a wide screen that edge would be seen, so it is drawn farther out. */
function farOut({ lat, lng }: LatLng): LatLng {
  return { lat: lat <= SEA_SOUTH ? lat - 1.5 : lat, lng: lng <= SEA_WEST ? lng - 1.5 : lng }
}

function project(ring: readonly Readonly<{ lat: number; lng: number }>[]): Line {
  return Float64Array.from(ring.flatMap(({ lat, lng }) => [mercatorX(lng), mercatorY(lat)]))
}

function middle(line: Line): [number, number] {
  let [x, y] = [0, 0]
  for (let index = 0; index < line.length; index += 2) {
    x += line[index] ?? 0
    y += line[index + 1] ?? 0
  }
  return [(x * 2) / line.length, (y * 2) / line.length]
}

function binsOf({ x0, y0, x1, y1 }: Box): string[] {
  const keys: string[] = []
  for (let x = Math.floor(x0 / BIN); x <= Math.floor(x1 / BIN); x += 1) {
    for (let y = Math.floor(y0 / BIN); y <= Math.floor(y1 / BIN); y += 1) keys.push(`${x},${y}`)
  }
  return keys
}

/** True when two boxes share a place. */
export function overlap(one: Box, other: Box): boolean {
  return one.x0 <= other.x1 && one.x1 >= other.x0 && one.y0 <= other.y1 && one.y1 >= other.y0
}

/** The smallest box around a line. */
export function boxOf(line: ArrayLike<number>): Box {
  let [x0, y0, x1, y1] = [Infinity, Infinity, -Infinity, -Infinity]
  for (let index = 0; index < line.length; index += 2) {
    const [x = 0, y = 0] = [line[index], line[index + 1]]
    x0 = Math.min(x0, x)
    x1 = Math.max(x1, x)
    y0 = Math.min(y0, y)
    y1 = Math.max(y1, y)
  }
  return { x0, y0, x1, y1 }
}

function binPieces(
  edges: readonly CityEdge[],
  xs: Float64Array,
  ys: Float64Array,
): Map<string, number[]> {
  const bins = new Map<string, number[]>()
  for (const { a, b, class: kind } of edges) {
    const piece = [xs[a] ?? 0, ys[a] ?? 0, xs[b] ?? 0, ys[b] ?? 0]
    for (const key of binsOf(boxOf(piece))) {
      const bin = bins.get(`${kind} ${key}`)
      if (bin) bin.push(...piece)
      else bins.set(`${kind} ${key}`, [...piece])
    }
  }
  return bins
}

/** The faces between the streets: at each node turn to the next street round, until the start. */
function binBlocks(
  edges: readonly CityEdge[],
  xs: Float64Array,
  ys: Float64Array,
): Map<string, Block[]> {
  const ways = Array.from(xs, (): number[] => [])
  for (const { a, b } of edges) {
    ways[a]?.push(b)
    ways[b]?.push(a)
  }
  const angle = (from: number, to: number): number =>
    Math.atan2((ys[to] ?? 0) - (ys[from] ?? 0), (xs[to] ?? 0) - (xs[from] ?? 0))
  ways.forEach((list, at) => list.sort((one, other) => angle(at, one) - angle(at, other)))
  const walked = new Set<number>()
  const bins = new Map<string, Block[]>()
  ways.forEach((list, start) => {
    for (const first of list) {
      const ring = walk(ways, start, first, walked)
      if (ring.length < 3 || ring.length > 40) continue
      const line = Float64Array.from(ring.flatMap((node) => [xs[node] ?? 0, ys[node] ?? 0]))
      // The outside of the city comes out the other way round.
      if (turn(line) >= 0) continue
      const block = { ring: line, box: boxOf(line) }
      for (const key of binsOf(block.box)) {
        const bin = bins.get(key)
        if (bin) bin.push(block)
        else bins.set(key, [block])
      }
    }
  })
  return bins
}

function walk(ways: number[][], start: number, first: number, walked: Set<number>): number[] {
  const ring: number[] = []
  let [from, to] = [start, first]
  while (!walked.has(from * 100_000 + to) && ring.length < 400) {
    walked.add(from * 100_000 + to)
    ring.push(from)
    const list = ways[to] ?? []
    const next = list[(list.indexOf(from) + 1) % list.length] ?? from
    from = to
    to = next
  }
  return ring
}

function turn(line: Line): number {
  let area = 0
  for (let index = 0; index < line.length; index += 2) {
    const [x = 0, y = 0] = [line[index], line[index + 1]]
    const [nx = 0, ny = 0] = [line[(index + 2) % line.length], line[(index + 3) % line.length]]
    area += x * ny - nx * y
  }
  return area
}

/** Joins edges of one name, end to end, into lines long enough to carry their name. */
function nameLines(edges: readonly CityEdge[], xs: Float64Array, ys: Float64Array): NamedLine[] {
  const byName = new Map<string, CityEdge[]>()
  for (const edge of edges) {
    if (!edge.name) continue
    const key = `${edge.class} ${edge.name}`
    const list = byName.get(key)
    if (list) list.push(edge)
    else byName.set(key, [edge])
  }
  const lines: NamedLine[] = []
  for (const list of byName.values()) {
    const [{ name = '', class: kind } = { class: 'street' as const }] = list
    const ends = new Map<number, CityEdge[]>()
    for (const edge of list) {
      for (const node of [edge.a, edge.b]) ends.set(node, [...(ends.get(node) ?? []), edge])
    }
    const used = new Set<CityEdge>()
    const starts = [...list].sort((one, other) => freeEnds(other, ends) - freeEnds(one, ends))
    for (const edge of starts) {
      if (used.has(edge)) continue
      const nodes = follow(edge, ends, used)
      const line = Float64Array.from(nodes.flatMap((node) => [xs[node] ?? 0, ys[node] ?? 0]))
      lines.push({ name, class: kind, line })
    }
  }
  return lines
}

function freeEnds(edge: CityEdge, ends: Map<number, CityEdge[]>): number {
  return [edge.a, edge.b].filter((node) => ends.get(node)?.length === 1).length
}

function follow(first: CityEdge, ends: Map<number, CityEdge[]>, used: Set<CityEdge>): number[] {
  const backwards = ends.get(first.b)?.length === 1
  const nodes = backwards ? [first.b, first.a] : [first.a, first.b]
  used.add(first)
  for (;;) {
    const at = nodes[nodes.length - 1] ?? 0
    const next = ends.get(at)?.find((edge) => !used.has(edge))
    if (!next) return nodes
    used.add(next)
    nodes.push(next.a === at ? next.b : next.a)
  }
}
