import type { Line } from './atlas.ts'

/** One unit of the plane is the world's width; a metre is about this much of it at Athens. */
const METRE = 1 / 31_590_000
const LOT_M2_MAX = 1_150
const SPLITS_MAX = 7

const known = new WeakMap<Line, readonly Line[]>()

/** Building plots within a block: halved across its longest side until each is small, with gaps. */
export function lotsOf(block: Line): readonly Line[] {
  const before = known.get(block)
  if (before) return before
  const lots: Line[] = []
  split(shrink(block, 7), 0, lots)
  known.set(block, lots)
  return lots
}

function split(ring: Line, depth: number, into: Line[]): void {
  const size = Math.abs(areaOf(ring)) / (METRE * METRE)
  if (ring.length < 6 || size < 60) return
  if (size < LOT_M2_MAX * (0.7 + 0.6 * noise(ring)) || depth >= SPLITS_MAX) {
    // Here and there a yard stays open.
    if (noise(ring) > 0.09) into.push(shrink(ring, 1.6))
    return
  }
  let [best, bestAt] = [0, 0]
  for (let index = 0; index < ring.length; index += 2) {
    const [dx, dy] = side(ring, index)
    const length = Math.hypot(dx, dy)
    if (length > best) [best, bestAt] = [length, index]
  }
  const [dx, dy] = side(ring, bestAt)
  const part = 0.4 + 0.2 * noise(ring)
  const limit = ((ring[bestAt] ?? 0) + dx * part) * dx + ((ring[bestAt + 1] ?? 0) + dy * part) * dy
  split(half(ring, dx, dy, limit, 1), depth + 1, into)
  split(half(ring, dx, dy, limit, -1), depth + 1, into)
}

function side(ring: Line, index: number): [number, number] {
  const next = (index + 2) % ring.length
  return [(ring[next] ?? 0) - (ring[index] ?? 0), (ring[next + 1] ?? 0) - (ring[index + 1] ?? 0)]
}

/** The part of a ring on one side of a line. */
function half(ring: Line, nx: number, ny: number, limit: number, sign: 1 | -1): Line {
  const kept: number[] = []
  for (let index = 0; index < ring.length; index += 2) {
    const [x = 0, y = 0] = [ring[index], ring[index + 1]]
    const [dx, dy] = side(ring, index)
    const a = sign * (nx * x + ny * y - limit)
    const b = sign * (nx * (x + dx) + ny * (y + dy) - limit)
    if (a <= 0) kept.push(x, y)
    if (a < 0 !== b < 0 && a !== b) kept.push(x + (dx * a) / (a - b), y + (dy * a) / (a - b))
  }
  return Float64Array.from(kept)
}

/** Moves every side inwards by some metres; corners follow. Good for the nearly convex. */
function shrink(ring: Line, metres: number): Line {
  const count = ring.length / 2
  const inward = areaOf(ring) > 0 ? 1 : -1
  const moved: number[] = []
  for (let corner = 0; corner < count; corner += 1) {
    const [ax, ay] = unit(side(ring, ((corner + count - 1) % count) * 2))
    const [bx, by] = unit(side(ring, corner * 2))
    const [mx, my] = [-(ay + by), ax + bx]
    const bend = mx * -ay + my * ax
    const reach = Math.abs(bend) < 0.35 ? 0 : (inward * metres * METRE) / bend
    moved.push((ring[corner * 2] ?? 0) + mx * reach, (ring[corner * 2 + 1] ?? 0) + my * reach)
  }
  const result = Float64Array.from(moved)
  // Turned inside out: there was no room.
  return areaOf(result) * inward > 0 ? result : new Float64Array(0)
}

function unit([x, y]: [number, number]): [number, number] {
  const length = Math.hypot(x, y) || 1
  return [x / length, y / length]
}

function areaOf(ring: Line): number {
  const [ox, oy] = [ring[0] ?? 0, ring[1] ?? 0]
  let area = 0
  for (let index = 0; index < ring.length; index += 2) {
    const [dx, dy] = side(ring, index)
    area += ((ring[index] ?? 0) - ox) * dy - ((ring[index + 1] ?? 0) - oy) * dx
  }
  return area / 2
}

/** 0 to 1, the same for the same ring: a map must not change from tile to tile. */
function noise(ring: Line): number {
  const value = Math.sin(((ring[0] ?? 0) * 7.13 + (ring[1] ?? 0) * 3.71) * 1e8) * 43_758.5453
  return value - Math.floor(value)
}
