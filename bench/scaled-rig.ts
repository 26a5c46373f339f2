import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import { secret } from '../actors/testing/servers.ts'
import { askClickHouse } from '../simulator/crashtest/scaled/clickhouse-server.ts'
import { Part } from '../simulator/crashtest/scaled/part.ts'
import { Ports } from '../simulator/crashtest/scaled/ports.ts'
import { Probe } from '../simulator/crashtest/scaled/probe.ts'
import { SERVERS, Servers } from '../simulator/crashtest/scaled/servers.ts'
import type { Cleanup } from './load-process.ts'
import { CountingLine } from './scaled-line.ts'

export type RigOptions = Readonly<{
  root: string
  workers: number
  partitions: number
  record: 'single' | 'frame'
  compression: string
  settings: Readonly<Record<string, string>>
  onCleanup: Cleanup
}>

const HOST = '127.0.0.1'
const CALLER = 'ours'
const DATABASE = 'default'
const READY_MS_MAX = 120_000
const STOP_MS_MAX = 60_000
const POLL_MS = 250
/** Pings and trips. */
const TOPICS = 2

/** Everything that the scaled-out profile consists of, each a process of its own on this machine. */
export class Rig {
  readonly key: string
  readonly gateway: Part
  readonly workers: readonly Part[]
  readonly servers: Servers
  /** Requests to S3 and to the catalog, counted on their way. */
  readonly lines: Readonly<Record<'S3 server' | 'catalog', CountingLine>>
  /** Pings sent to see whether everything works: they are stored too. */
  #probed = 0
  readonly #options: RigOptions

  private constructor(
    options: RigOptions,
    key: string,
    servers: Servers,
    parts: Pick<Rig, 'gateway' | 'workers' | 'lines'>,
  ) {
    this.#options = options
    this.key = key
    this.servers = servers
    this.gateway = parts.gateway
    this.workers = parts.workers
    this.lines = parts.lines
  }

  /** Starts all of it; returns when a ping of every partition has arrived in silver, and each worker has its share. */
  static async start(options: RigOptions): Promise<Rig> {
    const { root, onCleanup, partitions } = options
    mkdirSync(root, { recursive: true, mode: 0o700 })
    const ports = new Ports()
    const clock = systemClock
    const around = { env: process.env, root, clock, ports, callers: [CALLER], direct: true }
    const servers = await Servers.start(around)
    onCleanup(() => servers[Symbol.asyncDispose]())
    const told = servers.environment(CALLER)
    const line = async (url: string): Promise<CountingLine> => {
      const opened = await CountingLine.open(await ports.take(), Number(new URL(url).port))
      onCleanup(() => opened.close())
      return opened
    }
    const lines = {
      'S3 server': await line(servers.s3.url),
      catalog: await line(servers.catalogUrl),
    }
    const key = `bench-${secret()}`
    const settings = {
      ...told,
      MINIO_ENDPOINT: `http://${HOST}:${lines['S3 server'].port}`,
      ICEBERG_REST_URL: `http://${HOST}:${lines.catalog.port}`,
      API_KEY: key,
      KAFKA_PARTITIONS: String(partitions),
      KAFKA_RECORD: options.record,
      KAFKA_COMPRESSION: options.compression,
      LOG_LEVEL: 'warn',
      ...options.settings,
    }
    const part = async (name: string, roles: string): Promise<Part> => {
      const made = new Part({
        name,
        roles,
        port: await ports.take(),
        env: process.env,
        root,
        clock,
        settings,
      })
      onCleanup(() => made.kill())
      return made
    }
    const gateway = await part('gateway', 'gateway')
    const workers: Part[] = []
    for (let at = 1; at <= options.workers; at++) workers.push(await part(`worker-${at}`, 'worker'))
    const rig = new Rig(options, key, servers, { gateway, workers, lines })
    await rig.#begin()
    return rig
  }

  /** Pings that the rig itself has sent, all of them stored. */
  get probed(): number {
    return this.#probed
  }

  /** Our processes and the servers, by name, with their process ids. */
  get pids(): ReadonlyMap<string, number> {
    const pids = new Map<string, number>()
    for (const part of [this.gateway, ...this.workers])
      if (part.pid !== null) pids.set(part.name, part.pid)
    for (const name of SERVERS) {
      const { pid } = this.servers.of(name)
      if (pid !== null) pids.set(name, pid)
    }
    return pids
  }

  /** One number of a query, asked of the ClickHouse server itself. */
  async number(sql: string): Promise<number> {
    const [row] = await askClickHouse(this.servers.clickHouse, sql, { database: DATABASE })
    return Number(row?.[0] ?? Number.NaN)
  }

  /** What a part of ours has at `/metrics`. */
  async metrics(part: Part): Promise<string> {
    const answer = await part.ask('/metrics')
    if (answer?.status !== 200)
      throw new Error(`${part.name} gives no metrics:\n${part.lastWords()}`)
    return answer.text
  }

  /** What was asked of Redis: scripts that were run, and commands, those of the scripts among them. */
  async redisCalls(): Promise<Readonly<{ scripts: number; commands: number }>> {
    const { port, password } = this.servers.redis
    const client = new Bun.RedisClient(`redis://:${password}@${HOST}:${port}`)
    const text = String(await client.send('INFO', ['commandstats']))
    client.close()
    const calls = [...text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)].map(
      ([, name = '', count]) => ({ isScript: /^eval(sha)?$/.test(name), count: Number(count) }),
    )
    const sum = (some: typeof calls): number => some.reduce((total, { count }) => total + count, 0)
    return { scripts: sum(calls.filter(({ isScript }) => isScript)), commands: sum(calls) }
  }

  /** Throws with the last words of a part that ended by itself. */
  mustRun(): void {
    for (const part of [this.gateway, ...this.workers])
      if (part.endedByItself) throw new Error(`${part.name} ended:\n${part.lastWords()}`)
  }

  /** Ends ours in order; names those that did not end well. */
  async stop(): Promise<readonly string[]> {
    const unclean: string[] = []
    for (const part of [this.gateway, ...this.workers]) {
      const code = await part.stop(STOP_MS_MAX)
      if (code !== 0) unclean.push(`${part.name}: ${code ?? 'killed'}\n${part.lastWords()}`)
    }
    return unclean
  }

  async end(): Promise<void> {
    await Promise.all([this.gateway, ...this.workers].map((part) => part.kill()))
    for (const line of Object.values(this.lines)) line.close()
    await this.servers[Symbol.asyncDispose]()
  }

  async #begin(): Promise<void> {
    const { partitions, root } = this.#options
    for (const part of [this.gateway, ...this.workers]) {
      part.start()
      if (!(await part.ready(READY_MS_MAX)))
        throw new Error(`${part.name} is not ready:\n${part.lastWords()}`)
    }
    await this.#untilShared()
    const probe = new Probe({
      ...{ urls: () => [this.gateway.url], key: this.key, partitions, clock: systemClock },
      ...{ place: this.servers.clickHouse, database: DATABASE, seed: 1 },
      recordFile: join(root, 'probes.ndjson'),
    })
    const probed = await probe.pass(READY_MS_MAX)
    if (typeof probed === 'string') throw new Error(probed)
    this.#probed += partitions
  }

  /** Until all partitions are open, shared out evenly. */
  async #untilShared(): Promise<void> {
    const all = this.#options.partitions * TOPICS
    const fair = Math.floor(all / this.workers.length)
    const endMs = performance.now() + READY_MS_MAX
    for (;;) {
      this.mustRun()
      const held = await Promise.all(this.workers.map((part) => this.#held(part)))
      const sum = held.reduce((total, one) => total + one, 0)
      if (sum === all && held.every((one) => one >= fair - TOPICS)) return
      if (performance.now() > endMs) throw new Error(`workers have ${held.join(', ')} partitions`)
      await Bun.sleep(POLL_MS)
    }
  }

  async #held(part: Part): Promise<number> {
    const answer = await part.ask('/metrics')
    return Number(/^orrery_partitions (\d+)/m.exec(answer?.text ?? '')?.[1] ?? 0)
  }
}
