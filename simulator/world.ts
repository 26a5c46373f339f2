import { type Random, seededRandom, VirtualClock } from '../actors/kernel/clock.ts'
import { checkRun } from './checker.ts'
import { Client, Told } from './world-client.ts'
import { Chronicle, Gate, Mortal } from './world-gate.ts'
import { waitsFor } from './world-health.ts'
import { Machine } from './world-machine.ts'
import { drawPlan, type Ending, type Plan } from './world-plan.ts'
import { SimProcess, troubleLog } from './world-process.ts'
import { NO_SEAMS, type Seams } from './world-seams.ts'
import { Traffic } from './world-traffic.ts'
import { scheduleWeather } from './world-weather.ts'

export type RunOptions = Readonly<{
  seed: number
  /** Virtual minutes in which things go wrong. */
  minutes?: number
  /** What stands between the parts of each life: for mutations. */
  seams?: () => Partial<Seams>
}>

/** What became of a run. */
export type RunReport = Readonly<{
  seed: number
  /** The first thing that did not hold, or null. */
  violation: string | null
  /** What befell it, in order. */
  chronicle: readonly string[]
  counts: ReadonlyMap<string, number>
  pings: number
  acknowledged: number
  lives: number
  virtualMs: number
}>

const DEFAULT_MINUTES = 1
const RESTART_MS = 400
/** What a start says when a store has less than it had acknowledged. */
const STORE_LOST = /a store was replaced or lost data|but a store still needs/
/** Once the faults have ended, everything must be where it belongs within this time. */
const DRAIN_MS_MAX = 600_000

/** Runs one seed from beginning to end. The same seed gives the same run. */
export async function runSeed(options: RunOptions): Promise<RunReport> {
  const world = new World(options)
  const violation = await world.run()
  return world.report(violation)
}

class World {
  readonly #plan: Plan
  readonly #clock: VirtualClock
  readonly #chronicle: Chronicle
  readonly #gate: Gate
  readonly #machine: Machine
  readonly #traffic: Traffic
  readonly #clients: readonly Client[]
  readonly #told = new Told()
  readonly #seams: () => Partial<Seams>
  readonly #endings: Ending[]
  #process: SimProcess | null = null
  #lives = 0
  #refusal: string | null = null
  /** A store has lost what it had acknowledged: then a refusal to start is right. */
  #lostWrites = false

  constructor({ seed, minutes = DEFAULT_MINUTES, seams = () => ({}) }: RunOptions) {
    const plan = drawPlan(seed, minutes)
    const random = (salt: number): Random => seededRandom(seed * 101 + salt)
    const clock = new VirtualClock(plan.startMs)
    this.#plan = plan
    this.#clock = clock
    this.#seams = seams
    this.#endings = [...plan.endings]
    this.#chronicle = new Chronicle(clock)
    this.#gate = new Gate(clock, random(1), plan, this.#chronicle)
    this.#machine = new Machine({ clock, random: random(2), gate: this.#gate, plan })
    this.#traffic = new Traffic(random(3), plan)
    const parcels = this.#traffic.parcels(1 + Math.floor(random(4)() * 4))
    this.#clients = parcels.map(
      (own, index) =>
        new Client({
          name: `client-${index}`,
          clock,
          random: random(10 + index),
          gate: this.#gate,
          plan,
          parcels: own,
          told: this.#told,
          server: () => this.#process,
        }),
    )
  }

  /** What did not hold, or null. */
  async run(): Promise<string | null> {
    scheduleWeather({
      plan: this.#plan,
      clock: this.#clock,
      chronicle: this.#chronicle,
      machine: this.#machine,
      clients: this.#clients,
    })
    this.#start()
    for (const client of this.#clients) client.start()
    await this.#clock.advanceMs(this.#plan.faultMs)
    this.#calm()
    const late = await this.#drain()
    return this.#isRefusedRightly() ? null : (late ?? (await this.#settleDown()))
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

  /** The next life of the process begins; it knows how it will end. */
  #start(): void {
    const clock = this.#clock
    const ending = this.#gate.active ? (this.#endings.shift() ?? null) : null
    const mortal = new Mortal(clock, ending, (how, at) => this.#end(how, at))
    const process: SimProcess = new SimProcess({
      clock,
      machine: this.#machine,
      plan: this.#plan,
      gate: this.#gate,
      mortal,
      seams: { ...NO_SEAMS, ...this.#seams() },
      log: troubleLog((message) => this.#chronicle.note('logged', message)),
      number: this.#lives++,
      onFault: (message) => {
        this.#chronicle.note('fault', message)
        this.#bury(process, false, RESTART_MS)
      },
    })
    this.#process = process
    if (ending) mortal.clock.after(ending.withinMs, () => this.#end(ending, 'any moment'))
    void process.start().then((refusal) => {
      this.#started(process, refusal)
      // It has not had its chance.
      if (refusal !== null && ending) this.#endings.unshift(ending)
    })
  }

  #started(process: SimProcess, refusal: string | null): void {
    this.#refusal = refusal
    if (refusal === null) return
    this.#chronicle.note('start refused', refusal)
    this.#bury(process, false, RESTART_MS)
  }

  #end(ending: Ending, at: string): void {
    const process = this.#process
    if (!process || process.mortal.dead || process.stopping || !this.#gate.active) return
    const { how, downMs, deadlineMs } = ending
    if (how !== 'stop') {
      this.#chronicle.note(how === 'power' ? 'power cut' : 'kill', at)
      this.#bury(process, how === 'power', downMs)
      return
    }
    // Before it listens there is nothing to stop: a signal then is a kill.
    if (process.life === null) return this.#bury(process, false, downMs)
    this.#chronicle.note('stop', `${at}, ${deadlineMs} ms`)
    void process.stop(deadlineMs).then((unflushed) => {
      if (unflushed.length > 0) this.#chronicle.note('stop incomplete', unflushed.join())
      if (!process.mortal.dead) this.#bury(process, false, downMs)
    })
  }

  #bury(process: SimProcess, power: boolean, downMs: number): void {
    process.mortal.die()
    void this.#machine.end(power)
    const { failover } = this.#plan
    if (failover?.life === this.#lives && this.#gate.active) {
      this.#chronicle.note('silver failover', `${failover.writes} writes lost`)
      this.#machine.silver.failOver(failover.writes)
      this.#lostWrites = true
    }
    for (const client of this.#clients) this.#clock.after(downMs > 50 ? 20 : 0, () => client.cut())
    this.#clock.after(Math.max(1, downMs), () => this.#start())
  }

  #calm(): void {
    this.#chronicle.note('faults end')
    this.#gate.active = false
    this.#machine.empty()
  }

  /** Everything sent must be acknowledged, handled and stored in time. */
  async #drain(): Promise<string | null> {
    const endMs = this.#clock.monotonicMs() + DRAIN_MS_MAX
    while (this.#clock.monotonicMs() < endMs) {
      if (this.#isRefusedRightly()) return null
      const waiting = this.#waitsFor()
      if (waiting === null) return null
      await this.#clock.advanceMs(1_000)
    }
    return `not done ${DRAIN_MS_MAX / 1_000} s after the faults ended: ${this.#waitsFor()}`
  }

  #waitsFor(): string | null {
    const process = this.#process
    if (!process?.life || !process.listening) {
      return `the process does not run (${this.#refusal ?? 'it is still starting'})`
    }
    return waitsFor(process.life, this.#clients, this.#plan)
  }

  #isRefusedRightly(): boolean {
    return this.#lostWrites && this.#refusal !== null && STORE_LOST.test(this.#refusal)
  }

  /** Lets silence be noticed, flushes, and has everything compared; then once more after a restart. */
  async #settleDown(): Promise<string | null> {
    const { clockJumps, limits, seed } = this.#plan
    const jumpsMs = clockJumps.reduce((sum, { byMs }) => sum + Math.abs(byMs), 0)
    this.#clock.jumpMs(jumpsMs)
    // Each sweep looks at a few actors only.
    await this.#clock.advanceMs(
      limits.silentMs + 5_000 + limits.sweepMs * (this.#plan.sessions + 3),
    )
    const late = (await this.#drain()) ?? (await this.#flush())
    if (late) return late
    const wrong = await this.#check()
    if (wrong !== null || seed % 2 === 0) return wrong
    return this.#again()
  }

  /** A stop in order and another start: nothing is left over, nothing replayed, nothing changed. */
  async #again(): Promise<string | null> {
    const process = this.#process
    let left: readonly string[] | null = null
    void process?.stop(DRAIN_MS_MAX).then((unflushed) => {
      left = unflushed
    })
    await this.#clock.advanceMs(60_000)
    if (left === null || String(left) !== '') return `a stop in peace left over: ${String(left)}`
    if (process) this.#bury(process, false, RESTART_MS)
    await this.#clock.advanceMs(RESTART_MS + 1)
    const late = await this.#drain()
    if (late) return late
    const replayed = this.#process?.life?.replay.total ?? 0
    if (replayed > 0) return `after a stop in peace ${replayed} messages were replayed`
    const flushed = await this.#flush()
    return flushed ?? (await this.#check())
  }

  async #flush(): Promise<string | null> {
    const sinks = this.#process?.life?.sinks
    if (!sinks) return 'the process does not run'
    let flushed = false
    const all = [sinks.bronze, sinks.silver, sinks.metrics] as const
    void Promise.all(all.map((sink) => sink.flush())).then(() => {
      flushed = true
    })
    for (let waitedMs = 0; waitedMs < DRAIN_MS_MAX && !flushed; waitedMs += 1_000) {
      await this.#clock.advanceMs(1_000)
    }
    if (flushed) return null
    const health = all.map((sink) => `${sink.name}: ${sink.health().detail}`).join('; ')
    return `sinks do not flush: ${health}`
  }

  async #check(): Promise<string | null> {
    const life = this.#process?.life
    if (!life) return 'the process does not run'
    const { limits, livesOfOld } = this.#plan
    return checkRun({
      clock: this.#clock,
      told: this.#told,
      sent: this.#traffic.pings,
      machine: this.#machine,
      positions: life.map.positions(),
      rules: {
        silentMs: limits.silentMs,
        overdueMs: limits.overdueMs,
        nowMs: this.#clock.nowMs(),
        knowsArrivals: livesOfOld === 0,
      },
    })
  }
}
