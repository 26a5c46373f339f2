import { expect, test } from 'bun:test'

import { buildCity } from './city.ts'

const city = buildCity()

test('every place of the city can be reached from every other', () => {
  const next = city.nodes.map((): number[] => [])
  for (const { a, b } of city.edges) {
    next[a]?.push(b)
    next[b]?.push(a)
  }
  const seen = new Set([0])
  const queue = [0]
  for (let at = queue.pop(); at !== undefined; at = queue.pop()) {
    for (const to of next[at] ?? []) {
      if (seen.has(to)) continue
      seen.add(to)
      queue.push(to)
    }
  }
  expect(seen.size).toBe(city.nodes.length)
})

test('the graph is the same on every run and of a size to route on', () => {
  expect(buildCity()).toEqual(city)
  expect(city.edges.length).toBeGreaterThan(3_000)
  expect(city.edges.length).toBeLessThan(12_000)
})

test('edges join two different nodes that exist, each pair once, none longer than 2 km', () => {
  const pairs = new Set<string>()
  for (const { a, b } of city.edges) {
    const [p, q] = [city.nodes[a], city.nodes[b]]
    expect(a).not.toBe(b)
    if (!p || !q) throw new Error('an edge without a node')
    pairs.add(`${Math.min(a, b)}-${Math.max(a, b)}`)
    expect(Math.hypot((p.lat - q.lat) * 110_950, (p.lng - q.lng) * 87_740)).toBeLessThan(2_000)
  }
  expect(pairs.size).toBe(city.edges.length)
})

test('no street lies in the sea', () => {
  const sea = city.water[0] ?? []
  const wet = city.edges.filter(({ a, b }) => {
    const [p, q] = [city.nodes[a], city.nodes[b]]
    return p && q && contains(sea, (p.lat + q.lat) / 2, (p.lng + q.lng) / 2)
  })
  expect(wet).toEqual([])
})

function contains(
  ring: readonly { lat: number; lng: number }[],
  lat: number,
  lng: number,
): boolean {
  let inside = false
  let from = ring[ring.length - 1]
  for (const to of ring) {
    if (from && from.lat > lat !== to.lat > lat) {
      const at = ((from.lng - to.lng) * (lat - to.lat)) / (from.lat - to.lat) + to.lng
      if (lng < at) inside = !inside
    }
    from = to
  }
  return inside
}
