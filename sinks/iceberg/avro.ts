import { createHash } from 'node:crypto'
import { deflateRawSync, inflateRawSync } from 'node:zlib'

import { OrreryError } from '../../actors/kernel/errors.ts'
import { AvroReader, AvroWriter } from './avro-bytes.ts'
import type { Long } from './lossless-json.ts'

/** An Avro schema as its JSON has it. */
export type AvroSchema = string | readonly AvroSchema[] | AvroComplex
/** A field of a record; Iceberg adds the column id. */
export type AvroField = Readonly<{
  name: string
  type: AvroSchema
  'field-id'?: number
  default?: unknown
}>
export type AvroComplex = Readonly<{
  type: AvroSchema
  name?: string
  fields?: readonly AvroField[]
  items?: AvroSchema
  values?: AvroSchema
  symbols?: readonly string[]
  size?: number
  [attribute: string]: unknown
}>
/** A value of any Avro type; records and maps are plain objects. */
export type AvroValue =
  | null
  | boolean
  | Long
  | string
  | Uint8Array
  | readonly AvroValue[]
  | Readonly<{ [name: string]: AvroValue }>

/** What an Avro object container file holds. */
export type AvroFile = Readonly<{
  schema: AvroSchema
  metadata: ReadonlyMap<string, string>
  rows: readonly AvroValue[]
}>

const MAGIC = new Uint8Array([0x4f, 0x62, 0x6a, 0x01])
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** An Avro object container file of one deflated block. The same input gives the same bytes. */
export function encodeAvroFile(
  schema: AvroSchema,
  metadata: Readonly<Record<string, string>>,
  rows: readonly AvroValue[],
): Uint8Array {
  const body = new AvroWriter()
  for (const row of rows) writeValue(body, schema, row)
  const block = deflateRawSync(body.take(), { level: 3 })
  const sync = createHash('md5').update(block).update(JSON.stringify(metadata)).digest()

  const header = { ...metadata, 'avro.schema': JSON.stringify(schema), 'avro.codec': 'deflate' }
  const out = new AvroWriter()
  out.raw(MAGIC)
  out.long(Object.keys(header).length)
  for (const [key, value] of Object.entries(header)) {
    out.string(key)
    out.bytes(encoder.encode(value))
  }
  out.long(0)
  out.raw(sync)
  if (rows.length > 0) {
    out.long(rows.length)
    out.bytes(block)
    out.raw(sync)
  }
  return out.take()
}

/** Reads an Avro object container file of codec null or deflate, whoever wrote it. */
export function decodeAvroFile(bytes: Uint8Array): AvroFile {
  const reader = new AvroReader(bytes)
  if (bytes.length < 4 || MAGIC.some((byte, index) => bytes[index] !== byte)) {
    throw new OrreryError('avro', 'not an Avro object container file')
  }
  reader.raw(4)
  const metadata = new Map<string, string>()
  for (let count = blockCount(reader); count > 0; count = blockCount(reader)) {
    for (; count > 0; count--) metadata.set(reader.string(), decoder.decode(reader.bytes()))
  }
  const schema = JSON.parse(metadata.get('avro.schema') ?? 'null') as AvroSchema
  const codec = metadata.get('avro.codec') ?? 'null'
  const sync = reader.raw(16)
  const named = new Map<string, AvroComplex>()
  const rows: AvroValue[] = []
  while (!reader.done) {
    const count = reader.int()
    const block = new AvroReader(inflate(reader.bytes(), codec))
    for (let row = 0; row < count; row++) rows.push(readValue(block, schema, named))
    const mark = reader.raw(16)
    if (mark.some((byte, index) => sync[index] !== byte)) {
      throw new OrreryError('avro', 'Avro file is damaged: a block does not end with its marker')
    }
  }
  return { schema, metadata, rows }
}

function inflate(block: Uint8Array, codec: string): Uint8Array {
  if (codec === 'null') return block
  if (codec === 'deflate') return inflateRawSync(block)
  throw new OrreryError(
    'avro_codec',
    `Avro codec ${codec} is not supported (null and deflate are): rewrite the table's manifests ` +
      'with the writer property write.avro.compression-codec=gzip',
  )
}

// A negative count is followed by the block's size in bytes.
function blockCount(reader: AvroReader): number {
  const count = reader.int()
  if (count >= 0) return count
  reader.long()
  return -count
}

function writeValue(out: AvroWriter, schema: AvroSchema, value: AvroValue): void {
  if (isUnion(schema)) {
    const branch = schema.findIndex((option) => (option === 'null') === (value === null))
    out.long(branch)
    const chosen = schema[branch]
    if (chosen === undefined) throw mismatch(schema, value)
    return writeValue(out, chosen, value)
  }
  const type = typeof schema === 'string' ? schema : schema.type
  if (type === 'null') return
  if (type === 'boolean' && typeof value === 'boolean') return out.boolean(value)
  if (type === 'int' || type === 'long') {
    if (typeof value === 'number' || typeof value === 'bigint') return out.long(value)
  }
  if (type === 'float' && typeof value === 'number') return out.float(value)
  if (type === 'double' && typeof value === 'number') return out.double(value)
  if (type === 'string' && typeof value === 'string') return out.string(value)
  if (type === 'bytes' && value instanceof Uint8Array) return out.bytes(value)
  if (typeof schema !== 'string') return writeComplex(out, schema, value)
  throw mismatch(schema, value)
}

function writeComplex(out: AvroWriter, schema: AvroComplex, value: AvroValue): void {
  if (schema.type === 'array' && schema.items !== undefined && isList(value)) {
    if (value.length > 0) {
      out.long(value.length)
      for (const item of value) writeValue(out, schema.items, item)
    }
    return out.long(0)
  }
  if (schema.type === 'record' && isRecord(value)) {
    for (const field of schema.fields ?? []) {
      writeValue(out, field.type, value[field.name] ?? null)
    }
    return
  }
  throw mismatch(schema, value)
}

function readValue(
  from: AvroReader,
  schema: AvroSchema,
  named: Map<string, AvroComplex>,
): AvroValue {
  if (isUnion(schema)) return readValue(from, schema[from.int()] ?? 'null', named)
  const type = typeof schema === 'string' ? schema : schema.type
  switch (type) {
    case 'null':
      return null
    case 'boolean':
      return from.boolean()
    case 'int':
    case 'long':
      return from.long()
    case 'float':
      return from.float()
    case 'double':
      return from.double()
    case 'bytes':
      return from.bytes()
    case 'string':
      return from.string()
  }
  if (typeof schema !== 'string') return readComplex(from, schema, named)
  const known = named.get(schema)
  if (!known) throw new OrreryError('avro', `Avro schema names an unknown type: ${schema}`)
  return readComplex(from, known, named)
}

function readComplex(
  from: AvroReader,
  schema: AvroComplex,
  named: Map<string, AvroComplex>,
): AvroValue {
  if (schema.name !== undefined) named.set(schema.name, schema)
  switch (schema.type) {
    case 'record': {
      const record: Record<string, AvroValue> = {}
      for (const field of schema.fields ?? []) {
        record[field.name] = readValue(from, field.type, named)
      }
      return record
    }
    case 'array': {
      const list: AvroValue[] = []
      for (let count = blockCount(from); count > 0; count = blockCount(from)) {
        for (; count > 0; count--) list.push(readValue(from, schema.items ?? 'null', named))
      }
      return list
    }
    case 'map': {
      const map: Record<string, AvroValue> = {}
      for (let count = blockCount(from); count > 0; count = blockCount(from)) {
        for (; count > 0; count--) {
          const key = from.string()
          map[key] = readValue(from, schema.values ?? 'null', named)
        }
      }
      return map
    }
    case 'enum':
      return schema.symbols?.[from.int()] ?? null
    case 'fixed':
      return from.raw(schema.size ?? 0)
    default:
      // A type wrapped once more, as some writers do: {"type": {"type": "int", …}}.
      return readValue(from, schema.type, named)
  }
}

function isUnion(schema: AvroSchema): schema is readonly AvroSchema[] {
  return Array.isArray(schema)
}

function isList(value: AvroValue): value is readonly AvroValue[] {
  return Array.isArray(value)
}

function isRecord(value: AvroValue): value is Readonly<Record<string, AvroValue>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function mismatch(schema: AvroSchema, value: AvroValue): OrreryError {
  return new OrreryError('avro', `no ${JSON.stringify(schema)} in Avro: ${String(value)}`)
}
