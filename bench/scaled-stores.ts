import { missingReader } from '../actors/testing/services.ts'
import { BronzeReader } from '../simulator/readers/readers.ts'
import { asRecord, parseJson } from '../simulator/wire.ts'
import type { Rig } from './scaled-rig.ts'

/** What both stores hold in the end. */
export type ScaledRows = Readonly<{
  silver: number
  silverUnique: number
  bronze: number
  /** Null when no program of others is here that reads the table. */
  bronzeUnique: number | null
}>

const TABLE = 'raw_delivery_data'
const SILVER = 'SELECT count() FROM session_movements'
const UNIQUE = 'SELECT uniqExact(movement_id) FROM session_movements'

/** Rows of silver. */
export function silverRows(rig: Rig): Promise<number> {
  return rig.number(SILVER)
}

/** Rows of bronze, as the catalog tells of the newest snapshot. */
export async function bronzeRows(rig: Rig): Promise<number> {
  const response = await fetch(`${rig.servers.catalogUrl}/v1/namespaces/default/tables/${TABLE}`)
  const metadata = asRecord(asRecord(parseJson(await response.text()))?.metadata)
  const snapshots = Array.isArray(metadata?.snapshots) ? metadata.snapshots.map(asRecord) : []
  const newest = snapshots.find((one) => one?.['snapshot-id'] === metadata?.['current-snapshot-id'])
  return Number(asRecord(newest?.summary)?.['total-records'] ?? 0)
}

/** Counts rows and how many of them differ: silver by SQL, bronze by DuckDB where it is installed. */
export async function countStores(rig: Rig): Promise<ScaledRows> {
  const [silver, silverUnique] = [await silverRows(rig), await rig.number(UNIQUE)]
  if (missingReader('duckdb', process.env) !== null) {
    return { silver, silverUnique, bronze: await bronzeRows(rig), bronzeUnique: null }
  }
  await using reader = new BronzeReader('duckdb', process.env)
  const { catalogUrl: catalogUri, s3 } = rig.servers
  const place = {
    catalogUri,
    namespace: ['default'],
    table: TABLE,
    s3: { ...s3, endpoint: s3.url },
  }
  const { rows, distinct } = await reader.read(place, { checksum: false })
  return { silver, silverUnique, bronze: rows, bronzeUnique: distinct }
}
