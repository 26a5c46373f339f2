import type { RegionWindow, WindowRange, WindowSizeS } from '../actors/model/window.ts'
import type { GatewayPorts } from './ports.ts'

export type WindowPorts = Pick<GatewayPorts, 'windows' | 'windowHistory'>

/** All event time: ClickHouse's shortest time ends in 2106. */
const EVER = { fromMs: 0, toMs: Date.UTC(2100, 0, 1) } as const

/** The window of a region that has so many newer ones, or null; the newest for 0. */
export async function nthNewest(
  ports: WindowPorts,
  { regionId, sizeS, offset }: Readonly<{ regionId: number; sizeS: WindowSizeS; offset: number }>,
): Promise<RegionWindow | null> {
  const served = offset === 0 ? await ports.windows.latest(regionId, sizeS) : null
  if (served) return served
  const windows = await rangeOf(ports, { regionId, sizeS, ...EVER, limit: offset + 1 })
  return windows.length > offset ? (windows[0] ?? null) : null
}

/**
 * Windows of a range, oldest first: those the store serves, and from the clean tables those it has let
 * go. Each of the two may be a moment ahead of the other, so of two versions the later counts.
 */
export async function rangeOf(
  { windows, windowHistory }: WindowPorts,
  range: WindowRange,
): Promise<readonly RegionWindow[]> {
  const [served, stored] = await Promise.all([windows.range(range), windowHistory.range(range)])
  const byStart = new Map(stored.map((window) => [window.startMs, window]))
  for (const window of served) {
    const other = byStart.get(window.startMs)
    if (!other || !isLater(other, window)) byStart.set(window.startMs, window)
  }
  const merged = [...byStart.values()].sort((a, b) => a.startMs - b.startMs)
  return merged.slice(-range.limit)
}

/** A window only ever gains trips, and then becomes final. */
function isLater(one: RegionWindow, than: RegionWindow): boolean {
  if (one.tripCount !== than.tripCount) return one.tripCount > than.tripCount
  return one.final && !than.final
}
