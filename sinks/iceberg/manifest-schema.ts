import type { AvroSchema } from './avro.ts'
import { PARTITION } from './table-schema.ts'

/** A field of an Avro record with Iceberg's id; optional ones are a union with null. */
function field(id: number, name: string, type: AvroSchema, optional = false) {
  return optional
    ? { name, type: ['null', type], default: null, 'field-id': id }
    : { name, type, 'field-id': id }
}

/** Iceberg writes maps with keys that are no strings as arrays of pairs. */
function pairs(keyId: number, valueId: number, value: AvroSchema): AvroSchema {
  const fields = [field(keyId, 'key', 'int'), field(valueId, 'value', value)]
  const items = { type: 'record', name: `k${keyId}_v${valueId}`, fields }
  return { type: 'array', logicalType: 'map', items }
}

const PARTITION_RECORD: AvroSchema = {
  type: 'record',
  name: 'r102',
  fields: [field(PARTITION.fieldId, PARTITION.name, { type: 'int', logicalType: 'date' }, true)],
}

const DATA_FILE: AvroSchema = {
  type: 'record',
  name: 'r2',
  fields: [
    field(134, 'content', 'int'),
    field(100, 'file_path', 'string'),
    field(101, 'file_format', 'string'),
    field(102, 'partition', PARTITION_RECORD),
    field(103, 'record_count', 'long'),
    field(104, 'file_size_in_bytes', 'long'),
    field(108, 'column_sizes', pairs(117, 118, 'long'), true),
    field(109, 'value_counts', pairs(119, 120, 'long'), true),
    field(110, 'null_value_counts', pairs(121, 122, 'long'), true),
    field(137, 'nan_value_counts', pairs(138, 139, 'long'), true),
    field(125, 'lower_bounds', pairs(126, 127, 'bytes'), true),
    field(128, 'upper_bounds', pairs(129, 130, 'bytes'), true),
    field(131, 'key_metadata', 'bytes', true),
    field(132, 'split_offsets', { type: 'array', items: 'long', 'element-id': 133 }, true),
    field(135, 'equality_ids', { type: 'array', items: 'int', 'element-id': 136 }, true),
    field(140, 'sort_order_id', 'int', true),
  ],
}

/** Avro schema of a manifest of format version 2 over our partition spec. */
export const MANIFEST_ENTRY: AvroSchema = {
  type: 'record',
  name: 'manifest_entry',
  fields: [
    field(0, 'status', 'int'),
    field(1, 'snapshot_id', 'long', true),
    field(3, 'sequence_number', 'long', true),
    field(4, 'file_sequence_number', 'long', true),
    field(2, 'data_file', DATA_FILE),
  ],
}

const FIELD_SUMMARY: AvroSchema = {
  type: 'record',
  name: 'r508',
  fields: [
    field(509, 'contains_null', 'boolean'),
    field(518, 'contains_nan', 'boolean', true),
    field(510, 'lower_bound', 'bytes', true),
    field(511, 'upper_bound', 'bytes', true),
  ],
}

/** Avro schema of a manifest list of format version 2. */
export const MANIFEST_FILE = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
    field(504, 'added_files_count', 'int'),
    field(505, 'existing_files_count', 'int'),
    field(506, 'deleted_files_count', 'int'),
    field(512, 'added_rows_count', 'long'),
    field(513, 'existing_rows_count', 'long'),
    field(514, 'deleted_rows_count', 'long'),
    field(507, 'partitions', { type: 'array', items: FIELD_SUMMARY, 'element-id': 508 }, true),
    field(519, 'key_metadata', 'bytes', true),
  ],
} as const satisfies AvroSchema
