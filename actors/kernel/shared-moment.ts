import type { Database, Statement } from 'bun:sqlite'

import { COLUMNS, connect, stateOf, type StateRow } from './state-reader.ts'
import type { StoredState } from './state-store.ts'

/** The states and marks of a store's file as they were at one moment, however long it is looked at. */
export class StateMoment {
  readonly #db: Database
  readonly #newest: Statement<StateRow & { newest: number }, [string, number]>

  constructor(path: string) {
    this.#db = connect(path)
    this.#newest = this.#db.prepare(
      `SELECT ${COLUMNS}, newest FROM states WHERE key = ? AND "offset" <= ? ORDER BY "offset" DESC LIMIT 1`,
    )
    this.#db.run('BEGIN')
    // SQLite's moment is the first read, not the BEGIN.
    this.#db.query('SELECT count(*) FROM marks').get()
  }

  /** An actor's newest state up to an offset, and whether it has a newer one; null for none. */
  load(key: string, through: number): Readonly<{ state: StoredState; isNewest: boolean }> | null {
    const row = this.#newest.get(key, through)
    return row && { state: stateOf(row), isNewest: row.newest === 1 }
  }

  /** All marks, by name. */
  marks(): readonly Readonly<{ name: string; value: Uint8Array }>[] {
    return this.#db
      .query<{ name: string; value: Uint8Array }, []>('SELECT name, value FROM marks ORDER BY name')
      .all()
  }

  close(): void {
    this.#newest.finalize()
    this.#db.run('COMMIT')
    this.#db.close()
  }
}
