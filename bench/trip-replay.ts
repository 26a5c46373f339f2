import { rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

import { csvRow, madeTrips, TRIPS_HEADER, type TripsOptions } from '../simulator/trips.ts'
import { round, type ScenarioOptions, type ScenarioResult, shown } from './scenario.ts'
import type { ServerUnderTest } from './server.ts'
import { countTrips, countUnserved, countWrongWindows, windowContent } from './trip-checks.ts'
import { BODY_TRIPS, figuresOf, HOUR_MS, ORDERED, runRows, START_MS } from './trip-report.ts'
import { flushTrips, freshServer, runTrips } from './trip-run.ts'

const REGIONS = 5
/** What is asked for. */
const PER_SECOND_MIN = 50_000

/**
 * Everything at full speed over several connections, a little out of order; and the same trips again as a
 * file, sorted, by the command that users have: the same windows must come of both, and they must be what SQL
 * reckons from the trips.
 */
export async function replay(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say } = options
  const made: TripsOptions = {
    ...ORDERED,
    ...{ count: options.trips, regions: REGIONS, startMs: START_MS, disorderMs: 30_000 },
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
  const unserved = await countUnserved(fast.server, REGIONS)
  await fast.end()
  say('trips: the same again, in order, by the replay command')
  const slow = await freshServer(options, 'trips-slow')
  const ordered = await replayCommand(slow.server, made, options)
  const orderedContent = await windowContent(slow.server)
  await slow.end()
  const { load } = run
  const lost =
    Math.max(0, options.trips - counts.silverUnique) + Math.max(0, load.rows - counts.bronzeRows)
  const double =
    counts.silverRows - counts.silverUnique + Math.max(0, counts.bronzeRows - load.rows)
  const same = content.hash === orderedContent.hash && content.windows === orderedContent.windows
  // Acknowledged is on disk; a replay is over when the stores have it all.
  const perSecond = round(load.acknowledged / run.tookS)
  return {
    figures: {
      ...{ perSecond, lost, double, wrong, unserved, same, counts, content, orderedContent },
      ...{ fast: figuresOf(run), ordered },
    },
    rows: [
      ['trips; sent with repeats', `${shown(options.trips)}; ${shown(load.rows)}`],
      [
        'trips/s, first body to all stored',
        `${shown(Math.round(perSecond))} (asked for ${shown(PER_SECOND_MIN)})`,
      ],
      ['  acknowledged', shown(Math.round(run.tripsPerSecond))],
      ['  by the replay command, sorted, one body at a time', shown(Math.round(ordered.perSecond))],
      ...runRows(run),
      ['lost; double', `${shown(lost)}; ${shown(double)}`],
      ['refused; late; busy', `${load.refused}; ${counts.late}; ${load.busy}`],
      [
        'windows; final; not as SQL reckons them',
        `${shown(content.windows)}; ${shown(content.final)}; ${wrong}`,
      ],
      ['  not served so by /metrics/timeline', String(unserved)],
      ['windows equal those of the replay command', same ? 'yes' : 'NO'],
    ],
    held:
      lost === 0 &&
      double === 0 &&
      wrong === 0 &&
      unserved === 0 &&
      same &&
      content.final === content.windows,
  }
}

/** What the replay command said, and its trips a second, from its start to its end. */
type Ordered = Readonly<{ perSecond: number; said: string }>

/** Sends the trips as a user does who has them in a file. */
async function replayCommand(
  { port, key }: ServerUnderTest,
  made: TripsOptions,
  { workDir, onCleanup }: ScenarioOptions,
): Promise<Ordered> {
  const file = join(workDir, 'trips.csv')
  const rows = [...madeTrips(made)].map(csvRow)
  writeFileSync(file, `${[TRIPS_HEADER, ...rows].join('\n')}\n`)
  const told = ['--flush', '--url', `http://127.0.0.1:${port}`, '--key', key]
  const fromMs = performance.now()
  const child = Bun.spawn([process.execPath, 'deploy/replay.ts', file, ...told], {
    cwd: dirname(import.meta.dir),
    stdout: 'pipe',
    stderr: 'pipe',
  })
  onCleanup(() => child.kill('SIGKILL'))
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ])
  const seconds = (performance.now() - fromMs) / 1_000
  rmSync(file)
  if (code !== 0) throw new Error(`the replay ended with code ${code}: ${out}${err}`)
  return { perSecond: rows.length / seconds, said: out.trim() }
}
