import { Histogram } from '../actors/kernel/telemetry.ts'
import { FrameSet } from './frames.ts'
import { Lane } from './lane.ts'

/** What the load is told by the bench, as JSON in its first argument. */
export type LoadOptions = Readonly<{
  hostname: string
  port: number
  key: string
  vehicles: number
  framePings: number
  sockets: number
  /** Frames of one socket without an answer. */
  framesInFlight: number
  /** Pings a second; null is as fast as acknowledged. */
  rate: number | null
  /** Sent before the measured time begins. */
  warmUpS: number
  /** The longest that the measured time may be. */
  seconds: number
  /** Ends when every vehicle has sent so many pings; null goes on until the time is up. */
  rounds: number | null
  run: string
}>

/** What the load says when it has ended, as the last line of its output. */
export type LoadResult = Readonly<{
  kind: 'result'
  /** Acknowledged from the first to the last, warm-up included. */
  acknowledged: number
  refused: number
  refusedBecause: string
  unanswered: number
  /** Within the measured time. */
  measuredPings: number
  measuredS: number
  ackP50Ms: number
  ackP99Ms: number
  ackMaxMs: number
  busy: number
  loaderCpuPercent: number
  lost: string
}>

/** What it says meanwhile, once a second. */
export type LoadProgress = Readonly<{
  kind: 'progress'
  phase: 'warm-up' | 'measured'
  acknowledged: number
  perSecond: number
}>

const SESSION_PINGS = 300
const LATENCY_BOUNDS = Array.from({ length: 800 }, (_, step) => 0.02 * 1.02 ** step)
const LAST_ANSWERS_MS_MAX = 60_000

class Load {
  readonly #options: LoadOptions
  readonly #frames: FrameSet
  readonly #lanes: Lane[]
  /** Lanes that may send, once for each frame that they have room for. */
  #free: Lane[] = []
  #freeFrom = 0
  #sent = 0
  #startedMs = 0
  #phase: 'warm-up' | 'measured' | 'over' = 'warm-up'
  #acknowledged = 0
  #measuredPings = 0
  #refused = 0
  #refusedBecause = ''
  #busy = 0
  #lost = ''
  #latency = new Histogram(LATENCY_BOUNDS)
  #latencyMaxMs = 0

  constructor(options: LoadOptions) {
    this.#options = options
    // Whole rounds are counted afterwards: then no delivery ends on the way, and no other begins.
    const lives =
      options.rounds === null
        ? { sessionPings: SESSION_PINGS }
        : { sessionPings: options.rounds + 1, together: true }
    this.#frames = new FrameSet({ ...options, ...lives })
    const lanes = Math.min(options.sockets, this.#frames.count)
    const events = {
      onAnswered: this.#onAnswered,
      onBusy: this.#onBusy,
      onLost: (why: string) => {
        if (this.#phase !== 'over') this.#lost ||= why
      },
    }
    this.#lanes = Array.from(
      { length: lanes },
      (_, at) => new Lane(this.#frames, at, lanes, events),
    )
  }

  async run(): Promise<LoadResult> {
    const { hostname, port, key, warmUpS, seconds } = this.#options
    for (const lane of this.#lanes) await lane.open(hostname, port, key)
    // No lane may ever need a frame that has no answer yet.
    const ownFrames = Math.floor(this.#frames.count / this.#lanes.length)
    const room = Math.min(this.#options.framesInFlight, ownFrames)
    for (let round = 0; round < room; round++) this.#free.push(...this.#lanes)
    this.#startedMs = performance.now()
    const pulse = setInterval(() => this.#pump(), 1)
    const report = this.#reportEverySecond()
    this.#pump()
    await Bun.sleep(warmUpS * 1_000)
    this.#phase = 'measured'
    const cpuBefore = process.cpuUsage()
    const fromMs = performance.now()
    await this.#untilOver(seconds * 1_000)
    const measuredS = (performance.now() - fromMs) / 1_000
    const cpu = process.cpuUsage(cpuBefore)
    this.#phase = 'over'
    clearInterval(report)
    await this.#untilAnswered()
    clearInterval(pulse)
    for (const lane of this.#lanes) lane.end()
    return {
      kind: 'result',
      acknowledged: this.#acknowledged,
      refused: this.#refused,
      refusedBecause: this.#refusedBecause,
      unanswered: this.#unanswered,
      measuredPings: this.#measuredPings,
      measuredS,
      ackP50Ms: this.#quantileMs(0.5),
      ackP99Ms: this.#quantileMs(0.99),
      ackMaxMs: this.#latencyMaxMs,
      busy: this.#busy,
      loaderCpuPercent: (cpu.user + cpu.system) / 10_000 / measuredS,
      lost: this.#lost,
    }
  }

  /** Buckets have upper bounds; none may say more than the slowest answer took. */
  #quantileMs(share: number): number {
    return Math.min(this.#latencyMaxMs, this.#latency.quantile(share))
  }

  get #unanswered(): number {
    const frames = this.#lanes.reduce((sum, lane) => sum + lane.unanswered, 0)
    return frames * this.#frames.framePings
  }

  /** Sends what is due and has room. With a rate, each frame has its own time to go out. */
  #pump(): void {
    const { rate } = this.#options
    const { framePings } = this.#frames
    const nowMs = performance.now()
    const wallMs = Date.now()
    const gapMs = rate === null ? 0 : (framePings * 1_000) / rate
    while (this.#freeFrom < this.#free.length) {
      const lane = this.#free[this.#freeFrom]
      if (!lane || (this.#phase === 'over' && !lane.owes)) break
      if (!lane.owes && lane.rounds >= (this.#options.rounds ?? Infinity)) {
        this.#freeFrom++
        continue
      }
      const dueMs = rate === null ? nowMs : this.#startedMs + this.#sent * gapMs
      if (dueMs > nowMs) break
      this.#freeFrom++
      this.#sent++
      lane.send(dueMs, wallMs)
    }
    if (this.#freeFrom > 4_096) {
      this.#free = this.#free.slice(this.#freeFrom)
      this.#freeFrom = 0
    }
  }

  readonly #onAnswered = (lane: Lane, dueMs: number, refused: number, reason: string): void => {
    const accepted = this.#frames.framePings - refused
    this.#acknowledged += accepted
    if (refused > 0) {
      this.#refused += refused
      this.#refusedBecause ||= reason
    }
    if (this.#phase === 'measured') {
      const tookMs = performance.now() - dueMs
      this.#measuredPings += accepted
      this.#latency.observe(tookMs, this.#frames.framePings)
      if (tookMs > this.#latencyMaxMs) this.#latencyMaxMs = tookMs
    }
    this.#free.push(lane)
    if (this.#phase !== 'over') this.#pump()
  }

  readonly #onBusy = (lane: Lane, retryAfterMs: number): void => {
    this.#busy++
    setTimeout(() => {
      this.#free.splice(this.#freeFrom, 0, lane)
      this.#pump()
    }, retryAfterMs)
  }

  #reportEverySecond(): ReturnType<typeof setInterval> {
    let before = 0
    return setInterval(() => {
      if (this.#phase === 'over') return
      const acknowledged = this.#acknowledged
      const perSecond = acknowledged - before
      before = acknowledged
      say({ kind: 'progress', phase: this.#phase, acknowledged, perSecond })
    }, 1_000)
  }

  get #isComplete(): boolean {
    const { rounds } = this.#options
    return rounds !== null && this.#lanes.every((lane) => lane.rounds >= rounds)
  }

  /** Until the time is up, all rounds are sent, or a lane is lost. */
  async #untilOver(forMs: number): Promise<void> {
    const endMs = performance.now() + forMs
    while (performance.now() < endMs && this.#lost === '' && !this.#isComplete) await Bun.sleep(20)
  }

  async #untilAnswered(): Promise<void> {
    const endMs = performance.now() + LAST_ANSWERS_MS_MAX
    while (this.#unanswered > 0 && performance.now() < endMs && this.#lost === '') {
      this.#pump()
      await Bun.sleep(5)
    }
  }
}

function say(message: LoadProgress | LoadResult): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

if (import.meta.main) {
  const options: LoadOptions = JSON.parse(process.argv[2] ?? '{}')
  say(await new Load(options).run())
  process.exit(0)
}
