import { OrreryError } from '../../actors/kernel/errors.ts'
import type { Column, ColumnKind } from './engine.ts'

/** What the addon takes for a column: Arrow's C data interface, its buffers not copied. */
type ArrowColumn = Readonly<{
  name: string
  format: string
  length: number
  nullCount: number
  buffers: readonly (Buffer | null)[]
}>

/**
 * The addon's own way in for columns. The package's `registerArrowTable` over it knows four types and
 * encodes text value by value, at three times the cost; the version is pinned, and a test holds it.
 */
export type ArrowAddon = Readonly<{
  _arrowRegisterColumns(connection: unknown, name: string, columns: readonly ArrowColumn[]): void
  _arrowUnregister(connection: unknown, name: string): void
}>

/** The addon's way in for columns, found in the loaded package. */
export function arrowAddon(loaded: object): ArrowAddon {
  if (hasArrow(loaded)) return loaded
  throw new OrreryError('clickhouse_open', 'this version of chdb takes no Arrow columns')
}

/** A column as the addon takes it. The memory stays the caller's and must not change while it is read. */
export function toArrow(column: Column): ArrowColumn {
  const { name, length, nullCount } = column
  const validity = bufferOf(column.validity)
  const data = bufferOf(column.data)
  const buffers = column.offsets ? [validity, bufferOf(column.offsets), data] : [validity, data]
  return { name, format: FORMATS[column.kind], length, nullCount, buffers }
}

const FORMATS: Readonly<Record<ColumnKind, string>> = {
  int: 'l',
  float: 'g',
  time: 'tsm:UTC',
  text: 'u',
  bytes: 'z',
  bool: 'b',
}

function hasArrow(loaded: object): loaded is ArrowAddon {
  return '_arrowRegisterColumns' in loaded && '_arrowUnregister' in loaded
}

function bufferOf(bytes: Uint8Array | null): Buffer | null {
  return bytes && Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
