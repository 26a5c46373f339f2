import { systemClock } from '../actors/kernel/clock.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type { ClickHouseServer } from '../sinks/clickhouse/server-engine.ts'
import { placeOf } from './adapters-texts.ts'
import type { ServerChoice } from './adapters.ts'
import { patiently, type Waiting } from './patience.ts'
import type { Config } from './settings.ts'

/** Connects to a ClickHouse server as soon as it is there, and brings its tables up to date. */
export function openServer(
  config: Config,
  { address, cluster }: ServerChoice,
  { log, parts, signal }: Waiting & Readonly<{ log: Log }>,
): Promise<ClickHouseServer> {
  const where = placeOf(address.url)
  parts.needed('clickhouse', where)
  const open = async (): Promise<ClickHouseServer> => {
    const { openClickHouseServer } = await import('../sinks/clickhouse/server-open.ts')
    const { migrate } = await import('../sinks/clickhouse/schema.ts')
    const database = config.clickhouseDatabase
    const engine = await openClickHouseServer({ ...address, database, clusterName: cluster, log })
    try {
      await migrate(engine)
      return engine
    } catch (cause) {
      await engine.close()
      throw cause
    }
  }
  const check =
    'that a ClickHouse server listens there for HTTP, and CLICKHOUSE_HOST, _PORT, _USER, _PASSWORD'
  return patiently('clickhouse', open, {
    ...{ clock: systemClock, random: Math.random, log, parts, signal, where, check },
  })
}
