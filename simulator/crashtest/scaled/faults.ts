import type { Clock, Random } from '../../../actors/kernel/clock.ts'
import { systemClock } from '../../../actors/kernel/clock.ts'
import { pause } from '../server.ts'
import { isLineFault, SCALED_FAULTS, type ScaledBooks, type ScaledFault } from './books.ts'
import type { Cluster } from './cluster.ts'
import { Crew } from './crew.ts'
import { LineFaults } from './line-faults.ts'
import { PartFaults, seconds } from './part-faults.ts'
import type { Part } from './part.ts'
import type { Probe } from './probe.ts'
import { SERVERS } from './servers.ts'

const READY_MS_MAX = 60_000
const VISIBLE_MS_MAX = 180_000
const WORKERS_MIN = 2

export type FaultsOptions = Readonly<{
  cluster: Cluster
  probe: Probe
  books: ScaledBooks
  random: Random
  /** How many workers there are at the start. */
  workers: number
  /** Told what is being done, with the moment. */
  say: (text: string) => void
  clock?: Clock
  /** Only these, when given. */
  only?: readonly ScaledFault[]
}>

/** Does to a scaled-out installation, one after the other, what can happen to one. */
export class ScaledFaults {
  readonly #options: FaultsOptions
  readonly #crew: Crew
  readonly #lines: LineFaults
  readonly #partFaults: PartFaults

  constructor(options: FaultsOptions) {
    this.#options = options
    const { cluster, books, random, say, clock = systemClock } = options
    this.#crew = new Crew(cluster, random)
    this.#lines = new LineFaults({ lines: cluster.lines, books, random, say })
    this.#partFaults = new PartFaults({ crew: this.#crew, books, random, say, clock })
  }

  /** Starts everybody for the first time; throws when somebody is not ready, or nothing arrives. */
  async start(): Promise<void> {
    const { cluster, workers } = this.#options
    const first = [
      ...[...cluster.of('gateway'), ...cluster.of('worker').slice(0, workers)],
      ...[...cluster.of('web'), ...cluster.of('edge')],
    ]
    for (const part of first) this.#crew.start(part, true)
    await this.#ready(first)
    await this.whole('the start')
  }

  /** One fault at a random moment, and back to a system that works; throws when it does not come back. */
  async next(): Promise<ScaledFault> {
    const { probe, books, say } = this.#options
    await pause(this.#between(100, 3_000))
    await this.#lookAfter()
    const fault = this.#draw()
    const end = isLineFault(fault)
      ? await this.#lines.begin(fault)
      : await this.#partFaults.begin(fault)
    const during = probe.pass(VISIBLE_MS_MAX)
    await end()
    const probed = await during
    if (typeof probed === 'string') await this.#lost(fault, probed)
    else {
      books.note(fault, probed.takenMs, probed.visibleMs)
      say(
        `${fault}: a ping taken after ${seconds(probed.takenMs)}, ` +
          `every partition in silver after ${seconds(probed.visibleMs)}`,
      )
    }
    await this.#lookAfter()
    await this.#ready(this.#crew.wanted)
    await this.whole(fault)
    return fault
  }

  /** Waits until a ping of every partition is in silver; throws, and notes why, when it is not. */
  async whole(after: string): Promise<void> {
    const { probe, books } = this.#options
    const probed = await probe.pass(VISIBLE_MS_MAX)
    if (typeof probed === 'string') await this.#lost(after, probed)
    else books.wholeMs.push(probed.visibleMs)
  }

  #draw(): ScaledFault {
    const { only = SCALED_FAULTS } = this.#options
    const weights = WEIGHTS.filter(([name]) => only.includes(name) && this.#can(name))
    let left = this.#options.random() * weights.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of weights) {
      left -= weight
      if (left < 0) return name
    }
    return weights[0]?.[0] ?? 'worker kill -9'
  }

  #can(fault: ScaledFault): boolean {
    const { cluster, workers } = this.#options
    const count = this.#crew.running('worker').length
    if (fault === 'worker joins') return count < cluster.of('worker').length
    if (fault === 'worker leaves') return count > Math.max(WORKERS_MIN, workers - 1)
    if (fault === 'edge kill -9') return cluster.of('edge').length > 0
    if (fault === 'web kill -9') return cluster.of('web').length > 0
    return isLineFault(fault) ? cluster.lines.length > 0 : true
  }

  async #ready(parts: readonly Part[]): Promise<void> {
    await Promise.all(
      parts.map(async (part) => {
        if (await part.ready(READY_MS_MAX)) return
        const answer = await part.ask('/ready')
        const said = answer ? `${answer.status} ${answer.text.slice(0, 500)}` : 'nothing'
        const state = part.running ? `says ${said}` : 'has ended'
        this.#fail(`${part.name} is not ready after ${READY_MS_MAX / 1_000} s: it ${state}`)
      }),
    )
  }

  /** Whoever ended by itself is noted and started again; servers too. */
  async #lookAfter(): Promise<void> {
    const { cluster } = this.#options
    for (const part of this.#crew.wanted) {
      if (!part.endedByItself) continue
      this.#fail(`${part.name} ended by itself:\n${part.lastWords()}`)
      this.#crew.start(part)
    }
    for (const name of SERVERS) {
      const server = cluster.servers.of(name)
      if (server.running) continue
      this.#fail(`the ${name} ended by itself, which is no fault of ours:\n${server.lastWords()}`)
      await server.start()
    }
  }

  async #lost(after: string, what: string): Promise<never> {
    const states = await Promise.all(
      this.#crew.wanted.map(
        async (part) => `${part.name}: ${part.running ? await part.health() : 'ended'}`,
      ),
    )
    const text = `${VISIBLE_MS_MAX / 1_000} s after ${after}: ${what}\n${states.join('\n')}`
    this.#fail(text)
    throw new Error(text)
  }

  #between(from: number, to: number): number {
    return from + this.#options.random() * (to - from)
  }

  #fail(what: string): void {
    this.#options.books.failures.push(what)
    this.#options.say(`FAILED: ${what}`)
  }
}

const WEIGHTS: readonly (readonly [ScaledFault, number])[] = [
  ['worker kill -9', 14],
  ['worker kill -9 while starting', 4],
  ['worker SIGSTOP beyond its session', 6],
  ['worker joins', 5],
  ['worker leaves', 5],
  ['gateway kill -9', 8],
  ['web kill -9', 2],
  ['edge kill -9', 5],
  ['broker kill -9', 7],
  ['Redis kill -9', 4],
  ['Redis flushed', 3],
  ['S3 server kill -9', 6],
  ['catalog kill -9', 5],
  ['ClickHouse kill -9', 7],
  ['server SIGSTOP 20 s', 6],
  ['connections cut', 10],
  ['line silent', 8],
  ['line without answers', 7],
  ['line without requests', 4],
  ['line slow', 3],
]
