import type { RegionTotals, RegionWindow, WindowReader } from '../../actors/model/window.ts'

/** What a batch of facts leaves behind: absolute values, the last of each window and region. */
export type WindowsChange = Readonly<{
  partition: number
  /** The store must stand exactly here, or nothing changes. */
  fenceFrom: number
  fenceTo: number
  windows: readonly RegionWindow[]
  totals: readonly RegionTotals[]
  /** The partition's watermark after the batch; null when the batch says nothing of it. */
  watermarkMs: number | null
  /** Wall clock of the write: a window goes its time to live after the last write to it. */
  nowMs: number
}>

/** Where windows are kept for serving: in memory with a durable mark, or in Redis. One atomic step moves values and fence. */
export interface WindowStore extends WindowReader {
  /** The offset up to which a partition is complete; −1 for one never seen. Throws SinkError. */
  fence(partition: number, signal: AbortSignal): Promise<number>
  /** True when the change was taken; false when the fence stood elsewhere. Throws SinkError, outcome unknown. */
  apply(change: WindowsChange, signal: AbortSignal): Promise<boolean>
  close(): Promise<void>
}
