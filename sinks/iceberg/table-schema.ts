import type { FrameFact } from '../../actors/model/fact.ts'

/** The bronze tables: one for each kind of frame. */
export type BronzeTable = FrameFact['kind']

/** The frames that a bronze table is made of. */
export type FrameOf<Table extends BronzeTable> = Extract<FrameFact, Readonly<{ kind: Table }>>

/** Types that our columns use, in Iceberg's words. */
export type ColumnType = 'string' | 'double' | 'int' | 'long' | 'date' | 'timestamptz'

/** One column of a bronze table. */
export type Column = Readonly<{
  id: number
  name: string
  type: ColumnType
  required: boolean
  doc: string
}>

/** Columns of `raw_delivery_data`: the thirteen that PacketPulse documents, then our own. */
export const PING_COLUMNS = [
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

/** Columns of `trips`: the six that StreamPulse requires, then our own as the pings have them. */
export const TRIP_COLUMNS = [
  column(1, 'trip_id', 'string', 'the trip, without space around it'),
  column(2, 'region_id', 'int', 'region, 1 to 100'),
  column(3, 'event_time', 'timestamptz', 'when it happened'),
  column(4, 'fare', 'double', 'US dollars'),
  column(5, 'duration', 'int', 'seconds'),
  column(6, 'distance', 'double', 'kilometres'),
  column(7, 'event_date', 'date', 'day of event_time in UTC; the table is partitioned by it'),
  column(8, 'partition', 'int', 'partition of the journal', { required: true }),
  column(9, 'offset', 'long', 'offset in that partition: names the trip', { required: true }),
  column(10, 'received_at', 'timestamptz', 'when the gateway took it', { required: true }),
  column(11, 'source', 'string', 'who sent it: the name of the key'),
  column(12, 'extras', 'string', 'JSON object of all else as it was sent; null when none'),
  column(13, 'event_time_text', 'string', 'event_time as it was sent'),
] as const satisfies readonly Column[]

function column<const Name extends string>(
  id: number,
  name: Name,
  type: ColumnType,
  doc: string,
  { required = false } = {},
) {
  return { id, name, type, required, doc } as const
}

/** Id and name of the one partition field, the same in every bronze table. */
export const PARTITION = { fieldId: 1000, name: 'event_date_day' } as const
/** The column that it is made from. */
const PARTITION_COLUMN = 'event_date'
/** Id of the one partition spec that we write. */
export const SPEC_ID = 0

/** What tells one bronze table from another: its name, its columns, and both as table metadata has them. */
export type TableLayout = Readonly<{
  table: BronzeTable
  /** Name of the table, and of its folder. */
  name: string
  /** Name of its sink, in logs and metrics. */
  sink: string
  columns: readonly Column[]
  /** Column id that partitions the table. */
  partitionSourceId: number
  schema: ReturnType<typeof schemaOf>
  spec: ReturnType<typeof specOf>
}>

/** The bronze tables. */
export const LAYOUTS: Readonly<Record<BronzeTable, TableLayout>> = {
  // As PacketPulse names it.
  pings: layoutOf('pings', 'raw_delivery_data', 'iceberg', PING_COLUMNS),
  trips: layoutOf('trips', 'trips', 'iceberg_trips', TRIP_COLUMNS),
}

function layoutOf(
  table: BronzeTable,
  name: string,
  sink: string,
  columns: readonly Column[],
): TableLayout {
  const partitionSourceId = columns.find((each) => each.name === PARTITION_COLUMN)?.id ?? 0
  const [schema, spec] = [schemaOf(columns), specOf(partitionSourceId)]
  return { table, name, sink, columns, partitionSourceId, schema, spec }
}

function schemaOf(columns: readonly Column[]) {
  return {
    type: 'struct',
    'schema-id': 0,
    fields: columns.map(({ id, name, type, required, doc }) => ({ id, name, required, type, doc })),
  } as const
}

/** By day of `event_date`. */
function specOf(sourceId: number) {
  return {
    'spec-id': SPEC_ID,
    fields: [
      {
        'source-id': sourceId,
        'field-id': PARTITION.fieldId,
        transform: 'day',
        name: PARTITION.name,
      },
    ],
  } as const
}

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
