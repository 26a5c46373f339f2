import {
  type LatLng,
  outsideOf,
  type Point,
  type Shape,
  shapeContains,
  smooth,
  toPlane,
  toPoint,
  toShape,
} from './city-plane.ts'
import {
  AREAS,
  COAST,
  LABELS,
  QUARTERS,
  type RoadClass,
  STREET_NAMES,
  WAYS,
} from './city-shapes.ts'
import { type Street, weave } from './city-weave.ts'

export type { RoadClass } from './city-shapes.ts'
export type { LatLng } from './city-plane.ts'

/** A stretch of road between two nodes, driven both ways. */
export type CityEdge = Readonly<{ a: number; b: number; class: RoadClass; name?: string }>
/** A green place: a park, a rocky hill or a mountain. */
export type CityArea = Readonly<{
  name: string
  kind: 'park' | 'hill' | 'mountain'
  ring: readonly LatLng[]
}>
/** A name on the map. */
export type CityLabel = Readonly<{
  text: string
  kind: 'city' | 'town' | 'quarter' | 'water'
  at: LatLng
}>

/** A city to draw and to drive in. The street graph is connected. */
export type City = Readonly<{
  nodes: readonly LatLng[]
  edges: readonly CityEdge[]
  water: readonly (readonly LatLng[])[]
  parks: readonly CityArea[]
  labels: readonly CityLabel[]
}>

/** What the map says of itself. */
export const CITY_ATTRIBUTION = 'Stylised map of Athens: Orrery’s own, not survey data'

/** Where the city is centred: Athens. */
export const CITY_CENTRE: LatLng = { lat: 37.9838, lng: 23.7275 }

const SEA_FAR = '37.7000,23.7900 37.7000,23.4000 37.9630,23.4000'

/** Makes the stylised Athens: the same one every time, from hand-written avenues, quarters and shores. */
export function buildCity(): City {
  const sea = [...smooth(parsePath(COAST)), ...parsePath(SEA_FAR)]
  const areas = AREAS.map((area) => ({ ...area, ring: smooth(parsePath(area.ring), true) }))
  const closed = [sea, ...areas.map((area) => area.ring)].map(toShape)
  const seaShape = toShape(sea)
  const streets: Street[] = WAYS.map((way) => ({ ...way, path: smooth(parsePath(way.path)) }))
  for (const area of areas) {
    if (area.kind === 'mountain') continue
    streets.push({ class: 'street', name: '', path: [...area.ring, ...area.ring.slice(0, 1)] })
  }
  streets.push(...quarterStreets(closed))
  const { nodes, edges } = weave(streets, (at) => !shapeContains(seaShape, at))
  return {
    nodes: nodes.map(toPoint),
    edges,
    water: [sea.map(toPoint)],
    parks: areas.map(({ name, kind, ring }) => ({ name, kind, ring: ring.map(toPoint) })),
    labels: LABELS.map(({ text, kind, at }) => ({
      text,
      kind,
      at: toPoint(parsePath(at)[0] ?? { x: 0, y: 0 }),
    })),
  }
}

function parsePath(text: string): Point[] {
  return text.split(' ').map((pair) => {
    const [lat = 0, lng = 0] = pair.split(',').map(Number)
    return toPlane({ lat, lng })
  })
}

type Quarter = Readonly<{ at: Point; angle: number; across: number; along: number }>

/** Each quarter's own grid, ending at the lines half way to its neighbours, which are streets too. */
function quarterStreets(closed: readonly Shape[]): Street[] {
  const quarters = QUARTERS.split(' ').map((text): Quarter => {
    const [lat = 0, lng = 0, angle = 0, across = 150, along = 250] = text.split(',').map(Number)
    const at = toPlane({ lat, lng })
    // Blocks grow towards the outskirts, which keeps the graph small where nobody looks closely.
    const wide = 1.5 + Math.hypot(at.x, at.y) / 9_000
    return { at, angle: (angle * Math.PI) / 180, across: across * wide, along: along * wide }
  })
  const names = STREET_NAMES.split(' ')
  const streets: Street[] = []
  quarters.forEach((quarter, index) => {
    const cell = cellOf(quarter, quarters)
    const add = (from: Point, to: Point, name: string, kind: RoadClass): void => {
      for (const path of outsideOf(from, to, closed)) streets.push({ class: kind, name, path })
    }
    cell.forEach((corner, side) => {
      const next = cell[(side + 1) % cell.length]
      if (next) add(corner, next, names[(index * 7 + side * 3) % names.length] ?? '', 'street')
    })
    gridLines(quarter, cell, index).forEach(([from, to], line) => {
      add(from, to, names[(index * 13 + line * 5) % names.length] ?? '', 'street')
    })
  })
  return streets
}

/** The part of the plane that is nearer to this quarter than to any other. */
function cellOf(quarter: Quarter, all: readonly Quarter[]): Point[] {
  const { x, y } = quarter.at
  // At the edge of the city a quarter has no neighbour: it ends in a rough circle.
  let cell = Array.from({ length: 11 }, (_, corner): Point => {
    const angle = (corner / 11) * 2 * Math.PI + quarter.angle
    const reach = 1_650 + 250 * Math.sin(corner * 2.3 + quarter.angle * 7)
    return { x: x + reach * Math.cos(angle), y: y + reach * Math.sin(angle) }
  })
  for (const other of all) {
    if (other === quarter) continue
    const nx = other.at.x - x
    const ny = other.at.y - y
    const limit = (nx * (other.at.x + x) + ny * (other.at.y + y)) / 2
    cell = clipHalf(cell, nx, ny, limit)
  }
  return cell
}

/** Keeps the side of a convex ring where nx·x + ny·y ≤ limit. */
function clipHalf(ring: readonly Point[], nx: number, ny: number, limit: number): Point[] {
  const kept: Point[] = []
  ring.forEach((from, index) => {
    const to = ring[(index + 1) % ring.length] ?? from
    const a = nx * from.x + ny * from.y - limit
    const b = nx * to.x + ny * to.y - limit
    if (a <= 0) kept.push(from)
    if (a < 0 !== b < 0 && a !== b) {
      const t = a / (a - b)
      kept.push({ x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t })
    }
  })
  return kept
}

/** Two families of parallel lines over a convex cell, with uneven distances. */
function gridLines(quarter: Quarter, cell: readonly Point[], index: number): [Point, Point][] {
  const lines: [Point, Point][] = []
  let seed = index * 7919 + 17
  const uneven = (): number => {
    seed = (seed * 48271) % 2147483647
    return 0.78 + (seed / 2147483647) * 0.44
  }
  const families = [
    { angle: quarter.angle, step: quarter.across },
    { angle: quarter.angle + Math.PI / 2, step: quarter.along },
  ]
  for (const { angle, step } of families) {
    const dx = Math.cos(angle)
    const dy = Math.sin(angle)
    const offsets = cell.map((corner) => corner.y * dx - corner.x * dy)
    const last = Math.max(...offsets)
    for (
      let offset = Math.min(...offsets) + step * 0.7;
      offset < last - step * 0.3;
      offset += step * uneven()
    ) {
      const ends = crossing(cell, dx, dy, offset)
      if (ends) lines.push(ends)
    }
  }
  return lines
}

function crossing(
  ring: readonly Point[],
  dx: number,
  dy: number,
  offset: number,
): [Point, Point] | null {
  const hits: Point[] = []
  ring.forEach((from, index) => {
    const to = ring[(index + 1) % ring.length] ?? from
    const a = from.y * dx - from.x * dy - offset
    const b = to.y * dx - to.x * dy - offset
    if (a < 0 !== b < 0) {
      const t = a / (a - b)
      hits.push({ x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t })
    }
  })
  const [first, second] = hits
  if (!first || !second) return null
  // A little beyond the cell, so that it meets the street there whatever the rounding.
  const extra = 4 * Math.sign((first.x - second.x) * dx + (first.y - second.y) * dy)
  return [
    { x: first.x + dx * extra, y: first.y + dy * extra },
    { x: second.x - dx * extra, y: second.y - dy * extra },
  ]
}
