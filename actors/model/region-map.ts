import type { LatLng } from './city-plane.ts'
import { parseRegions, type Position, type Region, type Rings } from './region-geojson.ts'
import { REGION_ID_MAX } from './trip.ts'

export type { Position, Region, Rings }

/** A box cut into rows from the north and columns from the west; region 1 is its north-western cell. */
export type RegionGrid = Readonly<{
  north: number
  south: number
  west: number
  east: number
  rows: number
  columns: number
}>

/** The demo city's streets lie within it (held by a test). */
export const CITY_GRID: RegionGrid = {
  ...{ north: 38.11, south: 37.86, west: 23.59, east: 23.86 },
  ...{ rows: 10, columns: 10 },
}

/** Where a map came from: a grid can be computed by whoever knows it, polygons must be searched. */
type Source = Readonly<{ grid: RegionGrid | null; regions: readonly Region[] }>

type Box = Readonly<{ south: number; north: number; west: number; east: number }>
type Placed = Readonly<{ region: Region; rings: Rings; box: Box }>

/** One region as a GeoJSON feature. */
export type RegionFeature = Readonly<{
  type: 'Feature'
  id: number
  properties: Readonly<{ region_id: number; name: string }>
  geometry: Readonly<
    | { type: 'Polygon'; coordinates: Rings }
    | { type: 'MultiPolygon'; coordinates: readonly Rings[] }
  >
}>
export type RegionCollection = Readonly<{
  type: 'FeatureCollection'
  features: readonly RegionFeature[]
}>

/** The ground of the regions: which one a position is in, and what a map of them looks like. */
export class RegionMap {
  /** Null for polygons of a file. */
  readonly grid: RegionGrid | null
  /** In order of their ids. */
  readonly regions: readonly Region[]
  readonly #placed: readonly Placed[]

  private constructor({ grid, regions }: Source) {
    this.grid = grid
    this.regions = regions
    this.#placed = regions.flatMap((region) =>
      region.polygons.map((rings) => ({ region, rings, box: boxOf(rings) })),
    )
  }

  /** A grid of at most 100 cells, numbered row by row. */
  static ofGrid(grid: RegionGrid = CITY_GRID): RegionMap {
    return new RegionMap({ grid, regions: cellsOf(grid) })
  }

  /** Regions of a GeoJSON text, or one sentence that says what is wrong with it. */
  static parse(
    text: string,
  ): Readonly<{ ok: true; map: RegionMap }> | Readonly<{ ok: false; reason: string }> {
    const parsed = parseRegions(text)
    if (!parsed.ok) return parsed
    return { ok: true, map: new RegionMap({ grid: null, regions: parsed.regions }) }
  }

  /** Null outside of all; where polygons overlap the lowest id has the ground. */
  regionOf(lat: number, lng: number): number | null {
    if (this.grid) return cellOf(this.grid, lat, lng)
    for (const { region, rings, box } of this.#placed) {
      const near = lat >= box.south && lat <= box.north && lng >= box.west && lng <= box.east
      if (near && contains(rings, lat, lng)) return region.regionId
    }
    return null
  }

  /** Where a region's label goes: the middle of its box. */
  centreOf(regionId: number): LatLng | null {
    const boxes = this.#placed.flatMap(({ region, box }) =>
      region.regionId === regionId ? [box] : [],
    )
    if (boxes.length === 0) return null
    const south = Math.min(...boxes.map((box) => box.south))
    const north = Math.max(...boxes.map((box) => box.north))
    const west = Math.min(...boxes.map((box) => box.west))
    const east = Math.max(...boxes.map((box) => box.east))
    return { lat: (south + north) / 2, lng: (west + east) / 2 }
  }

  toGeoJson(): RegionCollection {
    return {
      type: 'FeatureCollection',
      features: this.regions.map(({ regionId, name, polygons }) => {
        const [only] = polygons
        return {
          type: 'Feature',
          id: regionId,
          properties: { region_id: regionId, name },
          geometry:
            only && polygons.length === 1
              ? { type: 'Polygon', coordinates: only }
              : { type: 'MultiPolygon', coordinates: polygons },
        }
      }),
    }
  }
}

function cellsOf({ north, south, west, east, rows, columns }: RegionGrid): Region[] {
  // Edges are computed once from the row or column number: neighbours share them to the last bit.
  const latAt = (row: number): number => tidy(north - ((north - south) * row) / rows)
  const lngAt = (column: number): number => tidy(west + ((east - west) * column) / columns)
  return Array.from({ length: Math.min(rows * columns, REGION_ID_MAX) }, (_, index) => {
    const row = Math.floor(index / columns)
    const column = index % columns
    const [top, bottom] = [latAt(row), latAt(row + 1)]
    const [left, right] = [lngAt(column), lngAt(column + 1)]
    const ring: Position[] = [
      [left, bottom],
      [right, bottom],
      [right, top],
      [left, top],
      [left, bottom],
    ]
    return { regionId: index + 1, name: `Region ${index + 1}`, polygons: [[ring]] }
  })
}

/** To a tenth of a millimetre, so that a cell's corner is not written with 17 digits. */
function tidy(degrees: number): number {
  return Math.round(degrees * 1e9) / 1e9
}

/** A cell has its northern and western edge; the outer edges belong to the outer cells. */
function cellOf(grid: RegionGrid, lat: number, lng: number): number | null {
  const { north, south, west, east, rows, columns } = grid
  if (!(lat >= south && lat <= north && lng >= west && lng <= east)) return null
  const row = Math.min(rows - 1, Math.floor(((north - lat) / (north - south)) * rows))
  const column = Math.min(columns - 1, Math.floor(((lng - west) / (east - west)) * columns))
  const regionId = 1 + row * columns + column
  return regionId <= REGION_ID_MAX ? regionId : null
}

function boxOf(rings: Rings): Box {
  const box = { south: Infinity, north: -Infinity, west: Infinity, east: -Infinity }
  for (const [lng, lat] of rings.flat()) {
    box.south = Math.min(box.south, lat)
    box.north = Math.max(box.north, lat)
    box.west = Math.min(box.west, lng)
    box.east = Math.max(box.east, lng)
  }
  return box
}

/** By the even-odd rule over all rings, so that holes are outside and a shared edge has one owner. */
function contains(rings: Rings, lat: number, lng: number): boolean {
  let inside = false
  for (const ring of rings) {
    let [fromLng, fromLat] = ring.at(-1) ?? [0, 0]
    for (const [toLng, toLat] of ring) {
      const crosses = toLat > lat !== fromLat > lat
      if (crosses && lng < ((fromLng - toLng) * (lat - toLat)) / (fromLat - toLat) + toLng) {
        inside = !inside
      }
      fromLng = toLng
      fromLat = toLat
    }
  }
  return inside
}
