import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { seededRandom, systemClock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import { UsageError } from '../options.ts'
import { type Ask, check, recount, type Verdict } from './check.ts'
import { Clients, type ClientSums } from './clients.ts'
import { openTestDisk, type TestDisk } from './disk.ts'
import { Faults } from './faults.ts'
import {
  CRASHTEST_HELP,
  type CrashtestOptions,
  parseCrashtestOptions,
  profileOf,
} from './options.ts'
import { describe, isSound, type Outcome, resultJson } from './report.ts'
import { CrashServer } from './server.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130
const PROBES = 'probes.acknowledged.ndjson'

/** Parts that hold something of the machine: what of them exists is given back at any end. */
type Held = { disk: TestDisk | null; server: CrashServer | null; clients: Clients | null }

/** `bun run crashtest`: returns the exit code. */
async function main(args: readonly string[]): Promise<number> {
  if (profileOf(args) === 'scaled') {
    const { runScaled } = await import('./scaled/main.ts')
    return runScaled(args, process.env)
  }
  const options = parseCrashtestOptions(args, Date.now())
  if (!options) {
    process.stdout.write(`${CRASHTEST_HELP}\n`)
    return 0
  }
  const root =
    options.dir === null ? mkdtempSync(join(tmpdir(), 'orrery-crashtest-')) : workIn(options.dir)
  const held: Held = { disk: null, server: null, clients: null }
  let code = EXIT_FAILED
  try {
    const running = run(options, root, held)
    // After an interruption its faults go on into a server that is gone.
    running.catch(() => {})
    code = await Promise.race([running, interrupted()])
  } finally {
    await giveBack(held)
    if (code === 0 && options.dir === null) rmSync(root, { recursive: true, force: true })
    else
      say(
        `records, logs and data are in ${root}${held.disk?.missing === null ? ' (the disk is disk.img on the disk lower.img)' : ''}`,
      )
  }
  return code
}

async function run(options: CrashtestOptions, root: string, held: Held): Promise<number> {
  const { seed } = options
  const beganMs = systemClock.monotonicMs()
  const disk = await openTestDisk(root)
  held.disk = disk
  say(`seed ${seed}, in ${root}`)
  if (disk.missing !== null)
    say(`NOT TRIED: full disk, read-only disk and power cut, since ${disk.missing}`)
  const server = await CrashServer.prepare({
    dataDir: join(disk.folder, 'data'),
    logFile: join(root, 'server.log'),
    recordFile: join(root, PROBES),
    seed,
  })
  held.server = server
  const faults = new Faults(server, disk, seededRandom(seed))
  await faults.start()
  const { url, key } = server
  const clients = Clients.start({ url, key, root, vehicles: options.vehicles, seed })
  held.clients = clients
  await clients.connected()
  const { sums, verdict } = await harm(options.kills, faults, clients, beganMs)
    .then(() => say('letting the clients end, and looking into the stores'))
    .then(() => look(faults, server, clients, join(root, PROBES)))
    .catch((cause: unknown) => {
      // A server that does not come back leaves nothing to compare, but a result all the same.
      const { kills, failures } = faults.books
      const sum = { seed, kills, sound: false, failures: [...failures, messageOf(cause)] }
      writeJson(options.jsonFile, sum)
      throw cause
    })
  held.clients = null
  const tookS = (systemClock.monotonicMs() - beganMs) / 1_000
  const outcome: Outcome = {
    seed,
    tookS,
    books: faults.books,
    sums,
    verdict,
    missing: disk.missing,
  }
  process.stdout.write(`${describe(outcome)}\n`)
  writeJson(options.jsonFile, resultJson(outcome))
  return isSound(outcome) ? 0 : EXIT_FAILED
}

/** Faults until the process was killed often enough. */
async function harm(
  kills: number,
  faults: Faults,
  clients: Clients,
  beganMs: number,
): Promise<void> {
  const live = process.stderr.isTTY
  const { books } = faults
  while (books.kills < kills) {
    const last = await faults.next()
    if (!clients.running) throw new Error('a client ended by itself; see its log')
    const s = Math.round((systemClock.monotonicMs() - beganMs) / 1_000)
    const accept = books.acceptAgainMs.at(-1)
    const text =
      `${s} s  kills ${books.kills}/${kills}  last: ${last}` +
      (accept === undefined ? '' : `  taking pings again after ${Math.round(accept)} ms`) +
      (books.failures.length > 0 ? `  FAILED ${books.failures.length}` : '')
    process.stderr.write(live ? `\r\u001b[K${text}` : `${text}\n`)
  }
  if (live) process.stderr.write('\n')
}

/** The end in peace: the clients send what was not acknowledged, the server stops, starts, and is asked; then once more, stopped. */
async function look(
  faults: Faults,
  server: CrashServer,
  clients: Clients,
  probes: string,
): Promise<Readonly<{ sums: ClientSums; verdict: Verdict }>> {
  await faults.healthy('the last fault')
  const sums = await clients.finish()
  const code = await server.end('SIGTERM')
  if (code !== 0) faults.books.failures.push(`the last stop ended with code ${code}`)
  await faults.start()
  await faults.healthy('the last start')
  const ask: Ask = (query) => server.sql(query)
  const metrics = async (): Promise<string> => (await server.metrics()) ?? ''
  const verdict = await check({ ask, metrics, records: [...clients.records, probes], sums })
  const running = await recount(ask)
  await server.end('SIGTERM')
  const stopped = await recount(ask)
  if (running === stopped) return { sums, verdict }
  const finding = {
    kind: 'wrong',
    what: 'counts that differ once it is stopped',
    count: 1,
  } as const
  return { sums, verdict: { ...verdict, findings: [...verdict.findings, finding] } }
}

/** Ends what runs and unmounts the disk, whatever state they are in. */
async function giveBack({ clients, server, disk }: Held): Promise<void> {
  await server?.retire()
  await clients?.kill()
  await disk
    ?.dispose()
    .catch((cause: unknown) => say(`the disk stays mounted: ${messageOf(cause)}`))
}

function writeJson(file: string | null, result: Readonly<Record<string, unknown>>): void {
  if (file !== null) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}

function workIn(dir: string): string {
  const root = resolve(dir)
  if (existsSync(join(root, 'disk')))
    throw new UsageError(`--dir ${dir} holds an earlier run: name another`)
  mkdirSync(root, { recursive: true, mode: 0o700 })
  return root
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

if (import.meta.main) {
  const code = await main(process.argv.slice(2)).catch((thrown: unknown) => {
    say(messageOf(thrown))
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
  })
  process.exit(code)
}
