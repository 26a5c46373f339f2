import { Database } from 'bun:sqlite'

import type { Clock } from '../../actors/kernel/clock.ts'

const TRY_EVERY_MS = 100

/**
 * Runs the work while nobody else, of any process, runs theirs under the same file. The lock is a transaction
 * of SQLite: the system takes it back from a process that was killed, so that none is ever left over.
 */
export async function locked<T>(
  file: string,
  clock: Clock,
  onWait: () => void,
  work: () => Promise<T>,
): Promise<T> {
  const database = new Database(file, { create: true })
  try {
    database.run('PRAGMA busy_timeout = 0')
    for (let tries = 0; !begun(database); tries++) {
      if (tries === 0) onWait()
      const { promise, resolve } = Promise.withResolvers<void>()
      clock.after(TRY_EVERY_MS, resolve)
      await promise
    }
    return await work()
  } finally {
    database.close()
  }
}

function begun(database: Database): boolean {
  try {
    database.run('BEGIN EXCLUSIVE')
    return true
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'SQLITE_BUSY') return false
    throw thrown
  }
}
