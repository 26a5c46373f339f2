/** A place on the earth, degrees. */
export type LatLng = Readonly<{ lat: number; lng: number }>

/** A place on the city's flat plane: metres east and north of its centre. */
export type Point = Readonly<{ x: number; y: number }>

const ORIGIN: LatLng = { lat: 37.9838, lng: 23.7275 }
const M_PER_LAT = 110_950
const M_PER_LNG = 87_740

/** Degrees to metres, flat: good to a metre over a city. */
export function toPlane({ lat, lng }: LatLng): Point {
  return { x: (lng - ORIGIN.lng) * M_PER_LNG, y: (lat - ORIGIN.lat) * M_PER_LAT }
}

/** Metres back to degrees, gently bent so that no street is ruled with a ruler. */
export function toPoint(at: Point): LatLng {
  const x = at.x + 46 * Math.sin(at.y / 640 + at.x / 1_900) + 18 * Math.sin(at.y / 210 + 1)
  const y = at.y + 46 * Math.sin(at.x / 710 - at.y / 2_300) + 18 * Math.sin(at.x / 230 + 2)
  const round = (value: number): number => Math.round(value * 1e6) / 1e6
  return { lat: round(ORIGIN.lat + y / M_PER_LAT), lng: round(ORIGIN.lng + x / M_PER_LNG) }
}

/** A curve through the given points (Catmull–Rom), with a point about every 120 m. */
export function smooth(points: readonly Point[], closed = false): Point[] {
  const count = points.length
  const at = (index: number): Point => {
    const place = closed ? (index + count) % count : Math.max(0, Math.min(count - 1, index))
    return points[place] ?? { x: 0, y: 0 }
  }
  const curve: Point[] = []
  const spans = closed ? count : count - 1
  for (let span = 0; span < spans; span += 1) {
    const [p0, p1, p2, p3] = [at(span - 1), at(span), at(span + 1), at(span + 2)]
    const steps = Math.max(1, Math.round(Math.hypot(p2.x - p1.x, p2.y - p1.y) / 120))
    for (let step = 0; step < steps; step += 1) {
      const t = step / steps
      curve.push({ x: spline(p0.x, p1.x, p2.x, p3.x, t), y: spline(p0.y, p1.y, p2.y, p3.y, t) })
    }
  }
  if (!closed) curve.push(at(count - 1))
  return curve
}

function spline(a: number, b: number, c: number, d: number, t: number): number {
  const tension = 0.35
  const m1 = (c - a) * tension
  const m2 = (d - b) * tension
  const t2 = t * t
  const t3 = t2 * t
  return (
    (2 * t3 - 3 * t2 + 1) * b + (t3 - 2 * t2 + t) * m1 + (-2 * t3 + 3 * t2) * c + (t3 - t2) * m2
  )
}

/** A closed ring with the box around it, which answers most questions. */
export type Shape = Readonly<{
  ring: readonly Point[]
  xMin: number
  xMax: number
  yMin: number
  yMax: number
}>

/** Puts the box around a ring. */
export function toShape(ring: readonly Point[]): Shape {
  const xs = ring.map(({ x }) => x)
  const ys = ring.map(({ y }) => y)
  return {
    ring,
    xMin: Math.min(...xs),
    xMax: Math.max(...xs),
    yMin: Math.min(...ys),
    yMax: Math.max(...ys),
  }
}

/** True when the place lies within the shape (even–odd). */
export function shapeContains({ ring, xMin, xMax, yMin, yMax }: Shape, { x, y }: Point): boolean {
  if (x < xMin || x > xMax || y < yMin || y > yMax) return false
  let inside = false
  let from = ring[ring.length - 1]
  for (const to of ring) {
    if (from && from.y > y !== to.y > y) {
      if (x < ((from.x - to.x) * (y - to.y)) / (from.y - to.y) + to.x) inside = !inside
    }
    from = to
  }
  return inside
}

/** The parts of a straight line that lie in none of the shapes, each of them at least 50 m long. */
export function outsideOf(from: Point, to: Point, shapes: readonly Shape[]): [Point, Point][] {
  const near = shapes.filter(
    ({ xMin, xMax, yMin, yMax }) =>
      Math.max(from.x, to.x) >= xMin &&
      Math.min(from.x, to.x) <= xMax &&
      Math.max(from.y, to.y) >= yMin &&
      Math.min(from.y, to.y) <= yMax,
  )
  const dx = to.x - from.x
  const dy = to.y - from.y
  const length = Math.hypot(dx, dy)
  const cuts = [0, 1]
  for (const { ring } of near) cutsAt(ring, from, dx, dy, cuts)
  cuts.sort((one, other) => one - other)
  const along = (t: number): Point => ({ x: from.x + dx * t, y: from.y + dy * t })
  const parts: [Point, Point][] = []
  for (let index = 1; index < cuts.length; index += 1) {
    const start = cuts[index - 1] ?? 0
    const end = cuts[index] ?? 1
    if ((end - start) * length < 50) continue
    const middle = along((start + end) / 2)
    if (near.some((shape) => shapeContains(shape, middle))) continue
    // Four metres into the park: its own ring road is then met for certain.
    const extra = 4 / length
    parts.push([along(start > 0 ? start - extra : 0), along(end < 1 ? end + extra : 1)])
  }
  return parts
}

function cutsAt(ring: readonly Point[], from: Point, dx: number, dy: number, cuts: number[]): void {
  let a = ring[ring.length - 1]
  for (const b of ring) {
    if (a) {
      const ex = b.x - a.x
      const ey = b.y - a.y
      const cross = dx * ey - dy * ex
      if (cross !== 0) {
        const t = ((a.x - from.x) * ey - (a.y - from.y) * ex) / cross
        const u = ((a.x - from.x) * dy - (a.y - from.y) * dx) / cross
        if (t > 0 && t < 1 && u >= 0 && u < 1) cuts.push(t)
      }
    }
    a = b
  }
}
