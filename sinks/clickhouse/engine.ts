import { OrreryError } from '../../actors/kernel/errors.ts'

/** A value of a row. Whole numbers of 64 bits come as text, so that none is rounded. */
export type Cell = string | number | boolean | null | readonly Cell[]

/** A row of an answer, in the order of its columns. */
export type Row = readonly Cell[]

/**
 * What a column holds. `int` is Int64, `float` Float64, `time` whole milliseconds since 1970 UTC,
 * `text` UTF-8, `bytes` any bytes, `bool` a bit; the store casts them to the table's own types.
 */
export type ColumnKind = 'int' | 'float' | 'time' | 'text' | 'bytes' | 'bool'

/**
 * A column in Arrow's memory layout: little-endian numbers in `data`, bits from the lowest for `bool`,
 * and for `text` and `bytes` all values joined, with `length + 1` ends in `offsets`.
 */
export type Column = Readonly<{
  name: string
  kind: ColumnKind
  length: number
  data: Uint8Array
  offsets: Uint8Array | null
  /** One bit a row, set where there is a value; null when there is a value everywhere. */
  validity: Uint8Array | null
  nullCount: number
}>

/** Which claim of which partition an insert belongs to. */
export type WriterEpoch = Readonly<{ partition: number; epoch: number }>

/** Rows for one table. The same `token` written twice is stored once, within the table's window. */
export type Insert = Readonly<{
  table: string
  columns: readonly Column[]
  token: string
  /** Refused as a whole when a later claim of the partition is in `sink_epochs`; only where several processes write. */
  writer?: WriterEpoch
}>

/** The one port to ClickHouse that the engine in the process and a server share. */
export interface ClickHouse {
  /** Where unqualified names resolve. */
  readonly database: string
  /** Runs a statement that answers nothing. */
  command(sql: string): Promise<void>
  /** Runs a question of our own; the whole answer is held in memory. */
  query(sql: string): Promise<readonly Row[]>
  /** Stores columns; visible to every reader when it resolves. Their memory may be used again then. */
  insert(insert: Insert): Promise<void>
  /** Runs a statement of a person, read-only and within the console's limits. See `console.ts`. */
  ask(sql: string, format: string): Promise<Uint8Array>
  close(): Promise<void>
  /** What a store has that several processes write to; an engine of one process has none of it. */
  readonly shared?: SharedStore
}

/** What several processes over one server owe each other. */
export interface SharedStore {
  /** A statement that makes or changes tables, as this server needs it. */
  definition(sql: string): string
  /** Runs a task while no other process runs one. A lock of a process that died is taken over. */
  alone<T>(task: () => Promise<T>): Promise<T>
  /**
   * Waits until no write that began before this call can still land. With a claim: none of its partition by this or
   * an earlier one; those that do not end soon are stopped. Throws, retriable, when one does not end even so.
   */
  settle(claim?: WriterEpoch): Promise<void>
}

/** What ClickHouse refused; `clickhouseCode` is its own number, null when it gave none. */
export class ClickHouseError extends OrreryError {
  override readonly name = 'ClickHouseError'
  readonly clickhouseCode: number | null

  constructor(message: string, clickhouseCode: number | null, cause?: unknown) {
    const retriable = clickhouseCode === null || !PERMANENT.has(clickhouseCode)
    super('clickhouse', message, { retriable, cause })
    this.clickhouseCode = clickhouseCode
  }
}

/**
 * Codes that the same call meets again: the statement, the types or the tables are wrong, or rights
 * are missing. Everything else (memory, disk, network, too many parts, a time-out) may pass.
 */
const PERMANENT: ReadonlySet<number> = new Set([
  6, 10, 15, 16, 20, 26, 27, 36, 38, 41, 42, 43, 44, 46, 47, 48, 50, 53, 57, 60, 62, 70, 72, 80, 81,
  82, 115, 117, 130, 131, 164, 179, 206, 215, 306, 349, 386, 392, 407, 456, 497, 516, 636,
])

/** A cell as a number; whole numbers of 64 bits that came as text included. */
export function numberOf(cell: Cell | undefined): number {
  const value = typeof cell === 'string' && cell !== '' ? Number(cell) : cell
  if (typeof value !== 'number' || Number.isNaN(value)) {
    throw new OrreryError('invariant', `not a number: ${JSON.stringify(cell)}`)
  }
  return value
}

/** A cell as a number, or null where there is none. */
export function numberOrNullOf(cell: Cell | undefined): number | null {
  return cell === null || cell === undefined ? null : numberOf(cell)
}

/** A cell as text. */
export function textOf(cell: Cell | undefined): string {
  if (typeof cell === 'string') return cell
  throw new OrreryError('invariant', `not text: ${JSON.stringify(cell)}`)
}
