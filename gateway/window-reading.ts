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
  const merged = laterOf(served, stored, ({ startMs }) => startMs)
  merged.sort((a, b) => a.startMs - b.startMs)
  return merged.slice(-range.limit)
}

/**
 * Every region's window of one start; with none given of the newest that there is: what the store serves of it, and
 * the tables are asked when it serves none any more.
 */
export async function windowsAt(
  { windows, windowHistory }: WindowPorts,
  { sizeS, startMs }: Readonly<{ sizeS: WindowSizeS; startMs: number | null }>,
): Promise<readonly RegionWindow[]> {
  if (startMs !== null) {
    const found = [windows.atStart(sizeS, startMs), windowHistory.atStart(sizeS, startMs)] as const
    const [served, stored] = await Promise.all(found)
    return laterOf(served, stored, ({ regionId }) => regionId)
  }
  const newest = await windows.latestOfAll(sizeS)
  if (newest.length > 0) {
    const newestMs = Math.max(...newest.map((window) => window.startMs))
    return newest.filter((window) => window.startMs === newestMs)
  }
  const storedMs = await windowHistory.newestStartMs(sizeS)
  return storedMs === null ? [] : windowHistory.atStart(sizeS, storedMs)
}

/** Of each window the later version. */
function laterOf(
  served: readonly RegionWindow[],
  stored: readonly RegionWindow[],
  keyOf: (window: RegionWindow) => number,
): RegionWindow[] {
  const byKey = new Map(stored.map((window) => [keyOf(window), window]))
  for (const window of served) {
    const other = byKey.get(keyOf(window))
    if (!other || !isLater(other, window)) byKey.set(keyOf(window), window)
  }
  return [...byKey.values()]
}

/** A window only ever gains trips, and then becomes final. */
function isLater(one: RegionWindow, than: RegionWindow): boolean {
  if (one.tripCount !== than.tripCount) return one.tripCount > than.tripCount
  return one.final && !than.final
}
