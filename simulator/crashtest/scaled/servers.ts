import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import type { Clock } from '../../../actors/kernel/clock.ts'
import {
  catalogPlan,
  kafkaPlan,
  redisPlan,
  type S3Place,
  s3Place,
  s3Plan,
  SHORT_LIVED,
} from '../../../actors/testing/plans.ts'
import { ServerProcess } from '../../../actors/testing/server-process.ts'
import { secret } from '../../../actors/testing/servers.ts'
import type { Environment } from '../../../actors/testing/services.ts'
import { ChaosProxy } from '../../chaos/proxy.ts'
import { type ClickHousePlace, clickHousePlan } from './clickhouse-server.ts'
import type { Ports } from './ports.ts'
import type { RedisPlace } from './redis-reader.ts'

export const SERVERS = ['broker', 'Redis', 'S3 server', 'catalog', 'ClickHouse'] as const
export type ServerName = (typeof SERVERS)[number]

const HOST = '127.0.0.1'
const BUCKET = 'lake'

/** A line between two parts, by their names. */
export type ChaosLine = Readonly<{ from: string; to: string; proxy: ChaosProxy }>

export type ServersOptions = Readonly<{
  env: Environment
  root: string
  clock: Clock
  ports: Ports
  /** Who talks to these servers, each over lines of its own. */
  callers: readonly string[]
  /** Without lines that can fail: each talks to the servers themselves. */
  direct: boolean
}>

/** What a caller is told of the servers: where its own lines to them begin. */
export type Addresses = Readonly<Record<ServerName, number>>

/** The five servers of the scaled-out profile, real ones, and the lines to them. */
export class Servers implements AsyncDisposable {
  readonly lines: readonly ChaosLine[]
  readonly redis: RedisPlace
  readonly clickHouse: ClickHousePlace
  /** Where S3 is without a line between. */
  readonly s3: S3Place
  readonly catalogUrl: string
  readonly #processes: ReadonlyMap<ServerName, ServerProcess>
  readonly #addresses: ReadonlyMap<string, Addresses>

  private constructor(parts: {
    lines: readonly ChaosLine[]
    places: { redis: RedisPlace; clickHouse: ClickHousePlace; s3: S3Place; catalogPort: number }
    processes: ReadonlyMap<ServerName, ServerProcess>
    addresses: ReadonlyMap<string, Addresses>
  }) {
    this.lines = parts.lines
    this.redis = parts.places.redis
    this.clickHouse = parts.places.clickHouse
    this.s3 = parts.places.s3
    this.catalogUrl = `http://${HOST}:${parts.places.catalogPort}`
    this.#processes = parts.processes
    this.#addresses = parts.addresses
  }

  /** Starts all of them; throws when one cannot, and leaves none behind. */
  static async start(options: ServersOptions): Promise<Servers> {
    const servers = await Servers.#plan(options)
    try {
      // The catalog asks the S3 server at its start.
      await servers.of('S3 server').start()
      const rest = SERVERS.filter((name) => name !== 'S3 server')
      await Promise.all(rest.map((name) => servers.of(name).start()))
      return servers
    } catch (thrown) {
      await servers[Symbol.asyncDispose]()
      throw thrown
    }
  }

  static async #plan(options: ServersOptions): Promise<Servers> {
    const { env, root, callers, ports, clock } = options
    const take = (): Promise<number> => ports.take()
    const own: Record<ServerName, number> = {
      ...{ broker: await take(), Redis: await take(), 'S3 server': await take() },
      ...{ catalog: await take(), ClickHouse: await take() },
    }
    const lines: ChaosLine[] = []
    const line = async (from: string, to: ServerName, target: number): Promise<number> => {
      if (options.direct) return target
      const proxy = await ChaosProxy.open({ port: await take(), target: () => target, clock })
      lines.push({ from, to, proxy })
      return proxy.port
    }
    // A broker says where it is: so it has a listener for each caller, who is told its own line.
    const listeners: [name: string, port: number, advertised: number][] = []
    const addresses = new Map<string, Addresses>()
    for (const caller of callers) {
      const listener = await take()
      const broker = await line(caller, 'broker', listener)
      listeners.push([`L${listeners.length}`, listener, broker])
      const to = (name: ServerName): Promise<number> => line(caller, name, own[name])
      addresses.set(caller, {
        ...{ broker, Redis: await to('Redis'), 'S3 server': await to('S3 server') },
        ...{ catalog: await to('catalog'), ClickHouse: await to('ClickHouse') },
      })
    }
    const folder = (name: string): string => {
      const dir = join(root, 'servers', name)
      mkdirSync(dir, { recursive: true })
      return dir
    }
    const keys = { accessKey: secret(), secretKey: secret() }
    const redis = { port: own.Redis, password: secret() }
    const clickHouse = { port: own.ClickHouse, password: secret() }
    const s3 = s3Place(own['S3 server'], keys, BUCKET)
    const forCatalog = s3Place(await line('catalog', 'S3 server', own['S3 server']), keys, BUCKET)
    const controllerPort = await take()
    // Faults end them before the slow compiler pays.
    const jvm = options.direct ? [] : SHORT_LIVED
    const plans = {
      broker: kafkaPlan({
        ...{ env, jvm, dir: folder('kafka'), port: own.broker, controllerPort },
        properties: brokerProperties(own.broker, controllerPort, listeners),
      }),
      Redis: redisPlan({ env, dir: folder('redis'), ...redis }),
      'S3 server': s3Plan({
        ...{ env, jvm, dir: folder('s3'), port: own['S3 server'], keys, buckets: [BUCKET] },
      }),
      catalog: catalogPlan({
        ...{ env, jvm, dir: folder('catalog'), port: own.catalog, s3: forCatalog },
        warehouse: `s3://${BUCKET}/wh`,
      }),
      ClickHouse: clickHousePlan({ env, dir: folder('clickhouse'), ...clickHouse }),
    }
    const processes = new Map(SERVERS.map((name) => [name, new ServerProcess(plans[name])]))
    const places = { redis, clickHouse, s3, catalogPort: own.catalog }
    return new Servers({ lines, places, processes, addresses })
  }

  of(name: ServerName): ServerProcess {
    const process = this.#processes.get(name)
    if (!process) throw new Error(`there is no ${name}`)
    return process
  }

  /** What a process of ours is told of them by its environment. */
  environment(caller: string): Readonly<Record<string, string>> {
    const at = this.#addresses.get(caller)
    if (!at) throw new Error(`nobody laid lines for ${caller}`)
    return {
      KAFKA_BOOTSTRAP_SERVERS: `${HOST}:${at.broker}`,
      CLICKHOUSE_HOST: `http://${HOST}:${at.ClickHouse}`,
      CLICKHOUSE_PASSWORD: this.clickHouse.password,
      ICEBERG_WAREHOUSE: `s3://${BUCKET}/orrery`,
      ICEBERG_REST_URL: `http://${HOST}:${at.catalog}`,
      MINIO_ENDPOINT: `http://${HOST}:${at['S3 server']}`,
      MINIO_ACCESS_KEY: this.s3.accessKey,
      MINIO_SECRET_KEY: this.s3.secretKey,
      REDIS_URL: `redis://:${this.redis.password}@${HOST}:${at.Redis}`,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process.kill()))
    await Promise.all(this.lines.map(({ proxy }) => proxy[Symbol.asyncDispose]()))
  }
}

/** One listener for the broker's own use, and one for each caller. */
function brokerProperties(
  port: number,
  controllerPort: number,
  listeners: readonly (readonly [name: string, port: number, advertised: number])[],
): Readonly<Record<string, string>> {
  const all = [['PLAINTEXT', port, port] as const, ...listeners]
  const bound = all.map(([name, at]) => `${name}://${HOST}:${at}`)
  const names = [...all.map(([name]) => name), 'CONTROLLER']
  return {
    listeners: [...bound, `CONTROLLER://${HOST}:${controllerPort}`].join(','),
    'advertised.listeners': all.map(([name, , told]) => `${name}://${HOST}:${told}`).join(','),
    'listener.security.protocol.map': names.map((name) => `${name}:PLAINTEXT`).join(','),
    'num.network.threads': '1',
  }
}
