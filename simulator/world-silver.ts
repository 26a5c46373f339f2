import {
  type Cell,
  type ClickHouse,
  ClickHouseError,
  type Column,
  type Insert,
  type Row,
} from '../sinks/clickhouse/engine.ts'
import { FACT_TABLES } from '../sinks/clickhouse/rows.ts'
import type { Gate, Mortal } from './world-gate.ts'
import { ask } from './world-silver-sql.ts'

/** A stored row, by column. */
export type SilverRow = Readonly<Record<string, Cell>>

const TOKENS_MAX = 10_000
/** The tables that are cut by month, and by which of their times. */
const MONTH_OF: Readonly<Record<string, string>> = {
  session_movements: 'received_at',
  session_alerts: 'fired_at',
  dead_letters: 'received_at',
}

/**
 * What ClickHouse holds, reduced to what the silver sink relies on: an insert is stored month by month,
 * each part wholly and once for its token within the table's window. Nothing is ever merged.
 */
export class SilverTables {
  readonly rows = new Map<string, SilverRow[]>(FACT_TABLES.map((table) => [table, []]))
  /** Offsets by sink and partition, as rows of the progress table. */
  readonly progress: { sink: string; partition: number; offset: number }[] = []
  readonly migrations: number[] = []
  readonly #tokens = new Map<string, Set<string>>()
  /** How to take back what was written, oldest first. */
  readonly #undo: (() => void)[] = []

  of(table: string): SilverRow[] {
    const rows = this.rows.get(table)
    if (!rows) throw new Error(`there is no table ${table}`)
    return rows
  }

  /** Stores rows, the first `partsMax` parts of them. */
  insert(table: string, rows: readonly SilverRow[], token: string, partsMax = Infinity): void {
    let parts = 0
    for (const [month, part] of byMonth(rows, MONTH_OF[table])) {
      if (parts++ >= partsMax) return
      const key = `${month} ${token}`
      if (!this.#isNew(table, key)) continue
      this.of(table).push(...part)
      this.#undo.push(() => {
        this.of(table).length -= part.length
        this.#tokens.get(table)?.delete(key)
      })
    }
  }

  move(sink: string, partition: number, offset: number): void {
    this.progress.push({ sink, partition, offset })
    this.#undo.push(() => this.progress.pop())
  }

  /** Forgets the last writes, as a replica does that had not got them when it became the store. */
  failOver(writes: number): void {
    for (const undo of this.#undo.splice(-writes).reverse()) undo()
  }

  #isNew(table: string, token: string): boolean {
    const tokens = this.#tokens.get(table) ?? new Set()
    this.#tokens.set(table, tokens)
    if (tokens.has(token)) return false
    tokens.add(token)
    for (const oldest of tokens) {
      if (tokens.size <= TOKENS_MAX) break
      tokens.delete(oldest)
    }
    return true
  }
}

/** The engine as one life of the process has it. */
export function silverEngine(tables: SilverTables, gate: Gate, mortal: Mortal): ClickHouse {
  const failure = (message: string): Error => new ClickHouseError(message, null)
  const through = <T>(name: string, effect: () => T, part?: () => void): Promise<T> =>
    gate.through(mortal, { port: 'silver', name, effect, failure, ...(part && { part }) })
  return {
    database: 'default',
    command: (sql) => through(nameOf(sql), () => commandSilver(tables, sql)),
    query: (sql) => through('silver.query', (): readonly Row[] => ask(tables, sql)),
    insert(insert: Insert): Promise<void> {
      // At once: the columns' memory is the sink's again when it is told of a failure.
      const rows = rowsOf(insert.columns)
      const { table, token } = insert
      return through(
        `silver.insert ${table}`,
        () => tables.insert(table, rows, token),
        () => tables.insert(table, rows, token, 1),
      )
    },
    ask: () => Promise.reject(new Error('nobody asks here')),
    close: () => Promise.resolve(),
  }
}

function nameOf(sql: string): string {
  return sql.startsWith('INSERT INTO sink_progress') ? 'silver.progress' : 'silver.migrate'
}

/** Runs the statements that the sink runs, and no other. */
export function commandSilver(tables: SilverTables, sql: string): void {
  if (/^(CREATE (TABLE IF NOT EXISTS|OR REPLACE VIEW)|ALTER TABLE \w+ MODIFY SETTING)\s/.test(sql))
    return
  const version = /^INSERT INTO schema_migrations \(version, name\) VALUES \((\d+), /.exec(sql)
  if (version) {
    tables.migrations.push(Number(version[1]))
    return
  }
  const progress =
    /^INSERT INTO sink_progress \(sink, `partition`, `offset`\) VALUES \('(\w+)', (\d+), (-?\d+)\)$/.exec(
      sql,
    )
  if (!progress) throw new Error(`a command that is not understood: ${sql}`)
  const [, sink = '', partition, offset] = progress
  tables.move(sink, Number(partition), Number(offset))
}

function byMonth(
  rows: readonly SilverRow[],
  column: string | undefined,
): ReadonlyMap<string, SilverRow[]> {
  const parts = new Map<string, SilverRow[]>()
  for (const row of rows) {
    const month = column ? new Date(Number(row[column])).toISOString().slice(0, 7) : ''
    const part = parts.get(month)
    if (part) part.push(row)
    else parts.set(month, [row])
  }
  return parts
}

/** Columns as rows. */
export function rowsOf(columns: readonly Column[]): SilverRow[] {
  const values = columns.map((column): [string, Cell[]] => [column.name, cellsOf(column)])
  const { length } = columns[0] ?? { length: 0 }
  return Array.from({ length }, (_, row) =>
    Object.fromEntries(values.map(([name, cells]) => [name, cells[row] ?? null])),
  )
}

const decoder = new TextDecoder()

function cellsOf(column: Column): Cell[] {
  const { kind, length, data, offsets, validity } = column
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  const isSet = (bits: Uint8Array, row: number): boolean =>
    ((bits[row >> 3] ?? 0) & (1 << (row & 7))) !== 0
  const cell = (row: number): Cell => {
    if (validity && !isSet(validity, row)) return null
    switch (kind) {
      case 'int':
      case 'time':
        return Number(view.getBigInt64(row * 8, true))
      case 'float':
        return view.getFloat64(row * 8, true)
      case 'bool':
        return isSet(data, row)
      case 'text':
        return decoder.decode(bytesOf(column, offsets, row))
      case 'bytes':
        return Buffer.from(bytesOf(column, offsets, row)).toString('latin1')
    }
  }
  return Array.from({ length }, (_, row) => cell(row))
}

function bytesOf({ data }: Column, offsets: Uint8Array | null, row: number): Uint8Array {
  if (!offsets) throw new Error('a column of texts has ends')
  const ends = new DataView(offsets.buffer, offsets.byteOffset, offsets.byteLength)
  return data.subarray(ends.getInt32(row * 4, true), ends.getInt32(row * 4 + 4, true))
}
