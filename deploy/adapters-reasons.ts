import { placeOf, shown } from './adapters-texts.ts'
import type { Adapters } from './adapters.ts'
import type { Config, SettingName } from './settings.ts'

/** One port: what stands behind it, and which setting has decided so. No secrets. */
export type Reason = Readonly<{ port: string; adapter: string; because: string }>

type Choice = Omit<Adapters, 'reasons'>

/** Says of each port what stands behind it and why. */
export function reasonsOf(config: Config, choice: Choice): readonly Reason[] {
  return [
    journal(config, choice),
    silver(choice),
    bronze(choice),
    snapshots(choice),
    windows(config, choice),
    live(choice),
  ]
}

function journal(config: Config, { journal: chosen }: Choice): Reason {
  const port = 'journal'
  switch (chosen.kind) {
    case 'kafka': {
      const { sessions, trips } = chosen.topics
      const sasl = chosen.sasl === null ? '' : `, SASL ${chosen.sasl.mechanism}`
      const how = `${chosen.ssl ? ', TLS' : ''}${sasl}`
      const adapter = `Kafka at ${chosen.brokers.join(', ')}, topics ${sessions} and ${trips}${how}`
      return { port, adapter, because: isSetIn('KAFKA_BOOTSTRAP_SERVERS') }
    }
    case 'outbox': {
      const adapter = `outbox in ${config.dataDir}, forwarded to ${shown(chosen.upstreamUrl)}`
      return { port, adapter, because: isSetIn('UPSTREAM_URL') }
    }
    default:
      return {
        port,
        adapter: `segments in ${config.dataDir}`,
        because: isEmptyIn('KAFKA_BOOTSTRAP_SERVERS'),
      }
  }
}

function silver(choice: Choice): Reason {
  const port = 'silver'
  switch (choice.silver.kind) {
    case 'server': {
      const { address, cluster } = choice.silver
      const on = cluster === null ? '' : `, cluster ${cluster}`
      const adapter = `ClickHouse server at ${placeOf(address.url)}${on}`
      return { port, adapter, because: isSetIn('CLICKHOUSE_HOST') }
    }
    case 'embedded':
      return { port, adapter: 'embedded ClickHouse', because: isEmptyIn('CLICKHOUSE_HOST') }
    default:
      return unused(port, choice)
  }
}

function bronze(choice: Choice): Reason {
  const port = 'bronze'
  const chosen = choice.bronze
  switch (chosen.kind) {
    case 's3': {
      const { access, catalog, location } = chosen
      const server = access.endpoint === undefined ? 'AWS' : placeOf(access.endpoint)
      const where = `${location ?? 'where the catalog says'} on ${server}`
      if (catalog === undefined) {
        return { port, adapter: `Iceberg at ${where}`, because: isSetIn('ICEBERG_WAREHOUSE') }
      }
      const adapter = `Iceberg at ${where}, REST catalog ${shown(catalog.uri)}`
      return { port, adapter, because: isSetIn('ICEBERG_REST_URL') }
    }
    case 'local':
      return {
        port,
        adapter: `Iceberg in ${chosen.folder}`,
        because: isEmptyIn('ICEBERG_WAREHOUSE'),
      }
    default:
      return unused(port, choice)
  }
}

function snapshots(choice: Choice): Reason {
  const port = 'snapshots'
  switch (choice.snapshots.kind) {
    case 's3':
      return {
        port,
        adapter: choice.snapshots.location,
        because: 'with Kafka a partition moves, and its next worker must find them',
      }
    case 'local':
      return { port, adapter: 'in the data folder', because: isEmptyIn('KAFKA_BOOTSTRAP_SERVERS') }
    default:
      return unused(port, choice)
  }
}

function windows(config: Config, choice: Choice): Reason {
  const port = 'windows'
  switch (choice.windows.kind) {
    case 'redis': {
      const copy =
        choice.journal.kind === 'disk' ? 'memory, and a copy in' : 'states of actors, and'
      const adapter = `${copy} Redis at ${placeOf(config.redisUrl)}`
      return { port, adapter, because: isSetIn('REDIS_URL') }
    }
    case 'memory':
      return { port, adapter: 'memory', because: isEmptyIn('REDIS_URL') }
    default:
      return unused(port, choice)
  }
}

function live(choice: Choice): Reason {
  const port = 'live'
  switch (choice.live.kind) {
    case 'redis': {
      const adapter = `Redis at ${placeOf(choice.live.url)}`
      return { port, adapter, because: 'with Kafka maps are shown by other processes than workers' }
    }
    case 'memory':
      return { port, adapter: 'memory', because: isEmptyIn('KAFKA_BOOTSTRAP_SERVERS') }
    default:
      return unused(port, choice)
  }
}

function unused(port: string, { roles }: Choice): Reason {
  return { port, adapter: 'none', because: `ROLES=${[...roles].join(',')} has no use for it` }
}

function isSetIn(name: SettingName): string {
  return `${name} is set`
}

function isEmptyIn(name: SettingName): string {
  return `${name} is empty`
}
