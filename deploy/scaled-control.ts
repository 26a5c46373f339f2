import { OrreryError } from '../actors/kernel/errors.ts'
import { createControlApp, serveControl } from '../gateway/control.ts'
import type { Control, RolePorts } from '../gateway/ports.ts'
import type { RoleApp } from '../gateway/role-app.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import type { Secrets } from './secrets.ts'

/** Relative to the data folder, where the process works: the path of a Unix socket must be short. */
const CONTROL_SOCKET = 'control.sock'
const FLUSH_MS_MAX = 30_000
/** A question waits no longer for what is on its way to the stores. */
const FRESH_MS_MAX = 5_000

export type ScaledControlOptions = Readonly<{
  ports: RolePorts
  app: RoleApp
  accounts: Secrets
  /** Null where this process has none. */
  engine: ClickHouse | null
  /** As of the process: whether what was received until now can be asked for. */
  queryable: (withinMs: number) => Promise<boolean>
}>

/** Serves what the owner of this machine asks: SQL over the server's tables, a key, a flush. */
export function serveScaledControl(
  options: ScaledControlOptions,
): Readonly<{ stop(): Promise<void> }> {
  const { ports, app, accounts, engine, queryable } = options
  const control: Control = {
    async sql(sql, format) {
      if (!engine) {
        const message = `a process with ROLES=${ports.roles} has no tables: ask a worker's or a web's data folder`
        throw new OrreryError('no_tables', message)
      }
      await queryable(FRESH_MS_MAX)
      const { runConsoleQuery } = await import('../sinks/clickhouse/console.ts')
      return runConsoleQuery({ engine, sql, format })
    },
    async flush() {
      if (await queryable(FLUSH_MS_MAX)) return
      const message = `not stored within ${FLUSH_MS_MAX} ms, or not known here; see /health of a web process`
      throw new OrreryError('not_stored', message, { retriable: true })
    },
    mintKey: () => accounts.mintKey('local'),
  }
  const all = { ...ports.shared, ...ports.ingest, ...ports.views }
  return serveControl(createControlApp(all, control, app), CONTROL_SOCKET)
}
