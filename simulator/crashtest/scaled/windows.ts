import type { MadeTrip } from '../../trips.ts'
import { asRecord, parseJson } from '../../wire.ts'

/** Seconds, and how keys in Redis name them: those of a minute have StreamPulse's own name. */
const SIZES: readonly (readonly [seconds: number, word: string])[] = [
  [60, 'window'],
  [300, 'window-5m'],
  [900, 'window-15m'],
  [3_600, 'window-1h'],
]

/** Figures of a window that its trips alone decide, by the names that they have in Redis. */
export type Figures = Readonly<Record<string, number>>

/** What windows by their keys must be, and what those that were found are not. */
export type WindowsVerdict = Readonly<{
  windows: number
  /** Trips that a window lacks, all windows together. */
  lost: number
  /** Trips that a window counts too often, all windows together. */
  double: number
  /** Windows with the right number of trips and other figures, or of which nobody sent a trip. */
  wrong: number
  examples: readonly string[]
}>

const EXAMPLES_MAX = 5

/** Every window of these trips, from the trips alone. None of them may have come after its window was let go. */
export function reckonWindows(trips: Iterable<MadeTrip>): ReadonlyMap<string, Figures> {
  const held = new Map<string, Map<string, MadeTrip>>()
  for (const trip of trips) {
    const atS = Math.floor(Date.parse(trip.event_time) / 1_000)
    for (const [seconds, word] of SIZES) {
      const key = `region:${trip.region_id}:${word}:${atS - (atS % seconds)}`
      const window = held.get(key) ?? new Map<string, MadeTrip>()
      // The same id in another minute is another trip.
      window.set(`${trip.trip_id} ${Math.floor(atS / 60)}`, trip)
      held.set(key, window)
    }
  }
  return new Map([...held].map(([key, window]) => [key, figuresOf([...window.values()])]))
}

/** Compares windows as they stand under their keys with those that must be there. */
export function compareWindows(
  expected: ReadonlyMap<string, Figures>,
  found: ReadonlyMap<string, string>,
): WindowsVerdict {
  let [lost, double, wrong] = [0, 0, 0]
  const examples: string[] = []
  const note = (text: string): void => void (examples.length < EXAMPLES_MAX && examples.push(text))
  for (const [key, figures] of expected) {
    const text = found.get(key)
    const window = asRecord(parseJson(text ?? '')) ?? {}
    const [want, have] = [figures['tripCount'] ?? 0, Number(window['tripCount'] ?? 0)]
    lost += Math.max(0, want - have)
    double += Math.max(0, have - want)
    const off = Object.entries(figures).filter(([name, value]) => !isNear(window[name], value))
    if (off.length > 0)
      note(`${key} has ${text ?? 'nothing'}, its trips say ${JSON.stringify(figures)}`)
    if (off.length > 0 && want === have) wrong++
  }
  for (const [key, text] of found) {
    if (expected.has(key)) continue
    wrong++
    note(`${key} has ${text}, and nobody sent such a trip`)
  }
  return { windows: expected.size, lost, double, wrong, examples }
}

function figuresOf(trips: readonly MadeTrip[]): Figures {
  const fares = trips.map(({ fare }) => fare)
  const distances = trips.map(({ distance }) => distance)
  const durations = trips.map(({ duration }) => duration).sort((a, b) => a - b)
  const rank = (share: number): number => durations[Math.ceil(share * durations.length) - 1] ?? 0
  return {
    tripCount: trips.length,
    totalFare: sum(fares),
    avgFare: sum(fares) / trips.length,
    minFare: Math.min(...fares),
    maxFare: Math.max(...fares),
    totalDistance: sum(distances),
    minDistance: Math.min(...distances),
    maxDistance: Math.max(...distances),
    avgDuration: sum(durations) / trips.length,
    minDuration: Math.min(...durations),
    maxDuration: Math.max(...durations),
    p50Duration: rank(0.5),
    p95Duration: rank(0.95),
    lateCount: 0,
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** Sums here are rounded at each step, those under test once. */
function isNear(found: unknown, value: number): boolean {
  return typeof found === 'number' && Math.abs(found - value) <= 1e-9 * Math.max(1, Math.abs(value))
}
