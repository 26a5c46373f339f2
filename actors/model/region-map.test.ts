import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { buildCity } from './city.ts'
import { CITY_GRID, RegionMap } from './region-map.ts'

const feature = (regionId: unknown, coordinates: unknown, more: object = {}): object => ({
  type: 'Feature',
  properties: { region_id: regionId, ...more },
  geometry: { type: 'Polygon', coordinates },
})
const collection = (...features: readonly unknown[]): string =>
  JSON.stringify({ type: 'FeatureCollection', features })
const square = (west: number, south: number, size: number): number[][] => [
  [west, south],
  [west + size, south],
  [west + size, south + size],
  [west, south + size],
  [west, south],
]

function mapOf(text: string): RegionMap {
  const parsed = RegionMap.parse(text)
  if (!parsed.ok) throw new Error(parsed.reason)
  return parsed.map
}

describe('the grid', () => {
  const grid = RegionMap.ofGrid()

  test('has 100 regions, row by row from the north-west', () => {
    const { north, south, west, east } = CITY_GRID
    expect(grid.regions).toHaveLength(100)
    expect(grid.regionOf(north, west)).toBe(1)
    expect(grid.regionOf(north, east)).toBe(10)
    expect(grid.regionOf(south, west)).toBe(91)
    expect(grid.regionOf(south, east)).toBe(100)
    expect(grid.regionOf(north - 0.03, west + 0.04)).toBe(12)
  })

  test('covers every street of the demo city, and nothing beyond its box', () => {
    for (const { lat, lng } of buildCity().nodes) expect(grid.regionOf(lat, lng)).not.toBeNull()
    for (const [lat, lng] of [
      [38.2, 23.7],
      [37.9, 23.5],
      [37.8, 23.7],
      [37.9, 23.9],
      [Number.NaN, 23.7],
    ]) {
      expect(grid.regionOf(lat ?? 0, lng ?? 0)).toBeNull()
    }
  })

  test('as GeoJSON it is the same map, but for the very borders', () => {
    const again = mapOf(JSON.stringify(grid.toGeoJson()))
    const inside = fc.record({
      lat: fc.double({ min: CITY_GRID.south, max: CITY_GRID.north, noNaN: true }),
      lng: fc.double({ min: CITY_GRID.west, max: CITY_GRID.east, noNaN: true }),
    })
    const nearBorder = (share: number): boolean => Math.abs(share - Math.round(share)) < 1e-6
    fc.assert(
      fc.property(inside, ({ lat, lng }) => {
        fc.pre(!nearBorder(((lat - CITY_GRID.south) / 0.25) * 10))
        fc.pre(!nearBorder(((lng - CITY_GRID.west) / 0.27) * 10))
        expect(again.regionOf(lat, lng)).toBe(grid.regionOf(lat, lng))
      }),
    )
  })
})

describe('polygons of a file', () => {
  test('have holes, parts and names, and the lowest id where they overlap', () => {
    const map = mapOf(
      collection(
        feature(7, [square(0, 0, 10), square(4, 4, 2)], { name: 'Ring' }),
        feature(3, [square(8, 8, 10)]),
        feature(7, [square(50, 50, 1)]),
      ),
    )
    expect(map.regions.map(({ regionId, name }) => [regionId, name])).toEqual([
      [3, 'Region 3'],
      [7, 'Ring'],
    ])
    expect(map.regionOf(1, 1)).toBe(7)
    expect(map.regionOf(5, 5)).toBeNull()
    expect(map.regionOf(9, 9)).toBe(3)
    expect(map.regionOf(50.5, 50.5)).toBe(7)
    expect(map.regionOf(30, 30)).toBeNull()
    expect(map.centreOf(3)).toEqual({ lat: 13, lng: 13 })
    expect(map.centreOf(4)).toBeNull()
    expect(map.grid).toBeNull()
    expect(map.toGeoJson().features[1]?.geometry.type).toBe('MultiPolygon')
    expect(mapOf(JSON.stringify(map.toGeoJson())).regions).toEqual(map.regions)
  })

  test('that share an edge leave no position to both or to none', () => {
    const map = mapOf(collection(feature(1, [square(0, 0, 5)]), feature(2, [square(5, 0, 5)])))
    expect(map.regionOf(2, 5)).toBe(2)
    expect(map.regionOf(0, 0)).toBe(1)
  })

  const open = square(0, 0, 1).slice(0, 4)
  const wrong: readonly (readonly [string, string, string])[] = [
    ['no JSON', '{', 'not JSON'],
    ['another type', '{"type":"Feature"}', 'expected a GeoJSON FeatureCollection'],
    ['nothing in it', collection(), 'there is no feature in it'],
    ['null', collection(null), 'feature 0: properties.region_id: expected a whole number'],
    [
      'an id in words',
      collection(feature('5', [square(0, 0, 1)])),
      'feature 0: properties.region_id: expected a whole number',
    ],
    [
      'an id too high',
      collection(feature(1, [square(0, 0, 1)]), feature(101, [square(0, 0, 1)])),
      'feature 1: properties.region_id: expected 1 to 100, received 101',
    ],
    [
      'a name that is none',
      collection(feature(1, [square(0, 0, 1)], { name: ' ' })),
      'feature 0: properties.name: expected 1 to 100 characters',
    ],
    [
      'a point',
      collection({ ...feature(1, []), geometry: { type: 'Point', coordinates: [1, 2] } }),
      'feature 0: geometry: expected a Polygon or a MultiPolygon',
    ],
    ['no rings', collection(feature(1, [])), 'feature 0: expected rings'],
    [
      'a line',
      collection(feature(1, [open.slice(0, 3)])),
      'feature 0, ring 0: expected at least 4 positions',
    ],
    [
      'an open ring',
      collection(feature(1, [open])),
      'feature 0, ring 0: its last position must be its first',
    ],
    [
      'latitude first',
      collection(feature(1, [square(0, 100, 1)])),
      'feature 0, ring 0, position 0: expected a latitude from -90 to 90 second',
    ],
  ]
  for (const [name, text, reason] of wrong) {
    test(`with ${name} are refused with the place`, () => {
      expect(RegionMap.parse(text)).toEqual({ ok: false, reason })
    })
  }

  test('with too many corners are refused', () => {
    const ring = Array.from({ length: 100_002 }, (_, index) => [index % 2, 0])
    ring.push([0, 0])
    expect(RegionMap.parse(collection(feature(1, [ring])))).toEqual({
      ok: false,
      reason: 'more than 100000 positions; simplify the polygons',
    })
  })
})
