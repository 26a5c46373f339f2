import { writeFileSync } from 'node:fs'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { borrowKey, findControlSocket } from './control-socket.ts'
import { createFleet } from './fleet.ts'
import { parseSimulateOptions, SIMULATE_HELP, type SimulateOptions, UsageError } from './options.ts'
import { noRecord, openRecord } from './record.ts'
import { Simulation, type SimulationState } from './simulation.ts'
import { describeSummary } from './tally.ts'
import { runTrips } from './trips-command.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_KEY_REFUSED = 3
const EXIT_UNACKNOWLEDGED = 4
const DRAIN_MS_MAX = 15_000
const LIVE_MS = 500
const LINES_MS = 5_000

/** `bun run simulate`: returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  if (args[0] === 'trips') return runTrips(args.slice(1), process.env)
  const options = parseSimulateOptions(args, process.env, Date.now())
  if (!options) {
    process.stdout.write(`${SIMULATE_HELP}\n`)
    return 0
  }
  const record = options.recordFile ? openRecord(options.recordFile) : noRecord
  const simulation = new Simulation({
    url: options.url,
    key: keySource(options),
    fleet: createFleet(options),
    seed: options.seed,
    framePings: options.framePings,
    sockets: options.sockets,
    framesInFlightMax: options.framesInFlightMax,
    faults: options.faults,
    clock: systemClock,
    onAcknowledged: (lines) => record.add(lines),
  })
  say(
    `${options.vehicles} vehicles, ${options.vehicles * options.rateHz} pings/s in frames of ` +
      `${options.framePings} over ${options.sockets} sockets to ${options.url}`,
  )
  const startedMs = systemClock.monotonicMs()
  const tookS = (): number => (systemClock.monotonicMs() - startedMs) / 1_000
  await simulation.start()
  const stopShowing = showProgress(() => simulation.state, tookS)
  await untilEnd(options.durationS)
  const generatedS = tookS()
  process.once('SIGINT', () => simulation.giveUp())
  const summary = await simulation.finish(DRAIN_MS_MAX)
  stopShowing()
  record.close()
  process.stdout.write(`${describeSummary(summary, generatedS)}\n`)
  if (options.jsonFile) {
    const { seed, run, vehicles, rateHz, framePings, sockets } = options
    const about = { seed, run, vehicles, rateHz, framePings, sockets, tookS: generatedS }
    writeFileSync(options.jsonFile, `${JSON.stringify({ ...about, ...summary }, null, 2)}\n`)
  }
  return summary.unacknowledged > 0 || !summary.addsUp ? EXIT_UNACKNOWLEDGED : 0
}

/** The key that was given; else one that the server on this machine lends, anew when it is refused. */
function keySource(options: SimulateOptions): (refused: boolean) => Promise<string> {
  const { key, dataDir } = options
  if (key !== null) return () => Promise.resolve(key)
  let borrowed: Promise<string> | null = null
  return (refused) => {
    if (refused) borrowed = null
    borrowed ??= borrow(dataDir).catch((cause: unknown) => {
      borrowed = null
      throw cause
    })
    return borrowed
  }
}

async function borrow(dataDir: string): Promise<string> {
  const control = await findControlSocket(dataDir)
  if (control) return borrowKey(control)
  throw new OrreryError(
    'no_key',
    `no key: give --key or API_KEY (no running server was found in ${dataDir}; see --data-dir)`,
  )
}

/** Settles after the duration, or on Ctrl-C or SIGTERM. */
function untilEnd(durationS: number | null): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', resolve)
    process.once('SIGTERM', resolve)
    if (durationS !== null) systemClock.after(durationS * 1_000, resolve)
  })
}

function showProgress(state: () => SimulationState, tookS: () => number): () => void {
  const live = process.stderr.isTTY
  let before = { acknowledged: 0, s: 0 }
  const show = (): void => {
    const { tally, unacknowledged, links, linksReady } = state()
    const s = tookS()
    const rate = Math.round(
      (tally.acknowledged - before.acknowledged) / Math.max(0.001, s - before.s),
    )
    before = { acknowledged: tally.acknowledged, s }
    const p99Ms = Math.round(tally.ackMs.quantile(0.99) * 10) / 10
    const text =
      `${s.toFixed(0)} s  ${rate}/s  acknowledged ${tally.acknowledged}/${tally.generated}` +
      `  waiting ${unacknowledged}  refused ${tally.refused}  busy ${tally.busy}` +
      `  links ${linksReady}/${links}  ack p99 ${p99Ms} ms`
    process.stderr.write(live ? `\r\u001b[K${text}` : `${text}\n`)
  }
  const timer = setInterval(show, live ? LIVE_MS : LINES_MS)
  return () => {
    clearInterval(timer)
    if (live) process.stderr.write('\r\u001b[K')
  }
}

function say(text: string): void {
  process.stderr.write(`${text}\n`)
}

function exitCodeOf(thrown: unknown): number {
  if (thrown instanceof UsageError) return EXIT_USAGE
  if (thrown instanceof OrreryError && thrown.code === 'key_refused') return EXIT_KEY_REFUSED
  return EXIT_FAILED
}

if (import.meta.main) {
  const code = await main(process.argv.slice(2)).catch((thrown: unknown) => {
    const hint = thrown instanceof UsageError ? ' (--help lists all options)' : ''
    say(`simulate: ${messageOf(thrown)}${hint}`)
    return exitCodeOf(thrown)
  })
  process.exit(code)
}
