import type { Catalog } from '../../sinks/iceberg/catalog.ts'
import { tableIn } from '../../sinks/iceberg/lake-testing.ts'
import type { TableMetadata } from '../../sinks/iceberg/metadata.ts'
import { OFFSETS_KEY } from '../../sinks/iceberg/offsets.ts'
import type { S3Warehouse } from '../../sinks/iceberg/s3-sink.ts'
import { type BronzeTable, LAYOUTS } from '../../sinks/iceberg/table-schema.ts'
import type { BronzePlace, ReaderKeys } from './readers.ts'

/** Where a reader finds a table of a test's warehouse. */
export async function placeIn(
  warehouse: S3Warehouse,
  keys: ReaderKeys,
  table: BronzeTable = 'pings',
): Promise<BronzePlace> {
  const { endpoint, region, accessKey, secretKey } = keys
  const s3 = { endpoint, region, accessKey, secretKey }
  if (warehouse.catalog !== undefined) {
    const { uri: catalogUri, namespace = [] } = warehouse.catalog
    return { s3, catalogUri, namespace, table: LAYOUTS[table].name }
  }
  const current = await tableIn(warehouse, table).catalog.load(null)
  return { s3, metadata: current?.metadataPath ?? '' }
}

/** A catalog that hides what the table holds: a sink over it writes all of it a second time. */
export function forgetful(catalog: Catalog): Catalog {
  return {
    load: async (known) => {
      const table = await catalog.load(known)
      return table && { ...table, metadata: withoutOffsets(table.metadata) }
    },
    create: (definition) => catalog.create(definition),
    commit: (base, change) => catalog.commit(base, change),
  }
}

function withoutOffsets(metadata: TableMetadata): TableMetadata {
  const { [OFFSETS_KEY]: _, ...properties } = metadata.properties
  const snapshots = metadata.snapshots.map((snapshot) => {
    const { [OFFSETS_KEY]: _, ...summary } = snapshot.summary
    return { ...snapshot, summary }
  })
  return { ...metadata, properties, snapshots }
}
