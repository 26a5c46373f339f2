import { OrreryError } from '../../actors/kernel/errors.ts'
import { type AvroFile, type AvroValue, decodeAvroFile, encodeAvroFile } from './avro.ts'
import type { Long } from './lossless-json.ts'
import { MANIFEST_ENTRY } from './manifest-schema.ts'
import { PARTITION, type TableLayout } from './table-schema.ts'

/** One number for each column that has one, by column id. */
export type ByColumn<Value> = readonly (readonly [id: number, value: Value])[]

/** A Parquet file of the table, with what a reader needs to leave it unread. Plain data: it can be sent. */
export type DataFile = Readonly<{
  path: string
  /** Days since 1970: its partition. */
  day: number
  rows: number
  bytes: number
  columnSizes: ByColumn<number>
  valueCounts: ByColumn<number>
  nullCounts: ByColumn<number>
  nanCounts: ByColumn<number>
  lowerBounds: ByColumn<Uint8Array>
  upperBounds: ByColumn<Uint8Array>
  /** Where its row groups begin. */
  splitOffsets: readonly number[]
}>

/** What a manifest says of a file. `null` numbers are inherited from the manifest list. */
export type ManifestEntry = Readonly<{
  status: 'existing' | 'added' | 'deleted'
  snapshotId: Long | null
  sequenceNumber: Long | null
  fileSequenceNumber: Long | null
  file: DataFile
}>

const STATUSES = ['existing', 'added', 'deleted'] as const

/** A manifest's bytes. */
export function encodeManifest(
  entries: readonly ManifestEntry[],
  { schema, spec }: Pick<TableLayout, 'schema' | 'spec'>,
): Uint8Array {
  const metadata = {
    schema: JSON.stringify(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': JSON.stringify(spec.fields),
    'partition-spec-id': String(spec['spec-id']),
    'format-version': '2',
    content: 'data',
  }
  return encodeAvroFile(MANIFEST_ENTRY, metadata, entries.map(entryValue))
}

/** Entries of a manifest that we wrote: only such are ever rewritten. */
export function decodeManifest(bytes: Uint8Array): readonly ManifestEntry[] {
  const file: AvroFile = decodeAvroFile(bytes)
  return file.rows.map((row) => {
    const entry = recordOf(row)
    return {
      status: STATUSES[numberOf(entry['status'])] ?? 'existing',
      snapshotId: longOf(entry['snapshot_id']),
      sequenceNumber: longOf(entry['sequence_number']),
      fileSequenceNumber: longOf(entry['file_sequence_number']),
      file: dataFileOf(recordOf(entry['data_file'])),
    }
  })
}

/** Paths of the live files in any manifest, whoever wrote it. */
export function livePaths(bytes: Uint8Array): readonly string[] {
  const paths: string[] = []
  for (const row of decodeAvroFile(bytes).rows) {
    const entry = recordOf(row)
    const path = recordOf(entry['data_file'])['file_path']
    if (numberOf(entry['status']) !== STATUSES.indexOf('deleted')) paths.push(String(path))
  }
  return paths
}

function entryValue(entry: ManifestEntry): AvroValue {
  const { file } = entry
  return {
    status: STATUSES.indexOf(entry.status),
    snapshot_id: entry.snapshotId,
    sequence_number: entry.sequenceNumber,
    file_sequence_number: entry.fileSequenceNumber,
    data_file: {
      content: 0,
      file_path: file.path,
      file_format: 'PARQUET',
      partition: { [PARTITION.name]: file.day },
      record_count: file.rows,
      file_size_in_bytes: file.bytes,
      column_sizes: pairsValue(file.columnSizes),
      value_counts: pairsValue(file.valueCounts),
      null_value_counts: pairsValue(file.nullCounts),
      nan_value_counts: pairsValue(file.nanCounts),
      lower_bounds: pairsValue(file.lowerBounds),
      upper_bounds: pairsValue(file.upperBounds),
      key_metadata: null,
      split_offsets: file.splitOffsets,
      equality_ids: null,
      sort_order_id: 0,
    },
  }
}

function dataFileOf(file: Readonly<Record<string, AvroValue>>): DataFile {
  const partition = recordOf(file['partition'])
  return {
    path: String(file['file_path']),
    day: numberOf(partition[PARTITION.name]),
    rows: numberOf(file['record_count']),
    bytes: numberOf(file['file_size_in_bytes']),
    columnSizes: pairsOf(file['column_sizes'], numberOf),
    valueCounts: pairsOf(file['value_counts'], numberOf),
    nullCounts: pairsOf(file['null_value_counts'], numberOf),
    nanCounts: pairsOf(file['nan_value_counts'], numberOf),
    lowerBounds: pairsOf(file['lower_bounds'], bytesOf),
    upperBounds: pairsOf(file['upper_bounds'], bytesOf),
    splitOffsets: listOf(file['split_offsets']).map(numberOf),
  }
}

function pairsValue(pairs: ByColumn<number | Uint8Array>): AvroValue {
  return pairs.map(([key, value]) => ({ key, value }))
}

function pairsOf<Value>(
  value: AvroValue | undefined,
  parse: (value: AvroValue | undefined) => Value,
): ByColumn<Value> {
  return listOf(value).map((item) => {
    const pair = recordOf(item)
    return [numberOf(pair['key']), parse(pair['value'])] as const
  })
}

/** The fields of an Avro record. */
export function recordOf(value: AvroValue | undefined): Readonly<Record<string, AvroValue>> {
  if (typeof value === 'object' && value !== null && !isBytes(value) && !isList(value)) return value
  throw unexpected('record', value)
}

/** The items of an Avro array; none for null. */
export function listOf(value: AvroValue | undefined): readonly AvroValue[] {
  if (value === null || value === undefined) return []
  if (isList(value)) return value
  throw unexpected('list', value)
}

/** An Avro int or long that fits a double; 0 when the field is absent. */
export function numberOf(value: AvroValue | undefined): number {
  if (typeof value === 'number') return value
  if (value === null || value === undefined) return 0
  throw unexpected('number', value)
}

/** An Avro long of any size, or null. */
export function longOf(value: AvroValue | undefined): Long | null {
  if (typeof value === 'number' || typeof value === 'bigint') return value
  if (value === null || value === undefined) return null
  throw unexpected('long', value)
}

/** Avro bytes. */
export function bytesOf(value: AvroValue | undefined): Uint8Array {
  if (value !== undefined && isBytes(value)) return value
  throw unexpected('bytes', value)
}

function isBytes(value: AvroValue): value is Uint8Array {
  return value instanceof Uint8Array
}

function isList(value: AvroValue): value is readonly AvroValue[] {
  return Array.isArray(value)
}

function unexpected(wanted: string, value: unknown): OrreryError {
  return new OrreryError('manifest', `manifest holds ${typeof value} where a ${wanted} belongs`)
}
