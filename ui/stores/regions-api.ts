import type { RegionWindow, WindowName, WindowSizeS } from '../../actors/model/window.ts'
import { type Answer, ask } from './api.ts'
import type { DeliveryFigures } from './region-figures.ts'

/** The ground of one region. */
export type RegionShape = Readonly<{
  type: 'Feature'
  properties: Readonly<{ region_id: number; name?: string }>
  geometry: GeoJSON.Polygon | GeoJSON.MultiPolygon
}>
export type RegionShapes = Readonly<{
  type: 'FeatureCollection'
  features: readonly RegionShape[]
}>

/** Where the regions are. */
export function fetchRegionMap(): Promise<Answer<RegionShapes>> {
  return ask('/api/regions/map', {})
}

/** Windows of a region by start, both ends included, oldest first. */
export async function fetchWindows(
  of: Readonly<{ regionId: number; size: WindowName; fromMs: number; toMs: number; limit: number }>,
): Promise<Answer<readonly RegionWindow[]>> {
  const query = `region=${of.regionId}&window=${of.size}&from=${of.fromMs}&to=${of.toMs}`
  const path = `/api/regions/windows?${query}&limit=${of.limit}`
  const answer = await ask<Readonly<{ windows: readonly RegionWindow[] }>>(path, {})
  return answer.ok ? { ok: true, value: answer.value.windows } : answer
}

/** Figures of deliveries by region, the newest of each. */
export async function fetchDeliveries(
  size: WindowName,
  sizeS: WindowSizeS,
): Promise<Answer<readonly DeliveryFigures[]>> {
  const hours = Math.max(1, (3 * sizeS) / 3_600)
  const path = `/api/regions/deliveries?window=${size}&hours=${hours}`
  const answer = await ask<Readonly<{ deliveries: readonly DeliveryFigures[] }>>(path, {})
  return answer.ok ? { ok: true, value: newestOf(answer.value.deliveries, sizeS) } : answer
}

/** The newest window of each region, where that is no older than the one before the newest of all. */
export function newestOf(
  rows: readonly DeliveryFigures[],
  sizeS: number,
): readonly DeliveryFigures[] {
  const newest = new Map<number, DeliveryFigures>()
  let newestMs = -Infinity
  for (const row of rows) {
    newestMs = Math.max(newestMs, row.startMs)
    const known = newest.get(row.regionId)
    if (!known || known.startMs < row.startMs) newest.set(row.regionId, row)
  }
  return [...newest.values()].filter(({ startMs }) => startMs >= newestMs - sizeS * 1_000)
}
