import { connect, createServer, type Server, type Socket } from 'node:net'

const HOST = '127.0.0.1'
/** A client that waits for each answer begins a request with a piece of its own. */
const REQUEST = /^(GET|HEAD|PUT|POST|DELETE) \//

/** A line to an HTTP server that counts requests by their method, and bytes in both directions. */
export class CountingLine {
  readonly port: number
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #requests = new Map<string, number>()
  #bytes = 0

  private constructor(server: Server, port: number, target: number) {
    this.port = port
    this.#server = server
    server.on('connection', (socket: Socket) => this.#join(socket, target))
  }

  /** Listens on `port` of this machine for what goes to `target` there. */
  static async open(port: number, target: number): Promise<CountingLine> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, HOST, resolve)
    })
    return new CountingLine(server, port, target)
  }

  /** Requests so far, by method. */
  get requests(): ReadonlyMap<string, number> {
    return new Map(this.#requests)
  }

  /** Requests of all methods so far. */
  get total(): number {
    return [...this.#requests.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Bytes so far, to the server and back. */
  get bytes(): number {
    return this.#bytes
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
  }

  #join(client: Socket, target: number): void {
    const server = connect({ host: HOST, port: target })
    this.#pipe(client, server, (piece) => {
      const method = REQUEST.exec(piece.subarray(0, 8).toString('latin1'))?.[1]
      if (method) this.#requests.set(method, (this.#requests.get(method) ?? 0) + 1)
    })
    this.#pipe(server, client, () => {})
  }

  #pipe(from: Socket, to: Socket, look: (piece: Buffer) => void): void {
    this.#sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (piece: Buffer) => {
      look(piece)
      this.#bytes += piece.byteLength
      if (!to.write(piece)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('error', () => to.destroy())
    from.on('close', () => {
      this.#sockets.delete(from)
      // What it had said before goes on its way.
      to.end()
    })
  }
}
