import type { Point } from './city-plane.ts'
import type { RoadClass } from './city-shapes.ts'

/** A way before it is cut at its crossings. */
export type Street = Readonly<{ class: RoadClass; name: string; path: readonly Point[] }>

type Edge = Readonly<{ a: number; b: number; class: RoadClass; name?: string }>
type Piece = { from: Point; to: Point; street: Street; cuts: number[] }

const MERGE_M = 30
const CELL_M = 300
const NEAR_M = 60

/** Cuts ways where they cross and joins them into one connected graph without stubs. */
export function weave(
  streets: readonly Street[],
  allowed: (at: Point) => boolean,
): { nodes: Point[]; edges: Edge[] } {
  const pieces = cutPieces(streets)
  const nodes: Point[] = []
  const near = new Map<number, number[]>()
  const nodeAt = (at: Point): number => {
    const cx = Math.floor(at.x / NEAR_M)
    const cy = Math.floor(at.y / NEAR_M)
    let best = -1
    let bestM = MERGE_M
    for (let x = cx - 1; x <= cx + 1; x += 1) {
      for (let y = cy - 1; y <= cy + 1; y += 1) {
        for (const index of near.get(x * 4096 + y) ?? []) {
          const node = nodes[index]
          if (!node) continue
          const distance = Math.hypot(node.x - at.x, node.y - at.y)
          if (distance < bestM) [best, bestM] = [index, distance]
        }
      }
    }
    if (best >= 0) return best
    nodes.push(at)
    const cell = near.get(cx * 4096 + cy)
    if (cell) cell.push(nodes.length - 1)
    else near.set(cx * 4096 + cy, [nodes.length - 1])
    return nodes.length - 1
  }
  const edges = new Map<number, Edge>()
  for (const piece of pieces) {
    const { from, to, street } = piece
    let last = -1
    for (const t of [0, ...piece.cuts.sort((one, other) => one - other), 1]) {
      const at = { x: from.x + (to.x - from.x) * t, y: from.y + (to.y - from.y) * t }
      const next = nodeAt(at)
      if (last >= 0 && next !== last) {
        const key = Math.min(last, next) * 100_000 + Math.max(last, next)
        const [p, q] = [nodes[last], nodes[next]]
        const dry = p && q && allowed({ x: (p.x + q.x) / 2, y: (p.y + q.y) / 2 })
        if (!edges.has(key) && dry) {
          const name = street.name ? { name: street.name } : {}
          edges.set(key, { a: last, b: next, class: street.class, ...name })
        }
      }
      last = next
    }
  }
  return compact(nodes, withoutStubs(nodes, [...edges.values()]))
}

/** Straight pieces of all ways, each with the places where others cross it. */
function cutPieces(streets: readonly Street[]): Piece[] {
  const pieces: Piece[] = []
  const cells = new Map<number, Piece[]>()
  for (const street of streets) {
    street.path.forEach((from, index) => {
      const to = street.path[index + 1]
      if (!to) return
      const piece: Piece = { from, to, street, cuts: [] }
      for (const key of cellsOf(piece)) {
        const cell = cells.get(key)
        if (!cell) {
          cells.set(key, [piece])
          continue
        }
        for (const other of cell) cross(piece, other)
        cell.push(piece)
      }
      pieces.push(piece)
    })
  }
  return pieces
}

function cellsOf({ from, to }: Piece): Set<number> {
  const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y) / (CELL_M / 4)) + 1
  const keys = new Set<number>()
  for (let step = 0; step <= steps; step += 1) {
    const t = step / steps
    const x = Math.floor((from.x + (to.x - from.x) * t) / CELL_M)
    const y = Math.floor((from.y + (to.y - from.y) * t) / CELL_M)
    keys.add(x * 4096 + y)
  }
  return keys
}

function cross(one: Piece, other: Piece): void {
  if (one.street === other.street) return
  const dx = one.to.x - one.from.x
  const dy = one.to.y - one.from.y
  const ex = other.to.x - other.from.x
  const ey = other.to.y - other.from.y
  const area = dx * ey - dy * ex
  if (Math.abs(area) < 1e-6) return
  const fx = other.from.x - one.from.x
  const fy = other.from.y - one.from.y
  const t = (fx * ey - fy * ex) / area
  const u = (fx * dy - fy * dx) / area
  if (t < 0 || t > 1 || u < 0 || u > 1) return
  if (!one.cuts.includes(t)) one.cuts.push(t)
  if (!other.cuts.includes(u)) other.cuts.push(u)
}

/** Takes away dead ends shorter than a block, again and again, then all but the largest connected part. */
function withoutStubs(nodes: readonly Point[], all: readonly Edge[]): Edge[] {
  let edges = [...all]
  for (let pass = 0; pass < 6; pass += 1) {
    const degree = new Uint16Array(nodes.length)
    for (const { a, b } of edges) {
      degree[a] = (degree[a] ?? 0) + 1
      degree[b] = (degree[b] ?? 0) + 1
    }
    edges = edges.filter(({ a, b }) => {
      if (degree[a] !== 1 && degree[b] !== 1) return true
      const [p, q] = [nodes[a], nodes[b]]
      return p !== undefined && q !== undefined && Math.hypot(p.x - q.x, p.y - q.y) > 90
    })
  }
  return largestPart(nodes.length, edges)
}

function largestPart(nodeCount: number, edges: readonly Edge[]): Edge[] {
  const parent = Int32Array.from({ length: nodeCount }, (_, index) => index)
  const root = (index: number): number => {
    let at = index
    while (parent[at] !== at) {
      const up = parent[at] ?? at
      parent[at] = parent[up] ?? up
      at = parent[at] ?? at
    }
    return at
  }
  for (const { a, b } of edges) parent[root(a)] = root(b)
  const sizes = new Map<number, number>()
  for (const { a } of edges) sizes.set(root(a), (sizes.get(root(a)) ?? 0) + 1)
  let best = -1
  for (const [part, size] of sizes) if (size > (sizes.get(best) ?? 0)) best = part
  return edges.filter(({ a }) => root(a) === best)
}

function compact(
  nodes: readonly Point[],
  edges: readonly Edge[],
): { nodes: Point[]; edges: Edge[] } {
  const kept: Point[] = []
  const renamed = new Map<number, number>()
  const rename = (index: number): number => {
    const known = renamed.get(index)
    if (known !== undefined) return known
    const node = nodes[index]
    if (node) kept.push(node)
    renamed.set(index, kept.length - 1)
    return kept.length - 1
  }
  const used = edges.map((edge) => ({ ...edge, a: rename(edge.a), b: rename(edge.b) }))
  return { nodes: kept, edges: used }
}
