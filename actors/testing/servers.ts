import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

import { OrreryError } from '../kernel/errors.ts'
import {
  catalogPlan,
  kafkaPlan,
  type Keys,
  redisPlan,
  type S3Place,
  s3Place,
  s3Plan,
  SHORT_LIVED,
} from './plans.ts'
import { freePort, type ServerPlan, ServerProcess } from './server-process.ts'
import { type Environment, missing, type ServiceName } from './services.ts'

export type ServerOptions = Readonly<{
  /** The environment of the process: where the cache, Java and Redis are. */
  env: Environment
  /** Kept when given; otherwise a temporary folder, removed with the server. */
  dir?: string
  /** A free one when left out. */
  port?: number
  /** Options for Java; without them it is tuned for a life of seconds, not for load. */
  jvm?: readonly string[]
}>

/** A running server for a test; `await using` kills it and removes its folder. */
export class TestServer extends ServerProcess implements AsyncDisposable {
  readonly #folder: string | null

  constructor(plan: ServerPlan, temporary: string | null) {
    super(plan)
    this.#folder = temporary
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true, force: true })
  }
}

export type KafkaServer = TestServer & Readonly<{ brokers: readonly string[] }>
export type RedisServer = TestServer & Readonly<{ url: string; password: string }>
export type S3Server = TestServer & S3Place
export type CatalogServer = TestServer & Readonly<{ url: string; warehouse: string }>

/** A Kafka broker without topics; it creates none by itself. */
export async function startKafka(
  options: ServerOptions &
    Readonly<{ advertisedPort?: number; properties?: Readonly<Record<string, string>> }>,
): Promise<KafkaServer> {
  const { place, temporary } = await settle('kafka', options)
  const plan = kafkaPlan({ ...options, ...place, controllerPort: await freePort() })
  const brokers = [`${plan.host}:${options.advertisedPort ?? plan.port}`]
  return running(Object.assign(new TestServer(plan, temporary), { brokers }))
}

/** Redis with a password of its own. */
export async function startRedis(
  options: ServerOptions & Readonly<{ password?: string }>,
): Promise<RedisServer> {
  const { place, temporary } = await settle('redis', options)
  const password = options.password ?? secret()
  const plan = redisPlan({ ...place, password })
  const url = `redis://:${password}@${plan.host}:${plan.port}`
  return running(Object.assign(new TestServer(plan, temporary), { url, password }))
}

/** An S3 server with its keys and one empty bucket, or those that are named. */
export async function startS3(
  options: ServerOptions & Readonly<{ keys?: Keys; buckets?: readonly string[] }>,
): Promise<S3Server> {
  const { place, temporary } = await settle('s3', options)
  const keys = options.keys ?? { accessKey: secret(), secretKey: secret() }
  const { buckets = ['lake'] } = options
  const plan = s3Plan({ ...place, keys, buckets })
  const where = s3Place(plan.port, keys, buckets[0] ?? '')
  return running(Object.assign(new TestServer(plan, temporary), where))
}

/** A REST catalog without namespaces, its tables in the bucket of a running S3 server. */
export async function startCatalog(
  options: ServerOptions & Readonly<{ s3: S3Place; warehouse?: string }>,
): Promise<CatalogServer> {
  const { place, temporary } = await settle('catalog', options)
  const { s3, warehouse = `s3://${s3.bucket}/wh` } = options
  const plan = catalogPlan({ ...place, s3, warehouse })
  const url = `http://${plan.host}:${plan.port}`
  return running(Object.assign(new TestServer(plan, temporary), { url, warehouse }))
}

/** Random text for a key or a password. */
export function secret(): string {
  return crypto.randomUUID().replaceAll('-', '')
}

/** Where it will be, once it is known that it can start at all. */
async function settle(service: ServiceName, options: ServerOptions) {
  const { env, dir, port = await freePort(), jvm = SHORT_LIVED } = options
  const reason = missing(service, env)
  if (reason !== null) throw new OrreryError('service_missing', reason)
  const temporary = dir === undefined ? mkdtempSync(join(tmpdir(), `orrery-${service}-`)) : null
  const place = { env, dir: resolve(temporary ?? dir ?? '.'), port, jvm }
  return { temporary, place }
}

async function running<Server extends TestServer>(server: Server): Promise<Server> {
  try {
    await server.start()
    return server
  } catch (thrown) {
    await server[Symbol.asyncDispose]()
    throw thrown
  }
}
