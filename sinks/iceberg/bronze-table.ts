import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Catalog, Table } from './catalog.ts'
import type { TableDefinition, TableMetadata } from './metadata.ts'
import {
  COLUMNS,
  ICEBERG_SCHEMA,
  PARTITION,
  PARTITION_SPEC,
  TABLE_PROPERTIES,
} from './table-schema.ts'

/** Namespace and name of the bronze table, as PacketPulse has them. */
export const BRONZE_NAMESPACE = 'default'
/** Name of the bronze table. */
export const BRONZE_TABLE = 'raw_delivery_data'

/** Where the bronze table lies in a warehouse. */
export function bronzeLocation(warehouse: string): string {
  return `${warehouse.replace(/\/+$/, '')}/${BRONZE_NAMESPACE}/${BRONZE_TABLE}`
}

/** The newest version of the bronze table, made first when there is none. */
export async function openBronze(
  catalog: Catalog,
  about: Readonly<{ location: string; uuid: string }>,
): Promise<Table> {
  const definition: TableDefinition = {
    ...about,
    schema: ICEBERG_SCHEMA,
    spec: PARTITION_SPEC,
    properties: TABLE_PROPERTIES,
  }
  const table = (await catalog.load(null)) ?? (await catalog.create(definition))
  checkLayout(table.metadata)
  return table
}

/** Refuses a table that our files would not fit: another layout under the same name. */
function checkLayout(metadata: TableMetadata): void {
  const schema = metadata.schemas.find(
    (candidate) => candidate['schema-id'] === metadata['current-schema-id'],
  )
  for (const { id, name, type } of COLUMNS) {
    const found = schema?.fields.find((field) => field.id === id)
    if (found?.name !== name || found.type !== type) {
      throw layoutError(
        `column ${id} should be ${name} ${type}, and is ${found?.name} ${found?.type}`,
      )
    }
  }
  const foreign = schema?.fields.find(
    (field) => field.required && !COLUMNS.some((column) => column.id === field.id),
  )
  if (foreign) throw layoutError(`column ${foreign.name} is required and not ours`)
  const spec = metadata['partition-specs'].find(
    (candidate) => candidate['spec-id'] === metadata['default-spec-id'],
  )
  const field = spec?.fields[0]
  const same =
    spec?.fields.length === 1 &&
    spec['spec-id'] === PARTITION_SPEC['spec-id'] &&
    field?.transform === 'day' &&
    field['source-id'] === PARTITION.sourceId
  if (!same) throw layoutError('it is not partitioned by day of event_date alone')
}

function layoutError(reason: string): OrreryError {
  return new OrreryError(
    'iceberg_layout',
    `table ${BRONZE_NAMESPACE}.${BRONZE_TABLE} was changed so that it cannot be written: ${reason}`,
  )
}
