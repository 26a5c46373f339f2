import { REGION_ID_MAX } from './trip.ts'

/** A corner as GeoJSON writes it: longitude first. */
export type Position = readonly [lng: number, lat: number]
/** Outer ring first, then holes; each ring ends where it begins. */
export type Rings = readonly (readonly Position[])[]
/** A region's ground: one polygon or several. */
export type Region = Readonly<{ regionId: number; name: string; polygons: readonly Rings[] }>

/** Corners of a whole file: a query or a map with more would be slow. */
const POSITIONS_MAX = 100_000
const NAME_LENGTH_MAX = 100

type Parsed =
  Readonly<{ ok: true; regions: readonly Region[] }> | Readonly<{ ok: false; reason: string }>

/** What is wrong, said where it was found; never leaves this file. */
class Wrong extends Error {}

/**
 * Regions of a GeoJSON text: a FeatureCollection of Polygons and MultiPolygons, each with the property
 * `region_id` and, if wanted, `name`. Features of one id are one region.
 */
export function parseRegions(text: string): Parsed {
  try {
    const regions = new Map<number, Region>()
    let positions = 0
    for (const [index, feature] of featuresOf(text).entries()) {
      const where = `feature ${index}`
      const { regionId, name } = propertiesOf(feature, where)
      const polygons = polygonsOf(field(feature, 'geometry'), where)
      positions += polygons.flat(2).length
      if (positions > POSITIONS_MAX) {
        throw new Wrong(`more than ${POSITIONS_MAX} positions; simplify the polygons`)
      }
      const known = regions.get(regionId)
      regions.set(regionId, {
        regionId,
        name: name ?? known?.name ?? `Region ${regionId}`,
        polygons: [...(known?.polygons ?? []), ...polygons],
      })
    }
    if (regions.size === 0) throw new Wrong('there is no feature in it')
    return { ok: true, regions: [...regions.values()].sort((a, b) => a.regionId - b.regionId) }
  } catch (thrown) {
    if (thrown instanceof Wrong) return { ok: false, reason: thrown.message }
    throw thrown
  }
}

function featuresOf(text: string): readonly unknown[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new Wrong('not JSON')
  }
  const features = field(value, 'features')
  if (field(value, 'type') !== 'FeatureCollection' || !Array.isArray(features)) {
    throw new Wrong('expected a GeoJSON FeatureCollection')
  }
  return features
}

function propertiesOf(feature: unknown, where: string): { regionId: number; name: string | null } {
  const properties = field(feature, 'properties')
  const regionId = field(properties, 'region_id')
  if (typeof regionId !== 'number' || !Number.isInteger(regionId)) {
    throw new Wrong(`${where}: properties.region_id: expected a whole number`)
  }
  if (regionId < 1 || regionId > REGION_ID_MAX) {
    throw new Wrong(
      `${where}: properties.region_id: expected 1 to ${REGION_ID_MAX}, received ${regionId}`,
    )
  }
  const name = field(properties, 'name') ?? null
  if (name === null) return { regionId, name: null }
  if (typeof name !== 'string' || name.trim() === '' || name.length > NAME_LENGTH_MAX) {
    throw new Wrong(`${where}: properties.name: expected 1 to ${NAME_LENGTH_MAX} characters`)
  }
  return { regionId, name: name.trim() }
}

function polygonsOf(geometry: unknown, where: string): readonly Rings[] {
  const type = field(geometry, 'type')
  const coordinates = field(geometry, 'coordinates')
  if (type === 'Polygon') return [ringsOf(coordinates, where)]
  if (type === 'MultiPolygon' && Array.isArray(coordinates) && coordinates.length > 0) {
    return coordinates.map((rings, index) => ringsOf(rings, `${where}, polygon ${index}`))
  }
  throw new Wrong(`${where}: geometry: expected a Polygon or a MultiPolygon`)
}

function ringsOf(rings: unknown, where: string): Rings {
  if (!Array.isArray(rings) || rings.length === 0) throw new Wrong(`${where}: expected rings`)
  return rings.map((ring: unknown, index) => {
    const place = `${where}, ring ${index}`
    if (!Array.isArray(ring) || ring.length < 4) {
      throw new Wrong(`${place}: expected at least 4 positions`)
    }
    const positions = ring.map((position: unknown, at) =>
      positionOf(position, `${place}, position ${at}`),
    )
    const [first, last] = [positions[0], positions.at(-1)]
    if (first?.[0] !== last?.[0] || first?.[1] !== last?.[1]) {
      throw new Wrong(`${place}: its last position must be its first`)
    }
    return positions
  })
}

function positionOf(position: unknown, where: string): Position {
  const [lng, lat]: unknown[] = Array.isArray(position) ? position : []
  if (typeof lng !== 'number' || !(Math.abs(lng) <= 180)) {
    throw new Wrong(`${where}: expected a longitude from -180 to 180 first`)
  }
  if (typeof lat !== 'number' || !(Math.abs(lat) <= 90)) {
    throw new Wrong(`${where}: expected a latitude from -90 to 90 second`)
  }
  return [lng, lat]
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined
  return Reflect.get(value, name)
}
