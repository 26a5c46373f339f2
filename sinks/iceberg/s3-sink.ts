import type { Clock } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { BRONZE_NAMESPACE, bronzeLocation } from './bronze-table.ts'
import type { Catalog } from './catalog.ts'
import { FolderCatalog } from './folder-catalog.ts'
import { systemRandom } from './names.ts'
import { PacedCatalog } from './paced-catalog.ts'
import { RestCatalog } from './rest-catalog.ts'
import { type RestBounds, RestClient } from './rest-client.ts'
import { type S3Access, withVended } from './s3-access.ts'
import { type S3Bounds, S3Storage } from './s3-storage.ts'
import { IcebergSink } from './sink.ts'
import type { Storage } from './storage.ts'
import { type BronzeTable, LAYOUTS } from './table-schema.ts'
import type { Warehouse, WarehouseSettings } from './warehouse.ts'

/** A warehouse on S3, with a catalog or alone. */
export type S3Warehouse = Extract<Warehouse, { kind: 's3' }>

/** One table of a warehouse on S3: its files, its versions, and where it is made when there is none. */
export type S3Table = Readonly<{ storage: Storage; catalog: Catalog; location: string | null }>

type About = Readonly<{ clock: Clock; log: Log; bounds?: Partial<S3Bounds & RestBounds> }>

/** The sink over a warehouse on S3. */
export function s3IcebergSink<Kind extends BronzeTable = 'pings'>(
  settings: WarehouseSettings<Kind> & Readonly<{ warehouse: S3Warehouse }>,
  about: About,
): IcebergSink<Kind> {
  const { warehouse, ...rest } = settings
  const table = s3Table(warehouse, rest.table, about)
  return new IcebergSink<Kind>({ ...rest, ...table, ...about, random: systemRandom })
}

/** The ports of one bronze table in a warehouse on S3. */
export function s3Table(
  warehouse: S3Warehouse,
  table: BronzeTable = 'pings',
  { clock, log, bounds = {} }: About,
): S3Table {
  const { access, catalog: rest } = warehouse
  const random = systemRandom
  const root = warehouse.location
  if (root !== undefined && !/^s3:\/\/[^/]{3,}/.test(root)) {
    throw new OrreryError('iceberg_location', `${root} is not an address like s3://bucket/path`)
  }
  if (rest === undefined) {
    const location = bronzeLocation(warehouse.location, table)
    const storage = new S3Storage({ access, clock, random, bounds })
    const catalog = new FolderCatalog({ location, storage, clock, log })
    return { storage, location, catalog: new PacedCatalog(catalog, { clock, random }) }
  }
  const { namespace = [BRONZE_NAMESPACE] } = rest
  const client = new RestClient(rest, { clock, random, bounds })
  const { name } = LAYOUTS[table]
  const delegate = access.credentials === undefined
  const catalog = new RestCatalog({ client, namespace, table: name, clock, delegate })
  const storage = new S3Storage({ access: accessBy(catalog, access), clock, random, bounds })
  const location = root === undefined ? null : bronzeLocation(root, table)
  return { storage, catalog: new PacedCatalog(catalog, { clock, random }), location }
}

/** What the owner has set and the catalog says, as one value for as long as neither changes. */
function accessBy(catalog: RestCatalog, own: S3Access): () => Promise<S3Access> {
  let last: Readonly<{ config: object; access: S3Access }> | null = null
  return async () => {
    const config = await catalog.fileConfig()
    if (last?.config !== config) last = { config, access: withVended(own, config) }
    return last.access
  }
}
