import { type Clock, systemClock } from '../../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { type ClickHouse, ClickHouseError, numberOf, textOf } from './engine.ts'
import { ServerError } from './server-errors.ts'
import { sqlText } from './sql-text.ts'

const TABLE = 'migration_lock'
const TABLE_ALREADY_EXISTS = 57

export type LockOptions = Readonly<{
  engine: Pick<ClickHouse, 'command' | 'query'>
  /** Rewrites a statement for the server. */
  definition(sql: string): string
  /** Names this process among all. */
  holder: string
  clock?: Clock
  log: Log
  /** How long a lock is believed: longer than any migration takes. */
  staleMs?: number
  waitMsMax?: number
}>

/**
 * Runs a task while no other process does. The lock is a table: of many that make it, one succeeds, and on
 * a cluster the queue of definitions says which. A lock older than `staleMs` was left by a process that
 * died. Should that be wrong, two processes run migrations at once; each statement of theirs may run twice.
 */
export async function runAlone<T>(options: LockOptions, task: () => Promise<T>): Promise<T> {
  await take(options)
  try {
    return await task()
  } finally {
    await drop(options).catch((thrown: unknown) => {
      options.log.warn({ table: TABLE, error: messageOf(thrown) }, 'lock is not given back')
    })
  }
}

async function take(options: LockOptions): Promise<void> {
  const { clock = systemClock, staleMs = 120_000, waitMsMax = 180_000 } = options
  const startMs = clock.monotonicMs()
  while (!(await make(options))) {
    const found = await look(options)
    // Made by this process, though the answer was lost.
    if (found?.holder === options.holder) return
    if (found && found.ageMs > staleMs) {
      options.log.warn({ ...found, staleMs }, 'migration lock is taken over')
      await drop(options)
      continue
    }
    if (clock.monotonicMs() - startMs > waitMsMax) {
      throw new OrreryError('schema_locked', `${found?.holder ?? TABLE} is changing the tables`, {
        retriable: true,
      })
    }
    await new Promise<void>((resolve) => void clock.after(100, resolve))
  }
}

async function make({ engine, definition, holder }: LockOptions): Promise<boolean> {
  try {
    // Its engine is not the definition's to replace: the lock has no rows to replicate.
    const create = definition(`CREATE TABLE ${TABLE} (held Bool)`)
    await engine.command(`${create} ENGINE = MergeTree ORDER BY held COMMENT ${sqlText(holder)}`)
    return true
  } catch (thrown) {
    if (thrown instanceof ClickHouseError && thrown.clickhouseCode === TABLE_ALREADY_EXISTS) {
      return false
    }
    // Whether the lock was made is not known: looking will tell.
    if (thrown instanceof ServerError && thrown.outcome === 'unknown') return false
    throw thrown
  }
}

async function drop({ engine, definition }: LockOptions): Promise<void> {
  await engine.command(`${definition(`DROP TABLE IF EXISTS ${TABLE}`)} SYNC`)
}

async function look({
  engine,
}: LockOptions): Promise<Readonly<{ holder: string; ageMs: number }> | null> {
  // One that is being made or dropped this moment has no file, and its time is 0: that is no age.
  const made = 'toUnixTimestamp(metadata_modification_time)'
  const [row] = await engine.query(
    `SELECT comment, if(${made} = 0, 0, toUnixTimestamp(now()) - ${made}) * 1000 ` +
      `FROM system.tables WHERE database = currentDatabase() AND name = ${sqlText(TABLE)}`,
  )
  return row ? { holder: textOf(row[0]), ageMs: numberOf(row[1]) } : null
}
