import { accessOf, clickHouseUrl, listOf, s3Endpoint } from './adapters-texts.ts'
import type { Role } from './adapters.ts'
import { type Config, configSchema, type SettingName } from './settings.ts'

type Check = (config: Config, roles: ReadonlySet<Role>) => string | null

const ALL_ROLES = 3

/** Whether somebody has written something there. */
export function isSet(value: string): boolean {
  return value !== ''
}

/** Why these settings cannot stand together, in one line that says what to write; null when they can. */
export function combinationTrouble(config: Config, roles: ReadonlySet<Role>): string | null {
  for (const check of CHECKS) {
    const trouble = check(config, roles)
    if (trouble !== null) return trouble
  }
  return null
}

const defaults = configSchema.parse({})

/** Settings that mean nothing without another one: who sets them believes that they do something. */
const DEPENDENT: readonly Readonly<{
  on: readonly SettingName[]
  names: readonly SettingName[]
}>[] = [
  {
    on: ['KAFKA_BOOTSTRAP_SERVERS'],
    names: [
      ...(['KAFKA_TOPIC', 'KAFKA_TRIPS_TOPIC', 'KAFKA_CONSUMER_GROUP'] as const),
      ...(['KAFKA_PARTITIONS', 'KAFKA_REPLICATION', 'KAFKA_RECORD'] as const),
      ...(['KAFKA_COMPRESSION', 'KAFKA_PARTITIONER', 'KAFKA_TLS'] as const),
      ...(['KAFKA_SASL', 'KAFKA_USERNAME', 'KAFKA_PASSWORD'] as const),
    ],
  },
  {
    on: ['CLICKHOUSE_HOST'],
    names: ['CLICKHOUSE_PORT', 'CLICKHOUSE_USER', 'CLICKHOUSE_PASSWORD', 'CLICKHOUSE_CLUSTER'],
  },
  {
    on: ['ICEBERG_REST_URL'],
    names: [
      ...(['ICEBERG_REST_WAREHOUSE', 'ICEBERG_REST_NAMESPACE'] as const),
      ...(['ICEBERG_REST_CREDENTIAL', 'ICEBERG_REST_TOKEN'] as const),
    ],
  },
  {
    on: ['ICEBERG_WAREHOUSE', 'ICEBERG_REST_URL'],
    names: ['MINIO_ENDPOINT', 'MINIO_ACCESS_KEY', 'MINIO_SECRET_KEY'],
  },
  {
    on: ['UPSTREAM_URL'],
    names: ['UPSTREAM_KEY', 'EDGE_ID', 'EDGE_BYTES_MAX', 'EDGE_AGE_HOURS_MAX'],
  },
]

const EXAMPLES: Readonly<Partial<Record<SettingName, string>>> = {
  KAFKA_BOOTSTRAP_SERVERS: 'kafka:9092',
  CLICKHOUSE_HOST: 'clickhouse',
  ICEBERG_WAREHOUSE: 's3://bucket/orrery',
  ICEBERG_REST_URL: 'http://catalog:8181',
  MINIO_ENDPOINT: 'http://minio:9000',
  REDIS_URL: 'redis://redis:6379',
  UPSTREAM_URL: 'wss://core.example.org',
}

const CHECKS: readonly Check[] = [
  rolesTrouble,
  upstreamTrouble,
  dependentTrouble,
  kafkaTrouble,
  s3Trouble,
  addressTrouble,
  storesTrouble,
]

function rolesTrouble(config: Config, roles: ReadonlySet<Role>): string | null {
  const names = listOf(config.roles)
  const twice = names.find((name, index) => names.indexOf(name) !== index)
  if (twice !== undefined) return `ROLES has ${twice} twice: write ROLES=${[...roles].join(',')}`
  const alone = !isSet(config.kafkaBootstrapServers) && !isSet(config.upstreamUrl)
  if (roles.size === ALL_ROLES || !alone) return null
  const edge = config.roles === 'gateway' ? ', or UPSTREAM_URL for an edge gateway' : ''
  return `ROLES=${config.roles} leaves work to other processes: write KAFKA_BOOTSTRAP_SERVERS${edge}, or unset ROLES`
}

function upstreamTrouble(config: Config, roles: ReadonlySet<Role>): string | null {
  if (!isSet(config.upstreamUrl)) return null
  if (roles.size !== 1 || !roles.has('gateway')) {
    return 'UPSTREAM_URL makes an edge gateway: write ROLES=gateway with it'
  }
  if (!isSet(config.upstreamKey)) {
    return 'UPSTREAM_URL needs an ingest key of the core: write UPSTREAM_KEY (there: bun run start --new-key NAME)'
  }
  if (!URL.canParse(config.upstreamUrl)) return unreadable('UPSTREAM_URL')
  const elsewhere = (
    [
      ['KAFKA_BOOTSTRAP_SERVERS', config.kafkaBootstrapServers],
      ['CLICKHOUSE_HOST', config.clickhouseHost],
      ['ICEBERG_WAREHOUSE', config.icebergWarehouse],
      ['ICEBERG_REST_URL', config.icebergRestUrl],
      ['REDIS_URL', config.redisUrl],
    ] as const
  ).find(([, value]) => isSet(value))
  if (elsewhere === undefined) return null
  return `${elsewhere[0]} is the core's: an edge gateway with UPSTREAM_URL forwards everything; unset one of the two`
}

function dependentTrouble(config: Config): string | null {
  const values = byName(config)
  for (const { on, names } of DEPENDENT) {
    if (on.some((name) => values(name) !== '')) continue
    const idle = names.find((name) => values(name) !== defaults[name])
    if (idle === undefined) continue
    const needed = on.map((name) => `${name}=${EXAMPLES[name]}`).join(' or ')
    return `${idle} does nothing by itself: write ${needed} too, or unset ${idle}`
  }
  return null
}

function kafkaTrouble(config: Config): string | null {
  const { kafkaTopic, kafkaTripsTopic, kafkaSasl, kafkaUsername, kafkaPassword } = config
  if (kafkaTopic === kafkaTripsTopic) {
    return `KAFKA_TOPIC and KAFKA_TRIPS_TOPIC are both ${kafkaTopic}: pings and trips need a topic each`
  }
  if (kafkaSasl === 'off') {
    const idle = isSet(kafkaUsername) ? 'USERNAME' : isSet(kafkaPassword) ? 'PASSWORD' : null
    if (idle === null) return null
    return `KAFKA_${idle} is used with SASL only: write KAFKA_SASL=plain, scram-sha-256 or scram-sha-512`
  }
  if (!isSet(kafkaUsername)) return `KAFKA_SASL=${kafkaSasl} needs KAFKA_USERNAME`
  if (!isSet(kafkaPassword)) return `KAFKA_SASL=${kafkaSasl} needs KAFKA_PASSWORD`
  return null
}

function s3Trouble(config: Config): string | null {
  const { minioAccessKey, minioSecretKey, icebergRestCredential, icebergRestToken } = config
  if (isSet(icebergRestCredential) && isSet(icebergRestToken)) {
    return 'ICEBERG_REST_CREDENTIAL and ICEBERG_REST_TOKEN are both set: unset one of them'
  }
  if (isSet(minioAccessKey) !== isSet(minioSecretKey)) {
    const missing = isSet(minioAccessKey) ? 'MINIO_SECRET_KEY' : 'MINIO_ACCESS_KEY'
    return `a key for S3 has two parts: write ${missing} too`
  }
  // Without an address the key would be shown to AWS.
  if (isSet(minioAccessKey) && accessOf(config).endpoint === undefined) {
    return `MINIO_ACCESS_KEY is for a server of one's own: write MINIO_ENDPOINT=${EXAMPLES.MINIO_ENDPOINT}, or for AWS the key as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`
  }
  return null
}

function addressTrouble(config: Config): string | null {
  const { clickhouseHost, clickhousePort, minioEndpoint, redisUrl, icebergRestUrl } = config
  const addresses: readonly (readonly [SettingName, string])[] = [
    ['CLICKHOUSE_HOST', clickhouseHost && clickHouseUrl(clickhouseHost, clickhousePort)],
    ['MINIO_ENDPOINT', minioEndpoint && s3Endpoint(minioEndpoint)],
    ['ICEBERG_REST_URL', icebergRestUrl],
    ['REDIS_URL', redisUrl],
  ]
  const wrong = addresses.find(([, url]) => isSet(url) && !URL.canParse(url))
  return wrong === undefined ? null : unreadable(wrong[0])
}

/** With Kafka, others read what a worker writes: nothing of it can be inside of a process. */
function storesTrouble(config: Config, roles: ReadonlySet<Role>): string | null {
  if (!isSet(config.kafkaBootstrapServers)) return null
  const works = roles.has('worker')
  if (!works && !roles.has('web')) return null
  const needed: readonly (readonly [SettingName, string, boolean, string])[] = [
    ['CLICKHOUSE_HOST', config.clickhouseHost, true, 'clean tables are on a server'],
    ['ICEBERG_WAREHOUSE', config.icebergWarehouse, works, 'raw messages and snapshots are in S3'],
    ['REDIS_URL', config.redisUrl, true, 'region windows and the live map go by Redis'],
  ]
  const missing = needed.find(([, value, isNeeded]) => isNeeded && !isSet(value))
  if (missing === undefined) return null
  const [name, , , why] = missing
  return `with KAFKA_BOOTSTRAP_SERVERS ${why}: write ${name}=${EXAMPLES[name]} (or ROLES=gateway for a process that only takes messages)`
}

function unreadable(name: SettingName): string {
  return `${name} is no address: write one like ${EXAMPLES[name]}`
}

/** The values by the names that people write. */
function byName(config: Config): (name: SettingName) => string | number {
  const values = new Map<string, string | number>(
    Object.entries(config).map(([key, value]) => [key.toLowerCase(), value]),
  )
  return (name) => values.get(name.toLowerCase().replaceAll('_', '')) ?? ''
}
