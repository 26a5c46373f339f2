/** Types that our columns use, in Iceberg's words. */
export type ColumnType = 'string' | 'double' | 'int' | 'long' | 'date' | 'timestamptz'

/** One column of the bronze table. */
export type Column = Readonly<{
  id: number
  name: string
  type: ColumnType
  required: boolean
  doc: string
}>

/** Columns of `raw_delivery_data`: the thirteen that PacketPulse documents, then our own. */
export const COLUMNS = [
  column(1, 'device_id', 'string', 'device that reported'),
  column(2, 'vehicle_id', 'string', 'vehicle it is in'),
  column(3, 'session_id', 'string', 'delivery run'),
  column(4, 'order_id', 'string', 'order that is delivered'),
  column(5, 'status', 'string', 'started, en_route or completed'),
  column(6, 'timestamp', 'timestamptz', 'when it happened'),
  column(7, 'start_lat', 'double', 'start, degrees north'),
  column(8, 'start_lon', 'double', 'start, degrees east'),
  column(9, 'end_lat', 'double', 'destination, degrees north'),
  column(10, 'end_lon', 'double', 'destination, degrees east'),
  column(11, 'current_lat', 'double', 'position, degrees north'),
  column(12, 'current_lon', 'double', 'position, degrees east'),
  column(13, 'event_date', 'date', 'day of timestamp in UTC; the table is partitioned by it'),
  column(14, 'partition', 'int', 'partition of the journal', { required: true }),
  column(15, 'offset', 'long', 'offset in that partition: names the ping', { required: true }),
  column(16, 'received_at', 'timestamptz', 'when the gateway took it', { required: true }),
  column(17, 'source', 'string', 'who sent it: the name of the key'),
  column(18, 'extras', 'string', 'JSON object of all other fields; null when none'),
  column(19, 'timestamp_text', 'string', 'timestamp as it was sent'),
] as const satisfies readonly Column[]

/** Name of a column. */
export type ColumnName = (typeof COLUMNS)[number]['name']

function column<const Name extends string>(
  id: number,
  name: Name,
  type: ColumnType,
  doc: string,
  { required = false } = {},
) {
  return { id, name, type, required, doc } as const
}

/** Column id that partitions the table, and the id and name of the partition field made from it. */
export const PARTITION = { sourceId: 13, fieldId: 1000, name: 'event_date_day' } as const

/** The schema as table metadata has it. */
export const ICEBERG_SCHEMA = {
  type: 'struct',
  'schema-id': 0,
  fields: COLUMNS.map(({ id, name, type, required, doc }) => ({ id, name, required, type, doc })),
} as const

/** The partition spec as table metadata has it: by day of `event_date`. */
export const PARTITION_SPEC = {
  'spec-id': 0,
  fields: [
    {
      'source-id': PARTITION.sourceId,
      'field-id': PARTITION.fieldId,
      transform: 'day',
      name: PARTITION.name,
    },
  ],
} as const

/** Properties of a new table. */
export const TABLE_PROPERTIES: Readonly<Record<string, string>> = {
  'write.format.default': 'parquet',
  'write.parquet.compression-codec': 'zstd',
  'write.metadata.delete-after-commit.enabled': 'true',
  'write.metadata.previous-versions-max': '20',
}

/** `2026-11-21` for days since 1970. */
export function dayText(days: number): string {
  return new Date(days * 86_400_000).toISOString().slice(0, 10)
}
