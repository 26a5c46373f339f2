import type { ColumnChunk, DecodedArray, SchemaElement } from 'hyparquet'
import { ByteWriter, ParquetWriter } from 'hyparquet-writer'

import { assert } from '../../actors/kernel/errors.ts'
import { lowerBound, upperBound } from './bounds.ts'
import type { ByColumn, DataFile } from './manifest.ts'
import {
  NUMBER_FIELDS,
  type NumberField,
  type PingColumns,
  TEXT_FIELDS,
  type TextField,
} from './ping-columns.ts'
import { type Column, type ColumnName, COLUMNS } from './table-schema.ts'

/** A data file's bytes and everything its manifest says of it but its path. */
export type EncodedFile = Readonly<{ bytes: Uint8Array; file: Omit<DataFile, 'path'> }>

/** Rows of a batch that go into one file: all of one day. `rows` null means all rows of the batch. */
export type RowSelection = Readonly<{ day: number; rows: Uint32Array | null }>

const ZSTD_LEVEL = 1
const COMPRESSORS = {
  ZSTD: (input: Uint8Array): Uint8Array => Bun.zstdCompressSync(input, { level: ZSTD_LEVEL }),
}

type Cells = Readonly<{ data: DecodedArray; nulls: boolean }>

/** Encodes the selected rows as one Parquet file of one row group, ZSTD, with field ids and statistics. */
export function encodeParquet(
  columns: PingColumns,
  selection: RowSelection,
  partition: number,
): EncodedFile {
  const count = selection.rows?.length ?? columns.rows
  const source = { columns, selection, partition, count }
  const cells = COLUMNS.map((column) => cellsOf(column.name, source))
  const writer = new ByteWriter(Math.max(65_536, count * 48))
  const parquet = new ParquetWriter({
    writer,
    // While encoding, longs go without their meaning as times: typed arrays then stay typed arrays (D6).
    schema: schemaOf(cells, false),
    codec: 'ZSTD',
    compressors: COMPRESSORS,
    createdBy: 'orrery',
  })
  const columnData = COLUMNS.map((column, index) => ({
    name: column.name,
    data: cells[index]?.data ?? [],
    statistics: column.bounds,
    offsetIndex: false,
  }))
  void parquet.write({ columnData, rowGroupSize: Math.max(1, count) })
  parquet.schema = schemaOf(cells, true)
  void parquet.finish()
  const chunks = parquet.row_groups.flatMap((group) => group.columns)
  const bytes = writer.getBytes()
  return {
    bytes,
    file: describe(chunks, { day: selection.day, count, bytes: bytes.length, cells }),
  }
}

function schemaOf(cells: readonly Cells[], full: boolean): SchemaElement[] {
  const root: SchemaElement = { name: 'table', num_children: COLUMNS.length }
  return [
    root,
    ...COLUMNS.map((column, index): SchemaElement => ({
      ...physicalType(column, full),
      name: column.name,
      repetition_type: cells[index]?.nulls ? 'OPTIONAL' : 'REQUIRED',
      field_id: column.id,
    })),
  ]
}

function physicalType(column: Column, full: boolean): Omit<SchemaElement, 'name'> {
  switch (column.type) {
    case 'string':
      return { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } }
    case 'double':
      return { type: 'DOUBLE' }
    case 'int':
      return { type: 'INT32' }
    case 'long':
      return { type: 'INT64' }
    case 'date':
      if (!full) return { type: 'INT32' }
      return { type: 'INT32', converted_type: 'DATE', logical_type: { type: 'DATE' } }
    case 'timestamptz':
      if (!full) return { type: 'INT64' }
      return {
        type: 'INT64',
        converted_type: 'TIMESTAMP_MICROS',
        logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
      }
  }
}

type CellSource = Readonly<{
  columns: PingColumns
  selection: RowSelection
  partition: number
  count: number
}>

function cellsOf(name: ColumnName, source: CellSource): Cells {
  const { columns, count } = source
  if (isTextField(name)) return textCells(columns.texts[name], source)
  if (isNumberField(name)) return numberCells(name, columns.numbers[name], source)
  switch (name) {
    case 'timestamp':
      return numberCells(name, columns.timestampUs, source)
    case 'event_date':
      return { data: new Int32Array(count).fill(source.selection.day), nulls: false }
    case 'partition':
      return { data: new Int32Array(count).fill(source.partition), nulls: false }
    case 'offset':
      return numberCells(name, columns.offset, source)
    case 'received_at':
      return numberCells(name, columns.receivedUs, source)
    case 'source':
      return textCells(columns.source, source)
    case 'extras':
      return textCells(columns.extras, source)
    case 'timestamp_text':
      return textCells(columns.timestampText, source)
  }
}

function textCells(data: readonly (string | null)[], { selection, count }: CellSource): Cells {
  const { rows } = selection
  if (!rows) return { data: [...data], nulls: data.includes(null) }
  const picked = new Array<string | null>(count)
  let nulls = false
  for (let at = 0; at < count; at++) {
    const value = data[rows[at] ?? 0] ?? null
    picked[at] = value
    if (value === null) nulls = true
  }
  return { data: picked, nulls }
}

function numberCells<Numbers extends Float64Array | BigInt64Array>(
  name: ColumnName,
  data: Numbers,
  { columns, selection, count }: CellSource,
): Cells {
  const { rows } = selection
  const nullRows = columns.nulls.get(name)
  if (nullRows) {
    // Seldom: a plain array, in which a null can stand.
    const picked: unknown[] = []
    for (let at = 0; at < count; at++) {
      const row = rows?.[at] ?? at
      picked.push(nullRows.has(row) ? null : data[row])
    }
    return { data: picked, nulls: picked.includes(null) }
  }
  if (!rows) return { data: data.subarray(0, count), nulls: false }
  if (data instanceof BigInt64Array) {
    return { data: BigInt64Array.from(rows, (row) => data[row] ?? 0n), nulls: false }
  }
  return { data: Float64Array.from(rows, (row) => data[row] ?? 0), nulls: false }
}

function describe(
  chunks: readonly ColumnChunk[],
  about: Readonly<{ day: number; count: number; bytes: number; cells: readonly Cells[] }>,
): Omit<DataFile, 'path'> {
  assert(chunks.length === COLUMNS.length, 'a data file has exactly one row group')
  const columnSizes: [number, number][] = []
  const nullCounts: [number, number][] = []
  const lowerBounds: [number, Uint8Array][] = []
  const upperBounds: [number, Uint8Array][] = []
  let firstOffset = Infinity
  for (const [index, column] of COLUMNS.entries()) {
    const chunk = chunks[index]
    columnSizes.push([column.id, Number(chunk?.meta_data?.total_compressed_size ?? 0)])
    const start = chunk?.meta_data?.dictionary_page_offset ?? chunk?.meta_data?.data_page_offset
    firstOffset = Math.min(firstOffset, Number(start ?? 4))
    nullCounts.push([column.id, countNulls(about.cells[index])])
    const statistics = chunk?.meta_data?.statistics
    const lower = lowerBound(column.type, statistics?.min_value)
    const upper = upperBound(column.type, statistics?.max_value)
    if (lower) lowerBounds.push([column.id, lower])
    if (upper) upperBounds.push([column.id, upper])
  }
  const nanCounts: ByColumn<number> = COLUMNS.filter(({ type }) => type === 'double').map(
    ({ id }) => [id, 0] as const,
  )
  return {
    day: about.day,
    rows: about.count,
    bytes: about.bytes,
    columnSizes,
    valueCounts: COLUMNS.map(({ id }) => [id, about.count] as const),
    nullCounts,
    nanCounts,
    lowerBounds,
    upperBounds,
    splitOffsets: [firstOffset],
  }
}

function countNulls(cells: Cells | undefined): number {
  if (!cells?.nulls) return 0
  let count = 0
  for (const value of cells.data) if (value === null) count++
  return count
}

function isTextField(name: ColumnName): name is TextField {
  return TEXT_FIELDS.some((field) => field === name)
}

function isNumberField(name: ColumnName): name is NumberField {
  return NUMBER_FIELDS.some((field) => field === name)
}
