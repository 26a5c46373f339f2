import { systemClock } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { numberOf, type Row, textOf } from './engine.ts'
import { forServer, OPTIONAL_SETTINGS, type ServerKind } from './server-cluster.ts'
import { connect, urlOf } from './server-connect.ts'
import {
  type ClickHouseServer,
  type Links,
  SERVER_TIMEOUTS,
  ServerEngine,
  type ServerOptions,
} from './server-engine.ts'
import { isTlsRefused, whatToCheck } from './server-errors.ts'
import { readRows, runCommand } from './server-statements.ts'
import { isPlainName, sqlText } from './sql-text.ts'

/** Statements of a kind that may wait for a connection. */
const WAITING_MAX = 1_000
const ASKING_MAX = 16

/** Oldest server whose formats and settings are the ones used here. */
const VERSION_MIN: readonly [number, number] = [23, 8]

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
  const timeouts = { ...SERVER_TIMEOUTS, ...options.timeouts }
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
      health: await connect(options, { database, count: 1, waitingMax: ASKING_MAX }),
    }
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    log.info({ url, database, clusterName, version, tookMs }, 'clickhouse server open')
    return new ServerEngine(options, { links, kind, timeouts })
  } catch (thrown) {
    if (thrown instanceof OrreryError && thrown.code === 'clickhouse_open') throw thrown
    const retriable = thrown instanceof OrreryError && thrown.retriable && !isTlsRefused(thrown)
    const message = whatToCheck(thrown, url, options.user)
    throw new OrreryError('clickhouse_open', message, { retriable })
  }
}

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
      await runCommand(link, `${create} ENGINE = Atomic`, SERVER_TIMEOUTS.commandMs)
    }
    return { version, kind }
  } finally {
    await link.close({ stop: true })
  }
}
