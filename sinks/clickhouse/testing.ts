import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { silentLog } from '../../actors/kernel/telemetry.ts'
import { openChdb } from './chdb-engine.ts'
import type { ClickHouse } from './engine.ts'

let directory: Promise<string> | null = null
let databases = 0

/**
 * An engine on an empty database of its own, for tests. All tests of a process share the one engine that
 * chDB allows, in one temporary directory that goes when the process ends. `close` drops the database.
 * The working directory stays, so Iceberg tables cannot be read here: those tests run in a child process.
 */
export async function openTestClickHouse(): Promise<ClickHouse> {
  directory ??= makeDirectory()
  databases += 1
  const database = `test_${databases}`
  const engine = await openChdb({
    directory: await directory,
    database,
    memoryBytesMax: 2_000_000_000,
    workingDirectory: null,
    writers: 1,
    readers: 1,
    log: silentLog,
  })
  const close = engine.close.bind(engine)
  engine.close = async () => {
    await engine.command(`DROP DATABASE ${database} SYNC`)
    await close()
  }
  return engine
}

async function makeDirectory(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), 'orrery-chdb-'))
  process.on('exit', () => rmSync(made, { recursive: true, force: true }))
  return made
}
