import { join } from 'node:path'

import type { TripsOptions } from '../simulator/trips.ts'
import { percentile } from './machine.ts'
import {
  loadAverage,
  MemoryWatch,
  round,
  type ScenarioOptions,
  type ScenarioResult,
  shown,
} from './scenario.ts'
import { countTrips, countWrongWindows, windowContent } from './trip-checks.ts'
import { flushTrips, freshServer, runTrips, type TripRun } from './trip-run.ts'
import { measureVisible } from './trip-visible.ts'

const START_MS = Date.UTC(2025, 7, 17)
const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const BODY_TRIPS = 1_000
const COST_TRIPS = 480_000
const MEMORY_ROUNDS = 4
/** What the issue asks for. */
const PER_SECOND_MIN = 50_000
const CPU_US_MAX = 12
const VISIBLE_P99_MS_MAX = 1_000

const ORDERED: Pick<TripsOptions, 'seed' | 'duplicateShare' | 'lateShare'> = {
  ...{ seed: 5, duplicateShare: 0, lateShare: 0 },
}

type Part = (options: ScenarioOptions) => Promise<ScenarioResult>

const PARTS: Readonly<Record<string, Part>> = { replay, cost, memory, visible }

/** Trips at full speed, what each costs, what they leave in memory, and how soon they are seen. */
export async function trips(options: ScenarioOptions): Promise<ScenarioResult> {
  const loadBefore = loadAverage()
  const figures: Record<string, unknown> = {}
  const rows: (readonly [string, string])[] = []
  let held = true
  for (const [name, part] of Object.entries(PARTS)) {
    if (options.only !== null && options.only !== name) continue
    const result = await part(options)
    figures[name] = result.figures
    rows.push([`— ${name}`, ''], ...result.rows)
    held &&= result.held
  }
  if (rows.length === 0) throw new Error(`--only: ${Object.keys(PARTS).join(', ')}`)
  figures.loadAverage = { before: loadBefore, after: loadAverage() }
  return {
    figures,
    rows: [...rows, ['load average before / after', `${loadBefore} / ${loadAverage()}`]],
    held,
  }
}

/**
 * Everything at full speed over several connections, and the same trips again over one, in other bodies:
 * the same windows must come of it, and they must be what SQL reckons from the trips.
 */
async function replay(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say } = options
  const made: TripsOptions = {
    ...ORDERED,
    ...{ count: options.trips, regions: 5, startMs: START_MS, disorderMs: 30_000 },
    // 0.3 minutes a body: eight of them and the disorder stay within the five of the watermark.
    ...{ spanMs: (options.trips / 1_000_000) * 6 * HOUR_MS, duplicateShare: 0.01 },
  }
  say(`trips: ${shown(options.trips)} at full speed`)
  const fast = await freshServer(options, 'trips-fast')
  const shape = { trips: made, bodyTrips: BODY_TRIPS, connections: 4, ahead: 8 }
  const run = await runTrips(fast.server, shape, options)
  await flushTrips(fast.server)
  say('trips: counting, and reckoning the windows anew')
  const counts = await countTrips(fast.server)
  const wrong = await countWrongWindows(fast.server)
  const content = await windowContent(fast.server)
  await fast.end()
  say('trips: the same again over one connection')
  const slow = await freshServer(options, 'trips-slow')
  const slowRun = await runTrips(
    slow.server,
    { trips: made, bodyTrips: 700, connections: 1, ahead: 1 },
    options,
  )
  await flushTrips(slow.server)
  const slowContent = await windowContent(slow.server)
  await slow.end()
  const { load } = run
  const lost =
    Math.max(0, options.trips - counts.silverUnique) + Math.max(0, load.rows - counts.bronzeRows)
  const double =
    counts.silverRows - counts.silverUnique + Math.max(0, counts.bronzeRows - load.rows)
  const same = content.hash === slowContent.hash && content.windows === slowContent.windows
  // Acknowledged is on disk; a replay is over when the stores have it all.
  const perSecond = round(load.acknowledged / run.tookS)
  return {
    figures: {
      ...{ perSecond, lost, double, wrong, same, counts, content, slowContent },
      ...{ fast: figuresOf(run), slow: figuresOf(slowRun) },
    },
    rows: [
      ['trips; sent with repeats', `${shown(options.trips)}; ${shown(load.rows)}`],
      [
        'trips/s, first body to all stored',
        `${shown(Math.round(perSecond))} (asked for ${shown(PER_SECOND_MIN)})`,
      ],
      ['  acknowledged', shown(Math.round(run.tripsPerSecond))],
      [
        '  over one connection, bodies of 700',
        shown(Math.round(slowRun.load.acknowledged / slowRun.tookS)),
      ],
      ...runRows(run),
      ['lost; double', `${shown(lost)}; ${shown(double)}`],
      ['refused; late; busy', `${load.refused}; ${counts.late}; ${load.busy}`],
      [
        'windows; final; not as SQL reckons them',
        `${shown(content.windows)}; ${shown(content.final)}; ${wrong}`,
      ],
      ['windows equal those over one connection', same ? 'yes' : 'NO'],
    ],
    held: lost === 0 && double === 0 && wrong === 0 && same && content.final === content.windows,
  }
}

/** The same server CPU for each trip, whether six or 120,000 share a window. */
async function cost(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say } = options
  const ends = [
    { name: 'sparse', perWindow: 6, regions: 5, disorderMs: 60_000 },
    { name: 'dense', perWindow: 120_000, regions: 1, disorderMs: 10_000 },
  ] as const
  const figures: Record<string, unknown> = {}
  const rows: (readonly [string, string])[] = []
  let held = true
  for (const { name, perWindow, regions, disorderMs } of ends) {
    say(`trips: ${perWindow} a window`)
    const spanOf = (count: number): number => (count / (perWindow * regions)) * MINUTE_MS
    const shape = (startMs: number, count: number) => ({
      trips: { ...ORDERED, count, regions, startMs, spanMs: spanOf(count), disorderMs },
      // One after another: a body of the sparse ones spans half an hour, and may not be overtaken.
      ...{ bodyTrips: BODY_TRIPS, connections: 1, ahead: 1 },
    })
    const { server, end } = await freshServer(options, `trips-${name}`)
    const warmUp = await runTrips(server, shape(START_MS, 120_000), options)
    const startMs = START_MS + Math.ceil(spanOf(120_000) / HOUR_MS) * HOUR_MS
    const before = warmUp.load.acknowledged
    const run = await runTrips(server, shape(startMs, COST_TRIPS), { ...options, before })
    const wrong = await countWrongWindows(server)
    const { windows } = await windowContent(server)
    await end()
    figures[name] = { perWindow, regions, windows, wrong, ...figuresOf(run) }
    rows.push(
      [
        `${shown(perWindow)} trips a window: CPU a trip, µs`,
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
async function memory(options: ScenarioOptions): Promise<ScenarioResult> {
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

/** From a trip's sending until a window with it is seen: with nothing else, and beside 10,000 trips/s of now. */
async function visible(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say, onCleanup } = options
  const figures: Record<string, unknown> = {}
  const rows: (readonly [string, string])[] = []
  let held = true
  for (const { name, rate } of [
    { name: 'alone', rate: 0 },
    { name: 'beside 10,000 trips/s', rate: 10_000 },
  ]) {
    say(`trips: seen ${name}`)
    const { server, end } = await freshServer(options, `trips-visible-${rate}`)
    const traffic = rate > 0 ? liveTrips(server, rate, options.seconds) : null
    if (traffic) onCleanup(() => traffic.kill())
    await Bun.sleep(2_000)
    const seen = await measureVisible(server, { rate: 200, seconds: options.seconds, seed: 3 })
    await traffic?.exited
    await end()
    const p = (values: readonly number[], share: number): number => round(percentile(values, share))
    const stream = {
      p50: p(seen.streamMs, 0.5),
      p99: p(seen.streamMs, 0.99),
      max: p(seen.streamMs, 1),
    }
    const poll = { p50: p(seen.pollMs, 0.5), p99: p(seen.pollMs, 0.99), max: p(seen.pollMs, 1) }
    figures[name] = {
      stream,
      poll,
      trips: seen.streamMs.length,
      polls: seen.pollMs.length,
      unseen: seen.unseen,
    }
    rows.push(
      [`${name}: trips; not seen`, `${shown(seen.streamMs.length)}; ${seen.unseen}`],
      [
        '  sent → in /live/regions p50 / p99 / max, ms',
        `${stream.p50} / ${stream.p99} / ${stream.max}`,
      ],
      [
        `  sent → in /metrics/region/{id} p50 / p99 / max, ms`,
        `${poll.p50} / ${poll.p99} / ${poll.max} (${seen.pollMs.length})`,
      ],
    )
    held &&= seen.unseen === 0 && Math.max(stream.p99, poll.p99) <= VISIBLE_P99_MS_MAX
  }
  return { figures, rows, held }
}

/** Traffic of five regions that happens now, from a process of its own. */
function liveTrips(
  { port, key }: Readonly<{ port: number; key: string }>,
  rate: number,
  seconds: number,
) {
  const command = join(import.meta.dir, '..', 'simulator', 'generate-trips.ts')
  const told = ['--rate', String(rate), '--duration', String(seconds + 4), '--regions', '5']
  return Bun.spawn(
    [process.execPath, command, ...told, '--url', `http://127.0.0.1:${port}`, '--key', key],
    { stdout: 'ignore', stderr: 'inherit' },
  )
}

function figuresOf(run: TripRun): Readonly<Record<string, unknown>> {
  const { load, cpu, ...rest } = run
  const othersUs = Object.fromEntries(cpu.othersUs)
  return { ...rest, ...load, cpuUs: { total: cpu.totalUs, main: cpu.mainUs, ...othersUs } }
}

function runRows(run: TripRun): ScenarioResult['rows'] {
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
