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

/** Figures of deliveries by region: of each the newest window that is no older than one before the newest. */
export async function fetchDeliveries(
  size: WindowName,
  sizeS: WindowSizeS,
): Promise<Answer<readonly DeliveryFigures[]>> {
  const hours = Math.max(1, (3 * sizeS) / 3_600)
  const answer = await ask<unknown>(`/api/regions/deliveries?window=${size}&hours=${hours}`, {})
  return answer.ok ? { ok: true, value: readDeliveries(answer.value, sizeS) } : answer
}

/** The newest figures of each region. */
export function readDeliveries(answer: unknown, sizeS: number): readonly DeliveryFigures[] {
  const newest = new Map<number, DeliveryFigures>()
  let newestMs = -Infinity
  for (const row of rowsOf(answer)) {
    const startMs = timeOf(row)
    const regionId = numberOf(row, 'regionId')
    if (regionId === null || !Number.isFinite(startMs)) continue
    newestMs = Math.max(newestMs, startMs)
    if ((newest.get(regionId)?.startMs ?? -Infinity) > startMs) continue
    newest.set(regionId, {
      regionId,
      startMs,
      active: numberOf(row, 'active') ?? 0,
      completed: numberOf(row, 'completed') ?? 0,
      meanSpeedKmh: numberOf(row, 'meanSpeedKmh'),
    })
  }
  return [...newest.values()].filter(({ startMs }) => startMs >= newestMs - sizeS * 1_000)
}

type Row = Readonly<Record<string, unknown>>

/** The rows of an answer: itself, or its only list. */
function rowsOf(answer: unknown): readonly Row[] {
  const list = Array.isArray(answer)
    ? answer
    : Object.values(answer ?? {}).find((value) => Array.isArray(value))
  if (!Array.isArray(list)) return []
  return list.filter((row): row is Row => typeof row === 'object' && row !== null)
}

/** A field by its name in the API's spelling or in SQL's. */
function fieldOf(row: Row, name: string): unknown {
  return row[name] ?? row[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)]
}

function numberOf(row: Row, name: string): number | null {
  const value = fieldOf(row, name)
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function timeOf(row: Row): number {
  const start = fieldOf(row, 'windowStart')
  return typeof start === 'string' ? Date.parse(start) : (numberOf(row, 'startMs') ?? NaN)
}
