import { OrreryError } from '../../actors/kernel/errors.ts'
import { type ClickHouse, numberOf } from './engine.ts'
import { sqlInt, sqlText } from './sql-text.ts'
import { MIGRATIONS } from './tables.ts'

/** The newest version of the tables that this program knows. */
export const SCHEMA_VERSION = MIGRATIONS.length

/**
 * Brings the tables to the version of this program, step by step, and says which they had (0 for none).
 * Tables of a newer program are left alone: OrreryError `schema_newer`. On a server that several processes
 * share one of them brings the tables on; and what a process that is gone was writing has landed, so that
 * what is read afterwards is all of it.
 */
export async function migrate(
  engine: ClickHouse,
  migrations: typeof MIGRATIONS = MIGRATIONS,
): Promise<number> {
  const found = await inTurn(engine, migrations)
  await engine.shared?.settle()
  return found
}

/**
 * The same, once for an engine and without the wait: for writers that wait for those of their own partition
 * alone, and open many partitions at a time.
 */
export async function bringTablesOn(engine: ClickHouse): Promise<void> {
  if (current.has(engine)) return
  await inTurn(engine, MIGRATIONS)
  current.add(engine)
}

const current = new WeakSet<ClickHouse>()

function inTurn(engine: ClickHouse, migrations: typeof MIGRATIONS): Promise<number> {
  const before = (migrating.get(engine) ?? Promise.resolve()).catch(() => {})
  const migrated = before.then(() => migrateAlone(engine, migrations))
  migrating.set(engine, migrated)
  return migrated
}

/** Sinks of several streams open over one engine at once: one after the other brings the tables on. */
const migrating = new WeakMap<ClickHouse, Promise<unknown>>()

async function migrateAlone(engine: ClickHouse, migrations: typeof MIGRATIONS): Promise<number> {
  const { shared } = engine
  await engine.command(define(engine, VERSIONS_TABLE))
  const found = await readVersion(engine, migrations)
  if (found < migrations.length) {
    const step = (): Promise<void> => bringOn(engine, migrations)
    await (shared ? shared.alone(step) : step())
  }
  return found
}

const VERSIONS_TABLE = `CREATE TABLE IF NOT EXISTS schema_migrations (
  version UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = MergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1`

/** The version is read again: another process may have brought the tables on meanwhile. */
async function bringOn(engine: ClickHouse, migrations: typeof MIGRATIONS): Promise<void> {
  const before = await readVersion(engine, migrations)
  for (const [index, { name, statements }] of migrations.entries()) {
    const version = index + 1
    if (version <= before) continue
    for (const statement of statements) await engine.command(define(engine, statement))
    await engine.command(
      `INSERT INTO schema_migrations (version, name) VALUES (${sqlInt(version)}, ${sqlText(name)})`,
    )
  }
}

async function readVersion(engine: ClickHouse, migrations: typeof MIGRATIONS): Promise<number> {
  const [found] = await engine.query('SELECT max(version) FROM schema_migrations')
  const version = numberOf(found?.[0])
  if (version <= migrations.length) return version
  throw new OrreryError(
    'schema_newer',
    `the ClickHouse tables are of version ${version}, this program knows ${migrations.length}: ` +
      'start the newer program, or use another DATA_DIR or CLICKHOUSE_DATABASE',
  )
}

function define({ shared }: ClickHouse, statement: string): string {
  return shared ? shared.definition(statement) : statement
}
