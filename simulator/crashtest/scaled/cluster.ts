import type { Clock } from '../../../actors/kernel/clock.ts'
import { secret } from '../../../actors/testing/servers.ts'
import type { Environment } from '../../../actors/testing/services.ts'
import { ChaosProxy } from '../../chaos/proxy.ts'
import { Part } from './part.ts'
import { Ports } from './ports.ts'
import { type ChaosLine, Servers } from './servers.ts'

/** Workers that may join beyond those at the start. */
const SPARE_WORKERS = 2
const HOST = '127.0.0.1'
const STOP_MS_MAX = 60_000

export type ClusterOptions = Readonly<{
  env: Environment
  root: string
  clock: Clock
  gateways: number
  workers: number
  webs: number
  edge: boolean
  partitions: number
  record: 'single' | 'frame'
  /** Without lines that can fail. */
  direct: boolean
}>

export type Kind = 'gateway' | 'worker' | 'web' | 'edge'

/** Everything that runs: the servers, the processes of ours, and the lines between any two of them. */
export class Cluster implements AsyncDisposable {
  readonly key: string
  readonly servers: Servers
  readonly lines: readonly ChaosLine[]
  readonly partitions: number
  readonly #parts: ReadonlyMap<Kind, readonly Part[]>
  /** Where clients find a gateway, by its name. */
  readonly #doors: ReadonlyMap<string, number>

  private constructor(built: {
    key: string
    servers: Servers
    lines: readonly ChaosLine[]
    partitions: number
    parts: ReadonlyMap<Kind, readonly Part[]>
    doors: ReadonlyMap<string, number>
  }) {
    this.key = built.key
    this.servers = built.servers
    this.lines = [...built.servers.lines, ...built.lines]
    this.partitions = built.partitions
    this.#parts = built.parts
    this.#doors = built.doors
  }

  /** Starts the servers; the processes of ours are there and not yet started. */
  static async prepare(options: ClusterOptions): Promise<Cluster> {
    const { env, root, clock, direct } = options
    const ports = new Ports()
    const names = (kind: Kind, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`)
    const workers = names('worker', options.workers + SPARE_WORKERS)
    const gateways = names('gateway', options.gateways)
    const webs = names('web', options.webs)
    const callers = [...gateways, ...workers, ...webs]
    const servers = await Servers.start({ env, root, clock, ports, callers, direct })
    const key = `crashtest-${secret()}`
    const shared = { API_KEY: key }
    const overKafka = {
      KAFKA_PARTITIONS: String(options.partitions),
      KAFKA_RECORD: options.record,
      // Timers are part of what must come once.
      SESSION_SILENT_MS: '20000',
    }
    const lines: ChaosLine[] = []
    const doors = new Map<string, number>()
    const part = async (name: string, roles: string, more: Readonly<Record<string, string>>) =>
      new Part({
        name,
        roles,
        env,
        root,
        clock,
        port: await ports.take(),
        settings: { ...shared, ...more },
      })
    const door = async (from: string, to: Part): Promise<number> => {
      if (direct) return to.port
      const proxy = await ChaosProxy.open({
        port: await ports.take(),
        target: () => to.port,
        clock,
      })
      lines.push({ from, to: to.name, proxy })
      return proxy.port
    }
    const all = (some: readonly string[], roles: string): Promise<Part[]> =>
      Promise.all(
        some.map((name) => part(name, roles, { ...overKafka, ...servers.environment(name) })),
      )
    const parts = new Map<Kind, readonly Part[]>([
      ['gateway', await all(gateways, 'gateway')],
      ['worker', await all(workers, 'worker')],
      ['web', await all(webs, 'web')],
      ['edge', []],
    ])
    const [core] = parts.get('gateway') ?? []
    if (options.edge && core) {
      const upstream = `ws://${HOST}:${await door('edge-1', core)}`
      const settings = { UPSTREAM_URL: upstream, UPSTREAM_KEY: key, EDGE_ID: 'crashtest-edge' }
      parts.set('edge', [await part('edge-1', 'gateway', settings)])
    }
    for (const kind of ['gateway', 'edge'] as const) {
      for (const one of parts.get(kind) ?? []) doors.set(one.name, await door('clients', one))
    }
    return new Cluster({ key, servers, lines, partitions: options.partitions, parts, doors })
  }

  of(kind: Kind): readonly Part[] {
    return this.#parts.get(kind) ?? []
  }

  /** All processes of ours, running or not. */
  get parts(): readonly Part[] {
    return [...this.#parts.values()].flat()
  }

  /** Where clients reach a gateway, over their line. */
  door(name: string): string {
    return `http://${HOST}:${this.#doors.get(name)}`
  }

  /** Ends ours in order, those that take messages first, so that the others write all of them. */
  async stop(): Promise<readonly string[]> {
    const unclean: string[] = []
    for (const kind of ['edge', 'gateway', 'worker', 'web'] as const) {
      await Promise.all(
        this.of(kind).map(async (part) => {
          if (!part.running) return
          const code = await part.stop(STOP_MS_MAX)
          if (code !== 0) unclean.push(`${part.name} ended with ${code ?? 'a kill'}`)
        }),
      )
    }
    return unclean
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.parts.map((part) => part.kill()))
    const own = this.lines.filter(({ to }) => this.#doors.has(to))
    await Promise.all(own.map(({ proxy }) => proxy[Symbol.asyncDispose]()))
    await this.servers[Symbol.asyncDispose]()
  }
}
