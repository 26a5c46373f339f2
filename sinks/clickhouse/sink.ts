import { type Clock, systemClock } from '../../actors/kernel/clock.ts'
import { assert, messageOf } from '../../actors/kernel/errors.ts'
import type { Fact } from '../../actors/model/fact.ts'
import { type Batch, type BatchLimits, type Sink, SinkError } from '../sink.ts'
import { type ClickHouse, ClickHouseError, numberOf, type WriterEpoch } from './engine.ts'
import { checkInstallation, claim, fenced, isFenced, writeProgress } from './fence.ts'
import { isSilver, NAMED_TABLES, rowName, SilverRows } from './rows.ts'
import { bringTablesOn, migrate } from './schema.ts'
import { sqlInt, sqlText } from './sql-text.ts'

export const CLICKHOUSE_SINK = 'clickhouse'

export const CLICKHOUSE_LIMITS: BatchLimits = {
  rowsMax: 20_000,
  bytesMax: 16_000_000,
  ageMsMax: 200,
  inFlightMax: 1,
}

/** Rows encoded before sockets get their turn: about 3 ms. */
const ROWS_PER_SLICE = 4_000

/** Highest offset of a partition up to which all silver rows are stored, −1 for none. */
export async function readAcknowledged(engine: ClickHouse, partition: number): Promise<number> {
  const [row] = await engine.query(
    `SELECT max(\`offset\`), count() FROM sink_progress ` +
      `WHERE sink = ${sqlText(CLICKHOUSE_SINK)} AND \`partition\` = ${sqlInt(partition)}`,
  )
  return numberOf(row?.[1]) === 0 ? -1 : numberOf(row?.[0])
}

/** What a sink needs where several processes write to one store. */
export type ClickHouseSinkOptions = Readonly<{
  /** Of this worker's claim of the partitions it opens: rises by one with each claim. Whoever has an earlier one is refused. */
  epoch?: number
  /** Who claims, for a person who looks at `sink_epochs`. */
  holder?: string
  /** Whose the tables are: opening tables of another throws OrreryError `installation_other`. */
  installation?: string
}>

type Progress = {
  acknowledged: number
  /** Names of rows above `acknowledged` that the store has: what a crash, or a failed write, left between data and progress. */
  stored: ReadonlySet<string>
  /** After a failure: how much of it was written is not known until the store was looked at. */
  doubtful: boolean
}

/** Writes facts to the silver tables, each once (SPEC.md, "Exactly once"). */
export class ClickHouseSink implements Sink<Fact> {
  readonly name = CLICKHOUSE_SINK
  readonly limits: BatchLimits
  readonly #engine: ClickHouse
  readonly #clock: Clock
  readonly #rows = new SilverRows()
  readonly #progress = new Map<number, Progress>()
  readonly #options: ClickHouseSinkOptions
  #writing = false

  constructor(
    engine: ClickHouse,
    limits = CLICKHOUSE_LIMITS,
    clock: Clock = systemClock,
    options: ClickHouseSinkOptions = {},
  ) {
    assert(limits.inFlightMax === 1, 'the ClickHouse sink writes one batch at a time')
    this.#engine = engine
    this.#clock = clock
    this.#options = options
    this.limits = limits
  }

  /** With an epoch: claims the partition. Throws SinkFenced when there is a later claim. */
  async open(partition: number, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted()
    const { holder = '', installation } = this.#options
    const writer = this.#writerOf(partition)
    try {
      await (writer ? bringTablesOn(this.#engine) : migrate(this.#engine))
      if (installation !== undefined) await checkInstallation(this.#engine, installation)
      if (writer) await claim(this.#engine, writer, holder)
      const acknowledged = await readAcknowledged(this.#engine, partition)
      const stored = await this.#readStored(partition, acknowledged)
      this.#progress.set(partition, { acknowledged, stored, doubtful: false })
      return acknowledged
    } catch (cause) {
      // Only what ClickHouse refused may pass; tables of a newer program stay as they are.
      throw cause instanceof ClickHouseError ? toSinkError(cause) : cause
    }
  }

  async write(batch: Batch<Fact>, signal: AbortSignal): Promise<void> {
    const progress = this.#progress.get(batch.partition)
    assert(progress, `partition ${batch.partition} is not open`)
    assert(!this.#writing, 'a batch is being written')
    if (batch.offsetLast <= progress.acknowledged) return
    this.#writing = true
    try {
      signal.throwIfAborted()
      await this.#write(batch, progress)
    } catch (cause) {
      progress.doubtful = true
      const writer = this.#writerOf(batch.partition)
      throw writer && isFenced(cause) ? fenced(writer, cause) : toSinkError(cause)
    } finally {
      this.#rows.clear()
      this.#writing = false
    }
  }

  /** Nothing is held back here; the engine is closed by who opened it. */
  async close(): Promise<void> {}

  async #write(batch: Batch<Fact>, progress: Progress): Promise<void> {
    const { partition, offsetLast } = batch
    if (progress.doubtful) {
      progress.stored = await this.#readStored(partition, progress.acknowledged)
      progress.doubtful = false
    }
    for (const [index, fact] of batch.rows.entries()) {
      if (index % ROWS_PER_SLICE === ROWS_PER_SLICE - 1) await this.#letOthersRun()
      if (!isSilver(fact) || fact.offset <= progress.acknowledged) continue
      this.#rows.add(fact, progress.stored)
    }
    while (!this.#rows.settle(ROWS_PER_SLICE)) await this.#letOthersRun()
    const writer = this.#writerOf(partition)
    // All end before the first failure is thrown: until then their memory is being read.
    const inserts = this.#rows.tables().map(({ table, columns }) =>
      this.#engine.insert({
        table,
        columns,
        token: `${table}:${batch.id}`,
        ...(writer && { writer }),
      }),
    )
    for (const outcome of await Promise.allSettled(inserts)) {
      if (outcome.status === 'rejected') throw outcome.reason
    }
    await this.#writeProgress(partition, offsetLast)
    progress.acknowledged = offsetLast
    progress.stored = above(progress.stored, offsetLast)
  }

  #writeProgress(partition: number, offset: number): Promise<void> {
    const writer = this.#writerOf(partition)
    if (writer) return writeProgress(this.#engine, { sink: CLICKHOUSE_SINK, offset, writer })
    return this.#engine.command(
      `INSERT INTO sink_progress (sink, \`partition\`, \`offset\`) ` +
        `VALUES (${sqlText(CLICKHOUSE_SINK)}, ${sqlInt(partition)}, ${sqlInt(offset)})`,
    )
  }

  #writerOf(partition: number): WriterEpoch | null {
    const { epoch } = this.#options
    return epoch === undefined ? null : { partition, epoch }
  }

  #letOthersRun(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve))
  }

  async #readStored(partition: number, acknowledged: number): Promise<ReadonlySet<string>> {
    const rows = await this.#engine.query(
      NAMED_TABLES.map(
        ({ table, name }) =>
          `SELECT ${name} FROM ${table} ` +
          `WHERE \`partition\` = ${sqlInt(partition)} AND \`offset\` >= ${sqlInt(acknowledged + 1)}`,
      ).join(' UNION ALL '),
    )
    return new Set(
      rows.map(([offset, part, mark]) =>
        rowName({ offset: numberOf(offset), part: numberOf(part) }, numberOf(mark)),
      ),
    )
  }
}

/** Keeps names above an offset only: rows of later batches, left by a run whose batches were cut elsewhere. */
function above(stored: ReadonlySet<string>, offset: number): ReadonlySet<string> {
  if (stored.size === 0) return stored
  return new Set([...stored].filter((name) => Number.parseInt(name, 10) > offset))
}

function toSinkError(cause: unknown): SinkError {
  const message = messageOf(cause)
  const retriable = cause instanceof ClickHouseError ? cause.retriable : true
  return new SinkError(`silver: ${message}`, { retriable, cause })
}
