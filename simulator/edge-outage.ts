import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import { ChaosProxy } from './chaos/proxy.ts'
import { CrashServer, pause } from './crashtest/server.ts'
import { EdgeFleet } from './edge-fleet.ts'
import { asRecord, parseJson } from './wire.ts'

const HELP = `bun simulator/edge-outage.ts [--minutes 60] [--vehicles 1000] [--seed 1] [--keep]

Cuts an edge gateway off for so many minutes of data (compressed in time), lets it forward them while new pings go on
being acknowledged, kills it twice and the core once on the way, and counts what the core's stores have.`

type Options = Readonly<{ minutes: number; vehicles: number; seed: number; keep: boolean }>

const START_MS_MAX = 60_000
const FORWARD_MS_MAX = 1_800_000
const LOOK_MS = 200
/** Seconds of data before the line is cut. */
const SECONDS_BEFORE = 10
const POSTS_AT_ONCE = 4
/** Of the backlog, how much is forwarded when something is killed. */
const KILLS = [
  { share: 0.2, what: 'edge' },
  { share: 0.45, what: 'core' },
  { share: 0.7, what: 'edge' },
] as const

/** `bun simulator/edge-outage.ts`: the exit code, 0 when every ping is in the stores once. */
async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '60' },
      vehicles: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    say(HELP)
    return 0
  }
  const { minutes, vehicles, seed, keep } = values
  const root = mkdtempSync(join(tmpdir(), 'orrery-edge-'))
  const run = new Outage(root, {
    ...{ minutes: Number(minutes), vehicles: Number(vehicles), seed: Number(seed), keep },
  })
  try {
    return (await run.run()) ? 0 : 1
  } catch (cause) {
    say(`failed: ${messageOf(cause)}`)
    return 1
  } finally {
    await run.close()
    if (keep) say(`kept: ${root}`)
    else rmSync(root, { recursive: true, force: true })
  }
}

const SHARES = 8
const BRONZE_COUNTS = `SELECT count(), uniqExact(\`partition\`, offset),
  uniqExact(sipHash128(session_id, status, timestamp, current_lat, current_lon)) FROM bronze.raw_delivery_data`
const SILVER_COUNTS = 'SELECT count(), uniqExact(movement_id) FROM session_movements'

type Backlog = Readonly<{ pings: number; line: string; bytes: number; oldestMs: number }>

/** One outage: an edge, a core, the line between them and the fleet beside the edge. */
class Outage {
  readonly #root: string
  readonly #options: Options
  readonly #startedMs = systemClock.monotonicMs()
  #edge: CrashServer | null = null
  #core: CrashServer | null = null
  #line: ChaosProxy | null = null
  #rssMbMax = 0

  constructor(root: string, options: Options) {
    this.#root = root
    this.#options = options
  }

  async run(): Promise<boolean> {
    const { minutes, vehicles, seed } = this.#options
    const core = (this.#core = await this.#server('core'))
    const edge = (this.#edge = await this.#server('edge'))
    core.start({})
    await this.#up(core)
    const corePort = Number(new URL(core.url).port)
    const line = (this.#line = await ChaosProxy.open({
      target: () => corePort,
      clock: systemClock,
    }))
    const edgeSettings = {
      ...{ ROLES: 'gateway', EDGE_ID: 'depot', UPSTREAM_KEY: core.key },
      UPSTREAM_URL: `ws://127.0.0.1:${line.port}`,
    }
    edge.start(edgeSettings)
    await this.#up(edge)
    const seconds = minutes * 60
    // The newest second of the outage is about now.
    const fromMs = systemClock.nowMs() - (seconds + SECONDS_BEFORE + 120) * 1_000
    const fleet = new EdgeFleet({
      ...{ url: () => edge.url, key: edge.key, vehicles, seed, clock: systemClock, fromMs },
    })
    await fleet.send(SECONDS_BEFORE, 1)
    await this.#until('the line is up', async () => (await this.#backlog())?.pings === 0)

    line.set('refused')
    line.cut()
    const outageMs = systemClock.monotonicMs()
    await fleet.send(seconds, POSTS_AT_ONCE)
    const outage = (await this.#backlog()) ?? { pings: 0, line: '', bytes: 0, oldestMs: 0 }
    const took = (systemClock.monotonicMs() - outageMs) / 1_000
    this.#tell(
      `cut off: ${outage.pings} pings wait in ${mb(outage.bytes)} MB, taken in ${took.toFixed(0)} s ` +
        `(${perSecond(outage.pings, took)}), line ${outage.line}`,
    )

    line.set('open')
    const forwardMs = systemClock.monotonicMs()
    const isOver = { yet: false }
    const live = this.#live(fleet, isOver)
    for (const { share, what } of KILLS) {
      const left = outage.pings * (1 - share)
      await this.#until(`${share} forwarded`, async () => {
        const now = await this.#backlog()
        return now !== null && now.pings <= left
      })
      // A post without an answer would be sent again, and its pings be there twice by its sender's doing.
      await fleet.hold()
      const killed = what === 'edge' ? edge : core
      await killed.end('SIGKILL')
      killed.start(what === 'edge' ? edgeSettings : {})
      await this.#up(killed)
      fleet.release()
      const { pings } = (await this.#backlog()) ?? { pings: -1 }
      this.#tell(`${what} killed and up again, ${pings} pings wait`)
    }
    await this.#until('nothing waits', async () => {
      const now = await this.#backlog()
      return now !== null && now.pings <= vehicles
    })
    const forwardS = (systemClock.monotonicMs() - forwardMs) / 1_000
    isOver.yet = true
    await live
    await this.#until('nothing waits', async () => (await this.#backlog())?.pings === 0)
    this.#tell(
      `forwarded in ${forwardS.toFixed(0)} s (${perSecond(outage.pings, forwardS)}, restarts included)`,
    )
    return this.#check(fleet)
  }

  async close(): Promise<void> {
    await this.#edge?.retire()
    await this.#core?.retire()
    await this.#line?.[Symbol.asyncDispose]()
  }

  /** New pings at the pace of their vehicles, while the old ones are forwarded. */
  async #live(fleet: EdgeFleet, isOver: Readonly<{ yet: boolean }>): Promise<void> {
    while (!isOver.yet) await fleet.send(1, 1, 1_000)
  }

  async #check(fleet: EdgeFleet): Promise<boolean> {
    const core = this.#core
    if (!core) return false
    const [bronze, names, contents] = await this.#sums(core, BRONZE_COUNTS)
    const [movements, ids] = await this.#sums(core, SILVER_COUNTS)
    const [[letters] = []] = await core.sql('SELECT count() FROM dead_letters')
    const { acknowledged, unanswered, busy, answeredMs } = fleet
    const sorted = answeredMs.toSorted((a, b) => a - b)
    const at = (share: number): string =>
      (sorted[Math.floor(sorted.length * share)] ?? 0).toFixed(0)
    this.#tell(`acknowledged ${acknowledged}; posts unanswered ${unanswered}, busy ${busy}`)
    this.#tell(
      `answered within ${at(0.5)} ms (p50), ${at(0.99)} ms (p99), a post of a second's pings`,
    )
    this.#tell(`bronze ${bronze} rows, ${names} names, ${contents} contents`)
    this.#tell(`silver ${movements} movements, ${ids} ids; ${letters} dead letters`)
    this.#tell(`edge RSS at most ${this.#rssMbMax} MB`)
    const counts = [bronze, names, contents, movements, ids]
    const isRight = counts.every((count) => count === acknowledged) && Number(letters) === 0
    this.#tell(isRight ? 'each ping is in the stores once' : 'NOT EACH PING ONCE')
    return isRight && unanswered === 0
  }

  /** Counts of all sessions, a share of them at a time: an exact count of millions does not fit in the engine's memory. */
  async #sums(core: CrashServer, query: string): Promise<readonly number[]> {
    const sums: number[] = []
    for (let share = 0; share < SHARES; share++) {
      const [row = []] = await core.sql(
        `${query} WHERE cityHash64(session_id) % ${SHARES} = ${share}`,
      )
      for (const [at, count] of row.entries()) sums[at] = (sums[at] ?? 0) + Number(count)
    }
    return sums
  }

  #server(name: string): Promise<CrashServer> {
    const at = (file: string): string => join(this.#root, file)
    return CrashServer.prepare({
      ...{ dataDir: at(name), logFile: at(`${name}.log`), recordFile: at(`${name}.ndjson`) },
      seed: this.#options.seed,
    })
  }

  async #up(server: CrashServer): Promise<void> {
    await this.#until('it is up', async () => (await server.health()) !== null, START_MS_MAX)
  }

  /** What the edge says of itself; null while it is away. */
  async #backlog(): Promise<Backlog | null> {
    this.#lookAtMemory()
    const answer = asRecord(parseJson((await this.#edge?.health()) ?? ''))
    const part = asRecord(asRecord(answer?.parts)?.upstream)
    if (!part) return null
    const { pings, line, bytes, oldestMs } = part
    return {
      ...{ pings: Number(pings), line: String(line) },
      ...{ bytes: Number(bytes), oldestMs: Number(oldestMs) },
    }
  }

  #lookAtMemory(): void {
    const { pid } = this.#edge ?? {}
    if (pid === undefined) return
    try {
      const [, kb] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
      this.#rssMbMax = Math.max(this.#rssMbMax, Math.round(Number(kb ?? 0) / 1_024))
    } catch {
      // It is being killed.
    }
  }

  async #until(
    what: string,
    isSo: () => Promise<boolean>,
    withinMs = FORWARD_MS_MAX,
  ): Promise<void> {
    const endMs = systemClock.monotonicMs() + withinMs
    while (!(await isSo())) {
      if (systemClock.monotonicMs() > endMs) {
        throw new Error(
          `waited too long until ${what}\n${this.#edge?.lastWords(5)}\n${this.#core?.lastWords(5)}`,
        )
      }
      await pause(LOOK_MS)
    }
  }

  #tell(text: string): void {
    const seconds = ((systemClock.monotonicMs() - this.#startedMs) / 1_000).toFixed(1)
    say(`${seconds.padStart(7)} s  ${text}`)
  }
}

function mb(bytes: number): string {
  return (bytes / 1_048_576).toFixed(0)
}

function perSecond(pings: number, seconds: number): string {
  return `${Math.round(pings / Math.max(0.001, seconds))} pings/s`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

if (import.meta.main) process.exit(await main(process.argv.slice(2)))
