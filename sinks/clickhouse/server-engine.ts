import { type Clock, type Random, systemClock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { CONSOLE_LIMITS, type ConsoleLimits } from './chdb-config.ts'
import {
  type ClickHouse,
  type Insert,
  numberOf,
  type Row,
  type SharedStore,
  textOf,
} from './engine.ts'
import { arrowStream } from './server-arrow.ts'
import { forServer, OPTIONAL_SETTINGS, type ServerKind } from './server-cluster.ts'
import { connect, type ServerAddress, urlOf } from './server-connect.ts'
import { refuseOtherDatabases } from './server-console.ts'
import { ServerError, whatToCheck } from './server-errors.ts'
import type { ServerLink } from './server-link.ts'
import { runAlone } from './server-lock.ts'
import {
  askSettings,
  commandSettings,
  insertSettings,
  OWN_COMMENT,
  readSettings,
} from './server-settings.ts'
import { isPlainName, sqlText } from './sql-text.ts'

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
}>

const TIMEOUTS: ServerTimeouts = {
  openMs: 5_000,
  queryMs: 60_000,
  insertMs: 30_000,
  commandMs: 60_000,
}

/** Statements of a kind that may wait for a connection. */
const WAITING_MAX = 1_000
const ASKING_MAX = 16

/** Longest answer to a question of our own, and to a person's. */
const ANSWER_BYTES_MAX = 1_000_000_000

/** Rows of an answer that are parsed before sockets get their turn: about 3 ms. */
const ROWS_PER_SLICE = 4_000

/** How often running statements are looked at while they are waited for. */
const LOOK_EVERY_MS = 50

/** Oldest server whose formats and settings are the ones used here. */
const VERSION_MIN: readonly [number, number] = [23, 8]

/** ClickHouse on a server. */
export interface ClickHouseServer extends ClickHouse {
  readonly shared: SharedStore
  /** Null when the server answers, else one line that says why it does not. */
  health(): Promise<string | null>
}

/**
 * Connects to a ClickHouse server over HTTP(S) and makes the database when it is missing. OrreryError
 * `clickhouse_open` is one line with what to check; `retriable` when the server may only be away.
 */
export async function openClickHouseServer(options: ServerOptions): Promise<ClickHouseServer> {
  const { database, clusterName = null, log, clock = systemClock } = options
  for (const name of [database, clusterName ?? 'none']) {
    if (!isPlainName(name))
      throw new OrreryError('config', `${name} is no plain name for ClickHouse`)
  }
  const startedMs = clock.monotonicMs()
  const timeouts = { ...TIMEOUTS, ...options.timeouts }
  const url = urlOf(options)
  try {
    const { version, kind } = await prepare(options, { clusterName, openMs: timeouts.openMs })
    const links: Links = {
      write: await connect(options, {
        database,
        count: options.writers ?? 4,
        waitingMax: WAITING_MAX,
      }),
      read: await connect(options, {
        database,
        count: options.readers ?? 8,
        waitingMax: WAITING_MAX,
      }),
      ask: await connect(
        { ...options, ...options.consoleUser },
        { database, count: 2, waitingMax: ASKING_MAX },
      ),
    }
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    log.info({ url, database, clusterName, version, tookMs }, 'clickhouse server open')
    return new ServerEngine(options, { links, kind, timeouts })
  } catch (thrown) {
    if (thrown instanceof OrreryError && thrown.code === 'clickhouse_open') throw thrown
    const retriable = thrown instanceof OrreryError && thrown.retriable
    const message = whatToCheck(thrown, url, options.user)
    throw new OrreryError('clickhouse_open', message, { retriable })
  }
}

type Links = Readonly<Record<'write' | 'read' | 'ask', ServerLink>>

/** Looks at what the server is, and makes the database. */
async function prepare(
  options: ServerOptions,
  { clusterName, openMs }: Readonly<{ clusterName: string | null; openMs: number }>,
): Promise<Readonly<{ version: string; kind: ServerKind }>> {
  const { database } = options
  // Without a database of its own: that one may not be there.
  const link = await connect(options, { database: '', count: 1, waitingMax: 1 })
  const query = (sql: string): Promise<readonly Row[]> =>
    readRows(link, sql, openMs, options.clock ?? systemClock)
  try {
    const [row] = await query('SELECT version()')
    const version = textOf(row?.[0])
    const [year = 0, month = 0] = version.split('.').map(Number)
    if (year < VERSION_MIN[0] || (year === VERSION_MIN[0] && month < VERSION_MIN[1])) {
      const message = `ClickHouse ${version} is too old: ${VERSION_MIN.join('.')} or later is needed`
      throw new OrreryError('clickhouse_open', message)
    }
    const known = await query(
      `SELECT name FROM system.merge_tree_settings WHERE name IN (${OPTIONAL_SETTINGS.map(sqlText).join(', ')})`,
    )
    const kind = { clusterName, tableSettings: new Set(known.map(([name]) => textOf(name))) }
    const made = await query(
      `SELECT count() FROM system.databases WHERE name = ${sqlText(database)}`,
    )
    if (numberOf(made[0]?.[0]) === 0) {
      const create = forServer(`CREATE DATABASE IF NOT EXISTS ${database}`, kind)
      await runCommand(link, `${create} ENGINE = Atomic`, TIMEOUTS.commandMs)
    }
    return { version, kind }
  } finally {
    await link.close({ stop: true })
  }
}

class ServerEngine implements ClickHouseServer {
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
      settle: () => this.#settle(),
    }
  }

  command(sql: string): Promise<void> {
    return runCommand(this.#links.write, sql, this.#timeouts.commandMs)
  }

  query(sql: string): Promise<readonly Row[]> {
    return readRows(this.#links.read, sql, this.#timeouts.queryMs, this.#clock)
  }

  async insert({ table, columns, token }: Insert): Promise<void> {
    const names = columns.map((column) => `\`${column.name}\``).join(', ')
    const timeoutMs = this.#timeouts.insertMs
    const quorum = this.#cluster === null ? null : (this.#options.insertQuorum ?? 'auto')
    await this.#links.write.run({
      sql: `INSERT INTO ${table} (${names}) FORMAT ArrowStream`,
      // A copy: a request that was given up may still be read from when the columns are used again.
      body: arrowStream(columns),
      settings: insertSettings({ token, timeoutMs, quorum, comment: this.#insertComment }),
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
      await readRows(this.#links.read, 'SELECT 1', this.#timeouts.openMs, this.#clock)
      return null
    } catch (thrown) {
      if (!(thrown instanceof ServerError)) return messageOf(thrown)
      return whatToCheck(thrown, urlOf(this.#options), this.#options.user)
    }
  }

  /** Stops a person's statements; our own end, or reach their time-outs. */
  close(): Promise<void> {
    const { ask, read, write } = this.#links
    this.#closing ??= Promise.all([
      ask.close({ stop: true }),
      read.close({ stop: false }),
      write.close({ stop: false }),
    ]).then(() => {})
    return this.#closing
  }

  get #insertComment(): string {
    return `${OWN_COMMENT} insert ${this.database}`
  }

  /**
   * An insert whose sender is gone runs on, once the server has all of it. So those that run are waited
   * for; and on a cluster, for what other replicas have.
   */
  async #settle(): Promise<void> {
    const processes =
      this.#cluster === null
        ? 'system.processes'
        : `clusterAllReplicas(${sqlText(this.#cluster)}, system.processes)`
    const running = async (): Promise<ReadonlySet<string>> => {
      const rows = await this.query(
        `SELECT query_id FROM ${processes} WHERE Settings['log_comment'] = ${sqlText(this.#insertComment)}`,
      )
      return new Set(rows.map(([id]) => textOf(id)))
    }
    const startMs = this.#clock.monotonicMs()
    const begun = await running()
    for (let left = begun.size; left > 0;) {
      const lookedMs = this.#clock.monotonicMs() - startMs
      if (lookedMs > 2 * this.#timeouts.insertMs) {
        throw new ServerError('inserts that were begun earlier do not end', null, 'unknown')
      }
      await new Promise<void>((resolve) => void this.#clock.after(LOOK_EVERY_MS, resolve))
      const now = await running()
      left = [...begun].filter((id) => now.has(id)).length
    }
    if (this.#cluster === null) return
    const tables = await this.query(
      "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE 'Replicated%'",
    )
    for (const [name] of tables) await this.command(`SYSTEM SYNC REPLICA ${textOf(name)}`)
  }
}

function runCommand(link: ServerLink, sql: string, timeoutMs: number): Promise<void> {
  const settings = commandSettings()
  return link
    .run({ sql, settings, timeoutMs, bytesMax: 10_000_000, repeatable: false })
    .then(() => {})
}

async function readRows(
  link: ServerLink,
  sql: string,
  timeoutMs: number,
  clock: Clock,
): Promise<readonly Row[]> {
  const answer = await link.run({
    sql,
    format: 'JSONCompactEachRow',
    settings: readSettings(timeoutMs),
    timeoutMs,
    bytesMax: ANSWER_BYTES_MAX,
    repeatable: true,
  })
  const rows: Row[] = []
  for (const line of answer.toString('utf8').split('\n')) {
    if (line === '') continue
    rows.push(JSON.parse(line))
    if (rows.length % ROWS_PER_SLICE === 0)
      await new Promise<void>((resolve) => clock.soon(resolve))
  }
  return rows
}
