import { sqlText } from './sql-text.ts'

type Running = { readonly comment: string; stopped: boolean }

/**
 * Inserts of a test server whose rows are still on their way. A server has them among its processes from when
 * their statement is there; the engine in the process gets them with their last row only.
 */
export class RunningInserts {
  readonly #running = new Map<string, Running>()

  begin(id: string, comment: string): void {
    this.#running.set(id, { comment, stopped: false })
  }

  end(id: string): void {
    this.#running.delete(id)
  }

  /** A stopped one stays among the processes until its sender is heard of: it waits for the socket. */
  isStopped(id: string): boolean {
    return this.#running.get(id)?.stopped === true
  }

  /** What a statement means for these: it may stop some of them, and ask for all processes. */
  meet(sql: string): string {
    const named = /^KILL QUERY WHERE query_id IN \(([^)]*)\)/.exec(sql)?.[1]
    for (const [id, running] of this.#running) {
      if (named?.includes(sqlText(id))) running.stopped = true
    }
    if (this.#running.size === 0) return sql
    const rows = [...this.#running].map(
      ([id, { comment }]) =>
        ` UNION ALL SELECT ${sqlText(id)}, '', CAST(map('log_comment', ${sqlText(comment)}), '${SETTINGS}')`,
    )
    const all = `SELECT query_id, query, CAST(Settings, '${SETTINGS}') AS Settings FROM system.processes${rows.join('')}`
    return sql.replaceAll('FROM system.processes', () => `FROM (${all})`)
  }
}

/** The type of a process's settings. */
const SETTINGS = 'Map(LowCardinality(String), LowCardinality(String))'
