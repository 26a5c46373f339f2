import { connect, type Socket } from 'node:net'

import type { Clock } from '../../../actors/kernel/clock.ts'

/** What Redis answers: text, a number, nothing, or a list of these. */
export type RedisReply = string | number | null | readonly RedisReply[]

export type RedisPlace = Readonly<{ port: number; password: string }>

const ANSWER_MS_MAX = 10_000
const KEYS_PER_CALL = 500

/** A client of Redis' own protocol and nothing more: what is checked with it passes through none of the code under test. */
export class RedisReader implements Disposable {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #waiting: ((reply: RedisReply | Error) => void)[] = []
  #received = Buffer.alloc(0)

  private constructor(socket: Socket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    socket.on('data', (bytes) => {
      this.#received = Buffer.concat([this.#received, Buffer.from(bytes)])
      this.#read()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const tell of this.#waiting.splice(0)) tell(new Error('redis closed the connection'))
    })
  }

  /** Connects and shows the password. */
  static async open({ port, password }: RedisPlace, clock: Clock): Promise<RedisReader> {
    const socket = connect({ host: '127.0.0.1', port })
    const reader = new RedisReader(socket, clock)
    await reader.send('AUTH', password)
    return reader
  }

  /** Sends one command; rejects with what Redis says against it, or when it says nothing for ten seconds. */
  send(...words: readonly string[]): Promise<RedisReply> {
    const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
    this.#socket.write(`*${words.length}\r\n${parts.join('')}`)
    return new Promise((resolve, reject) => {
      const cancel = this.#clock.after(ANSWER_MS_MAX, () => {
        this.#socket.destroy(new Error('redis does not answer'))
      })
      this.#waiting.push((reply) => {
        cancel()
        if (reply instanceof Error) reject(reply)
        else resolve(reply)
      })
    })
  }

  /** Values of all keys of a pattern that hold text. */
  async values(pattern: string): Promise<ReadonlyMap<string, string>> {
    const found = await this.send('KEYS', pattern)
    const keys = Array.isArray(found) ? found.map(String) : []
    const values = new Map<string, string>()
    for (let first = 0; first < keys.length; first += KEYS_PER_CALL) {
      const some = keys.slice(first, first + KEYS_PER_CALL)
      const texts = await this.send('MGET', ...some)
      if (!Array.isArray(texts)) continue
      for (const [index, text] of texts.entries()) {
        if (typeof text === 'string') values.set(some[index] ?? '', text)
      }
    }
    return values
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }

  #read(): void {
    for (;;) {
      const parsed = parseReply(this.#received, 0)
      if (!parsed) return
      this.#received = this.#received.subarray(parsed.end)
      this.#waiting.shift()?.(parsed.reply)
    }
  }
}

type Parsed = Readonly<{ reply: RedisReply | Error; end: number }>

/** The reply that begins there (RESP2), or null when it has not come whole. */
export function parseReply(bytes: Buffer, at: number): Parsed | null {
  const lineEnd = bytes.indexOf('\r\n', at)
  if (lineEnd < 0) return null
  const line = bytes.toString('utf8', at + 1, lineEnd)
  const next = lineEnd + 2
  switch (bytes.toString('latin1', at, at + 1)) {
    case '+':
      return { reply: line, end: next }
    case '-':
      return { reply: new Error(line), end: next }
    case ':':
      return { reply: Number(line), end: next }
    case '$': {
      const length = Number(line)
      if (length < 0) return { reply: null, end: next }
      const end = next + length + 2
      return bytes.length < end ? null : { reply: bytes.toString('utf8', next, end - 2), end }
    }
    case '*':
      return parseList(bytes, next, Number(line))
    default:
      throw new Error(`redis says what is no reply: ${line.slice(0, 100)}`)
  }
}

function parseList(bytes: Buffer, at: number, count: number): Parsed | null {
  if (count < 0) return { reply: null, end: at }
  const list: RedisReply[] = []
  let end = at
  while (list.length < count) {
    const one = parseReply(bytes, end)
    if (!one) return null
    if (one.reply instanceof Error) throw one.reply
    list.push(one.reply)
    end = one.end
  }
  return { reply: list, end }
}
