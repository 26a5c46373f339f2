import type { Clock, Random } from '../../actors/kernel/clock.ts'
import { assert, messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { type Batch, type BatchLimits, type Sink, SinkError, SinkFenced } from '../sink.ts'
import { TableAppender } from './append.ts'
import { openBronze } from './bronze-table.ts'
import type { Catalog, Table } from './catalog.ts'
import type { StagedBatch } from './change.ts'
import { Cleanup } from './cleanup.ts'
import { CommitQueue } from './commit-queue.ts'
import { DataFiles } from './data-files.ts'
import type { ExpiryPolicy } from './expire.ts'
import { type PackedFrames, packFrames } from './frames.ts'
import type { MergePolicy } from './merge.ts'
import { randomUuid } from './names.ts'
import { storedOffsets } from './offsets.ts'
import { isNotFound, type Storage } from './storage.ts'
import { type BronzeTable, type FrameOf, LAYOUTS, type TableLayout } from './table-schema.ts'

/** A batch is written 5 s after its oldest message, or when it holds as much as makes a good file. */
export const ICEBERG_LIMITS: BatchLimits = {
  rowsMax: 100_000,
  bytesMax: 24_000_000,
  ageMsMax: 5_000,
  inFlightMax: 1,
}

/** How the table is kept small. */
export type TablePolicy = MergePolicy &
  ExpiryPolicy &
  Readonly<{
    /** A superfluous file stays this long for readers of older snapshots. */
    graceMs: number
    /** A file of ours that no snapshot reaches is an orphan from this age on. */
    orphanAgeMsMin: number
    /** Older files are not looked at again: sweeps before have seen them. */
    orphanAgeMsMax: number
  }>

export const TABLE_POLICY: TablePolicy = {
  manifestsMax: 64,
  entriesPerManifest: 8_000,
  snapshotsMin: 50,
  snapshotAgeMsMin: 600_000,
  snapshotsMax: 300,
  graceMs: 600_000,
  orphanAgeMsMin: 86_400_000,
  orphanAgeMsMax: 30 * 86_400_000,
}

/**
 * What an Iceberg sink stands on. `location` is where a new table is made, null when the catalog chooses; one that
 * is there lies where its metadata says. `table` says what it holds, pings unless told.
 */
export type IcebergSinkOptions<Kind extends BronzeTable = 'pings'> = Readonly<{
  table?: Kind
  storage: Storage
  catalog: Catalog
  location: string | null
  clock: Clock
  random: Random
  log: Log
  limits?: BatchLimits
  policy?: TablePolicy
}>

/** What works at one place, known once the table is. */
type Parts = Readonly<{ dataFiles: DataFiles; appender: TableAppender; cleanup: Cleanup }>

/**
 * Raw pings, or trips, into their bronze table, each once (SPEC.md, "Commit"). Batches of several partitions may be
 * written at the same time: those that wait for a commit are made part of the table by one.
 */
export class IcebergSink<Kind extends BronzeTable = 'pings'> implements Sink<FrameOf<Kind>> {
  readonly name: string
  readonly limits: BatchLimits
  readonly #layout: TableLayout
  readonly #options: IcebergSinkOptions<Kind>
  readonly #policy: TablePolicy
  #parts: Parts | null = null
  readonly #acknowledged = new Map<number, number>()
  #table: Table | null = null
  #sweptMs = -Infinity
  readonly #commits = new CommitQueue((batches, signal) => this.#commitAll(batches, signal))
  #lastStage: Promise<unknown> = Promise.resolve()
  #last: Promise<unknown> = Promise.resolve()

  constructor(options: IcebergSinkOptions<Kind>) {
    const { table = 'pings' } = options
    this.#layout = LAYOUTS[table]
    this.name = this.#layout.sink
    this.limits = options.limits ?? ICEBERG_LIMITS
    assert(this.limits.inFlightMax === 1, 'the Iceberg sink writes one batch at a time')
    this.#options = options
    this.#policy = options.policy ?? TABLE_POLICY
  }

  async open(partition: number, signal: AbortSignal): Promise<number> {
    return this.#inTurn(async () => {
      signal.throwIfAborted()
      const { metadata } = await this.#openTable()
      const stored = storedOffsets(metadata).get(partition) ?? -1
      this.#acknowledged.set(partition, stored)
      return stored
    }, signal)
  }

  async write(batch: Batch<FrameOf<Kind>>, signal: AbortSignal): Promise<void> {
    const acknowledged = this.#acknowledged.get(batch.partition) ?? -1
    if (batch.offsetLast <= acknowledged) return
    const { table } = this.#layout
    await this.#write(() => packFrames(batch, { table }), signal)
  }

  /** The same for a batch that is packed already, as a Worker gets it. */
  async writePacked(packed: PackedFrames, signal: AbortSignal): Promise<void> {
    await this.#write(() => packed, signal)
  }

  /**
   * Makes staged batches part of the table, whoever wrote their files; what is stored already is left out. Gives those
   * that are refused, since another writer has some of their range.
   */
  async #commitAll(
    batches: readonly StagedBatch[],
    signal: AbortSignal,
  ): Promise<readonly StagedBatch[]> {
    const { clock } = this.#options
    if (!this.#parts) await this.#openTable()
    const parts = this.#parts
    assert(parts, 'an open table has its parts')
    const appended = await this.#append(parts, batches, signal)
    this.#table = appended.table
    parts.cleanup.add(appended.superfluous, clock.nowMs() + this.#policy.graceMs)
    await parts.cleanup.removeDue(clock.nowMs())
    const nowMs = clock.nowMs()
    if (nowMs - this.#sweptMs >= this.#policy.orphanAgeMsMin) {
      this.#sweptMs = nowMs
      // In a turn of its own: this commit is made, and nobody should wait for a look at every file.
      void this.#inTurn(() => this.#sweep(parts, appended.table, nowMs))
    }
    return appended.refused
  }

  close(): Promise<void> {
    const staged = this.#lastStage.catch(() => {})
    return staged.then(() => this.#inTurn(async () => this.#acknowledged.clear()))
  }

  async #openTable(): Promise<Table> {
    const { catalog, location, random } = this.#options
    const about = { location, uuid: randomUuid(random) }
    const table = await openBronze(catalog, about, this.#layout)
    this.#table = table
    this.#parts ??= this.#partsOf(table)
    return table
  }

  #partsOf({ metadata }: Table): Parts {
    const { storage, catalog, clock, random, log } = this.#options
    const location = metadata.location.replace(/\/+$/, '')
    const [layout, policy] = [this.#layout, this.#policy]
    return {
      dataFiles: new DataFiles({ storage, location, random, table: layout.table }),
      appender: new TableAppender({ storage, catalog, location, layout, clock, random, policy }),
      cleanup: new Cleanup({ storage, location, log }),
    }
  }

  async #write(pack: () => PackedFrames, signal: AbortSignal): Promise<void> {
    try {
      const staged = await this.#stage(pack, signal)
      if (!staged) return
      const { partition, offsetLast } = staged
      const refused = await this.#commits.add(staged, signal, (call) => this.#inTurn(call))
      if (refused) throw fenced(staged)
      this.#acknowledged.set(partition, offsetLast)
    } catch (cause) {
      throw toSinkError(cause, signal)
    }
  }

  /** One after the other: they share their columns' memory. Null when there is nothing to do. */
  #stage(pack: () => PackedFrames, signal: AbortSignal): Promise<StagedBatch | null> {
    const staged = this.#lastStage.then(async () => {
      const packed = pack()
      const acknowledged = this.#acknowledged.get(packed.partition)
      const { table } = this.#layout
      assert(packed.table === table, `a batch of ${packed.table} does not belong into ${table}`)
      assert(acknowledged !== undefined, `partition ${packed.partition} is not open`)
      if (packed.offsetLast <= acknowledged) return null
      signal.throwIfAborted()
      assert(this.#parts, 'an open partition has an open table')
      return this.#parts.dataFiles.stage(packed, signal)
    })
    this.#lastStage = staged.catch(() => {})
    return staged
  }

  async #append({ appender }: Parts, batches: readonly StagedBatch[], signal: AbortSignal) {
    try {
      return await appender.append(this.#table, batches, signal)
    } catch (cause) {
      // A file that is gone belonged to a version that expired while this writer slept.
      if (signal.aborted || !(isRetriable(cause) || isNotFound(cause))) throw cause
      // It may have landed all the same: a look at the table decides, and a second try on what it shows.
      return await appender.append(this.#table, batches, signal)
    }
  }

  /** After the first commit and then daily; what it finds is at least a day old, so there is no hurry. */
  async #sweep({ cleanup }: Parts, table: Table, now: number): Promise<void> {
    const { orphanAgeMsMin: min, orphanAgeMsMax: max } = this.#policy
    try {
      await cleanup.sweep(table, { min, max, now })
    } catch (cause) {
      const reason = messageOf(cause)
      this.#options.log.warn({ reason }, 'the sweep for orphaned iceberg files failed')
    }
  }

  /** One thing after another, and each failure as the one error that a sink throws. */
  #inTurn<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const turn = this.#last.then(call).catch((cause: unknown) => {
      throw toSinkError(cause, signal)
    })
    this.#last = turn.catch(() => {})
    return turn
  }
}

function fenced({ partition, offsetFirst, offsetLast }: StagedBatch): SinkFenced {
  return new SinkFenced(
    `bronze: another writer has stored some of partition ${partition}, ${offsetFirst} to ${offsetLast}, or went on behind it`,
  )
}

function toSinkError(cause: unknown, signal?: AbortSignal): SinkError {
  if (cause instanceof SinkError) return cause
  const retriable = signal?.aborted === true || isRetriable(cause)
  return new SinkError(`bronze: ${messageOf(cause)}`, { retriable, cause })
}

// Storage and catalog say it; anything else is a fault of ours, which trying again does not mend.
function isRetriable(cause: unknown): boolean {
  return cause instanceof OrreryError && cause.retriable
}
