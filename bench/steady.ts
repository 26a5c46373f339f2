import { FrameSet } from './frames.ts'
import { Lane } from './lane.ts'
import { percentile } from './machine.ts'
import type { ServerUnderTest } from './server.ts'

/** One second as a well-behaved vehicle saw it. */
export type SteadySecond = Readonly<{
  /** When it began, of this process's monotonic clock. */
  atMs: number
  /** NaN when nothing was acknowledged. */
  ackP50Ms: number
  acknowledged: number
  busy: number
}>

const EVERY_MS = 25
const SECOND_MS = 1_000

type Answer = Readonly<{ atMs: number; tookMs: number | null }>

/** A vehicle that sends a ping every 25 ms, waits for each answer, and comes again when it is told to. */
export class SteadySender {
  readonly #server: ServerUnderTest
  readonly #frames: FrameSet
  readonly #lane: Lane
  readonly #answers: Answer[] = []
  #timer: ReturnType<typeof setInterval> | null = null
  #waiting = false
  #stopped = false
  /** Cut off: the server died or closed the socket. */
  lost = ''
  acknowledged = 0

  constructor(server: ServerUnderTest) {
    this.#server = server
    const run = crypto.randomUUID()
    this.#frames = new FrameSet({ vehicles: 1, framePings: 1, run, sessionPings: 60_000 })
    this.#lane = new Lane(this.#frames, 0, 1, {
      onAnswered: (_, dueMs) => {
        this.acknowledged++
        this.#waiting = false
        this.#answer(performance.now() - dueMs)
      },
      onBusy: (_, retryAfterMs) => {
        this.#answer(null)
        setTimeout(() => this.#lane.send(performance.now(), Date.now()), retryAfterMs)
      },
      onLost: (why) => {
        if (this.#stopped) return
        this.lost = why
        if (this.#timer) clearInterval(this.#timer)
      },
    })
  }

  async start(): Promise<void> {
    await this.#lane.open('127.0.0.1', this.#server.port, this.#server.key)
    this.#timer = setInterval(() => {
      if (this.#waiting) return
      this.#waiting = true
      this.#lane.send(performance.now(), Date.now())
    }, EVERY_MS)
  }

  /** Ends it; a ping without an answer is waited for. */
  async stop(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    while (this.#waiting && this.lost === '') await Bun.sleep(EVERY_MS)
    this.#stopped = true
    this.#lane.end()
  }

  /** The seconds from a moment on, the last one being over. */
  seconds(fromMs: number): readonly SteadySecond[] {
    const all: SteadySecond[] = []
    for (let atMs = fromMs; atMs + SECOND_MS <= performance.now(); atMs += SECOND_MS) {
      const within = this.#answers.filter((one) => one.atMs >= atMs && one.atMs < atMs + SECOND_MS)
      const took = within.flatMap(({ tookMs }) => (tookMs === null ? [] : [tookMs]))
      const busy = within.length - took.length
      all.push({ atMs, ackP50Ms: percentile(took, 0.5), acknowledged: took.length, busy })
    }
    return all
  }

  /** Answer times from one moment to another. */
  ackMs(fromMs: number, toMs = Infinity): readonly number[] {
    return this.#answers.flatMap(({ atMs, tookMs }) =>
      atMs >= fromMs && atMs < toMs && tookMs !== null ? [tookMs] : [],
    )
  }

  #answer(tookMs: number | null): void {
    this.#answers.push({ atMs: performance.now(), tookMs })
  }
}
