import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Debian's package `redis-server` puts it here. */
export const REDIS_SERVER = '/usr/bin/redis-server'

/** A Redis of a test's own: on a socket in a folder of its own, with the settings that are recommended. */
export class RedisServer {
  readonly folder = join(tmpdir(), `orrery-redis-${crypto.randomUUID()}`)
  readonly url = `redis+unix://${join(this.folder, 'redis.sock')}`
  /** On the loopback interface, when asked for: a password goes in a URL of this kind only. 0 for none. */
  readonly port: number
  #server: Bun.Subprocess | null = null

  constructor(options: Readonly<{ tcp?: boolean }> = {}) {
    this.port = options.tcp ? freePort() : 0
  }

  /** Starts it over whatever its folder holds, and waits until it answers. */
  async start(...more: readonly string[]): Promise<void> {
    const socket = join(this.folder, 'redis.sock')
    mkdirSync(this.folder, { recursive: true })
    rmSync(socket, { force: true })
    const settings = [
      ...[
        '--port',
        String(this.port),
        '--bind',
        '127.0.0.1',
        '--unixsocket',
        socket,
        '--dir',
        this.folder,
        '--save',
        '',
      ],
      ...['--appendonly', 'yes', '--appendfsync', 'always', '--loglevel', 'warning', ...more],
    ]
    const output = { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' } as const
    this.#server = Bun.spawn([REDIS_SERVER, ...settings], output)
    for (const endMs = Date.now() + 20_000; ;) {
      if (existsSync(socket) && (await this.#answers())) return
      if (Date.now() > endMs) throw new Error(`${REDIS_SERVER} does not answer`)
      await Bun.sleep(10)
    }
  }

  /** One command on a connection of its own. */
  async send(command: string, ...args: readonly string[]): Promise<unknown> {
    const client = new Bun.RedisClient(this.url, { autoReconnect: false })
    try {
      const answer: unknown = await client.send(command, [...args])
      return answer
    } finally {
      client.close()
    }
  }

  /** As a black hole: connections stay open, nothing is answered. */
  pause(): void {
    this.#server?.kill('SIGSTOP')
  }

  resume(): void {
    this.#server?.kill('SIGCONT')
  }

  /** Dies without writing what it holds. */
  async kill(): Promise<void> {
    this.#server?.kill('SIGKILL')
    await this.#server?.exited
    this.#server = null
  }

  /** What a lost disk leaves of its data: nothing. */
  forget(): void {
    rmSync(join(this.folder, 'appendonlydir'), { recursive: true, force: true })
  }

  async dispose(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  async #answers(): Promise<boolean> {
    return this.send('PING').then(
      (answer) => answer === 'PONG',
      () => false,
    )
  }
}

function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}
