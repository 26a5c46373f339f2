import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Catalog, Table } from './catalog.ts'
import type { TableDefinition, TableMetadata } from './metadata.ts'
import {
  type BronzeTable,
  LAYOUTS,
  SPEC_ID,
  TABLE_PROPERTIES,
  type TableLayout,
} from './table-schema.ts'

/** Namespace of the bronze tables, as PacketPulse has it. */
export const BRONZE_NAMESPACE = 'default'

/** Where a bronze table lies in a warehouse. */
export function bronzeLocation(warehouse: string, table: BronzeTable = 'pings'): string {
  return `${warehouse.replace(/\/+$/, '')}/${BRONZE_NAMESPACE}/${LAYOUTS[table].name}`
}

/** The newest version of a bronze table, made first when there is none. */
export async function openBronze(
  catalog: Catalog,
  about: Readonly<{ location: string | null; uuid: string }>,
  layout: TableLayout = LAYOUTS.pings,
): Promise<Table> {
  const definition: TableDefinition = {
    ...about,
    schema: layout.schema,
    spec: layout.spec,
    properties: TABLE_PROPERTIES,
  }
  const table = (await catalog.load(null)) ?? (await catalog.create(definition))
  checkLayout(table.metadata, layout)
  return table
}

/** Refuses a table that our files would not fit: another layout under the same name. */
function checkLayout(metadata: TableMetadata, layout: TableLayout): void {
  const schema = metadata.schemas.find(
    (candidate) => candidate['schema-id'] === metadata['current-schema-id'],
  )
  for (const { id, name, type } of layout.columns) {
    const found = schema?.fields.find((field) => field.id === id)
    if (found?.name !== name || found.type !== type) {
      throw layoutError(
        layout,
        `column ${id} should be ${name} ${type}, and is ${found?.name} ${found?.type}`,
      )
    }
  }
  const foreign = schema?.fields.find(
    (field) => field.required && !layout.columns.some((column) => column.id === field.id),
  )
  if (foreign) throw layoutError(layout, `column ${foreign.name} is required and not ours`)
  const spec = metadata['partition-specs'].find(
    (candidate) => candidate['spec-id'] === metadata['default-spec-id'],
  )
  const field = spec?.fields[0]
  const same =
    spec?.fields.length === 1 &&
    spec['spec-id'] === SPEC_ID &&
    field?.transform === 'day' &&
    field['source-id'] === layout.partitionSourceId
  if (!same) throw layoutError(layout, 'it is not partitioned by day of event_date alone')
}

function layoutError({ name }: TableLayout, reason: string): OrreryError {
  return new OrreryError(
    'iceberg_layout',
    `table ${BRONZE_NAMESPACE}.${name} was changed so that it cannot be written: ${reason}`,
  )
}
