import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { OrreryError } from '../kernel/errors.ts'
import { accepts, answers, type ServerPlan, statusOf } from './server-process.ts'
import { type Environment, findJava, found, missing, type ServiceName } from './services.ts'

const HOST = '127.0.0.1'
const PRIVATE = { mode: 0o600 }
/** A name for the storage, the same everywhere: nothing of it leaves the machine. */
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg'
const REGION = 'us-east-1'
/** At its start it would write its settings into the log, keys included. */
const QUIET_CATALOG = '-Dorg.slf4j.simpleLogger.log.org.apache.iceberg.rest.RESTCatalogServer=warn'

/** The quick compiler alone: a start costs 40 % less, long work more. */
export const SHORT_LIVED: readonly string[] = ['-XX:TieredStopAtLevel=1']

/** What every plan needs: where programs are, an absolute folder of its own, a port. */
export type PlanOptions = Readonly<{
  env: Environment
  dir: string
  port: number
  /** More options for Java, where it is one of its programs. */
  jvm?: readonly string[]
}>

export type Keys = Readonly<{ accessKey: string; secretKey: string }>

/** Where an S3 server is, as its clients need it. */
export type S3Place = Keys & Readonly<{ url: string; region: string; bucket: string }>

export type KafkaPlanOptions = PlanOptions &
  Readonly<{
    controllerPort: number
    /** The port that clients are told, when something stands in between. */
    advertisedPort?: number
    properties?: Readonly<Record<string, string>>
  }>

/** One Kafka broker that is its own controller. */
export function kafkaPlan(options: KafkaPlanOptions): ServerPlan {
  const { env, dir, port, controllerPort, advertisedPort = port, jvm = [] } = options
  const { java, folder } = jars('kafka', env)
  const properties: Record<string, string> = {
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@${HOST}:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://${HOST}:${port},CONTROLLER://${HOST}:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://${HOST}:${advertisedPort}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': join(dir, 'data'),
    'auto.create.topics.enable': 'false',
    'offsets.topic.replication.factor': '1',
    'offsets.topic.num.partitions': '4',
    'transaction.state.log.replication.factor': '1',
    'transaction.state.log.min.isr': '1',
    'transaction.state.log.num.partitions': '4',
    'share.coordinator.state.topic.replication.factor': '1',
    'share.coordinator.state.topic.min.isr': '1',
    'group.initial.rebalance.delay.ms': '0',
    // After a crash it serves again only when its former self is taken for gone (9 s by default).
    'broker.heartbeat.interval.ms': '500',
    'broker.session.timeout.ms': '3000',
    'num.network.threads': '2',
    'num.io.threads': '2',
    'log.cleaner.dedupe.buffer.size': '2097152',
    ...options.properties,
  }
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'server.properties')
  writeFileSync(file, propertyLines(properties))
  const level = '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn'
  const memory = ['-Xms128m', '-Xmx512m', '-XX:+UseSerialGC']
  const classes = ['-cp', join(folder, '*')]
  const tool = ['kafka.tools.StorageTool', 'format', '--ignore-formatted', '-t', CLUSTER_ID]
  return {
    ...common('kafka', options),
    command: [java, ...memory, ...jvm, level, ...classes, 'kafka.Kafka', file],
    prepare: {
      command: [java, ...SHORT_LIVED, level, ...classes, ...tool, '-c', file],
      file: join(dir, 'formatted'),
    },
    ready: () => accepts(HOST, port),
  }
}

/** An S3 server that keeps a bucket as a folder and an object as a file in it. */
export function s3Plan(
  options: PlanOptions & { keys: Keys; buckets: readonly string[] },
): ServerPlan {
  const { env, dir, port, keys, buckets, jvm = [] } = options
  const { java, folder } = jars('s3', env)
  for (const bucket of buckets) mkdirSync(join(dir, 'data', bucket), { recursive: true })
  const file = join(dir, 's3proxy.conf')
  const properties = {
    's3proxy.authorization': 'aws-v2-or-v4',
    's3proxy.endpoint': `http://${HOST}:${port}`,
    's3proxy.identity': keys.accessKey,
    's3proxy.credential': keys.secretKey,
    'jclouds.provider': 'filesystem-nio2',
    'jclouds.filesystem.basedir': join(dir, 'data'),
  }
  writeFileSync(file, propertyLines(properties), PRIVATE)
  const main = ['-cp', join(folder, '*'), 'org.gaul.s3proxy.Main', '--properties', file]
  return {
    ...common('s3', options),
    command: [java, '-Xmx512m', '-XX:+UseSerialGC', ...jvm, ...main],
    // It wants a signature: any answer means that it serves.
    ready: async () => (await statusOf(`http://${HOST}:${port}/`)) > 0,
  }
}

/** Apache Iceberg's reference REST catalog, over SQLite. It has no option for its address: it listens on all. */
export function catalogPlan(options: PlanOptions & { s3: S3Place; warehouse: string }): ServerPlan {
  const { env, dir, port, s3, warehouse, jvm = [] } = options
  const { java, folder } = jars('catalog', env)
  mkdirSync(dir, { recursive: true })
  const plan = common('catalog', options)
  // The folder is named for whoever looks at the list of processes: nothing else there says which one it is.
  const main = [`-Dorrery.dir=${dir}/`, QUIET_CATALOG, '-cp', join(folder, '*')]
  return {
    ...plan,
    command: [
      ...[java, '-Xmx256m', '-XX:+UseSerialGC', ...jvm, ...main],
      'org.apache.iceberg.rest.RESTCatalogServer',
    ],
    // Keys are not for the list of processes.
    env: {
      ...plan.env,
      CATALOG_WAREHOUSE: warehouse,
      CATALOG_IO__IMPL: 'org.apache.iceberg.aws.s3.S3FileIO',
      CATALOG_S3_ENDPOINT: s3.url,
      CATALOG_S3_PATH__STYLE__ACCESS: 'true',
      CATALOG_S3_ACCESS__KEY__ID: s3.accessKey,
      CATALOG_S3_SECRET__ACCESS__KEY: s3.secretKey,
      CATALOG_CLIENT_REGION: s3.region,
      AWS_REGION: s3.region,
      CATALOG_URI: `jdbc:sqlite:${join(dir, 'catalog.db')}`,
      CATALOG_REST_PORT: String(port),
      REST_PORT: String(port),
    },
    ready: async () => (await statusOf(`http://${HOST}:${port}/v1/config`)) === 200,
  }
}

/** Redis that writes every change to its file, with a password. */
export function redisPlan(options: PlanOptions & { password: string }): ServerPlan {
  const { env, dir, port, password } = options
  const program = found('redis', env)
  if (program === null) throw cannotStart('redis', env)
  mkdirSync(join(dir, 'data'), { recursive: true })
  const file = join(dir, 'redis.conf')
  const lines = [
    `bind ${HOST}`,
    `port ${port}`,
    `requirepass ${JSON.stringify(password)}`,
    `dir ${JSON.stringify(join(dir, 'data'))}`,
    'save ""',
    'appendonly yes',
    'appendfsync everysec',
    // Its arguments stay visible: they tell one server from another.
    'set-proc-title no',
  ]
  writeFileSync(file, `${lines.join('\n')}\n`, PRIVATE)
  return {
    ...common('redis', options),
    command: [program, file],
    // It accepts before it has read its file.
    ready: () => answers(HOST, port, `AUTH ${password}\r\nPING\r\n`, '+PONG'),
  }
}

/** Where the S3 server of a plan is. */
export function s3Place(port: number, keys: Keys, bucket: string): S3Place {
  return { url: `http://${HOST}:${port}`, region: REGION, bucket, ...keys }
}

function common(service: ServiceName, { env, dir, port }: PlanOptions) {
  const passed = { PATH: env.PATH ?? '', HOME: env.HOME ?? dir, LC_ALL: 'C.UTF-8' }
  return { service, env: passed, cwd: dir, logFile: join(dir, 'log'), host: HOST, port }
}

function jars(service: ServiceName, env: Environment): { java: string; folder: string } {
  const [java, folder] = [findJava(env), found(service, env)]
  if (java === null || folder === null) throw cannotStart(service, env)
  return { java, folder }
}

function cannotStart(service: ServiceName, env: Environment): OrreryError {
  return new OrreryError('service_missing', missing(service, env) ?? `${service} cannot start`)
}

function propertyLines(properties: Readonly<Record<string, string>>): string {
  return Object.entries(properties)
    .map(([name, value]) => `${name}=${value.replaceAll('\\', '\\\\')}\n`)
    .join('')
}
