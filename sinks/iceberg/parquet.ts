import type { ColumnChunk, FileMetaData, ParquetType, SchemaElement } from 'hyparquet'
import { ByteWriter } from 'hyparquet-writer'
import { writeMetadata } from 'hyparquet-writer/src/metadata.js'

import { lowerBound, upperBound } from './bounds.ts'
import { ColumnEncoder, type Rows } from './column-encoder.ts'
import type { DataFile } from './manifest.ts'
import { writeChunk } from './parquet-pages.ts'
import type { FileRows, ReceivedColumns } from './received-columns.ts'
import type { Column, ColumnType } from './table-schema.ts'

/** A data file's bytes and everything its manifest says of it but its path. */
export type EncodedFile = Readonly<{ bytes: Uint8Array; file: Omit<DataFile, 'path'> }>

/** Rows of a batch that go into one file: all of one day. `rows` null means all rows of the batch. */
export type RowSelection = Readonly<{ day: number; rows: Uint32Array | null }>

const MAGIC = 0x31_52_41_50
// In the form that Java readers take apart; what they cannot read makes them distrust all bounds of texts.
const CREATED_BY = 'orrery version 0.1.0'

type Described = Readonly<{ column: Column; chunk: ColumnChunk; nulls: number }>

/**
 * Encodes rows as Parquet: one row group, ZSTD, field ids, statistics. Pages are ours, because they can be
 * made from what parsing already knows (D6); the format of headers and footer is hyparquet-writer's.
 */
export class ParquetEncoder {
  readonly #encoder = new ColumnEncoder()

  encode(columns: ReceivedColumns, selection: RowSelection, partition: number): EncodedFile {
    const count = selection.rows?.length ?? columns.rows
    const rows: Rows = { count, picked: selection.rows }
    const file: FileRows = { day: selection.day, partition, rows }
    const writer = new ByteWriter(Math.max(65_536, count * 40))
    writer.appendUint32(MAGIC)
    const described: Described[] = []
    for (const column of columns.layout.columns) {
      const encoded = columns.encode(column.name, this.#encoder, file)
      const physical = { name: column.name, type: physicalType(column.type) }
      const chunk = writeChunk(writer, physical, encoded)
      described.push({ column, chunk, nulls: encoded.nulls })
    }
    writeMetadata(writer, footerOf(described, count, writer.offset))
    writer.appendUint32(MAGIC)
    const bytes = writer.getBytes()
    return { bytes, file: describe(described, { day: selection.day, count, bytes: bytes.length }) }
  }
}

function footerOf(described: readonly Described[], count: number, written: number): FileMetaData {
  const root: SchemaElement = { name: 'table', num_children: described.length }
  const elements = described.map(({ column, nulls }): SchemaElement => ({
    ...logicalType(column.type),
    name: column.name,
    type: physicalType(column.type),
    // Iceberg lets a file be stricter than its table: without nulls there are no levels to read.
    repetition_type: nulls > 0 ? 'OPTIONAL' : 'REQUIRED',
    field_id: column.id,
  }))
  const columns = described.map(({ chunk }) => chunk)
  let rawBytes = 0n
  for (const { meta_data } of columns) rawBytes += meta_data?.total_uncompressed_size ?? 0n
  const group = {
    columns,
    total_byte_size: rawBytes,
    num_rows: BigInt(count),
    total_compressed_size: BigInt(written - 4),
  }
  return {
    version: 2,
    created_by: CREATED_BY,
    schema: [root, ...elements],
    num_rows: BigInt(count),
    row_groups: [group],
    metadata_length: 0,
  }
}

function physicalType(type: ColumnType): ParquetType {
  switch (type) {
    case 'string':
      return 'BYTE_ARRAY'
    case 'double':
      return 'DOUBLE'
    case 'int':
    case 'date':
      return 'INT32'
    case 'long':
    case 'timestamptz':
      return 'INT64'
  }
}

function logicalType(type: ColumnType): Partial<SchemaElement> {
  switch (type) {
    case 'string':
      return { converted_type: 'UTF8', logical_type: { type: 'STRING' } }
    case 'date':
      return { converted_type: 'DATE', logical_type: { type: 'DATE' } }
    case 'timestamptz':
      return {
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      }
    case 'double':
    case 'int':
    case 'long':
      return {}
  }
}

function describe(
  described: readonly Described[],
  about: Readonly<{ day: number; count: number; bytes: number }>,
): Omit<DataFile, 'path'> {
  const lowerBounds: [number, Uint8Array][] = []
  const upperBounds: [number, Uint8Array][] = []
  for (const { column, chunk } of described) {
    const statistics = chunk.meta_data?.statistics
    const lower = lowerBound(column.type, statistics?.min_value)
    const upper = upperBound(column.type, statistics?.max_value)
    if (lower) lowerBounds.push([column.id, lower])
    if (upper) upperBounds.push([column.id, upper])
  }
  return {
    day: about.day,
    rows: about.count,
    bytes: about.bytes,
    columnSizes: described.map(({ column, chunk }) => [
      column.id,
      Number(chunk.meta_data?.total_compressed_size ?? 0),
    ]),
    valueCounts: described.map(({ column }) => [column.id, about.count]),
    nullCounts: described.map(({ column, nulls }) => [column.id, nulls]),
    nanCounts: described.flatMap(({ column }) =>
      column.type === 'double' ? [[column.id, 0]] : [],
    ),
    lowerBounds,
    upperBounds,
    splitOffsets: [4],
  }
}
