import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { messageOf } from '../actors/kernel/errors.ts'
import { UsageError } from '../simulator/options.ts'
import { describeCommit, describeMachine, isInMemory } from './machine.ts'
import { type Case, measure, type Measured, type MeasureEvents } from './measure.ts'
import { overload } from './overload.ts'
import { machineText, reportText } from './report.ts'
import { restart } from './restart.ts'
import { isScaledAsked, parseScaledBench, SCALED_HELP } from './scaled-options.ts'
import { scaledText } from './scaled-report.ts'
import { missingServers, scaled } from './scaled.ts'
import { rowsText, type ScenarioOptions } from './scenario.ts'
import { sessions } from './sessions.ts'
import { trips } from './trips.ts'

const HELP = `Usage: bun run bench [options]
       bun run bench --scenario sessions|overload|restart|trips [options]
       bun run bench --profile scaled [options]      with a --help of its own

Starts the real server on an empty data folder, puts load on it from a second process, and counts in
its stores afterwards what became of it: once with frames of 50 pings, once with frames of 1.

  --seconds N     measured time of each (default 60)
  --warm-up N     seconds before it that count for nothing but the stores (default 5)
  --only NAME     frames50 or frames1; of a scenario one of its parts
  --vehicles N    live sessions (default 100000)
  --rate N        pings a second (default: as fast as acknowledged)
  --sockets N     connections (default: 16 for frames50, 256 for frames1)
  --window N      frames of one socket without an answer (default: 2 for frames50, 1 for frames1)
  --dir DIR       where the data goes meanwhile (default: the system's folder for temporary files)
  --json FILE     writes the figures as JSON

Scenarios, each on an empty data folder of its own:
  sessions        many more sessions than may be awake, each heard again after it was put away
                  (--sessions N, default 1000000)
  overload        ten times what the machine takes, from senders that wait for nothing
                  (--seconds N, default 300)
  restart         kill -9 and a start over a long journal (--records N, default 10000000)
  trips           trips at full speed, what each costs, what they leave in memory, how soon they are seen
                  (--trips N, default 1000000; --only replay, cost, memory or visible)

  --help          this text

Exit code: 0 nothing lost and nothing double, and what must hold held; 1 not so, or it failed; 2 wrong usage.`

const SCENARIOS = { sessions, overload, restart, trips } as const

type ScenarioName = keyof typeof SCENARIOS

type Options = Readonly<{
  cases: readonly Case[]
  scenario: Readonly<{ name: ScenarioName } & Sizes> | null
  dir: string
  jsonFile: string | null
}>

type Sizes = Pick<ScenarioOptions, 'seconds' | 'sessions' | 'records' | 'trips' | 'only'>

const EXIT_INTERRUPTED = 130

const undos: (() => void | Promise<void>)[] = []

let cleaning: Promise<void> | null = null

/** Undoes what was started, newest first; once, whoever asks. */
function cleanUp(): Promise<void> {
  cleaning ??= (async () => {
    for (const undo of undos.toReversed()) await undo()
  })()
  return cleaning
}

async function main(args: readonly string[]): Promise<number> {
  if (isScaledAsked(args)) return mainScaled(args)
  const options = parseOptions(args)
  if (!options) {
    process.stdout.write(`${HELP}\n`)
    return 0
  }
  const { workDir, machine, commit, write } = prepare(options)
  if (options.scenario) {
    const { name, ...sizes } = options.scenario
    const onCleanup = (undo: () => void | Promise<void>): void => void undos.push(undo)
    const died = Promise.withResolvers<never>()
    const onServerEnded = (why: string): void => died.reject(new Error(why))
    const tools = { workDir, say, onCleanup, onServerEnded }
    const result = await Promise.race([SCENARIOS[name]({ ...sizes, ...tools }), died.promise])
    process.stdout.write(`${rowsText(result.rows)}\n\n${machineText(machine, commit)}\n`)
    write({ [name]: result.figures })
    return result.held ? 0 : 1
  }
  const results: Record<string, Measured> = {}
  for (const one of options.cases) {
    results[one.name] = await measure(one, workDir, progressTo(one), (undo) => undos.push(undo))
  }
  process.stdout.write(`${reportText(results, machine, commit)}\n`)
  write(results)
  const clean = Object.values(results).every((one) => one.lost === 0 && one.double === 0)
  return clean ? 0 : 1
}

async function mainScaled(args: readonly string[]): Promise<number> {
  const options = parseScaledBench(args)
  if (!options) {
    process.stdout.write(`${SCALED_HELP}\n`)
    return 0
  }
  const missing = missingServers()
  if (missing.length > 0) throw new UsageError(missing.join('\n'))
  const { workDir, machine, commit, write } = prepare(options)
  const result = await scaled(options.cases, {
    ...{ workDir, say, onCleanup: (undo) => undos.push(undo) },
    progressOf: (one) => progressTo(one).onProgress,
  })
  process.stdout.write(`${scaledText(result)}\n\n${machineText(machine, commit)}\n`)
  write({ profile: 'scaled', ...result })
  return result.held ? 0 : 1
}

/** A folder for this run, and what its report says of where it ran. */
function prepare({ dir, jsonFile }: Pick<Options, 'dir' | 'jsonFile'>) {
  const workDir = mkdtempSync(join(dir, 'orrery-bench-'))
  undos.push(() => rmSync(workDir, { recursive: true, force: true }))
  const machine = describeMachine()
  const commit = describeCommit(dirname(import.meta.dir))
  if (isInMemory(workDir))
    say(`${dir} is in memory: syncs cost nothing there; --dir names a folder on a disk`)
  const write = (report: object): void => {
    const whole = { ...report, machine, commit }
    if (jsonFile) writeFileSync(jsonFile, `${JSON.stringify(whole, null, 2)}\n`)
  }
  return { workDir, machine, commit, write }
}

function progressTo(one: Pick<Case, 'name' | 'warmUpS' | 'seconds'>): MeasureEvents {
  const total = one.warmUpS + one.seconds
  let seconds = 0
  return {
    onPhase: say,
    onProgress({ phase, acknowledged, perSecond }, rssMb) {
      seconds++
      const memory = rssMb === undefined ? '' : `  ${Math.round(rssMb)} MB`
      const text =
        `${one.name} ${phase} ${seconds}/${total} s  ${perSecond.toLocaleString('en-US')} pings/s  ` +
        `${acknowledged.toLocaleString('en-US')} acknowledged${memory}`
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`)
      else if (seconds % 5 === 0) say(text)
    },
  }
}

function say(text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}\n` : `${text}\n`)
}

function parseOptions(args: readonly string[]): Options | null {
  const values = parse(args)
  if (values.help) return null
  const scenario = scenarioOf(values)
  const seconds = whole('seconds', values.seconds ?? '60', 1, 86_400)
  const warmUpS = whole('warm-up', values['warm-up'], 1, 3_600)
  const vehicles = whole('vehicles', values.vehicles, 50, 1_000_000)
  const rate = values.rate === undefined ? null : whole('rate', values.rate, 1, 10_000_000)
  const numberOr = (name: 'sockets' | 'window', fallback: number): number => {
    const text = values[name]
    return text === undefined ? fallback : whole(name, text, 1, 10_000)
  }
  const both: Case[] = [
    { name: 'frames50', framePings: 50, sockets: 16, framesInFlight: 2 },
    { name: 'frames1', framePings: 1, sockets: 256, framesInFlight: 1 },
  ].map((one) => ({
    ...{ ...one, vehicles, rate, warmUpS, seconds },
    sockets: numberOr('sockets', one.sockets),
    framesInFlight: numberOr('window', one.framesInFlight),
  }))
  const cases = both.filter((one) => values.only === undefined || one.name === values.only)
  if (cases.length === 0 && !scenario)
    throw new UsageError(`--only is "${values.only}": frames50 or frames1`)
  const jsonFile = values.json === undefined ? null : resolve(values.json)
  return { cases, scenario, dir: resolve(values.dir), jsonFile }
}

function scenarioOf(values: ReturnType<typeof parse>): Options['scenario'] {
  if (values.scenario === undefined) return null
  const name = Object.keys(SCENARIOS).find((known) => known === values.scenario)
  if (!isScenario(name))
    throw new UsageError(`--scenario is "${values.scenario}": ${Object.keys(SCENARIOS).join(', ')}`)
  return {
    name,
    seconds: whole('seconds', values.seconds ?? (name === 'trips' ? '30' : '300'), 5, 86_400),
    sessions: whole('sessions', values.sessions, 10_000, 10_000_000),
    records: whole('records', values.records, 50, 1_000_000_000),
    trips: whole('trips', values.trips, 10_000, 10_000_000),
    only: values.only ?? null,
  }
}

function isScenario(name: string | undefined): name is ScenarioName {
  return name !== undefined && name in SCENARIOS
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        profile: { type: 'string' },
        scenario: { type: 'string' },
        sessions: { type: 'string', default: '1000000' },
        records: { type: 'string', default: '10000000' },
        trips: { type: 'string', default: '1000000' },
        seconds: { type: 'string' },
        'warm-up': { type: 'string', default: '5' },
        only: { type: 'string' },
        vehicles: { type: 'string', default: '100000' },
        rate: { type: 'string' },
        sockets: { type: 'string' },
        window: { type: 'string' },
        dir: { type: 'string', default: tmpdir() },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(messageOf(cause))
  }
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && text.trim() !== '' && value >= min && value <= max) return value
  throw new UsageError(`--${name} is "${text}": a whole number from ${min} to ${max} is needed`)
}

if (import.meta.main) {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      say('ending: the server and its data are removed')
      void cleanUp().finally(() => process.exit(EXIT_INTERRUPTED))
    })
  }
  const code = await main(process.argv.slice(2)).catch((thrown: unknown) => {
    // What was ended by Ctrl-C fails here too, and that is no news.
    if (cleaning) return EXIT_INTERRUPTED
    const usage = thrown instanceof UsageError
    say(`bench: ${messageOf(thrown)}${usage ? ' (--help lists all options)' : ''}`)
    return usage ? 2 : 1
  })
  await cleanUp()
  process.exit(code)
}
