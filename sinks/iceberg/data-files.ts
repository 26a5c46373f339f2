import type { Random } from '../../actors/kernel/clock.ts'
import type { StagedBatch } from './change.ts'
import { decodeFrames } from './decode.ts'
import type { PackedFrames } from './frames.ts'
import type { DataFile } from './manifest.ts'
import { OWN_PREFIX, randomHex } from './names.ts'
import { ParquetEncoder, type RowSelection } from './parquet.ts'
import { PingColumns } from './ping-columns.ts'
import type { ReceivedColumns } from './received-columns.ts'
import type { Storage } from './storage.ts'
import { type BronzeTable, dayText, PARTITION } from './table-schema.ts'
import { TripColumns } from './trip-columns.ts'

/** Rows of one data file at most: a file is one row group. */
export const ROWS_PER_FILE_MAX = 131_072

/** Files being written at once: a batch of many days must not hold all of them in memory. */
const WRITING_MAX = 4

/** Turns a batch into Parquet files, one or more for each day, durable when it resolves. Nothing refers to them yet. */
export class DataFiles {
  readonly #storage: Storage
  readonly #location: string
  readonly #random: Random
  readonly #columns: ReceivedColumns
  readonly #parquet = new ParquetEncoder()

  constructor(
    options: Readonly<{ storage: Storage; location: string; random: Random; table: BronzeTable }>,
  ) {
    this.#storage = options.storage
    this.#location = options.location
    this.#random = options.random
    this.#columns = columnsFor(options.table)
  }

  async stage(packed: PackedFrames, signal: AbortSignal): Promise<StagedBatch> {
    const columns = this.#columns
    const files: DataFile[] = []
    columns.clear()
    try {
      decodeFrames(packed, columns)
      const writing: Promise<unknown>[] = []
      for (const selection of selectionsOf(columns)) {
        signal.throwIfAborted()
        const { bytes, file } = this.#parquet.encode(columns, selection, packed.partition)
        const path = this.#pathOf(packed, file.day)
        files.push({ ...file, path })
        writing.push(this.#storage.write(path, bytes))
        if (writing.length === WRITING_MAX) await Promise.all(writing.splice(0))
      }
      await Promise.all(writing)
    } finally {
      columns.clear()
    }
    const { partition, offsetFirst, offsetLast } = packed
    return { partition, offsetFirst, offsetLast, files }
  }

  #pathOf({ partition, offsetFirst }: PackedFrames, day: number): string {
    const folder = `${this.#location}/data/${PARTITION.name}=${dayText(day)}`
    const unique = randomHex(this.#random, 12)
    return `${folder}/${OWN_PREFIX}${partition}-${offsetFirst}-${unique}.parquet`
  }
}

/** The columns of a table. */
export function columnsFor(table: BronzeTable, capacity?: number): ReceivedColumns {
  switch (table) {
    case 'pings':
      return new PingColumns(capacity)
    case 'trips':
      return new TripColumns(capacity)
  }
}

/** Rows by file: all rows as they are when they are few and of one day, as nearly always. */
function selectionsOf(columns: ReceivedColumns): readonly RowSelection[] {
  const { rows, day } = columns
  if (rows === 0) return []
  const counts = new Map<number, number>()
  for (let row = 0; row < rows; row++) {
    const of = day[row] ?? 0
    counts.set(of, (counts.get(of) ?? 0) + 1)
  }
  const only = counts.size === 1 && rows <= ROWS_PER_FILE_MAX
  if (only) return [{ day: day[0] ?? 0, rows: null }]

  const picked = new Map<number, Uint32Array>()
  for (const [of, count] of counts) picked.set(of, new Uint32Array(count))
  const filled = new Map<number, number>()
  for (let row = 0; row < rows; row++) {
    const of = day[row] ?? 0
    const at = filled.get(of) ?? 0
    const into = picked.get(of)
    if (into) into[at] = row
    filled.set(of, at + 1)
  }
  return [...picked].flatMap(([of, all]) => {
    const parts: RowSelection[] = []
    for (let at = 0; at < all.length; at += ROWS_PER_FILE_MAX) {
      parts.push({ day: of, rows: all.subarray(at, at + ROWS_PER_FILE_MAX) })
    }
    return parts
  })
}
