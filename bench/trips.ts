import { join } from 'node:path'

import { percentile } from './machine.ts'
import { loadAverage, round, type ScenarioOptions, type ScenarioResult, shown } from './scenario.ts'
import { countRows, SILVER_TRIPS } from './trip-checks.ts'
import { cost, memory } from './trip-cost.ts'
import { replay } from './trip-replay.ts'
import { freshServer } from './trip-run.ts'
import { measureVisible } from './trip-visible.ts'

/** What is asked for. */
const VISIBLE_P99_MS_MAX = 1_000

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
    if (((await traffic?.exited) ?? 0) !== 0) throw new Error('the other traffic was not taken')
    const stored = await countRows(server, SILVER_TRIPS)
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
      stored,
    }
    rows.push(
      [`${name}: trips; not seen`, `${shown(seen.streamMs.length)}; ${seen.unseen}`],
      ['  stored of all traffic', shown(stored)],
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
