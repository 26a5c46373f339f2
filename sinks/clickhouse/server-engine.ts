import { type Clock, type Random, systemClock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { CONSOLE_LIMITS, type ConsoleLimits } from './chdb-config.ts'
import {
  type ClickHouse,
  type Insert,
  type Row,
  type SharedStore,
  textOf,
  type WriterEpoch,
} from './engine.ts'
import { EPOCHS_TABLE, guardOf, structureOf } from './fence.ts'
import { arrowStream } from './server-arrow.ts'
import { forServer, type ServerKind } from './server-cluster.ts'
import { type ServerAddress, urlOf } from './server-connect.ts'
import { refuseOtherDatabases } from './server-console.ts'
import { ServerError, whatToCheck } from './server-errors.ts'
import type { ServerLink } from './server-link.ts'
import { runAlone } from './server-lock.ts'
import { askSettings, insertSettings } from './server-settings.ts'
import { insertComment, settleInserts } from './server-settle.ts'
import { ANSWER_BYTES_MAX, readRows, runCommand } from './server-statements.ts'
import { sqlText } from './sql-text.ts'

export type ServerOptions = ServerAddress &
  Readonly<{
    database: string
    /** Name of the cluster whose hosts are replicas of one another; null for one server. */
    clusterName?: string | null
    /** Replicas that must have a batch before it counts as stored; only on a cluster. */
    insertQuorum?: string
    /** The console's own user, with rights on our tables alone; the main one when there is none. */
    consoleUser?: Readonly<{ user: string; password: string }> | null
    console?: ConsoleLimits
    timeouts?: Partial<ServerTimeouts>
    writers?: number
    readers?: number
    clock?: Clock
    random?: Random
    log: Log
  }>

/** How long an answer is waited for. On a cluster a definition waits for each host. */
export type ServerTimeouts = Readonly<{
  openMs: number
  queryMs: number
  insertMs: number
  commandMs: number
  /** How long an insert of an earlier claim of a partition may take to end by itself; then it is stopped. */
  stopMs: number
  /** How long a claim waits for such inserts altogether. */
  claimMs: number
}>

export const SERVER_TIMEOUTS: ServerTimeouts = {
  openMs: 5_000,
  queryMs: 60_000,
  insertMs: 30_000,
  commandMs: 60_000,
  stopMs: 3_000,
  claimMs: 10_000,
}

/** ClickHouse on a server. */
export interface ClickHouseServer extends ClickHouse {
  readonly shared: SharedStore
  /** Null when the server answers, else one line that says why it does not. */
  health(): Promise<string | null>
}

/** Connections by what they are used for: none must wait for another. */
export type Links = Readonly<Record<'write' | 'read' | 'ask' | 'health', ServerLink>>

/** See `openClickHouseServer`. */
export class ServerEngine implements ClickHouseServer {
  readonly database: string
  readonly shared: SharedStore
  readonly #options: ServerOptions
  readonly #links: Links
  readonly #timeouts: ServerTimeouts
  readonly #clock: Clock
  readonly #cluster: string | null
  #closing: Promise<void> | null = null

  constructor(
    options: ServerOptions,
    {
      links,
      kind,
      timeouts,
    }: Readonly<{ links: Links; kind: ServerKind; timeouts: ServerTimeouts }>,
  ) {
    const { clock = systemClock, random = Math.random, log } = options
    this.database = options.database
    this.#options = options
    this.#links = links
    this.#timeouts = timeouts
    this.#clock = clock
    this.#cluster = kind.clusterName
    const definition = (sql: string): string => forServer(sql, kind)
    const holder = `orrery ${Math.floor(random() * 2 ** 48).toString(36)}`
    this.shared = {
      definition,
      alone: (task) => runAlone({ engine: this, definition, holder, clock, log }, task),
      settle: (claim) => this.#settle(claim),
    }
  }

  command(sql: string): Promise<void> {
    return runCommand(this.#links.write, sql, this.#timeouts.commandMs)
  }

  query(sql: string): Promise<readonly Row[]> {
    return readRows(this.#links.read, sql, this.#timeouts.queryMs, this.#clock)
  }

  async insert({ table, columns, token, writer }: Insert): Promise<void> {
    const names = columns.map((column) => `\`${column.name}\``).join(', ')
    const timeoutMs = this.#timeouts.insertMs
    const quorum = this.#cluster === null ? null : (this.#options.insertQuorum ?? 'auto')
    const comment = insertComment(this.database, writer)
    const claims = table === EPOCHS_TABLE
    const rows = writer
      ? `SELECT ${names} FROM input(${sqlText(structureOf(columns))}) WHERE ${guardOf(writer)} `
      : ''
    await this.#links.write.run({
      sql: `INSERT INTO ${table} (${names}) ${rows}FORMAT ArrowStream`,
      // A copy: a request that was given up may still be read from when the columns are used again.
      body: arrowStream(columns),
      settings: insertSettings({
        ...{ token, timeoutMs, quorum, comment },
        fence: writer ? { claims } : null,
      }),
      timeoutMs,
      bytesMax: 1_000_000,
      // Its token makes a second time harmless.
      repeatable: true,
    })
  }

  async ask(sql: string, format: string): Promise<Uint8Array> {
    const limits = this.#options.console ?? CONSOLE_LIMITS
    const databases = await this.query('SELECT name FROM system.databases')
    const others = databases.map(([name]) => textOf(name))
    refuseOtherDatabases(sql, others, [this.database, 'bronze'])
    return this.#links.ask.run({
      sql,
      format,
      settings: askSettings(limits),
      timeoutMs: limits.timeSecondsMax * 1_000 + 5_000,
      bytesMax: ANSWER_BYTES_MAX,
      repeatable: true,
    })
  }

  async health(): Promise<string | null> {
    try {
      await readRows(this.#links.health, 'SELECT 1', this.#timeouts.openMs, this.#clock)
      return null
    } catch (thrown) {
      if (!(thrown instanceof ServerError)) return messageOf(thrown)
      return whatToCheck(thrown, urlOf(this.#options), this.#options.user)
    }
  }

  /** Stops a person's statements; our own end, or reach their time-outs. */
  close(): Promise<void> {
    const { ask, health, read, write } = this.#links
    this.#closing ??= Promise.all([
      ask.close({ stop: true }),
      health.close({ stop: true }),
      read.close({ stop: false }),
      write.close({ stop: false }),
    ]).then(() => {})
    return this.#closing
  }

  /**
   * An insert whose sender is gone runs on, once the server has all of it. So those that run are waited
   * for; and on a cluster, for what other replicas have.
   */
  async #settle(claim?: WriterEpoch): Promise<void> {
    const { insertMs, stopMs, claimMs } = this.#timeouts
    const limits = claim ? { stopMs, limitMs: claimMs } : { stopMs: null, limitMs: 2 * insertMs }
    const cluster = this.#cluster
    await settleInserts({ engine: this, cluster, clock: this.#clock, ...limits }, claim)
    if (cluster === null) return
    const tables = await this.query(
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replicated%'",
    )
    for (const [name] of tables) await this.command(`SYSTEM SYNC REPLICA ${textOf(name)}`)
  }
}
