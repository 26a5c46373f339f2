import { CLICKHOUSE_LIMITS } from '../sinks/clickhouse/sink.ts'
import { ICEBERG_LIMITS } from '../sinks/iceberg/sink.ts'
import type { BatchLimits } from '../sinks/sink.ts'
import type { Config } from './settings.ts'

/** When a batch of bronze is due, as configured. */
export function bronzeLimits(config: Config): BatchLimits {
  const { icebergBatchRows: rowsMax, icebergBatchAgeMs: ageMsMax } = config
  return { ...ICEBERG_LIMITS, rowsMax, ageMsMax }
}

/** The embedded engine takes a small batch for little; a server's fence alone costs it a millisecond a statement. */
const SILVER_AGE_MS = { embedded: 200, server: 1_000 }

/** When a batch of silver is due, as configured. */
export function silverLimits(config: Config): BatchLimits {
  const { clickhouseBatchRows: rowsMax, clickhouseBatchAgeMs, clickhouseHost } = config
  const chosenMs = clickhouseHost === '' ? SILVER_AGE_MS.embedded : SILVER_AGE_MS.server
  const ageMsMax = clickhouseBatchAgeMs === 0 ? chosenMs : clickhouseBatchAgeMs
  return { ...CLICKHOUSE_LIMITS, rowsMax, ageMsMax }
}

/** A partition that moves is shown again only when the new worker has replayed what came since the last snapshot. */
const SNAPSHOT_MS = { embedded: 30_000, kafka: 10_000 }

/** How often changed actors are saved, as configured. */
export function snapshotEveryMs({ snapshotIntervalMs, kafkaBootstrapServers }: Config): number {
  if (snapshotIntervalMs > 0) return snapshotIntervalMs
  return kafkaBootstrapServers === '' ? SNAPSHOT_MS.embedded : SNAPSHOT_MS.kafka
}
