import { RedisClient, type TLSOptions } from 'bun'

import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import { SinkError } from '../sink.ts'

export type RedisLinkOptions = Readonly<{
  /** `redis://`, `rediss://` or `unix:///path`, with user, password and database as usual. Never logged. */
  url: string
  /** For `rediss://`: an authority of one's own, for example. */
  tls?: TLSOptions
  clock: Clock
  /** A command, or connecting, that takes longer has failed; its outcome is unknown. */
  commandMsMax?: number
}>

/** Server errors that pass by themselves. */
const PASSING: ReadonlySet<string> = new Set([
  ...['LOADING', 'BUSY', 'TRYAGAIN', 'MASTERDOWN', 'READONLY', 'NOREPLICAS', 'OOM', 'MISCONF'],
])

/**
 * One connection to Redis. Bun's client has no limit on how long a command may take, and is dead after it
 * gave up; here every command has one, and a connection in doubt is closed and replaced by the next
 * command. Nothing is sent a second time by itself: trying again is for those who have a fence.
 */
export class RedisLink {
  readonly #options: Required<Omit<RedisLinkOptions, 'tls'>> & Pick<RedisLinkOptions, 'tls'>
  #opening: Promise<RedisClient> | null = null
  /** The one behind `#opening`, connected or not. */
  #client: RedisClient | null = null
  #closed = false

  constructor(options: RedisLinkOptions) {
    const url = options.url.replace(/^unix:/, 'redis+unix:')
    this.#options = { commandMsMax: 2_000, ...options, url }
  }

  /** Resolves to the server's answer. Throws SinkError; unless the server said so, the outcome is unknown. */
  async send(command: string, args: readonly string[], signal?: AbortSignal): Promise<unknown> {
    if (this.#closed) throw new SinkError('redis: closed', { retriable: false })
    this.#opening ??= this.#open()
    const client = await unlessAborted(this.#opening, signal)
    const answer: Promise<unknown> = client.send(command, [...args])
    return unlessAborted(
      this.#within(answer, () => this.#drop(client)),
      signal,
    )
  }

  close(): void {
    this.#closed = true
    if (this.#client) this.#drop(this.#client)
  }

  #open(): Promise<RedisClient> {
    const opening = this.#connect().catch((cause: unknown) => {
      if (this.#opening === opening) this.#opening = null
      throw cause
    })
    return opening
  }

  async #connect(): Promise<RedisClient> {
    const { url, tls, commandMsMax } = this.#options
    try {
      const client = new RedisClient(url, {
        ...{ autoReconnect: false, connectionTimeout: commandMsMax },
        ...(tls ? { tls } : {}),
      })
      this.#client = client
      // Not by connect(): that one tells a refused password as a lost connection.
      await this.#within(client.send('PING', []), () => this.#drop(client))
      // Not before: closing it would hide the reason too.
      client.onclose = () => this.#drop(client)
      return client
    } catch (cause) {
      throw cause instanceof SinkError ? cause : errorOf(cause)
    }
  }

  #drop(client: RedisClient): void {
    if (this.#client === client) {
      this.#client = null
      this.#opening = null
    }
    client.onclose = null
    client.close()
  }

  // Whoever asks waits no longer than the limit; a late answer is nobody's.
  #within<T>(answer: Promise<T>, lost: () => void): Promise<T> {
    const { clock, commandMsMax } = this.#options
    return new Promise((resolve, reject) => {
      const cancel = clock.after(commandMsMax, () => {
        // First: closing rejects what waits.
        reject(new SinkError(`redis: no answer within ${commandMsMax} ms`, { retriable: true }))
        lost()
      })
      answer.then(
        (value) => {
          cancel()
          resolve(value)
        },
        (cause: unknown) => {
          cancel()
          if (!isAnswer(cause)) lost()
          reject(errorOf(cause))
        },
      )
    })
  }
}

/** Waits no longer than the signal lets; what was waited for goes on alone. */
function unlessAborted<T>(answer: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return answer
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      reject(new SinkError('aborted', { retriable: true, cause: signal.reason }))
    }
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    const end = (): void => signal.removeEventListener('abort', abort)
    answer.then(resolve, reject).finally(end)
  })
}

/** True when the server does not know a script: after a restart, for example. */
export function isUnknownScript(thrown: unknown): boolean {
  return (
    thrown instanceof SinkError && isAnswer(thrown.cause) && firstWord(thrown.cause) === 'NOSCRIPT'
  )
}

function errorOf(cause: unknown): SinkError {
  const message = `redis: ${messageOf(cause)}`
  return new SinkError(message, { retriable: mayPass(cause), cause })
}

// A refused password, a certificate or a URL needs a person; a lost connection does not.
function mayPass(cause: unknown): boolean {
  if (isAnswer(cause)) return PASSING.has(firstWord(cause))
  const code = codeOf(cause)
  if (typeof code !== 'string' || code === 'ERR_REDIS_AUTHENTICATION_FAILED') return false
  return !/CERT|_TLS_|INVALID/.test(code)
}

// The server itself has answered: the connection is sound.
function isAnswer(thrown: unknown): boolean {
  return codeOf(thrown) === 'ERR_REDIS_SERVER_ERROR'
}

function codeOf(thrown: unknown): unknown {
  return thrown instanceof Error && 'code' in thrown ? thrown.code : null
}

function firstWord(thrown: unknown): string {
  return messageOf(thrown).split(' ', 1)[0] ?? ''
}
