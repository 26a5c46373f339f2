import { createReadStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { Clock } from '../../../actors/kernel/clock.ts'
import type { Environment } from '../../../actors/testing/services.ts'
import { type BronzePlace, BronzeReader, type BronzeSeen } from '../../readers/readers.ts'
import { pause } from '../server.ts'
import type { Servers } from './servers.ts'

const NAMESPACE = ['default']
export const PINGS_TABLE = 'raw_delivery_data'
export const TRIPS_TABLE = 'trips'

/** The columns of a ping that are compared. */
const PING_COLUMNS = [
  ...['device_id', 'vehicle_id', 'session_id', 'order_id', 'status', 'timestamp'],
  ...['start_lat', 'start_lon', 'end_lat', 'end_lon', 'current_lat', 'current_lon'],
  ...['partition', 'offset'],
]
const TRIP_COLUMNS = ['trip_id', 'region_id', 'event_time', 'partition', 'offset']

/** What two programs that are not ours see in bronze, and one of them in full. */
export type BronzeRead = Readonly<{
  pings: readonly BronzeSeen[]
  trips: readonly BronzeSeen[]
  /** Rows as NDJSON, times in microseconds since 1970. */
  pingsFile: string
  tripsFile: string
}>

/** Waits until bronze has everything that silver has, as DuckDB sees it: what is not there in time, the comparison tells. */
export async function untilBronzeHas(
  newest: ReadonlyMap<number, number>,
  servers: Servers,
  { env, clock, withinMs }: Readonly<{ env: Environment; clock: Clock; withinMs: number }>,
): Promise<void> {
  const endMs = clock.monotonicMs() + withinMs
  await using reader = new BronzeReader('duckdb', env)
  while (clock.monotonicMs() < endMs) {
    const behind = new Map(newest)
    for (const table of [PINGS_TABLE, TRIPS_TABLE]) {
      const seen = await reader.read(placeOf(servers, table), { checksum: false })
      for (const { partition, offsetMax } of seen.partitions) {
        if (offsetMax >= (behind.get(partition) ?? 0)) behind.delete(partition)
      }
    }
    if (behind.size === 0) return
    await pause(1_000)
  }
}

/** Reads both tables with PyIceberg and DuckDB. */
export async function readLake(
  servers: Servers,
  { root, env }: Readonly<{ root: string; env: Environment }>,
): Promise<BronzeRead> {
  const place = (table: string): BronzePlace => placeOf(servers, table)
  const seen: Record<'pings' | 'trips', BronzeSeen[]> = { pings: [], trips: [] }
  const pingsFile = join(root, 'bronze-pings.ndjson')
  const tripsFile = join(root, 'bronze-trips.ndjson')
  for (const name of ['pyiceberg', 'duckdb'] as const) {
    await using reader = new BronzeReader(name, env)
    seen.pings.push(await reader.read(place(PINGS_TABLE), { checksum: name === 'duckdb' }))
    seen.trips.push(await reader.read(place(TRIPS_TABLE), { checksum: name === 'duckdb' }))
    if (name !== 'pyiceberg') continue
    rmSync(pingsFile, { force: true })
    await reader.export(place(PINGS_TABLE), { file: pingsFile, columns: PING_COLUMNS })
    await reader.export(place(TRIPS_TABLE), { file: tripsFile, columns: TRIP_COLUMNS })
  }
  return { ...seen, pingsFile, tripsFile }
}

function placeOf({ catalogUrl: catalogUri, s3 }: Servers, table: string): BronzePlace {
  return { catalogUri, namespace: NAMESPACE, table, s3: { ...s3, endpoint: s3.url } }
}

/** Lines of a file, so many at a time. */
export async function* linesOf(file: string, count: number): AsyncGenerator<readonly string[]> {
  let some: string[] = []
  for await (const line of createInterface({ input: createReadStream(file) })) {
    some.push(line)
    if (some.length < count) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}
