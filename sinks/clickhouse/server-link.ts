import { Readable } from 'node:stream'

import type { ClickHouseClient, ClickHouseSettings } from '@clickhouse/client'

import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { type Backoff, retry } from '../retry.ts'
import { ServerError, serverError, TIMEOUT_EXCEEDED } from './server-errors.ts'

/** One HTTP request to the server. */
export type Call = Readonly<{
  sql: string
  settings: ClickHouseSettings
  timeoutMs: number
  /** Rows that follow the statement. */
  body?: Uint8Array
  /** Of the answer, when the statement names none. */
  format?: string
  /** Longest answer. */
  bytesMax: number
  /** True when doing it twice is the same as doing it once. Otherwise it is tried again only when it was never sent. */
  repeatable: boolean
}>

export type LinkOptions = Readonly<{
  client: ClickHouseClient
  clock: Clock
  random: Random
  /** Requests at a time: as many connections are kept. */
  count: number
  /** Requests that may wait for a connection. */
  waitingMax: number
  secrets: readonly string[]
}>

/** A connection that was just cut is tried again soon; what lasts longer is the caller's to wait for. */
const BACKOFF: Backoff = { firstMs: 50, longestMs: 500 }
const TRIES_MAX = 3

/** A bounded pool of connections to one server, for statements of one kind. */
export class ServerLink {
  readonly #options: LinkOptions
  readonly #stopping = new AbortController()
  #free: number
  #waiting: (() => void)[] = []
  #onIdle: (() => void)[] = []
  #closed = false

  constructor(options: LinkOptions) {
    this.#options = options
    this.#free = options.count
  }

  /** Runs a statement and gives its whole answer. Throws ServerError; `busy` and `closed` as OrreryError. */
  async run(call: Call): Promise<Buffer> {
    await this.#take(call.timeoutMs)
    const { clock, random } = this.#options
    const { timeoutMs: deadlineMs } = call
    const { signal } = this.#stopping
    const judge = (thrown: unknown, attempt: number) =>
      attempt + 1 < TRIES_MAX && mayRepeat(thrown, call) ? 'again' : 'stop'
    try {
      const pace = { clock, random, backoff: BACKOFF, deadlineMs, signal, judge }
      return await retry(() => this.#try(call), pace)
    } finally {
      this.#free += 1
      this.#waiting.shift()?.()
      if (this.#free === this.#options.count) for (const wake of this.#onIdle.splice(0)) wake()
    }
  }

  /** Refuses what waits; lets what runs end within its own time-out, or stops it at once. */
  async close({ stop }: Readonly<{ stop: boolean }>): Promise<void> {
    this.#closed = true
    for (const wake of this.#waiting.splice(0)) wake()
    if (stop) {
      const message = 'the statement was stopped: ClickHouse is closed'
      this.#stopping.abort(new ServerError(message, QUERY_WAS_CANCELLED, 'unknown'))
    }
    if (this.#free < this.#options.count) {
      await new Promise<void>((resolve) => this.#onIdle.push(resolve))
    }
    await this.#options.client.close()
  }

  /** Waits for a connection, but no longer than for an answer. */
  async #take(timeoutMs: number): Promise<void> {
    this.#refuseWhenClosed()
    const { clock, waitingMax } = this.#options
    const untilMs = clock.monotonicMs() + timeoutMs
    while (this.#free === 0) {
      if (this.#waiting.length >= waitingMax) {
        throw new OrreryError('busy', 'too many statements wait for ClickHouse', {
          retriable: true,
        })
      }
      const leftMs = untilMs - clock.monotonicMs()
      if (leftMs <= 0) throw noConnection(timeoutMs)
      await this.#wait(leftMs)
      this.#refuseWhenClosed()
    }
    this.#free -= 1
  }

  #wait(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        cancel()
        resolve()
      }
      const cancel = this.#options.clock.after(timeoutMs, () => {
        this.#waiting = this.#waiting.filter((each) => each !== wake)
        resolve()
      })
      this.#waiting.push(wake)
    })
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw closed()
  }

  async #try(call: Call): Promise<Buffer> {
    const { client, clock, secrets } = this.#options
    const ending = new AbortController()
    const late = new ServerError(
      `no answer within ${call.timeoutMs} ms`,
      TIMEOUT_EXCEEDED,
      'unknown',
    )
    const cancel = clock.after(call.timeoutMs, () => ending.abort(late))
    const stop = (): void => ending.abort(this.#stopping.signal.reason)
    this.#stopping.signal.addEventListener('abort', stop)
    try {
      return await Promise.race([request(client, call, ending.signal), abortOf(ending.signal)])
    } catch (thrown) {
      if (thrown instanceof OrreryError) throw thrown
      throw serverError(thrown, secrets)
    } finally {
      cancel()
      this.#stopping.signal.removeEventListener('abort', stop)
    }
  }
}

function mayRepeat(thrown: unknown, { repeatable }: Call): boolean {
  if (!(thrown instanceof ServerError)) return false
  if (thrown.outcome === 'not sent') return true
  // A time-out has used the time up; what the server refused, it refuses again.
  return repeatable && thrown.outcome === 'unknown' && thrown.clickhouseCode === null
}

async function request(
  client: ClickHouseClient,
  { sql, settings, body, format, bytesMax }: Call,
  signal: AbortSignal,
): Promise<Buffer> {
  const { stream } = await client.exec({
    query: sql,
    clickhouse_settings: settings,
    abort_signal: signal,
    ...(body && { values: Readable.from(slices(body)) }),
    ...(format !== undefined && { http_headers: { 'X-ClickHouse-Format': format } }),
  })
  const stop = (): void => void stream.destroy()
  signal.addEventListener('abort', stop)
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of stream) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes > bytesMax) {
        stream.destroy()
        throw new ServerError(`the answer has over ${bytesMax} bytes`, RESULT_TOO_BIG, 'refused')
      }
    }
  } finally {
    signal.removeEventListener('abort', stop)
  }
  return Buffer.concat(chunks, bytes)
}

/** Rows go out piece by piece: one piece of megabytes costs half as much again, and lets nobody in between. */
const SLICE_BYTES = 262_144

function* slices(body: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < body.length; at += SLICE_BYTES) yield body.subarray(at, at + SLICE_BYTES)
}

/** ClickHouse's own numbers for an answer over a limit, and for a statement that was stopped. */
const RESULT_TOO_BIG = 396

const QUERY_WAS_CANCELLED = 394

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

function noConnection(timeoutMs: number): ServerError {
  return new ServerError(`no free connection within ${timeoutMs} ms`, TIMEOUT_EXCEEDED, 'not sent')
}

function closed(): OrreryError {
  return new OrreryError('closed', 'ClickHouse is closed')
}
