import { CLICKHOUSE_LIMITS } from '../sinks/clickhouse/sink.ts'
import { ICEBERG_LIMITS } from '../sinks/iceberg/sink.ts'
import type { BatchLimits } from '../sinks/sink.ts'
import type { Config } from './settings.ts'

/** When a batch of bronze is due, as configured. */
export function bronzeLimits(config: Config): BatchLimits {
  const { icebergBatchRows: rowsMax, icebergBatchAgeMs: ageMsMax } = config
  return { ...ICEBERG_LIMITS, rowsMax, ageMsMax }
}

/** When a batch of silver is due, as configured. */
export function silverLimits(config: Config): BatchLimits {
  const { clickhouseBatchRows: rowsMax, clickhouseBatchAgeMs: ageMsMax } = config
  return { ...CLICKHOUSE_LIMITS, rowsMax, ageMsMax }
}
