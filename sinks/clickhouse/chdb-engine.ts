import { mkdir, readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'

import type { Session } from 'chdb'

import { systemClock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { type ArrowAddon, arrowAddon, toArrow } from './chdb-arrow.ts'
import {
  CONSOLE_COMMENT,
  CONSOLE_LIMITS,
  type ConsoleLimits,
  consoleSettings,
  OWN_SETTINGS,
  writeChdbConfig,
} from './chdb-config.ts'
import { ChdbPool } from './chdb-pool.ts'
import { type ClickHouse, ClickHouseError, type Insert, type Row } from './engine.ts'
import { endOnFatalSignals } from './fatal-signals.ts'
import { guardOf } from './fence.ts'
import { isPlainName, sqlText } from './sql-text.ts'

export type ChdbOptions = Readonly<{
  /** The engine's own files; one process at a time. */
  directory: string
  database?: string
  /** Cap on what the engine allocates, caches included; memory of the process beside it does not count. */
  memoryBytesMax: number
  /**
   * Where the process goes to (`process.chdir`) before the engine opens, null to stay: Iceberg tables
   * are read only under the working directory. Resolve every relative path of the process before.
   */
  workingDirectory: string | null
  writers?: number
  readers?: number
  console?: ConsoleLimits
  log: Log
}>

/** Statements that may wait for a connection of one kind. */
const WAITING_MAX = 1_000

/** Rows of an answer that are parsed before sockets get their turn: about 3 ms. */
const ROWS_PER_SLICE = 4_000

/**
 * Opens ClickHouse in this process. The engine is one a process: further calls must name the same
 * directory, and share its memory cap. Never from a Worker that may end: that kills the engine.
 */
export async function openChdb(options: ChdbOptions): Promise<ClickHouse> {
  const { log, database = 'default' } = options
  const directory = resolve(options.directory)
  if (!isPlainName(database)) {
    throw new OrreryError('config', `CLICKHOUSE_DATABASE: ${database} is no name of a database`)
  }
  const startedMs = performance.now()
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const configPath = await writeChdbConfig(directory, options.memoryBytesMax)
  if (options.workingDirectory !== null) process.chdir(resolve(options.workingDirectory))

  const chdb = await import('chdb')
  const connect = (settings: readonly string[]): Session =>
    new chdb.Session(directory, { connectionArgs: [`--config-file=${configPath}`, ...settings] })
  const first = await openFirst(() => connect(OWN_SETTINGS), directory)
  await run(first, `CREATE DATABASE IF NOT EXISTS ${database} ENGINE = Atomic`)
  const pool = (count: number, waitingMax: number, settings: readonly string[]) =>
    ChdbPool.open(() => resolvingIn(database, connect(settings)), { count, waitingMax })
  const pools: Pools = {
    write: await pool(options.writers ?? 2, WAITING_MAX, OWN_SETTINGS),
    read: await pool(options.readers ?? 4, WAITING_MAX, OWN_SETTINGS),
    ask: await pool(2, 16, consoleSettings(options.console ?? CONSOLE_LIMITS)),
  }
  first.close()
  endOnFatalSignals()
  const engine = new ChdbEngine(database, pools, arrowAddon(chdb.default), chdb.drainPending)
  log.info({ directory, database, tookMs: Math.round(performance.now() - startedMs) }, 'chdb open')
  return engine
}

type Pools = Readonly<Record<'write' | 'read' | 'ask', ChdbPool>>

class ChdbEngine implements ClickHouse {
  readonly database: string
  readonly #pools: Pools
  readonly #addon: ArrowAddon
  readonly #drain: () => Promise<void>
  #inserts = 0
  #closed = false

  constructor(database: string, pools: Pools, addon: ArrowAddon, drain: () => Promise<void>) {
    this.database = database
    this.#pools = pools
    this.#addon = addon
    this.#drain = drain
  }

  async command(sql: string): Promise<void> {
    await this.#use('write', (session) => run(session, sql))
  }

  async query(sql: string): Promise<readonly Row[]> {
    const bytes = await this.#use('read', (session) => run(session, sql, 'JSONCompactEachRow'))
    const rows: Row[] = []
    for (const line of Buffer.from(bytes).toString('utf8').split('\n')) {
      if (line === '') continue
      rows.push(JSON.parse(line))
      if (rows.length % ROWS_PER_SLICE === 0) await new Promise<void>(systemClock.soon)
    }
    return rows
  }

  async insert({ table, columns, token, writer }: Insert): Promise<void> {
    const name = `insert_${this.#inserts}`
    this.#inserts += 1
    const names = columns.map((column) => `\`${column.name}\``).join(', ')
    await this.#use('write', async (session) => {
      this.#addon._arrowRegisterColumns(session.connection, name, columns.map(toArrow))
      try {
        // The token goes with the statement; given as a setting it would stay on the connection.
        await run(
          session,
          `INSERT INTO ${table} (${names}) SETTINGS insert_deduplication_token = ${sqlText(token)} ` +
            `SELECT ${names} FROM arrowstream('${name}')${writer ? ` WHERE ${guardOf(writer)}` : ''}`,
        )
      } finally {
        this.#addon._arrowUnregister(session.connection, name)
      }
    })
  }

  ask(sql: string, format: string): Promise<Uint8Array> {
    return this.#use('ask', (session) => run(session, sql, format))
  }

  /** Stops a person's statements and lets our own end: closing under them would stop the engine for good. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    if (this.#pools.ask.busy) {
      const kill = `KILL QUERY WHERE Settings['log_comment'] = '${CONSOLE_COMMENT}' ASYNC`
      await this.#pools.write.use((session) => run(session, kill))
    }
    await Promise.all(Object.values(this.#pools).map((pool) => pool.close()))
    await this.#drain()
  }

  #use<T>(kind: keyof Pools, task: (session: Session) => Promise<T>): Promise<T> {
    if (this.#closed) throw new OrreryError('closed', 'ClickHouse is closed')
    return this.#pools[kind].use(task)
  }
}

/** A connection where unqualified names are those of a database; the argument `--database` does nothing. */
async function resolvingIn(database: string, session: Session): Promise<Session> {
  await run(session, `USE ${database}`)
  return session
}

async function run(session: Session, sql: string, format = 'Null'): Promise<Uint8Array> {
  try {
    const answer = await session.queryAsync(sql, { format })
    return answer.bytes()
  } catch (cause) {
    throw toClickHouseError(cause)
  }
}

function toClickHouseError(cause: unknown): ClickHouseError {
  const code =
    typeof cause === 'object' && cause !== null && 'clickhouseCode' in cause
      ? cause.clickhouseCode
      : null
  return new ClickHouseError(messageOf(cause), typeof code === 'number' ? code : null, cause)
}

async function openFirst(open: () => Session, directory: string): Promise<Session> {
  try {
    return open()
  } catch (cause) {
    const status = await readFile(join(directory, 'status'), 'utf8').catch(() => '')
    const holder = /^PID: (\d+)/m.exec(status)?.[1]
    const reason = holder ? `process ${holder} uses it` : messageOf(cause)
    throw new OrreryError('clickhouse_open', `cannot open ClickHouse in ${directory}: ${reason}`, {
      cause,
    })
  }
}
