import { appendFileSync } from 'node:fs'

import type { Clock, Random } from '../../../actors/kernel/clock.ts'
import { asRecord, firstNumber, parseJson } from '../../wire.ts'

/** Messages of a body. */
export type Maker = (atMs: number) => readonly string[]

export type PosterOptions = Readonly<{
  /** Addresses that take the bodies, any of them. */
  urls: readonly string[]
  path: '/ingest' | '/ingest/trips'
  key: string
  /** What is due since the last call, one message a line. */
  make: Maker
  /** Each acknowledged message, one a line. */
  recordFile: string
  everyMs: number
  clock: Clock
  random: Random
}>

export type PosterSums = Readonly<{
  generated: number
  acknowledged: number
  refused: number
  /** Bodies that were sent once more without need. */
  repeats: number
  /** Bodies that had no answer, or another than taken, at a first try. */
  triedAgain: number
  /** Longest time from making a body to its acknowledgement. */
  longestMs: number
}>

/** Short enough that a gateway that is cut off does not hold a client up. */
const ANSWER_MS_MAX = 8_000
const AGAIN_MS = 200
/** Share of the bodies that are sent again though they were taken. */
const REPEATED = 0.05
/** Bodies under way at a time; more wait in nobody's memory: they are not made. */
const UNDER_WAY_MAX = 8

/** A client of HTTP that notes what was acknowledged and sends what was not, again, to whichever gateway answers. */
export class Poster {
  readonly #options: PosterOptions
  readonly #underWay = new Set<Promise<void>>()
  readonly #sums = {
    ...{ generated: 0, acknowledged: 0, refused: 0, repeats: 0, triedAgain: 0, longestMs: 0 },
  }
  #cancel: (() => void) | null = null
  #turn = 0
  #ended = false

  constructor(options: PosterOptions) {
    this.#options = options
    this.#tick()
  }

  get sums(): PosterSums {
    return { ...this.#sums }
  }

  get record(): string {
    return this.#options.recordFile
  }

  /** Makes no more, and settles when everything that was made is acknowledged or `withinMs` are over: what is left. */
  async finish(withinMs: number): Promise<number> {
    this.#cancel?.()
    this.#cancel = null
    const all = Promise.all(this.#underWay)
    const { clock } = this.#options
    const late = new Promise<void>((resolve) => void clock.after(withinMs, resolve))
    await Promise.race([all, late])
    this.#ended = true
    const { generated, acknowledged, refused } = this.#sums
    return generated - acknowledged - refused
  }

  #tick(): void {
    const { clock, everyMs, make } = this.#options
    this.#cancel = clock.after(everyMs, () => this.#tick())
    if (this.#underWay.size >= UNDER_WAY_MAX) return
    const lines = make(clock.nowMs())
    if (lines.length === 0) return
    this.#sums.generated += lines.length
    const sent = this.#send(lines).finally(() => this.#underWay.delete(sent))
    this.#underWay.add(sent)
  }

  async #send(lines: readonly string[]): Promise<void> {
    const { clock, recordFile, random } = this.#options
    const body = `${lines.join('\n')}\n`
    const beganMs = clock.monotonicMs()
    for (let tries = 1; !this.#ended; tries++) {
      const refused = await this.#post(body)
      if (refused !== null) {
        this.#sums.longestMs = Math.max(this.#sums.longestMs, clock.monotonicMs() - beganMs)
        this.#sums.refused += refused
        this.#sums.acknowledged += lines.length - refused
        if (refused === 0) appendFileSync(recordFile, body)
        break
      }
      if (tries === 1) this.#sums.triedAgain++
      await new Promise<void>((resolve) => void clock.after(AGAIN_MS, resolve))
    }
    if (!this.#ended && random() < REPEATED) {
      this.#sums.repeats++
      await this.#post(body)
    }
  }

  /** How many of the body were refused when it was taken; null when it was not, or nobody knows. */
  async #post(body: string): Promise<number | null> {
    const { urls, path, key } = this.#options
    const url = urls[this.#turn++ % urls.length] ?? ''
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': 'application/x-ndjson',
      connection: 'close',
    }
    try {
      const signal = AbortSignal.timeout(ANSWER_MS_MAX)
      const response = await fetch(`${url}${path}`, { method: 'POST', headers, body, signal })
      const answer = asRecord(parseJson(await response.text()))
      const refused = firstNumber(answer?.refusedCount)
      return response.status === 200 ? refused : null
    } catch {
      return null
    }
  }
}
