import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import net, { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg'
const START_MS_MAX = 60_000

/** The folder of a broker's jars below the services cache, or null. */
export function kafkaLibrary(servicesFolder: string): string | null {
  if (!existsSync(servicesFolder) || !Bun.which('java')) return null
  for (const name of readdirSync(servicesFolder).sort().reverse()) {
    for (const folder of [join(servicesFolder, name), join(servicesFolder, name, 'libs')]) {
      const jars = existsSync(folder) && name.startsWith('kafka') ? readdirSync(folder) : []
      if (jars.some((jar) => /^kafka_2\.13-.*\.jar$/.test(jar))) return folder
    }
  }
  return null
}

/** A broker of a test's own, in a folder of its own. */
export class KafkaServer {
  readonly folder = join(tmpdir(), `orrery-kafka-${crypto.randomUUID()}`)
  readonly port: number
  readonly #library: string
  readonly #advertised: number
  #server: Bun.Subprocess | null = null

  /** `advertisedPort`: where clients are told to go, when something stands between. */
  constructor(library: string, options: Readonly<{ advertisedPort?: number }> = {}) {
    this.#library = library
    this.port = freePort()
    this.#advertised = options.advertisedPort ?? this.port
  }

  get address(): string {
    return `127.0.0.1:${this.#advertised}`
  }

  /** Starts it over what its folder holds, and waits until it serves. */
  async start(): Promise<void> {
    const settings = join(this.folder, 'server.properties')
    if (!existsSync(settings)) {
      mkdirSync(this.folder, { recursive: true })
      writeFileSync(settings, this.#properties())
      const format = ['kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', settings]
      const formatted = this.#java(format)
      if ((await formatted.exited) !== 0) throw new Error('the broker cannot be set up')
    }
    this.#server = this.#java(['kafka.Kafka', settings])
    for (const endMs = Date.now() + START_MS_MAX; !(await answers(this.port));) {
      if (Date.now() > endMs || this.#server.exitCode !== null) {
        throw new Error('the broker does not start')
      }
      await Bun.sleep(50)
    }
  }

  pause(): void {
    this.#server?.kill('SIGSTOP')
  }

  resume(): void {
    this.#server?.kill('SIGCONT')
  }

  /** Dies at once, as a machine does. */
  async kill(): Promise<void> {
    this.#server?.kill('SIGKILL')
    await this.#server?.exited
    this.#server = null
    while (await answers(this.port)) await Bun.sleep(20)
  }

  async dispose(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #java(program: readonly string[]): Bun.Subprocess {
    const memory = ['-Xms96m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
    const quiet = '-Dorg.slf4j.simpleLogger.defaultLogLevel=off'
    const command = ['java', ...memory, quiet, '-cp', `${this.#library}/*`, ...program]
    return Bun.spawn(command, { stdin: 'ignore', stdout: 'ignore', stderr: 'ignore' })
  }

  #properties(): string {
    const controller = freePort()
    return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:${this.port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${this.#advertised}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
log.dirs=${join(this.folder, 'data')}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=2097152
`
  }
}

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

async function answers(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const socket = net.connect({ host: '127.0.0.1', port })
  socket.on('connect', () => resolve(true))
  socket.on('error', () => resolve(false))
  const isThere = await promise
  socket.destroy()
  return isThere
}

function freePort(): number {
  const listener = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
  const { port } = listener
  listener.stop(true)
  return port
}
