/**
 * What is counted, in all and by minute. All are whole numbers, so that sums are exact in any order.
 * The order is that of their encoding: new ones go to the end.
 */
export const COUNT_NAMES = [
  /** Pings accepted, repeats included; by the minute of their receipt. */
  'pings',
  /** Centimetres travelled, corrections of late fixes included; by event minute. */
  'distanceCm',
  /** Sessions that reached a status; by event minute, of the newest revision. */
  'started',
  'enRoute',
  'completed',
  /** Sessions first seen, and sessions completed; by the minute of the receipt. */
  'opened',
  'finished',
  /** Sessions that fell silent; by the minute in which it was found. */
  'silent',
  /** Messages refused; by the minute of their receipt. */
  'refused',
] as const

export type CountName = (typeof COUNT_NAMES)[number]
export type Counts = Readonly<Record<CountName, number>>
/** Counts that are still being added to. */
export type OpenCounts = Record<CountName, number>

/** Counts at zero. */
export function noCounts(): OpenCounts {
  return {
    pings: 0,
    distanceCm: 0,
    started: 0,
    enRoute: 0,
    completed: 0,
    opened: 0,
    finished: 0,
    silent: 0,
    refused: 0,
  }
}

/** The sum of two counts, as a new one. */
export function sumOf(a: Counts, b: Counts): OpenCounts {
  const sum = noCounts()
  for (const name of COUNT_NAMES) sum[name] = a[name] + b[name]
  return sum
}

/** A minute of the clock, numbered from 1970 UTC. */
export function minuteOf(ms: number): number {
  return Math.floor(ms / 60_000)
}
