import { Database, SQLiteError, type Statement } from 'bun:sqlite'

import { messageOf, OrreryError } from './errors.ts'
import { floorOf, operationsIn } from './state-frame.ts'
import type { StoredState } from './state-store.ts'

/**
 * What leads from one version of the schema to the next: entry 0 makes version 1 of an empty file. An
 * entry is never changed once released. One row is one version of an actor; `newest` marks the one to load.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE states (
     id INTEGER PRIMARY KEY,
     key TEXT NOT NULL,
     "offset" INTEGER NOT NULL,
     version INTEGER NOT NULL,
     timer_ms REAL,
     live INTEGER NOT NULL,
     newest INTEGER NOT NULL,
     state BLOB NOT NULL
   ) STRICT;
   CREATE UNIQUE INDEX states_by_key ON states (key, "offset");
   CREATE INDEX states_by_offset ON states ("offset");
   CREATE INDEX states_due ON states (timer_ms) WHERE newest = 1 AND timer_ms IS NOT NULL;
   CREATE INDEX states_live ON states (live) WHERE newest = 1 AND live = 1;
   CREATE TABLE marks (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;`,
]

const BUSY_MS = 5_000
/** Pages of the write-ahead log at which it is copied into the table: 32 MB, so that rows share pages. */
const CHECKPOINT_PAGES = 8_000

type Version = Readonly<{ id: number; offset: number }>

/** The writing side of the store, for the worker's thread: each frame is one durable transaction. */
export class StateTables {
  readonly #db: Database
  readonly #versions: Statement<Version, [string]>
  readonly #insert: Statement
  readonly #replace: Statement
  readonly #demote: Statement
  readonly #delete: Statement
  readonly #mark: Statement
  /** Actors stored. */
  count: number

  private constructor(db: Database) {
    this.#db = db
    this.#versions = db.prepare('SELECT id, "offset" FROM states WHERE key = ? ORDER BY "offset"')
    this.#insert = db.prepare(
      'INSERT INTO states ("offset", version, timer_ms, live, newest, state, key) VALUES (?, ?, ?, ?, ?, ?, ?)',
    )
    this.#replace = db.prepare(
      'UPDATE states SET "offset" = ?, version = ?, timer_ms = ?, live = ?, newest = ?, state = ? WHERE id = ?',
    )
    this.#demote = db.prepare('UPDATE states SET newest = 0 WHERE id = ? AND newest = 1')
    this.#delete = db.prepare('DELETE FROM states WHERE id = ?')
    this.#mark = db.prepare('INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)')
    this.count = this.#counted()
  }

  /**
   * Opens or makes the file; refuses one of a newer version, or that is no store of ours. `scratch` leaves the disk its
   * time: for a file that no start reads again.
   */
  static open(path: string, scratch = false): StateTables {
    let db: Database | null = null
    try {
      db = new Database(path, { create: true, readwrite: true })
      db.run(`PRAGMA busy_timeout = ${BUSY_MS}`)
      checkVersion(db, path)
      db.run('PRAGMA journal_mode = WAL')
      db.run(`PRAGMA synchronous = ${scratch ? 'OFF' : 'FULL'}`)
      db.run(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
      db.run('PRAGMA cache_size = -16000')
      migrate(db)
      return new StateTables(db)
    } catch (cause) {
      db?.close()
      throw stateError(cause, path)
    }
  }

  /** Writes a frame, wholly or not at all. */
  apply(memory: ArrayBuffer, bytes: number): void {
    const countBefore = this.count
    this.#db.run('BEGIN IMMEDIATE')
    try {
      const floor = floorOf(memory)
      for (const operation of operationsIn(memory, bytes)) {
        if (operation.kind === 'state') this.#save(operation.state, floor)
        else if (operation.kind === 'mark') this.#mark.run(operation.name, operation.value)
        else this.#rewind(operation.offset)
      }
      this.#db.run('COMMIT')
    } catch (cause) {
      this.count = countBefore
      // A full disk has rolled back already.
      if (this.#db.inTransaction) this.#db.run('ROLLBACK')
      throw cause
    }
  }

  close(): void {
    // A reader that is still there may keep the log from being emptied; the next start does it.
    this.#db.run('PRAGMA busy_timeout = 100')
    this.#db.run('PRAGMA wal_checkpoint(TRUNCATE)')
    const statements = [this.#versions, this.#insert, this.#replace, this.#demote, this.#delete]
    for (const statement of [...statements, this.#mark]) statement.finalize()
    this.#db.close()
  }

  #save(state: StoredState, floor: number): void {
    const { key, offset, version, timerMs, live } = state
    const versions = this.#versions.all(key)
    if (versions.length === 0) this.count++
    const same = versions.find((other) => other.offset === offset)
    const isNewest = (versions.at(-1)?.offset ?? -1) <= offset
    const offsets = versions.map((other) => other.offset)
    const needed = Math.max(-1, ...[...offsets, offset].filter((other) => other <= floor))
    const superseded = versions.filter((other) => other.offset < needed && other !== same)
    if (isNewest) for (const { id } of versions) if (id !== same?.id) this.#demote.run(id)
    if (offset < needed) return
    const values = [offset, version, timerMs, live ? 1 : 0, isNewest ? 1 : 0, state.state]
    // In place of a superseded row: one write instead of two.
    const target = same ?? superseded.shift()
    if (target) this.#replace.run(...values, target.id)
    else this.#insert.run(...values, key)
    for (const { id } of superseded) this.#delete.run(id)
  }

  #rewind(offset: number): void {
    const db = this.#db
    db.run('CREATE TEMP TABLE IF NOT EXISTS rewound (key TEXT PRIMARY KEY) WITHOUT ROWID')
    db.run('DELETE FROM rewound')
    db.run(
      'INSERT INTO rewound SELECT key FROM states WHERE "offset" > ? AND newest = 1 ORDER BY key',
      [offset],
    )
    db.run('DELETE FROM states WHERE "offset" > ?', [offset])
    db.run(
      `UPDATE states SET newest = 1 WHERE id IN (
         SELECT (SELECT id FROM states WHERE key = rewound.key ORDER BY "offset" DESC LIMIT 1)
         FROM rewound)`,
    )
    this.count = this.#counted()
  }

  #counted(): number {
    const row = this.#db
      .query<{ count: number }, []>('SELECT count(*) AS count FROM states WHERE newest = 1')
      .get()
    return row?.count ?? 0
  }
}

/** An error of SQLite as one that says what to do. */
export function stateError(cause: unknown, path: string): OrreryError {
  if (cause instanceof OrreryError) return cause
  const code = cause instanceof SQLiteError ? (cause.code ?? '') : ''
  const message = `the state store ${path}: ${messageOf(cause)}`
  if (code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT')) {
    return new OrreryError('state_corrupt', `${message}; move it away or restore it`, { cause })
  }
  const kind = code === 'SQLITE_FULL' ? 'state_full' : 'state_failed'
  return new OrreryError(kind, message, { cause, retriable: true })
}

function checkVersion(db: Database, path: string): void {
  const version = versionOf(db)
  if (version > MIGRATIONS.length) {
    const message = `${path} was written by a newer version of Orrery; start that version`
    throw new OrreryError('state_newer', message)
  }
  const tables = db.query<{ name: string }, []>('SELECT name FROM sqlite_schema LIMIT 1').get()
  if (version === 0 && tables) {
    throw new OrreryError('state_foreign', `${path} is a database of another program`)
  }
}

function versionOf(db: Database): number {
  return db.query<{ user_version: number }, []>('PRAGMA user_version').get()?.user_version ?? 0
}

function migrate(db: Database): void {
  for (const [index, statements] of MIGRATIONS.entries()) {
    if (index < versionOf(db)) continue
    db.run('BEGIN IMMEDIATE')
    db.run(statements)
    db.run(`PRAGMA user_version = ${index + 1}`)
    db.run('COMMIT')
  }
}
