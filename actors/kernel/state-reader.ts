import { Database, type Statement } from 'bun:sqlite'

import type { StoredState } from './state-store.ts'

/** What a `StateRow` is made of. */
export const COLUMNS = 'id, key, "offset", version, timer_ms, live, state'
const SELECT = `SELECT ${COLUMNS} FROM states WHERE`
const LIVE_PAGE = 500
const BUSY_MS = 1_000

/** One version of an actor, as SQLite has it. */
export type StateRow = Readonly<{
  id: number
  key: string
  offset: number
  version: number
  timer_ms: number | null
  live: number
  state: Uint8Array
}>

/** The reading side of the store: short look-ups that never wait for the writer. */
export class StateReader {
  readonly #path: string
  readonly #db: Database
  readonly #load: Statement<StateRow, [string]>
  readonly #due: Statement<StateRow, [number, number]>
  readonly #mark: Statement<{ value: Uint8Array }, [string]>

  constructor(path: string) {
    this.#path = path
    this.#db = connect(path)
    this.#db.run('PRAGMA cache_size = -16000')
    this.#load = this.#db.prepare(`${SELECT} key = ? ORDER BY "offset" DESC LIMIT 1`)
    this.#due = this.#db.prepare(
      `${SELECT} newest = 1 AND timer_ms IS NOT NULL AND timer_ms <= ? ORDER BY timer_ms LIMIT ?`,
    )
    this.#mark = this.#db.prepare('SELECT value FROM marks WHERE name = ?')
  }

  load(key: string): StoredState | null {
    const row = this.#load.get(key)
    return row && stateOf(row)
  }

  loadMark(name: string): Uint8Array | null {
    return this.#mark.get(name)?.value ?? null
  }

  due(nowMs: number, limit: number): StoredState[] {
    return this.#due.all(nowMs, limit).map(stateOf)
  }

  /** As they are at the first of them: on a connection of its own, which sees no later write. */
  *live(): Generator<StoredState> {
    const db = connect(this.#path)
    db.run('BEGIN')
    const page = db.prepare<StateRow, [number, number]>(
      `${SELECT} newest = 1 AND live = 1 AND id > ? ORDER BY id LIMIT ?`,
    )
    try {
      for (let after = 0; ;) {
        const rows = page.all(after, LIVE_PAGE)
        yield* rows.map(stateOf)
        const last = rows.at(-1)
        if (!last || rows.length < LIVE_PAGE) return
        after = last.id
      }
    } finally {
      // A statement left over would keep the file's old pages in use.
      page.finalize()
      db.run('COMMIT')
      db.close()
    }
  }

  close(): void {
    for (const statement of [this.#load, this.#due, this.#mark]) statement.finalize()
    this.#db.close()
  }
}

/** A row as the store gives it. */
export function stateOf(row: StateRow): StoredState {
  const { key, offset, version, state } = row
  return { key, offset, version, state, timerMs: row.timer_ms, live: row.live === 1 }
}

/** A connection that only reads. */
export function connect(path: string): Database {
  const db = new Database(path, { readwrite: true, create: false })
  db.run(`PRAGMA busy_timeout = ${BUSY_MS}`)
  db.run('PRAGMA query_only = 1')
  return db
}
