import type { Clock } from '../actors/kernel/clock.ts'
import { createFleet, type Fleet } from './fleet.ts'

const POST_MS_MAX = 30_000
const RETRY_MS = 100

export type EdgeFleetOptions = Readonly<{
  url: () => string
  key: string
  vehicles: number
  seed: number
  clock: Clock
  /** Event time of the first second, milliseconds. */
  fromMs: number
}>

/**
 * A fleet whose time goes as fast as the gateway beside it acknowledges: each post is one second of all vehicles. A post
 * without an answer is sent again and counted, since its pings may then be there twice, by the sender's doing.
 */
export class EdgeFleet {
  readonly #options: EdgeFleetOptions
  readonly #fleet: Fleet
  #atMs: number
  #held: PromiseWithResolvers<void> | null = null
  #inFlight = 0
  #onQuiet: (() => void) | null = null
  acknowledged = 0
  unanswered = 0
  busy = 0
  /** Milliseconds of each post's answer. */
  readonly answeredMs: number[] = []

  constructor(options: EdgeFleetOptions) {
    const { vehicles, seed, fromMs } = options
    this.#options = options
    this.#atMs = fromMs
    this.#fleet = createFleet({ vehicles, seed, rateHz: 1, speed: 1, run: `edge-${seed}` })
    this.#fleet.step(fromMs)
  }

  /** Sends so many seconds of data, so many posts at once, `everyMs` apart or as fast as they are answered. */
  async send(seconds: number, posts: number, everyMs = 0): Promise<void> {
    let left = seconds
    const sender = async (): Promise<void> => {
      while (left-- > 0) {
        const startedMs = this.#options.clock.monotonicMs()
        await this.#post(this.#nextSecond())
        const restMs = everyMs - (this.#options.clock.monotonicMs() - startedMs)
        if (restMs > 0) await this.#pause(restMs)
      }
    }
    await Promise.all(Array.from({ length: posts }, sender))
  }

  /** Resolves when no post is on its way; none begins until `release`. */
  hold(): Promise<void> {
    this.#held ??= Promise.withResolvers<void>()
    if (this.#inFlight === 0) return Promise.resolve()
    return new Promise((resolve) => {
      this.#onQuiet = resolve
    })
  }

  release(): void {
    this.#held?.resolve()
    this.#held = null
  }

  #nextSecond(): Readonly<{ body: string; pings: number }> {
    this.#atMs += 1_000
    const pings = this.#fleet.step(this.#atMs)
    return { body: pings.map((ping) => JSON.stringify(ping)).join('\n'), pings: pings.length }
  }

  async #post({ body, pings }: Readonly<{ body: string; pings: number }>): Promise<void> {
    if (pings === 0) return
    for (;;) {
      await this.#held?.promise
      this.#inFlight++
      const startedMs = this.#options.clock.monotonicMs()
      const status = await this.#ask(body)
      this.#inFlight--
      if (this.#inFlight === 0) this.#onQuiet?.()
      if (status === 200) {
        this.acknowledged += pings
        this.answeredMs.push(this.#options.clock.monotonicMs() - startedMs)
        return
      }
      if (status === 503 || status === 429) this.busy++
      else if (status === 0) this.unanswered++
      else throw new Error(`the edge gateway answers ${status}`)
      await this.#pause(RETRY_MS)
    }
  }

  async #ask(body: string): Promise<number> {
    const { url, key } = this.#options
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/x-ndjson' }
    try {
      const signal = AbortSignal.timeout(POST_MS_MAX)
      const response = await fetch(`${url()}/ingest`, { method: 'POST', headers, body, signal })
      await response.text()
      return response.status
    } catch {
      return 0
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#options.clock.after(ms, resolve))
  }
}
