import type { Counts } from './counts.ts'

/** Minutes that readers may ask for: a day, so that "today" is whole at its end. */
export const MINUTES_READ = 1_440
/** Minutes kept: some more than are read, so that nothing is dropped that a late fact may still change. */
export const MINUTES_KEPT = 1_500
/** Minutes ahead of the clock that are taken: as far as a ping's own time may be ahead. */
export const MINUTES_AHEAD = 1_500

/** The counts of one partition, and the offset up to which they are complete. */
export type MetricsState = Readonly<{
  offset: number
  totals: Counts
  /** By number of the minute; a minute without any counts may be missing. */
  minutes: ReadonlyMap<number, Counts>
}>

/** Counts as they are after a batch: absolute values, never increments. */
export type MetricsChange = Readonly<{
  partition: number
  /** The store must stand exactly here, or nothing changes. */
  fenceFrom: number
  fenceTo: number
  totals: Counts
  /** The minutes that changed. */
  minutes: ReadonlyMap<number, Counts>
  /** Minutes before this one are let go of. */
  expireBefore: number
}>

/** Where counts are kept: in memory with a durable mark, or in Redis. One atomic step moves values and fence. */
export interface MetricsStore {
  /** What the store has now; offset −1 and zeros for a partition it has never seen. Throws SinkError. */
  load(partition: number, signal: AbortSignal): Promise<MetricsState>
  /** True when the change was taken, durably; false when the fence stood elsewhere. Throws SinkError, outcome unknown. */
  apply(change: MetricsChange, signal: AbortSignal): Promise<boolean>
}
