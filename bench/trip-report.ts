import type { TripsOptions } from '../simulator/trips.ts'
import { round, type ScenarioResult, shown } from './scenario.ts'
import type { TripRun } from './trip-run.ts'

export const MINUTE_MS = 60_000
export const HOUR_MS = 60 * MINUTE_MS
/** Event time of the first trip. */
export const START_MS = Date.UTC(2025, 7, 17)
export const BODY_TRIPS = 1_000

/** Trips that come once each, and in time. */
export const ORDERED: Pick<TripsOptions, 'seed' | 'duplicateShare' | 'lateShare'> = {
  ...{ seed: 5, duplicateShare: 0, lateShare: 0 },
}

/** A run as figures by name. */
export function figuresOf(run: TripRun): Readonly<Record<string, unknown>> {
  const { load, cpu, ...rest } = run
  const othersUs = Object.fromEntries(cpu.othersUs)
  return { ...rest, ...load, cpuUs: { total: cpu.totalUs, main: cpu.mainUs, ...othersUs } }
}

/** A run as rows of a table. */
export function runRows(run: TripRun): ScenarioResult['rows'] {
  const { load, cpu } = run
  const perTrip = (us: number): string => String(round(us / load.acknowledged))
  const threads = [...cpu.othersUs]
    .sort((a, b) => b[1] - a[1])
    .slice(0, 6)
    .map(([name, us]) => `${name} ${perTrip(us)}`)
  return [
    [
      'acknowledged p50 / p99 / max, ms',
      `${round(load.ackP50Ms)} / ${round(load.ackP99Ms)} / ${round(load.ackMaxMs)}`,
    ],
    ['all stored after the last answer, s', shown(run.drainS)],
    ['CPU a trip, µs', String(round(run.cpuUsPerTrip))],
    ['  by thread', [`main ${perTrip(cpu.mainUs)}`, ...threads].join(', ')],
    [
      'machine busy; load, % of a core',
      `${Math.round(run.machineBusyPercent)} %; ${Math.round(load.loaderCpuPercent)}`,
    ],
    ['memory (RSS), tenths, MB', run.rssMb.join(', ')],
  ]
}
