import { join } from 'node:path'

import type { S3Access } from '../sinks/iceberg/s3-access.ts'
import type { RestCatalogSettings, Warehouse } from '../sinks/iceberg/warehouse.ts'
import { combinationTrouble, isSet } from './adapters-checks.ts'
import { type Reason, reasonsOf } from './adapters-reasons.ts'
import { accessOf, clickHouseUrl, listOf, trimSlash } from './adapters-texts.ts'
import type { Config } from './settings.ts'

/** What a process does. */
export type Role = 'gateway' | 'worker' | 'web'

/** Brokers that keep the journal. The password is in it: it goes to the client and into no log. */
export type KafkaChoice = Readonly<{
  kind: 'kafka'
  /** `host:port`. */
  brokers: readonly string[]
  topics: Readonly<{ sessions: string; trips: string }>
  group: string
  /** Of a topic that is made. */
  partitions: number
  replication: number
  form: 'single' | 'frame'
  compression: 'none' | 'gzip' | 'zstd'
  partitioning: 'murmur2' | 'crc32'
  ssl: boolean
  sasl: KafkaSasl | null
}>

export type KafkaSasl = Readonly<{
  mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512'
  username: string
  password: string
}>

/** The journal of an edge gateway, which it forwards to a core. */
export type OutboxChoice = Readonly<{
  kind: 'outbox'
  upstreamUrl: string
  /** An ingest key of the core. */
  upstreamKey: string
  /** Null takes the machine's name. */
  edgeId: string | null
  bytesMax: number
  ageMsMax: number
}>

/** A ClickHouse server, as its client takes it. */
export type ServerChoice = Readonly<{
  kind: 'server'
  address: Readonly<{ url: string; user: string; password: string }>
  cluster: string | null
}>

/** Nothing, since no role of this process has a use for it. */
export type Unused = Readonly<{ kind: 'none' }>

/**
 * What stands behind each port of this process, as plain data: nothing is loaded or opened. Secrets are in it, except
 * in `reasons`.
 */
export type Adapters = Readonly<{
  roles: ReadonlySet<Role>
  journal: Readonly<{ kind: 'disk' }> | KafkaChoice | OutboxChoice
  silver: Readonly<{ kind: 'embedded' }> | ServerChoice | Unused
  bronze: Warehouse | Unused
  /** Of actors: beside the journal, or in S3 for the partition's next worker, at `s3://bucket/path/`. */
  snapshots:
    | Readonly<{ kind: 'local' }>
    | Readonly<{ kind: 's3'; access: S3Access; location: string }>
    | Unused
  /** Region windows; Redis has a copy of what the worker's states hold. */
  windows: Readonly<{ kind: 'memory' }> | Readonly<{ kind: 'redis'; url: string }> | Unused
  /** How the live map hears of what workers do. */
  live: Readonly<{ kind: 'memory' }> | Readonly<{ kind: 'redis'; url: string }> | Unused
  reasons: readonly Reason[]
}>

/** What was chosen, or one line that says what to write. */
export type AdaptersOutcome =
  Readonly<{ ok: true; adapters: Adapters }> | Readonly<{ ok: false; message: string }>

const NONE: Unused = { kind: 'none' }
const HOUR_MS = 3_600_000

/** Decides what stands behind each port. The only place that does; it looks at the configuration and nothing else. */
export function chooseAdapters(config: Config): AdaptersOutcome {
  const roles: ReadonlySet<Role> = new Set(listOf(config.roles).filter(isRole))
  const message = combinationTrouble(config, roles)
  if (message !== null) return { ok: false, message }
  const journal = journalOf(config)
  const choice = { roles, journal, ...storesOf(config, roles, journal.kind) }
  return { ok: true, adapters: { ...choice, reasons: reasonsOf(config, choice) } }
}

/** The choice of a configuration that `readConfig` has let through. */
export function adaptersOf(config: Config): Adapters {
  const outcome = chooseAdapters(config)
  if (!outcome.ok) throw new TypeError(outcome.message)
  return outcome.adapters
}

function isRole(name: string): name is Role {
  return name === 'gateway' || name === 'worker' || name === 'web'
}

function journalOf(config: Config): Adapters['journal'] {
  if (config.upstreamUrl !== '') {
    return {
      kind: 'outbox',
      upstreamUrl: config.upstreamUrl,
      upstreamKey: config.upstreamKey,
      edgeId: config.edgeId === '' ? null : config.edgeId,
      bytesMax: config.edgeBytesMax,
      ageMsMax: config.edgeAgeHoursMax * HOUR_MS,
    }
  }
  if (config.kafkaBootstrapServers === '') return { kind: 'disk' }
  return {
    kind: 'kafka',
    brokers: listOf(config.kafkaBootstrapServers),
    topics: { sessions: config.kafkaTopic, trips: config.kafkaTripsTopic },
    group: config.kafkaConsumerGroup,
    partitions: config.kafkaPartitions,
    replication: config.kafkaReplication,
    form: config.kafkaRecord,
    compression: config.kafkaCompression,
    partitioning: config.kafkaPartitioner,
    ssl: config.kafkaTls === 'on',
    sasl: saslOf(config),
  }
}

function saslOf({ kafkaSasl, kafkaUsername, kafkaPassword }: Config): KafkaSasl | null {
  if (kafkaSasl === 'off') return null
  return { mechanism: kafkaSasl, username: kafkaUsername, password: kafkaPassword }
}

function storesOf(
  config: Config,
  roles: ReadonlySet<Role>,
  journal: Adapters['journal']['kind'],
): Pick<Adapters, 'silver' | 'bronze' | 'snapshots' | 'windows' | 'live'> {
  const works = roles.has('worker')
  if (journal === 'outbox' || (!works && !roles.has('web'))) {
    return { silver: NONE, bronze: NONE, snapshots: NONE, windows: NONE, live: NONE }
  }
  const redis = { kind: 'redis', url: config.redisUrl } as const
  return {
    silver: silverOf(config),
    bronze: works ? bronzeOf(config) : NONE,
    snapshots: works ? snapshotsOf(config, journal) : NONE,
    windows: config.redisUrl === '' ? { kind: 'memory' } : redis,
    // One process that does everything hands its deltas over by itself.
    live: journal === 'disk' ? { kind: 'memory' } : redis,
  }
}

function silverOf(config: Config): Adapters['silver'] {
  if (config.clickhouseHost === '') return { kind: 'embedded' }
  const { clickhouseUser: user, clickhousePassword: password } = config
  return {
    kind: 'server',
    address: { url: clickHouseUrl(config.clickhouseHost, config.clickhousePort), user, password },
    cluster: config.clickhouseCluster === '' ? null : config.clickhouseCluster,
  }
}

function bronzeOf(config: Config): Warehouse {
  const { icebergWarehouse, icebergRestUrl } = config
  const access = accessOf(config)
  if (icebergRestUrl !== '') {
    const location = icebergWarehouse === '' ? {} : { location: trimSlash(icebergWarehouse) }
    return { kind: 's3', access, ...location, catalog: catalogOf(config) }
  }
  if (icebergWarehouse !== '') return { kind: 's3', access, location: trimSlash(icebergWarehouse) }
  return { kind: 'local', folder: join(config.dataDir, 'bronze') }
}

function catalogOf(config: Config): RestCatalogSettings {
  const { icebergRestWarehouse, icebergRestToken, icebergRestCredential } = config
  return {
    kind: 'rest',
    uri: config.icebergRestUrl,
    namespace: config.icebergRestNamespace.split('.'),
    ...(isSet(icebergRestWarehouse) && { warehouse: icebergRestWarehouse }),
    ...(isSet(icebergRestToken) && { token: icebergRestToken }),
    ...(isSet(icebergRestCredential) && { credential: icebergRestCredential }),
  }
}

function snapshotsOf(config: Config, journal: Adapters['journal']['kind']): Adapters['snapshots'] {
  if (journal !== 'kafka') return { kind: 'local' }
  const { icebergWarehouse, kafkaConsumerGroup } = config
  const location = `${trimSlash(icebergWarehouse)}/orrery/snapshots/${kafkaConsumerGroup}/`
  return { kind: 's3', access: accessOf(config), location }
}
