import { assert } from '../../actors/kernel/errors.ts'
import type { Column, ColumnKind } from './engine.ts'
import { FlatBuffer } from './server-flatbuffer.ts'

/** `ArrowStream` of one batch: what `FORMAT ArrowStream` of a server reads. The columns are copied. */
export function arrowStream(columns: readonly Column[]): Buffer {
  const length = columns[0]?.length ?? 0
  assert(
    columns.every((column) => column.length === length),
    'columns differ in length',
  )
  const buffers = columns.flatMap(buffersOf)
  let bodyBytes = 0
  const places = buffers.map((bytes): readonly [number, number] => {
    const place = [bodyBytes, bytes.length] as const
    bodyBytes += padded(bytes.length)
    return place
  })
  const schema = schemaMessage(columns)
  const batch = batchMessage(columns, { length, bodyBytes, places })
  // Filling bytes must be zeros: what the memory held before would go over the wire.
  const whole = Buffer.alloc(schema.length + batch.length + bodyBytes + END.length + 16)
  let at = writeMessage(whole, 0, schema)
  at = writeMessage(whole, at, batch)
  for (const [index, bytes] of buffers.entries()) whole.set(bytes, at + (places[index]?.[0] ?? 0))
  whole.set(END, at + bodyBytes)
  return whole
}

/** Four bytes that say “a message follows”, and a length of nothing. */
const END = new Uint8Array([255, 255, 255, 255, 0, 0, 0, 0])

/** Numbers of Arrow's own definition (`Schema.fbs`, `Message.fbs`). */
const VERSION_5 = 4
const HEADER = { schema: 1, batch: 3 } as const
const TYPE = { int: 2, float: 3, bytes: 4, text: 5, bool: 6, time: 10 } as const
const DOUBLE = 2
const MILLISECOND = 1

function schemaMessage(columns: readonly Column[]): Uint8Array {
  const buffer = new FlatBuffer()
  const fields = columns.map((column) => {
    const type = typeOf(buffer, column.kind)
    const children = buffer.places([])
    const name = buffer.text(column.name)
    return buffer.table([
      { slot: 0, at: name },
      { slot: 3, at: type },
      { slot: 5, at: children },
      { slot: 1, bytes: 1, value: column.nullCount > 0 ? 1 : 0 },
      { slot: 2, bytes: 1, value: TYPE[column.kind] },
    ])
  })
  const schema = buffer.table([{ slot: 1, at: buffer.places(fields) }])
  return message(buffer, { header: schema, kind: HEADER.schema, bodyBytes: 0 })
}

function typeOf(buffer: FlatBuffer, kind: ColumnKind): number {
  if (kind === 'int') {
    return buffer.table([
      { slot: 0, bytes: 4, value: 64 },
      { slot: 1, bytes: 1, value: 1 },
    ])
  }
  if (kind === 'float') return buffer.table([{ slot: 0, bytes: 2, value: DOUBLE }])
  if (kind !== 'time') return buffer.table([])
  return buffer.table([
    { slot: 1, at: buffer.text('UTC') },
    { slot: 0, bytes: 2, value: MILLISECOND },
  ])
}

type Body = Readonly<{
  length: number
  bodyBytes: number
  places: readonly (readonly [number, number])[]
}>

function batchMessage(columns: readonly Column[], body: Body): Uint8Array {
  const buffer = new FlatBuffer()
  const places = buffer.pairs(body.places)
  const nodes = buffer.pairs(columns.map(({ length, nullCount }) => [length, nullCount]))
  const batch = buffer.table([
    { slot: 0, bytes: 8, value: body.length },
    { slot: 1, at: nodes },
    { slot: 2, at: places },
  ])
  return message(buffer, { header: batch, kind: HEADER.batch, bodyBytes: body.bodyBytes })
}

function message(
  buffer: FlatBuffer,
  { header, kind, bodyBytes }: Readonly<{ header: number; kind: number; bodyBytes: number }>,
): Uint8Array {
  return buffer.finish(
    buffer.table([
      { slot: 3, bytes: 8, value: bodyBytes },
      { slot: 2, at: header },
      { slot: 0, bytes: 2, value: VERSION_5 },
      { slot: 1, bytes: 1, value: kind },
    ]),
  )
}

function writeMessage(whole: Buffer, at: number, metadata: Uint8Array): number {
  whole.writeUInt32LE(0xff_ff_ff_ff, at)
  whole.writeUInt32LE(metadata.length, at + 4)
  whole.set(metadata, at + 8)
  return at + 8 + metadata.length
}

const NONE = new Uint8Array(0)

function buffersOf({ validity, nullCount, offsets, data }: Column): Uint8Array[] {
  const valid = nullCount > 0 && validity ? validity : NONE
  return offsets ? [valid, offsets, data] : [valid, data]
}

function padded(bytes: number): number {
  return (bytes + 7) & ~7
}
