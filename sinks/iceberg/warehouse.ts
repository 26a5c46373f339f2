import { systemClock } from '../../actors/kernel/clock.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import type { BatchLimits } from '../sink.ts'
import { localIcebergSink } from './local-sink.ts'
import type { RestSettings } from './rest-client.ts'
import type { S3Access } from './s3-access.ts'
import type { IcebergSink, TablePolicy } from './sink.ts'
import type { BronzeTable } from './table-schema.ts'

/** A REST catalog, and the namespace of the tables in it, `default` unless told. */
export type RestCatalogSettings = RestSettings &
  Readonly<{ kind: 'rest'; namespace?: readonly string[] }>

/** Where bronze tables are. Plain data, secrets included: it goes to the Worker and into no log. */
export type Warehouse =
  | Readonly<{ kind: 'local'; folder: string }>
  | Readonly<{
      kind: 's3'
      access: S3Access
      /** `s3://bucket/path`. With a catalog only new tables need it, and those not when the catalog chooses. */
      location: string
      catalog?: undefined
    }>
  | Readonly<{
      kind: 's3'
      access: S3Access
      location?: string
      catalog: RestCatalogSettings
    }>

/** A warehouse (a text is a local folder), which of its bronze tables is written, pings unless told, and how. */
export type WarehouseSettings<Kind extends BronzeTable = 'pings'> = Readonly<{
  table?: Kind
  warehouse: string | Warehouse
  limits?: BatchLimits
  policy?: TablePolicy
}>

/** The sink over a warehouse on the system's clock. What S3 needs is loaded only for S3. */
export async function icebergSink<Kind extends BronzeTable = 'pings'>(
  settings: WarehouseSettings<Kind>,
  log: Log,
): Promise<IcebergSink<Kind>> {
  const { warehouse, ...rest } = settings
  if (typeof warehouse === 'string') return localIcebergSink({ ...rest, warehouse }, log)
  if (warehouse.kind === 'local') {
    return localIcebergSink({ ...rest, warehouse: warehouse.folder }, log)
  }
  const { s3IcebergSink } = await import('./s3-sink.ts')
  return s3IcebergSink({ ...rest, warehouse }, { clock: systemClock, log })
}
