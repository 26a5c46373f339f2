import { type Random, seededRandom, VirtualClock } from '../actors/kernel/clock.ts'
import { checkScaledRun } from './scaled-world-check.ts'
import { SimGateway } from './scaled-world-gateway.ts'
import { waitsForPartitions } from './scaled-world-health.ts'
import { Net, Node } from './scaled-world-node.ts'
import { drawScaledPlan, type ScaledPlan, type Trouble } from './scaled-world-plan.ts'
import { NO_SCALED_SEAMS, type ScaledSeams } from './scaled-world-seams.ts'
import { Servers } from './scaled-world-stores.ts'
import type { Stream } from './scaled-world-stream.ts'
import { type NodeOptions, SimWorker } from './scaled-world-worker.ts'
import { Client, Told } from './world-client.ts'
import { Chronicle, Gate } from './world-gate.ts'
import { troubleLog } from './world-process.ts'
import { Traffic } from './world-traffic.ts'
import type { RunReport } from './world.ts'

export type ScaledRunOptions = Readonly<{
  seed: number
  /** Virtual minutes in which things go wrong. */
  minutes?: number
  /** What stands between the parts of each life: for mutations. */
  seams?: () => Partial<ScaledSeams>
}>

const DEFAULT_MINUTES = 1
/** Once the faults have ended, everything must be where it belongs within this time. */
const DRAIN_MS_MAX = 600_000
const RESTART_MS = 400
const GATEWAY_STOP_MS = 1_000

/** Runs one seed of several processes over shared stores. The same seed gives the same run. */
export async function runScaledSeed(options: ScaledRunOptions): Promise<RunReport> {
  const world = new ScaledWorld(options)
  try {
    const violation = await world.run()
    return world.report(violation)
  } finally {
    world.close()
  }
}

/** A place for a process, and who is there now. */
type Slot<Life> = { readonly name: string; life: Life | null }

class ScaledWorld {
  readonly #plan: ScaledPlan
  readonly #clock: VirtualClock
  readonly #chronicle: Chronicle
  readonly #net: Net
  readonly #servers: Servers
  readonly #traffic: Traffic
  readonly #clients: readonly Client[]
  readonly #told = new Told()
  readonly #seams: () => Partial<ScaledSeams>
  readonly #gateways: readonly Slot<SimGateway>[]
  readonly #workers: readonly Slot<SimWorker>[]
  readonly #gate: Gate
  #lives = 0
  #fatal: string | null = null

  constructor({ seed, minutes = DEFAULT_MINUTES, seams = () => ({}) }: ScaledRunOptions) {
    const plan = drawScaledPlan(seed, minutes)
    const random = (salt: number): Random => seededRandom(seed * 103 + salt)
    const clock = new VirtualClock(plan.base.startMs)
    this.#plan = plan
    this.#clock = clock
    this.#seams = seams
    this.#chronicle = new Chronicle(clock)
    this.#net = new Net(clock, random(1), plan, this.#chronicle)
    this.#servers = new Servers(plan, this.#net, clock)
    this.#gate = new Gate(clock, random(2), plan.base, this.#chronicle)
    this.#traffic = new Traffic(random(3), plan.base)
    this.#gateways = slots('gateway', plan.gateways)
    this.#workers = slots('worker', plan.workers)
    const parcels = this.#traffic.parcels(1 + Math.floor(random(4)() * 4))
    this.#clients = parcels.map(
      (own, index) =>
        new Client({
          name: `client-${index}`,
          ...{ clock, gate: this.#gate, plan: plan.base, told: this.#told },
          random: random(10 + index),
          parcels: own,
          server: () => this.#gatewayFor(index),
        }),
    )
  }

  /** What did not hold, or null. */
  async run(): Promise<string | null> {
    for (const slot of this.#gateways) this.#startGateway(slot)
    for (const slot of this.#workers) this.#startWorker(slot)
    for (const trouble of this.#plan.troubles) {
      this.#clock.after(trouble.atMs, () => this.#strike(trouble))
    }
    for (const atMs of this.#plan.base.storms) {
      this.#clock.after(atMs, () => this.#clients.forEach((client) => client.cut()))
    }
    this.#retain()
    for (const client of this.#clients) client.start()
    await this.#clock.advanceMs(this.#plan.base.faultMs)
    this.#chronicle.note('faults end')
    this.#net.active = this.#gate.active = false
    return (await this.#drain()) ?? (await this.#settleDown())
  }

  report(violation: string | null): RunReport {
    return {
      seed: this.#plan.seed,
      violation,
      chronicle: this.#chronicle.lines,
      counts: this.#chronicle.counts,
      pings: this.#traffic.pings.length,
      acknowledged: this.#told.acknowledged.size,
      lives: this.#lives,
      virtualMs: this.#clock.monotonicMs(),
    }
  }

  close(): void {
    for (const { life } of [...this.#gateways, ...this.#workers]) life?.node.die()
    this.#servers.scratch.close()
  }

  /** A vehicle keeps to its gateway while that one listens. */
  #gatewayFor(index: number): SimGateway | null {
    const own = this.#gateways[index % this.#gateways.length]?.life
    if (own?.listening) return own
    return this.#gateways.find(({ life }) => life?.listening)?.life ?? null
  }

  #options(name: string): NodeOptions {
    const { seed, skewMsMax } = this.#plan
    const skew = seededRandom(seed * 61 + this.#lives)() - 0.5
    const node = new Node(this.#clock, `${name}#${this.#lives}`, Math.round(skew * skewMsMax))
    return {
      ...{ servers: this.#servers, node },
      number: this.#lives++,
      seams: { ...NO_SCALED_SEAMS, ...this.#seams() },
      log: troubleLog((message) => this.#chronicle.note('logged', `${node.name} ${message}`)),
      fatal: (error) => {
        if (node.dead) return
        this.#chronicle.note('fatal', `${node.name}: ${error.message}`)
        this.#fatal ??= `${node.name} has ended by itself: ${error.code}: ${error.message}`
      },
    }
  }

  #startGateway(slot: Slot<SimGateway>): void {
    const gateway = new SimGateway(this.#options(slot.name))
    slot.life = gateway
    void gateway.start()
  }

  #startWorker(slot: Slot<SimWorker>): void {
    const worker = new SimWorker(this.#options(slot.name))
    slot.life = worker
    void worker.start()
  }

  #strike(trouble: Trouble): void {
    if (trouble.role === 'gateway') {
      const slot = this.#gateways[trouble.index % this.#gateways.length]
      if (slot) this.#end(slot, trouble, () => this.#startGateway(slot))
      return
    }
    const slot = this.#workers[trouble.index % this.#workers.length]
    if (!slot) return
    if (trouble.how === 'freeze') this.#freeze(slot, trouble.forMs)
    else this.#end(slot, trouble, () => this.#startWorker(slot))
  }

  #freeze({ life }: Slot<SimWorker>, forMs: number): void {
    if (!life || life.node.frozen || life.isStopping) return
    const { node } = life
    this.#chronicle.note('stands still', `${node.name} for ${forMs} ms`)
    node.freeze()
    this.#clock.after(forMs, () => {
      if (node.dead) return
      this.#chronicle.note('goes on', node.name)
      node.thaw()
    })
  }

  #end(
    slot: Slot<SimGateway> | Slot<SimWorker>,
    { how, forMs }: Trouble,
    restart: () => void,
  ): void {
    const { life } = slot
    if (!life || life.isStopping || (how === 'leave' && life.node.frozen)) return
    this.#chronicle.note(how, life.node.name)
    const bury = (): void => {
      if (slot.life !== life) return
      life.node.die()
      slot.life = null
      if (life instanceof SimGateway) for (const client of this.#clients) client.cut()
      this.#clock.after(forMs, restart)
    }
    if (how === 'kill') bury()
    else void life.stop(GATEWAY_STOP_MS).then(bury)
  }

  /** The topic lets go of what nobody needs any more. */
  #retain(): void {
    const { retentionMs } = this.#plan
    if (retentionMs === 0) return
    this.#clock.after(retentionMs, () => {
      this.#servers.trim()
      this.#retain()
    })
  }

  /** Everything sent must be acknowledged, read, handled and stored in time. */
  async #drain(): Promise<string | null> {
    const endMs = this.#clock.monotonicMs() + DRAIN_MS_MAX
    while (this.#clock.monotonicMs() < endMs) {
      if (this.#fatal !== null) return this.#fatal
      if (this.#waitsFor() === null) return null
      await this.#clock.advanceMs(1_000)
    }
    return `not done ${DRAIN_MS_MAX / 1_000} s after the faults ended: ${this.#waitsFor()}`
  }

  #waitsFor(): string | null {
    const waiting = this.#clients.filter((client) => !client.done)
    if (waiting.length > 0) return waiting.map(({ status }) => status).join(', ')
    const absent = this.#workers.filter(({ life }) => !life || life.node.frozen)
    if (absent.length > 0) return `${absent.map(({ name }) => name).join()} do not run`
    return waitsForPartitions(this.#servers.broker, this.#streams)
  }

  get #streams(): readonly Stream[] {
    return this.#workers.flatMap(({ life }) => life?.streams ?? [])
  }

  /** Lets silence be noticed, flushes, and has everything compared; then once more with other owners. */
  async #settleDown(): Promise<string | null> {
    const { limits, sessions } = this.#plan.base
    // Each sweep looks at a few actors only.
    await this.#clock.advanceMs(limits.silentMs + 15_000 + limits.sweepMs * (sessions + 3))
    const late = (await this.#drain()) ?? (await this.#flush())
    if (late) return late
    const wrong = await this.#check()
    if (wrong !== null || this.#plan.seed % 2 === 0) return wrong
    return this.#again()
  }

  /** All workers leave in order and others come: what they find in the snapshots is all of it. */
  async #again(): Promise<string | null> {
    this.#chronicle.note('all workers leave')
    for (const slot of this.#workers) {
      this.#end(slot, { atMs: 0, how: 'leave', role: 'worker', index: 0, forMs: RESTART_MS }, () =>
        this.#startWorker(slot),
      )
    }
    await this.#clock.advanceMs(30_000)
    return (await this.#drain()) ?? (await this.#flush()) ?? (await this.#check())
  }

  async #flush(): Promise<string | null> {
    const sinks = this.#streams.flatMap(({ sinks: { bronze, silver, metrics } }) => [
      ...[bronze, silver, metrics],
    ])
    let isDone = false
    void Promise.all(sinks.map((sink) => sink.flush())).then(() => {
      isDone = true
    })
    for (let waitedMs = 0; waitedMs < DRAIN_MS_MAX && !isDone; waitedMs += 1_000) {
      await this.#clock.advanceMs(1_000)
    }
    if (isDone) return null
    return `sinks do not flush: ${sinks.map((sink) => sink.health().detail).join('; ')}`
  }

  #check(): Promise<string | null> {
    const { limits } = this.#plan.base
    const { bronze, silver } = this.#servers
    const streams = [...this.#streams].sort((a, b) => a.journal.partition - b.journal.partition)
    const { silentMs, overdueMs } = limits
    return checkScaledRun({
      clock: this.#clock,
      told: this.#told,
      sent: this.#traffic.pings,
      ...{ bronze, silver: silver.tables },
      states: streams.map(({ states }) => states),
      rules: { silentMs, overdueMs, nowMs: this.#clock.nowMs(), knowsArrivals: true },
    })
  }
}

function slots<Life>(role: string, count: number): readonly Slot<Life>[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `${role}-${index}`,
    life: null,
  }))
}
