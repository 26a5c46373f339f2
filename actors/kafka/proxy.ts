import net, { createServer, type Socket } from 'node:net'

/** What a proxy does with its connections from now on. */
export type Line = 'open' | 'swallow answers' | 'refuse'

/** A TCP proxy that stands between client and broker, and can lose what the broker answers. */
export class Proxy {
  readonly port = freePort()
  line: Line = 'open'
  readonly #target: () => number
  readonly #sockets = new Set<Socket>()
  readonly #server

  constructor(target: () => number) {
    this.#target = target
    this.#server = createServer((client) => this.#join(client))
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.port, '127.0.0.1', resolve))
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket): void {
    if (this.line === 'refuse') return void client.destroy()
    const broker = net.connect({ host: '127.0.0.1', port: this.#target() })
    for (const [socket, other] of [
      [client, broker],
      [broker, client],
    ] as const) {
      this.#sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => {
        this.#sockets.delete(socket)
        other.destroy()
      })
    }
    client.on('data', (bytes) => broker.write(bytes))
    broker.on('data', (bytes) => {
      if (this.line !== 'swallow answers') client.write(bytes)
    })
  }
}

function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}
