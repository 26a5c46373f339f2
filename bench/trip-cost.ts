import { MemoryWatch, round, type ScenarioOptions, type ScenarioResult, shown } from './scenario.ts'
import { countWrongWindows, windowContent } from './trip-checks.ts'
import {
  BODY_TRIPS,
  figuresOf,
  HOUR_MS,
  MINUTE_MS,
  ORDERED,
  runRows,
  START_MS,
} from './trip-report.ts'
import { freshServer, runTrips, type TripRun } from './trip-run.ts'

const WARM_UP_TRIPS = 120_000
const TRIPS = 480_000
const MEMORY_ROUNDS = 6
/** What is asked for. */
const CPU_US_MAX = 12

/** The same server CPU for each trip, whether six or 120,000 share a window. */
export async function cost(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say } = options
  const ends = [
    { name: 'sparse', perWindow: 6, regions: 5 },
    { name: 'dense', perWindow: 120_000, regions: 1 },
    // Of a body's thousand trips nearly each has a window to itself: what telling windows costs.
    { name: 'wide', perWindow: 6, regions: 100 },
  ] as const
  const figures: Record<string, unknown> = {}
  const rows: (readonly [string, string])[] = []
  let held = true
  for (const { name, perWindow, regions } of ends) {
    say(`trips: ${perWindow} a window`)
    const spanOf = (count: number): number => (count / (perWindow * regions)) * MINUTE_MS
    const shape = (startMs: number, count: number) => ({
      trips: { ...ORDERED, count, regions, startMs, spanMs: spanOf(count), disorderMs: 10_000 },
      // One after another: a body of the sparse ones spans half an hour, and may not be overtaken.
      ...{ bodyTrips: BODY_TRIPS, connections: 1, ahead: 1 },
    })
    const { server, end } = await freshServer(options, `trips-${name}`)
    const warmUp = await runTrips(server, shape(START_MS, WARM_UP_TRIPS), options)
    const startMs = START_MS + Math.ceil(spanOf(WARM_UP_TRIPS) / HOUR_MS) * HOUR_MS
    const before = warmUp.load.acknowledged
    const run = await runTrips(server, shape(startMs, TRIPS), { ...options, before })
    const wrong = await countWrongWindows(server)
    const { windows } = await windowContent(server)
    await end()
    figures[name] = { perWindow, regions, windows, wrong, ...figuresOf(run) }
    rows.push(
      [
        `${shown(perWindow)} trips a window, ${regions} regions: CPU a trip, µs`,
        `${round(run.cpuUsPerTrip)} (asked for < ${CPU_US_MAX})`,
      ],
      ['  trips; windows of all sizes', `${shown(run.load.acknowledged)}; ${shown(windows)}`],
      ['  trips/s over one connection', shown(Math.round(run.tripsPerSecond))],
      ...runRows(run).map(([row, value]): [string, string] => [`  ${row}`, value]),
      ['  windows not as SQL reckons them', String(wrong)],
    )
    held &&= wrong === 0
  }
  return { figures, rows, held }
}

/** Memory while many windows close, again and again: more of them than are served from memory at one time. */
export async function memory(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say } = options
  const { server, end } = await freshServer(options, 'trips-memory')
  const quietMb = async (): Promise<number> => {
    const watch = new MemoryWatch(server.pid)
    await Bun.sleep(3_000)
    watch.stop()
    return watch.over(1)[0] ?? Number.NaN
  }
  const [count, regions, perWindow] = [400_000, 100, 2]
  const spanMs = (count / (regions * perWindow)) * MINUTE_MS
  const restMb = [await quietMb()]
  const rounds: TripRun[] = []
  for (let round = 0; round < MEMORY_ROUNDS; round++) {
    say(`trips: closing windows, ${round + 1} of ${MEMORY_ROUNDS}`)
    const startMs = START_MS + round * (spanMs + HOUR_MS)
    const made = { ...ORDERED, count, regions, startMs, spanMs, disorderMs: 0 }
    const shape = { trips: made, bodyTrips: BODY_TRIPS, connections: 1, ahead: 1 }
    const before = rounds.reduce((sum, { load }) => sum + load.acknowledged, 0)
    rounds.push(await runTrips(server, shape, { ...options, before }))
    restMb.push(await quietMb())
  }
  const { windows, final } = await windowContent(server)
  await end()
  const mostMb = rounds.map(({ rssMaxMb }) => rssMaxMb)
  const cpuUs = rounds.map(({ cpuUsPerTrip }) => round(cpuUsPerTrip))
  return {
    figures: { restMb, mostMb, windows, closed: final, cpuUs, rounds: rounds.map(figuresOf) },
    rows: [
      ['windows closed, of all sizes', shown(final)],
      ['memory (RSS) at rest: first, after each round, MB', restMb.join(', ')],
      ['  at most, each round', mostMb.join(', ')],
      ['CPU a trip at two trips a window, each round, µs', cpuUs.join(', ')],
    ],
    held: final > 100_000,
  }
}
