import { connect, createServer, type Server, type Socket } from 'node:net'

import type { Clock } from '../../actors/kernel/clock.ts'
import { OneWay } from './one-way.ts'

/** What reaches the other end: all, nothing, only what the asker says, only what the server says, or no connection at all. */
export type Line = 'open' | 'silent' | 'no answers' | 'no requests' | 'refused'

export type ChaosProxyOptions = Readonly<{
  /** Where the server is now; asked for each connection. */
  target: () => number
  clock: Clock
}>

type Connection = Readonly<{ asker: Socket; server: Socket; requests: OneWay; answers: OneWay }>

/**
 * A TCP line between two parts on this machine that can be cut, go silent in one or both directions, and be slow. While it is
 * silent nobody hears that the other has gone; what was sent arrives when it is open again, as over a mended line.
 */
export class ChaosProxy implements AsyncDisposable {
  readonly port: number
  readonly #server: Server
  readonly #options: ChaosProxyOptions
  readonly #connections = new Set<Connection>()
  #line: Line = 'open'
  #delayMs = 0

  private constructor(server: Server, port: number, options: ChaosProxyOptions) {
    this.#server = server
    this.port = port
    this.#options = options
    server.on('connection', (asker) => this.#join(asker))
  }

  /** Listens on the port, or on a free one. */
  static open(options: ChaosProxyOptions & Readonly<{ port?: number }>): Promise<ChaosProxy> {
    const { port = 0, ...rest } = options
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', () => {
        const address = server.address()
        const bound = typeof address === 'object' && address ? address.port : port
        resolve(new ChaosProxy(server, bound, rest))
      })
    })
  }

  get line(): Line {
    return this.#line
  }

  /** Connections that at least one side believes in. */
  get connections(): number {
    return this.#connections.size
  }

  /** From now on, for the connections there are and those to come. */
  set(line: Line): void {
    this.#line = line
    for (const connection of this.#connections) this.#apply(connection)
  }

  /** Everything takes so much longer each way; 0 takes no longer. */
  slow(delayMs: number): void {
    this.#delayMs = delayMs
    for (const connection of this.#connections) this.#apply(connection)
  }

  /** Ends every connection at once, for both sides; what was on its way is lost. */
  cut(): void {
    for (const { asker, server } of [...this.#connections]) {
      asker.destroy()
      server.destroy()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#line = 'refused'
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()))
    this.cut()
    await closed
  }

  #join(asker: Socket): void {
    asker.on('error', () => {})
    if (this.#line === 'refused') return void asker.destroy()
    const { clock, target } = this.#options
    const server = connect({
      host: '127.0.0.1',
      port: target(),
      allowHalfOpen: true,
      noDelay: true,
    })
    server.on('error', () => {})
    const connection: Connection = {
      asker,
      server,
      requests: new OneWay(asker, server, clock),
      answers: new OneWay(server, asker, clock),
    }
    this.#connections.add(connection)
    this.#apply(connection)
    const forget = (): void => {
      if (!asker.closed || !server.closed) return
      connection.requests.stop()
      connection.answers.stop()
      this.#connections.delete(connection)
    }
    asker.once('close', forget)
    server.once('close', forget)
  }

  #apply({ requests, answers }: Connection): void {
    const line = this.#line
    requests.set({ held: line === 'silent' || line === 'no requests', delayMs: this.#delayMs })
    answers.set({ held: line === 'silent' || line === 'no answers', delayMs: this.#delayMs })
  }
}
