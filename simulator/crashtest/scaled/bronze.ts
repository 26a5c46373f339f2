import { createReadStream, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { Environment } from '../../../actors/testing/services.ts'
import { type BronzePlace, BronzeReader, type BronzeSeen } from '../../readers/readers.ts'
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

/** Reads both tables with PyIceberg and DuckDB. */
export async function readLake(
  servers: Servers,
  { root, env }: Readonly<{ root: string; env: Environment }>,
): Promise<BronzeRead> {
  const place = (table: string): BronzePlace => ({
    catalogUri: servers.catalogUrl,
    namespace: NAMESPACE,
    table,
    s3: { ...servers.s3, endpoint: servers.s3.url },
  })
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
