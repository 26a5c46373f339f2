import { Database, type Statement } from 'bun:sqlite'

import type { StoredState } from './state-store.ts'

const COLUMNS = 'key, "offset", version, timer_ms, live, state'
const LIVE_PAGE = 500
const BUSY_MS = 1_000

type Row = Readonly<{
  key: string
  offset: number
  version: number
  timer_ms: number | null
  live: number
  state: Uint8Array
}>

/** The reading side of the store: short look-ups that never wait for the writer. */
export class StateReader {
  readonly #db: Database
  readonly #load: Statement<Row, [string]>
  readonly #due: Statement<Row, [number, number]>
  readonly #live: Statement<Row, [string, number]>
  readonly #mark: Statement<{ value: Uint8Array }, [string]>

  constructor(path: string) {
    this.#db = new Database(path, { readwrite: true, create: false })
    this.#db.run(`PRAGMA busy_timeout = ${BUSY_MS}`)
    this.#db.run('PRAGMA query_only = 1')
    this.#db.run('PRAGMA cache_size = -16000')
    const select = `SELECT ${COLUMNS} FROM states WHERE`
    this.#load = this.#db.prepare(`${select} key = ? ORDER BY "offset" DESC LIMIT 1`)
    this.#due = this.#db.prepare(
      `${select} newest = 1 AND timer_ms IS NOT NULL AND timer_ms <= ? ORDER BY timer_ms LIMIT ?`,
    )
    this.#live = this.#db.prepare(
      `${select} newest = 1 AND live = 1 AND key > ? ORDER BY key LIMIT ?`,
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

  /** By pages, so that an iteration that stops early holds nothing open. */
  *live(): Generator<StoredState> {
    let after = ''
    for (;;) {
      const rows = this.#live.all(after, LIVE_PAGE)
      yield* rows.map(stateOf)
      const last = rows.at(-1)
      if (!last || rows.length < LIVE_PAGE) return
      after = last.key
    }
  }

  close(): void {
    this.#db.close()
  }
}

function stateOf(row: Row): StoredState {
  const { key, offset, version, state } = row
  return { key, offset, version, state, timerMs: row.timer_ms, live: row.live === 1 }
}
