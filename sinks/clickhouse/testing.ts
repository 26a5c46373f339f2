import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { silentLog } from '../../actors/kernel/telemetry.ts'
import { openChdb } from './chdb-engine.ts'
import {
  type ClickHouse,
  ClickHouseError,
  type Insert,
  type Row,
  type SharedStore,
} from './engine.ts'

let directory: Promise<string> | null = null
let databases = 0
let open = 0

/** The engine in this process on an empty database of its own, and where its files are. */
export type TestPlace = Readonly<{ engine: ClickHouse; directory: string }>

/** What stands between a test and its place: a server over it, or one elsewhere. */
export type TestStore = (place: TestPlace) => Promise<ClickHouse>

let store: TestStore | null = null

/** From now on tests get their engine through `through`; null puts the engine in this process back. */
export function useTestStore(through: TestStore | null): void {
  store = through
}

/**
 * An engine on an empty database of its own, for tests. All tests of a process share the one engine that
 * chDB allows, in a temporary directory that goes when the last of them closes (`bun test` fires no exit
 * event): a file with many tests opens one for itself first, so that the engine stays up between them.
 * The working directory stays, so Iceberg tables cannot be read here: those tests run in a child process.
 */
export async function openTestClickHouse(): Promise<ClickHouse> {
  const place = await openTestPlace()
  return store ? store(place) : place.engine
}

/** The place of a test, whatever store it goes through. */
export async function openTestPlace(): Promise<TestPlace> {
  directory ??= mkdtemp(join(tmpdir(), 'orrery-chdb-'))
  const made = directory
  databases += 1
  open += 1
  const database = `test_${databases}`
  const engine = await openChdb({
    directory: await made,
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
    open -= 1
    if (open > 0) return
    directory = null
    await rm(await made, { recursive: true, force: true })
  }
  return { engine, directory: await made }
}

/** An engine that is killed at a named point: what came before is stored, nothing after it happens. */
export class CrashingEngine implements ClickHouse {
  readonly database: string
  readonly shared?: SharedStore
  readonly #engine: ClickHouse
  #point: string | null = null
  inserts = 0

  constructor(engine: ClickHouse) {
    this.#engine = engine
    this.database = engine.database
    if (engine.shared) this.shared = engine.shared
  }

  crashAt(point: string): void {
    this.#point = point
  }

  async command(sql: string): Promise<void> {
    if (this.#point !== null && sql.includes('sink_progress')) {
      if (this.#point === 'after the offset, before the answer') await this.#engine.command(sql)
      throw new ClickHouseError('crash', null)
    }
    await this.#engine.command(sql)
  }

  async insert(insert: Insert): Promise<void> {
    this.inserts += 1
    const movements = insert.table === 'session_movements'
    if (this.#point === 'before anything') throw new ClickHouseError('crash', null)
    if (this.#point === 'after movements alone' && !movements) {
      throw new ClickHouseError('crash', null)
    }
    if (this.#point === 'after late marks alone' && insert.table !== 'region_late') {
      throw new ClickHouseError('crash', null)
    }
    if (this.#point === 'after windows alone' && insert.table !== 'region_window_versions') {
      throw new ClickHouseError('crash', null)
    }
    if (this.#point === 'before movements' && movements) throw new ClickHouseError('crash', null)
    await this.#engine.insert(insert)
  }

  query(sql: string): Promise<readonly Row[]> {
    return this.#engine.query(sql)
  }

  ask(sql: string, format: string): Promise<Uint8Array> {
    return this.#engine.ask(sql, format)
  }

  close(): Promise<void> {
    return this.#engine.close()
  }
}
