import { quantile } from '../books.ts'

/** What can happen to a line between two parts. */
const LINE_FAULTS = [
  'connections cut',
  'line silent',
  'line without answers',
  'line without requests',
  'line slow',
] as const
export type LineFault = (typeof LINE_FAULTS)[number]

/** What can happen to a part, or to what it says to another. */
export const SCALED_FAULTS = [
  'worker kill -9',
  'worker kill -9 while starting',
  'worker SIGSTOP beyond its session',
  'worker joins',
  'worker leaves',
  'gateway kill -9',
  'web kill -9',
  'edge kill -9',
  'broker kill -9',
  'Redis kill -9',
  'Redis flushed',
  'S3 server kill -9',
  'catalog kill -9',
  'ClickHouse kill -9',
  'server SIGSTOP 20 s',
  ...LINE_FAULTS,
] as const
export type ScaledFault = (typeof SCALED_FAULTS)[number]

export function isLineFault(fault: ScaledFault): fault is LineFault {
  return LINE_FAULTS.some((one) => one === fault)
}

/** Times of one kind of fault, from its beginning. */
export type FaultTimes = Readonly<{
  /** Until a gateway took a ping. */
  takenMs: number[]
  /** Until a ping of every partition was in silver. */
  visibleMs: number[]
}>

/** Everything that a scaled run notes while it goes on. */
export class ScaledBooks {
  readonly faults = new Map<ScaledFault, FaultTimes>()
  /** By line, such as `worker-1 → broker`: how often something was done to it. */
  readonly lines = new Map<string, number>()
  /** From the last fault's end to a ping of every partition in silver. */
  readonly wholeMs: number[] = []
  /** What must never be: a part that ends by itself, a system that does not come back. One line each. */
  readonly failures: string[] = []
  /** Processes that an orderly end left with another code than 0. */
  readonly uncleanStops: string[] = []

  get kills(): number {
    return [...this.faults.values()].reduce((sum, { takenMs }) => sum + takenMs.length, 0)
  }

  note(fault: ScaledFault, takenMs: number, visibleMs: number): void {
    const times = this.faults.get(fault) ?? { takenMs: [], visibleMs: [] }
    times.takenMs.push(takenMs)
    times.visibleMs.push(visibleMs)
    this.faults.set(fault, times)
  }

  noteLine(line: string): void {
    this.lines.set(line, (this.lines.get(line) ?? 0) + 1)
  }
}

/** The middle and the longest of some times, whole milliseconds. */
export function timesOf(values: readonly number[]): Readonly<{ p50: number; max: number }> {
  return { p50: Math.round(quantile(values, 0.5)), max: Math.round(Math.max(0, ...values)) }
}
