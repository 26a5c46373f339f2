import type { ColumnChunk, ColumnMetaData, Encoding, ParquetType, Statistics } from 'hyparquet'
import type { ByteWriter } from 'hyparquet-writer'
import { writePageHeader } from 'hyparquet-writer/src/datapage.js'

const ZSTD_LEVEL = 1
const encoder = new TextEncoder()

/** A column's values in Parquet's encodings, before compression. */
export type EncodedValues = Readonly<{
  encoding: Extract<Encoding, 'PLAIN' | 'RLE_DICTIONARY'>
  dictionary: Readonly<{ bytes: Uint8Array; count: number }> | null
  /** Values that are not null, encoded. */
  values: Uint8Array
  rows: number
  nulls: number
  /** One bit a row in Parquet's form; null for a column without nulls. */
  levels: Uint8Array | null
  statistics: Statistics
}>

/** Memory in which one page is put together; it grows, and is used again. */
export class PageBuffer {
  #bytes = new Uint8Array(65_536)
  #view = new DataView(this.#bytes.buffer)
  #length = 0

  /** Begins a new page; what `bytes` gave before is no longer valid. */
  clear(): this {
    this.#length = 0
    return this
  }

  /** The page as it stands: a view, valid until the next `clear`. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  byte(value: number): void {
    this.#reserve(1)
    this.#bytes[this.#length++] = value
  }

  varint(value: number): void {
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.byte((rest & 0x7f) | 0x80)
    this.byte(rest)
  }

  int(value: number): void {
    this.#reserve(4)
    this.#view.setInt32(this.#length, value, true)
    this.#length += 4
  }

  double(value: number): void {
    this.#reserve(8)
    this.#view.setFloat64(this.#length, value, true)
    this.#length += 8
  }

  /** A whole number below 2^53 as eight bytes. */
  long(value: number): void {
    this.#reserve(8)
    const high = Math.floor(value / 4_294_967_296)
    this.#view.setUint32(this.#length, value - high * 4_294_967_296, true)
    this.#view.setInt32(this.#length + 4, high, true)
    this.#length += 8
  }

  /** Its length, then its bytes. */
  text(value: string): void {
    this.#reserve(4 + value.length * 3)
    const { written } = encoder.encodeInto(value, this.#bytes.subarray(this.#length + 4))
    this.#view.setUint32(this.#length, written, true)
    this.#length += 4 + written
  }

  /** Numbers of `width` bits each, the lowest bit first, filled up to whole groups of eight. */
  packed(numbers: Int32Array, width: number): void {
    const groups = Math.ceil(numbers.length / 8)
    this.varint(groups * 2 + 1)
    this.#reserve(groups * width)
    const bytes = this.#bytes
    let at = this.#length
    let [pending, bits] = [0, 0]
    for (let index = 0; index < groups * 8; index++) {
      pending |= (numbers[index] ?? 0) << bits
      for (bits += width; bits >= 8; bits -= 8) {
        bytes[at++] = pending & 0xff
        pending >>>= 8
      }
    }
    this.#length = at
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more))
    grown.set(this.bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}

/** Writes dictionary numbers: their width, then one run of them. */
export function writeIndexes(page: PageBuffer, indexes: Int32Array, distinct: number): void {
  const width = distinct < 2 ? 0 : 32 - Math.clz32(distinct - 1)
  page.byte(width)
  // A single value needs no bits: a run of so many of it.
  if (width === 0) page.varint(indexes.length * 2)
  else page.packed(indexes, width)
}

/** Writes a column's pages to the file, and what its footer says of them. */
export function writeChunk(
  writer: ByteWriter,
  column: Readonly<{ name: string; type: ParquetType }>,
  encoded: EncodedValues,
): ColumnChunk {
  const start = writer.offset
  let rawBytes = 0
  let dictionaryOffset: bigint | undefined
  if (encoded.dictionary) {
    dictionaryOffset = BigInt(start)
    rawBytes += writeDictionary(writer, encoded.dictionary)
  }
  const dataOffset = BigInt(writer.offset)
  rawBytes += writeData(writer, encoded)
  const meta: ColumnMetaData = {
    type: column.type,
    encodings: encoded.dictionary ? ['PLAIN', encoded.encoding] : [encoded.encoding],
    path_in_schema: [column.name],
    codec: 'ZSTD',
    num_values: BigInt(encoded.rows),
    total_uncompressed_size: BigInt(rawBytes),
    total_compressed_size: BigInt(writer.offset - start),
    data_page_offset: dataOffset,
    ...(dictionaryOffset === undefined ? {} : { dictionary_page_offset: dictionaryOffset }),
    statistics: { ...encoded.statistics, null_count: BigInt(encoded.nulls) },
  }
  return { meta_data: meta, file_offset: BigInt(start) }
}

function writeDictionary(
  writer: ByteWriter,
  { bytes, count }: Readonly<{ bytes: Uint8Array; count: number }>,
): number {
  const packed = compress(bytes)
  const start = writer.offset
  writePageHeader(writer, {
    type: 'DICTIONARY_PAGE',
    uncompressed_page_size: bytes.length,
    compressed_page_size: packed.length,
    dictionary_page_header: { num_values: count, encoding: 'PLAIN' },
  })
  const header = writer.offset - start
  writer.appendBytes(packed)
  return header + bytes.length
}

function writeData(writer: ByteWriter, encoded: EncodedValues): number {
  const { values, rows, nulls, encoding, levels } = encoded
  const packed = compress(values)
  const levelBytes = levels?.length ?? 0
  const start = writer.offset
  writePageHeader(writer, {
    type: 'DATA_PAGE_V2',
    uncompressed_page_size: levelBytes + values.length,
    compressed_page_size: levelBytes + packed.length,
    data_page_header_v2: {
      num_values: rows,
      num_nulls: nulls,
      num_rows: rows,
      encoding,
      definition_levels_byte_length: levelBytes,
      repetition_levels_byte_length: 0,
      is_compressed: true,
    },
  })
  const header = writer.offset - start
  if (levels) writer.appendBytes(levels)
  writer.appendBytes(packed)
  return header + levelBytes + values.length
}

function compress(bytes: Uint8Array): Uint8Array {
  // TypeScript knows no memory that may not be shared here; ours never is.
  return Bun.zstdCompressSync(bytes as Uint8Array<ArrayBuffer>, { level: ZSTD_LEVEL })
}
