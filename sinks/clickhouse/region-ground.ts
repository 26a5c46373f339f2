import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Region, RegionGrid, Rings } from '../../actors/model/region-map.ts'
import { sqlInt, sqlText } from './sql-text.ts'

/** Where regions lie: a grid, or else polygons in the order in which they are searched. */
export type RegionGround = Readonly<{ grid: RegionGrid | null; regions: readonly Region[] }>

/**
 * The region of a position as SQL, 0 outside of all: the same as `RegionMap.regionOf` to the last bit for a
 * grid. Of polygons the first that holds it; exactly on an edge the two may differ.
 */
export function sqlRegion(ground: RegionGround, lat: string, lng: string): string {
  return ground.grid ? cell(ground.grid, lat, lng) : polygon(ground.regions, lat, lng)
}

function cell(grid: RegionGrid, lat: string, lng: string): string {
  const [north, south] = [sqlFloat(grid.north), sqlFloat(grid.south)]
  const [west, east] = [sqlFloat(grid.west), sqlFloat(grid.east)]
  const rows = sqlInt(grid.rows)
  const columns = sqlInt(grid.columns)
  const row = `least(${rows} - 1, floor(((${north} - ${lat}) / (${north} - ${south})) * ${rows}))`
  const column = `least(${columns} - 1, floor(((${lng} - ${west}) / (${east} - ${west})) * ${columns}))`
  return (
    `if(${lat} >= ${south} AND ${lat} <= ${north} AND ${lng} >= ${west} AND ${lng} <= ${east}, ` +
    `toUInt16(1 + ${row} * ${columns} + ${column}), toUInt16(0))`
  )
}

function polygon(regions: readonly Region[], lat: string, lng: string): string {
  const cases = regions.flatMap(({ regionId, polygons }) =>
    polygons.map(
      (rings) =>
        `pointInPolygon((${lng}, ${lat}), ${sqlRings(rings)}), toUInt16(${sqlInt(regionId)}), `,
    ),
  )
  return cases.length === 0 ? 'toUInt16(0)' : `multiIf(${cases.join('')}toUInt16(0))`
}

/** Rings as one literal of text: as many literals as corners would be more than a statement may have. */
function sqlRings(rings: Rings): string {
  const text = rings
    .map((ring) => `[${ring.map(([lng, lat]) => `(${finite(lng)},${finite(lat)})`).join(',')}]`)
    .join(',')
  return `CAST(${sqlText(`[${text}]`)}, 'Array(Array(Tuple(Float64, Float64)))')`
}

function sqlFloat(value: number): string {
  return `toFloat64(${finite(value)})`
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new OrreryError('invariant', `not a number: ${value}`)
  return value
}
