import { appendFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { seededRandom, systemClock } from '../../../actors/kernel/clock.ts'
import { messageOf } from '../../../actors/kernel/errors.ts'
import {
  type Environment,
  missing,
  missingReader,
  SERVICES,
} from '../../../actors/testing/services.ts'
import { UsageError } from '../../options.ts'
import { ScaledBooks } from './books.ts'
import { Cluster } from './cluster.ts'
import { ScaledFaults } from './faults.ts'
import { Load } from './load.ts'
import { DATABASE, look } from './look.ts'
import { describeMovement, move } from './movement.ts'
import { parseScaledOptions, SCALED_HELP, type ScaledOptions } from './options.ts'
import { Probe } from './probe.ts'
import { describeScaled, isScaledSound, scaledJson, type ScaledOutcome } from './report.ts'

const EXIT_FAILED = 1
const EXIT_INTERRUPTED = 130
const PROBES = 'probes.acknowledged.ndjson'

/** What must be ended at any end. */
type Held = { cluster: Cluster | null; load: Load | null }

/** `bun run crashtest --profile scaled`: returns the exit code. */
export async function runScaled(args: readonly string[], env: Environment): Promise<number> {
  const options = parseScaledOptions(args, Date.now())
  if (!options) {
    process.stdout.write(`${SCALED_HELP}\n`)
    return 0
  }
  const reasons = [
    ...SERVICES.flatMap((name) => missing(name, env) ?? []),
    ...(['pyiceberg', 'duckdb'] as const).flatMap((name) => missingReader(name, env) ?? []),
  ]
  if (reasons.length > 0) throw new UsageError(reasons.join('\n'))
  const root = rootOf(options)
  const held: Held = { cluster: null, load: null }
  let code = EXIT_FAILED
  try {
    const running = run(options, { root, env }, held)
    // After an interruption its faults go on into a system that is gone.
    running.catch(() => {})
    code = await Promise.race([running, interrupted()])
  } finally {
    await held.load?.kill()
    await held.cluster?.[Symbol.asyncDispose]()
    if (code === 0 && !options.keep && options.dir === null) {
      rmSync(root, { recursive: true, force: true })
    } else say(`records, logs and data are in ${root}`)
  }
  return code
}

async function run(
  options: ScaledOptions,
  { root, env }: Readonly<{ root: string; env: Environment }>,
  held: Held,
): Promise<number> {
  const { seed, jsonFile } = options
  const beganMs = systemClock.monotonicMs()
  const tookS = (): number => (systemClock.monotonicMs() - beganMs) / 1_000
  const tell = (text: string): void => {
    const line = `${tookS().toFixed(1).padStart(7)} s  ${text}`
    appendFileSync(join(root, 'events.log'), `${new Date().toISOString()} ${line}\n`)
    say(line)
  }
  tell(`seed ${seed}, in ${root}`)
  const clock = systemClock
  const direct = options.scenario === 'movement'
  const cluster = await Cluster.prepare({ ...options, env, root, clock, direct })
  held.cluster = cluster
  tell('servers run')
  const recordFile = join(root, PROBES)
  const probe = new Probe({
    urls: () => cluster.of('gateway').flatMap((part) => (part.running ? [part.url] : [])),
    ...{ key: cluster.key, partitions: options.partitions, place: cluster.servers.clickHouse },
    ...{ database: DATABASE, recordFile, seed, clock },
  })
  const books = new ScaledBooks()
  const { workers, only } = options
  const random = seededRandom(seed)
  const faults = new ScaledFaults({ cluster, probe, books, random, workers, only, say: tell })
  await faults.start()
  tell('everything runs, and a ping of every partition is in silver')
  const load = Load.start({ cluster, root, seed, rate: options.rate, clock })
  held.load = load
  await load.connected()
  const movement =
    options.scenario === 'movement' ? await move({ cluster, clock, workers, say: tell }) : null
  if (movement) {
    tell(describeMovement(movement))
    books.failures.push(...movement.failures)
  } else
    await harm({ kills: options.kills, endS: (options.minutes ?? Infinity) * 60 }, faults, load, {
      books,
      tookS,
    })
  tell('letting the clients end')
  const sums = await load.finish()
  held.load = null
  await faults.whole('the last fault').catch(() => {})
  const pingRecords = [...load.pingRecords, recordFile]
  const { tripRecord } = load
  const verdict = await look({
    ...{ cluster, root, env, clock, pingRecords, tripRecord, sums, say: tell },
  }).catch((cause: unknown) => {
    const failures = [...books.failures, messageOf(cause)]
    writeJson(jsonFile, { profile: 'scaled', seed, kills: books.kills, sound: false, failures })
    throw cause
  })
  const outcome: ScaledOutcome = { options, tookS: tookS(), books, sums, verdict }
  const text = describeScaled(outcome)
  writeFileSync(join(root, 'report.txt'), `${text}\n`)
  process.stdout.write(`${text}\n`)
  writeJson(jsonFile, { ...scaledJson(outcome), ...(movement && { movement }) })
  return isScaledSound(outcome) ? 0 : EXIT_FAILED
}

/** Faults until there were enough; one that the system does not come back from ends them. */
async function harm(
  { kills, endS }: Readonly<{ kills: number; endS: number }>,
  faults: ScaledFaults,
  load: Load,
  { books, tookS }: Readonly<{ books: ScaledBooks; tookS: () => number }>,
): Promise<void> {
  try {
    while (books.kills < kills && tookS() < endS) {
      await faults.next()
      if (!load.running) throw new Error('a client ended by itself; see its log')
    }
  } catch (thrown) {
    const why = messageOf(thrown)
    if (!books.failures.includes(why)) books.failures.push(why)
    say('no more faults: looking into the stores as they are')
  }
}

function rootOf({ dir }: ScaledOptions): string {
  if (dir === null) return mkdtempSync(join(tmpdir(), 'orrery-crashtest-'))
  const root = resolve(dir)
  if (existsSync(join(root, 'servers'))) {
    throw new UsageError(`--dir ${dir} holds an earlier run: name another`)
  }
  mkdirSync(root, { recursive: true, mode: 0o700 })
  return root
}

function writeJson(file: string | null, result: Readonly<Record<string, unknown>>): void {
  if (file !== null) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}

function interrupted(): Promise<number> {
  return new Promise((settle) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => settle(EXIT_INTERRUPTED))
  })
}

function say(text: string): void {
  process.stderr.write(`crashtest: ${text}\n`)
}
