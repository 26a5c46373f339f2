import { silentLog } from '../../actors/kernel/telemetry.ts'
import type { ClickHouse } from './engine.ts'
import type { ClickHouseServer, ServerOptions } from './server-engine.ts'
import { openClickHouseServer } from './server-open.ts'
import { ClickHouseTestServer } from './server-testing.ts'
import { openTestPlace, type TestPlace } from './testing.ts'

/** A test's own server, and an engine that asks it. Closing the engine closes all of it. */
export type TestHttp = Readonly<{ server: ClickHouseTestServer; engine: ClickHouseServer }>

/** Opens a server over a place, and connects to it. */
export async function openTestHttp(
  options: Partial<ServerOptions> = {},
  place?: TestPlace,
): Promise<TestHttp> {
  const { engine: kept, directory } = place ?? (await openTestPlace())
  const { user = 'default', password = '' } = options
  const server = await ClickHouseTestServer.open({ directory, user, password })
  const engine = await openClickHouseServer({
    host: '127.0.0.1',
    port: server.port,
    user,
    password,
    database: kept.database,
    log: silentLog,
    ...options,
  })
  const close = engine.close.bind(engine)
  engine.close = async () => {
    await close()
    await server.close()
    await kept.close()
  }
  return { server, engine }
}

/** The store of tests that go through HTTP. */
export async function throughHttp(place: TestPlace): Promise<ClickHouse> {
  return (await openTestHttp({}, place)).engine
}

let databases = 0

/** The store of tests that go to a server which is there already: each has a database of its own. */
export function elsewhere(options: Omit<ServerOptions, 'database' | 'log'>) {
  return async ({ engine: kept }: TestPlace): Promise<ClickHouse> => {
    databases += 1
    const database = `orrery_test_${process.pid}_${databases}`
    const engine = await openClickHouseServer({ ...options, database, log: silentLog })
    const close = engine.close.bind(engine)
    engine.close = async () => {
      await engine.command(
        `${engine.shared.definition(`DROP DATABASE IF EXISTS ${database}`)} SYNC`,
      )
      await close()
      await kept.close()
    }
    return engine
  }
}
