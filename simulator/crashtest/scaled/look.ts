import type { Clock } from '../../../actors/kernel/clock.ts'
import type { Environment } from '../../../actors/testing/services.ts'
import type { BronzeSeen } from '../../readers/readers.ts'
import { type Ask, check, type Finding, type Verdict } from '../check.ts'
import { BRONZE } from '../queries.ts'
import { pause } from '../server.ts'
import { type BronzeRead, linesOf, readLake, untilBronzeHas } from './bronze.ts'
import { askClickHouse, type ClickHousePlace, tellClickHouse } from './clickhouse-server.ts'
import type { Cluster } from './cluster.ts'
import { checkLiveFigures } from './live-figures.ts'
import type { LoadSums } from './load.ts'
import { RedisReader } from './redis-reader.ts'
import { checkTrips, type TripsVerdict } from './trips-check.ts'

export const DATABASE = 'default'
const REFERENCE = 'crashtest.bronze'
const ROWS_AT_ONCE = 20_000
const CAUGHT_UP_MS_MAX = 120_000

export type LookOptions = Readonly<{
  cluster: Cluster
  root: string
  env: Environment
  clock: Clock
  /** Files with pings that were acknowledged, one a line. */
  pingRecords: readonly string[]
  tripRecord: string
  sums: LoadSums
  say: (text: string) => void
}>

/** What all stores hold, seen by programs that are not ours, against what clients were told. */
export type ScaledVerdict = Readonly<{
  pings: Verdict
  trips: TripsVerdict
  findings: readonly Finding[]
  /** What each reader saw of bronze, for the report. */
  readers: readonly string[]
  uncleanStops: readonly string[]
}>

/** Ends our processes in order and compares everything; the servers still run. */
export async function look(options: LookOptions): Promise<ScaledVerdict> {
  const { cluster, root, env, sums, say } = options
  const place = cluster.servers.clickHouse
  await flushTrips(cluster)
  await untilTripsAreFinal(options)
  await untilBronzeHas(await newestInSilver(place), cluster.servers, {
    ...{ env, clock: options.clock, withinMs: CAUGHT_UP_MS_MAX },
  })
  const live = await Promise.all(
    cluster.of('web').map(({ url }) =>
      checkLiveFigures({
        url,
        key: cluster.key,
        place,
        database: DATABASE,
        clock: options.clock,
      }),
    ),
  )
  say('ending all processes in order')
  const uncleanStops = await cluster.stop()
  say('reading bronze with PyIceberg and DuckDB')
  const lake = await readLake(cluster.servers, { root, env })
  await loadReference(place, lake.pingsFile)
  say('comparing with what clients were told')
  const ask: Ask = (query) =>
    askClickHouse(place, query.replaceAll(BRONZE, REFERENCE), { database: DATABASE })
  const { unacknowledged, overflowed, refused } = sums.clients
  const left = sums.posts.generated - sums.posts.acknowledged - sums.posts.refused
  const pings = await check({
    ask,
    metrics: null,
    records: options.pingRecords,
    sums: {
      unacknowledged: unacknowledged + left,
      overflowed,
      refused: refused + sums.posts.refused,
    },
  })
  using redis = await RedisReader.open(cluster.servers.redis, options.clock)
  const trips = await checkTrips({
    ...{ place, database: DATABASE, record: options.tripRecord, bronzeFile: lake.tripsFile },
    left: sums.trips.generated - sums.trips.acknowledged,
    redis: await redis.values('region:*:window*:*'),
  })
  const findings = [...pings.findings, ...trips.findings, ...ofReaders(lake), ...live]
  return { pings, trips, findings, readers: shown(lake), uncleanStops }
}

/** Makes every window final; told by any gateway. */
async function flushTrips(cluster: Cluster): Promise<void> {
  for (const gateway of cluster.of('gateway')) {
    const headers = { authorization: `Bearer ${cluster.key}` }
    const answer = await fetch(`${gateway.url}/ingest/trips/flush`, { method: 'POST', headers })
    const text = await answer.text()
    if (answer.ok) return
    throw new Error(`a gateway did not flush the trips: ${answer.status} ${text.slice(0, 300)}`)
  }
}

/** Silver has every window's last version; a while longer is no error here: what is missing then, is. */
async function untilTripsAreFinal({ cluster, clock, say }: LookOptions): Promise<void> {
  const endMs = clock.monotonicMs() + CAUGHT_UP_MS_MAX
  const place = cluster.servers.clickHouse
  for (;;) {
    const [row] = await askClickHouse(
      place,
      'SELECT countIf(NOT final), count() FROM region_windows',
      { database: DATABASE },
    )
    if (Number(row?.[0]) === 0 && Number(row?.[1]) > 0) return
    if (clock.monotonicMs() > endMs) {
      say(`${Number(row?.[0])} of ${Number(row?.[1])} windows are not final after a flush`)
      return
    }
    await pause(250)
  }
}

/** The last offset of each partition that something in silver came from. */
async function newestInSilver(place: ClickHousePlace): Promise<ReadonlyMap<number, number>> {
  const rows = await askClickHouse(
    place,
    'SELECT `partition`, max(`offset`) FROM session_movements GROUP BY `partition` ' +
      'UNION ALL SELECT `partition`, max(`offset`) FROM trips GROUP BY `partition`',
    { database: DATABASE },
  )
  return new Map(rows.map(([partition, offset]) => [Number(partition), Number(offset)]))
}

/** Bronze as a program of others read it, beside silver, so that SQL can compare the two. */
async function loadReference(place: ClickHousePlace, file: string): Promise<void> {
  const texts = ['device_id', 'vehicle_id', 'session_id', 'order_id', 'status']
  const numbers = ['start_lat', 'start_lon', 'end_lat', 'end_lon', 'current_lat', 'current_lon']
  const columns = [
    ...texts.map((name) => `${name} String`),
    ...numbers.map((name) => `${name} Float64`),
    `us Int64, timestamp DateTime64(6, 'UTC') ALIAS fromUnixTimestamp64Micro(us, 'UTC')`,
    '`partition` Int32, offset Int64',
  ]
  await tellClickHouse(place, 'DROP DATABASE IF EXISTS crashtest', null)
  await tellClickHouse(place, 'CREATE DATABASE crashtest', null)
  await tellClickHouse(
    place,
    `CREATE TABLE ${REFERENCE} (${columns.join(', ')}) ENGINE = MergeTree ORDER BY (\`partition\`, offset)`,
    null,
  )
  const names = [...texts, ...numbers, 'us', '`partition`', 'offset'].join(', ')
  for await (const lines of linesOf(file, ROWS_AT_ONCE)) {
    const rows = lines.map((line) => line.replace('"timestamp":', '"us":')).join('\n')
    await tellClickHouse(place, `INSERT INTO ${REFERENCE} (${names}) FORMAT JSONEachRow`, rows)
  }
}

/** Every name once in both tables, by each reader, and the readers of one mind. */
function ofReaders(lake: BronzeRead): readonly Finding[] {
  return (['pings', 'trips'] as const).flatMap((table): Finding[] => {
    const seen = lake[table]
    const [one] = seen
    const differ = seen.filter(
      ({ rows, distinct }) => rows !== one?.rows || distinct !== one.distinct,
    )
    return [
      ...seen.map(({ rows, distinct }, index): Finding => ({
        kind: 'double',
        what: `${table}: names twice in bronze, says ${index === 0 ? 'PyIceberg' : 'DuckDB'}`,
        count: rows - distinct,
      })),
      { kind: 'wrong', what: `${table}: readers of bronze that differ`, count: differ.length },
    ]
  })
}

function shown(lake: BronzeRead): readonly string[] {
  const line = (name: string, { rows, distinct, snapshots }: BronzeSeen): string =>
    `${name}: ${rows} rows, ${distinct} names, ${snapshots} snapshots kept`
  return (['pings', 'trips'] as const).flatMap((table) =>
    lake[table].map((seen, index) =>
      line(`${table} by ${index === 0 ? 'PyIceberg' : 'DuckDB'} ${seen.version}`, seen),
    ),
  )
}
