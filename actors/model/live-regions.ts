import type { RegionTotals, RegionWindow } from './window.ts'

/**
 * The regions page's wire, shared by the feed, the gateway and the browser.
 *
 * SSE events on `GET /live/regions`, each with `id: <epoch>-<seq>`:
 * - `snapshot`: a `RegionsSnapshot`; replaces what the client had.
 * - `delta`: what changed in one tick, a `RegionsDelta`; windows replace those of the same region, size and start.
 * A comment line `:` is a heartbeat.
 */
export type RegionsSnapshot = Readonly<{
  nowMs: number
  /** Watermark of the slowest partition, milliseconds since 1970 UTC; null before the first trip. */
  watermarkMs: number | null
  regions: readonly RegionTotals[]
  /** The newest windows of each region and size, at most `SNAPSHOT_WINDOWS_MAX` of each, oldest first. */
  windows: readonly RegionWindow[]
}>

/** Windows of one region and size that a snapshot holds. */
export const SNAPSHOT_WINDOWS_MAX = 60

export type RegionsDelta = Readonly<{
  nowMs: number
  watermarkMs: number | null
  regions: readonly RegionTotals[]
  windows: readonly RegionWindow[]
}>
