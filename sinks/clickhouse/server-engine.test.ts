import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { silentLog } from '../../actors/kernel/telemetry.ts'
import { rejection } from '../conformance-bench.ts'
import { IntColumn } from './columns.ts'
import { runConsoleQuery } from './console.ts'
import { type ClickHouse, numberOf } from './engine.ts'
import { migrate, SCHEMA_VERSION } from './schema.ts'
import { runAlone } from './server-lock.ts'
import { openClickHouseServer } from './server-open.ts'
import { openTestHttp } from './server-stores.ts'
import { openTestClickHouse } from './testing.ts'

let kept: ClickHouse
beforeAll(async () => {
  kept = await openTestClickHouse()
})
afterAll(() => kept.close())

const TABLE =
  'CREATE TABLE t (i Int64) ENGINE = MergeTree ORDER BY i ' +
  'SETTINGS non_replicated_deduplication_window = 100'

function numbers(...values: readonly number[]) {
  const column = new IntColumn('i')
  for (const value of values) column.add(value)
  return [column.column()]
}

describe('the engine over HTTP', () => {
  test('sends its settings with each request, and compresses rows when it is told to', async () => {
    const { server, engine } = await openTestHttp({ compress: true })
    await engine.command(TABLE)
    server.seen.length = 0
    await engine.insert({ table: 't', columns: numbers(1), token: 'it’s & a=b' })
    const [insert] = server.seen
    expect(insert?.encoding).toBe('zstd')
    expect(insert?.sql).toBe('INSERT INTO t (`i`) FORMAT ArrowStream')
    expect(Object.fromEntries(insert?.params ?? [])).toMatchObject({
      insert_deduplication_token: 'it’s & a=b',
      insert_deduplicate: '1',
      async_insert: '0',
      wait_end_of_query: '1',
    })
    await engine.query('SELECT 1')
    expect(server.seen.at(-1)?.params.has('insert_deduplication_token')).toBe(false)
    expect(server.seen.every(({ params }) => !params.has('session_id'))).toBe(true)
    await engine.close()
  })

  test('copies the columns, so that their memory may be used again', async () => {
    const { engine } = await openTestHttp()
    await engine.command(TABLE)
    const column = new IntColumn('i')
    for (let batch = 0; batch < 3; batch += 1) {
      column.clear()
      column.add(batch)
      await engine.insert({ table: 't', columns: [column.column()], token: `b${batch}` })
    }
    expect(await engine.query('SELECT i FROM t ORDER BY i')).toEqual([['0'], ['1'], ['2']])
    await engine.close()
  })

  test('keeps no more connections than it was told, and what waits is bounded', async () => {
    const { server, engine } = await openTestHttp({ readers: 3, writers: 2 })
    const asked = Array.from({ length: 60 }, (_, at) => engine.query(`SELECT ${at}`))
    expect((await Promise.all(asked)).flat()).toEqual(asked.map((_, at) => [at]))
    // One more opened the database.
    expect(server.connectionsMax).toBeLessThanOrEqual(4)
    server.fault = () => 'hang before'
    const many = Array.from({ length: 1_010 }, () => rejection(engine.query('SELECT 1')))
    expect(await many.at(-1)).toMatchObject({ code: 'busy', retriable: true })
    server.fault = () => null
    server.release()
    expect((await Promise.all(many)).filter((thrown) => thrown !== null)).toHaveLength(7)
    await engine.close()
  })

  test('says within its time-outs that the server does not answer', async () => {
    const { server, engine } = await openTestHttp({ timeouts: { queryMs: 50, openMs: 1_500 } })
    server.fault = () => 'hang before'
    expect(await rejection(engine.query('SELECT 1'))).toMatchObject({
      name: 'ClickHouseError',
      clickhouseCode: 159,
      outcome: 'unknown',
      retriable: true,
    })
    expect(await engine.health()).toMatch(
      /^ClickHouse at http:\/\/127\.0\.0\.1:\d+ does not answer \(no answer within 1500 ms\): check/,
    )
    server.fault = () => null
    expect(await engine.health()).toBeNull()
    await engine.close()
  })

  test('waits for a connection no longer than for an answer, and is asked how it is beside all that', async () => {
    const { server, engine } = await openTestHttp({ readers: 1, timeouts: { queryMs: 1_000 } })
    server.fault = ({ sql }) => (sql === 'SELECT 2' ? 'hang before' : null)
    const asked = Array.from({ length: 5 }, () => rejection(engine.query('SELECT 2')))
    expect(await engine.health()).toBeNull()
    const outcomes = (await Promise.all(asked)).map((thrown) =>
      Reflect.get(Object(thrown), 'outcome'),
    )
    expect(outcomes).toContain('not sent')
    expect(new Set(outcomes)).toEqual(new Set(['unknown', 'not sent']))
    server.fault = () => null
    expect(await engine.query('SELECT 2')).toEqual([[2]])
    await engine.close()
  })

  test('takes an answer that was cut off for a failure, however it was cut', async () => {
    const { server, engine } = await openTestHttp()
    server.fault = () => 'cut within'
    const cut = await rejection(engine.query('SELECT number FROM numbers(100000)'))
    expect(cut).toMatchObject({ name: 'ClickHouseError', outcome: 'unknown' })
    server.fault = () => null
    expect(await engine.query('SELECT number FROM numbers(100000)')).toHaveLength(100_000)
    await engine.close()
  })

  test('does a definition once when its answer is lost, and a question again', async () => {
    const { server, engine } = await openTestHttp()
    const faults: ('cut after' | null)[] = ['cut after', null, null]
    server.fault = () => faults.shift() ?? null
    server.seen.length = 0
    expect(await rejection(engine.command(TABLE))).toMatchObject({ outcome: 'unknown' })
    expect(server.seen).toHaveLength(1)
    faults.push('cut after')
    expect(await engine.query('SELECT count() FROM t')).toEqual([['0']])
    expect(server.seen.length).toBeGreaterThan(1)
    await engine.close()
  })
})

describe('opening', () => {
  const open = (options: object) =>
    openClickHouseServer({
      host: '127.0.0.1',
      user: 'default',
      password: '',
      database: 'default',
      log: silentLog,
      ...options,
    })

  test('says what to check when the password is wrong, and never the password', async () => {
    const { server, engine } = await openTestHttp({ user: 'orrery', password: 'right-one' })
    const wrong = { port: server.port, user: 'orrery', password: 'wrong-one' }
    const error = await rejection(open(wrong))
    expect(error).toMatchObject({ code: 'clickhouse_open', retriable: false })
    expect(String(error)).toContain('check CLICKHOUSE_USER and CLICKHOUSE_PASSWORD')
    expect(Bun.inspect(error, { depth: 9 })).not.toContain('wrong-one')
    await engine.close()
  })

  test('says where nobody listens, and that it may pass', async () => {
    const free = Bun.listen({ hostname: '127.0.0.1', port: 0, socket: { data() {} } })
    const { port } = free
    free.stop(true)
    const error = await rejection(open({ port }))
    expect(error).toMatchObject({ code: 'clickhouse_open', retriable: true })
    expect(String(error)).toMatch(/127\.0\.0\.1:\d+ does not answer .*CLICKHOUSE_PORT \(8123\)/)
  })

  test('knows the port of the native protocol by its answer', async () => {
    const native = Bun.serve({
      port: 0,
      fetch: () =>
        new Response(
          'Port 9000 is for clickhouse-client program.\r\nYou must use port 8123 for HTTP.',
          {
            status: 400,
          },
        ),
    })
    const error = await rejection(open({ port: native.port }))
    expect(String(error)).toContain(
      'CLICKHOUSE_PORT is the HTTP port (8123, with TLS 8443), not 9000',
    )
    await native.stop(true)
  })

  test('makes a database that is missing, and refuses names that are none', async () => {
    const { server, engine } = await openTestHttp()
    const database = `${engine.database}_made`
    const made = await open({ port: server.port, database })
    expect(await made.query('SELECT currentDatabase()')).toEqual([[database]])
    await made.command(`DROP DATABASE ${database} SYNC`)
    await made.close()
    expect(await rejection(open({ database: 'a; DROP' }))).toMatchObject({ code: 'config' })
    expect(await rejection(open({ url: 'ftp://x' }))).toMatchObject({ code: 'config' })
    await engine.close()
  })
})

describe('migrations', () => {
  test('of four processes that start at once are made by one of them', async () => {
    const { server, engine } = await openTestHttp()
    const port = { host: '127.0.0.1', port: server.port, user: 'default', password: '' }
    const { database } = engine
    const others = await Promise.all(
      [1, 2, 3].map(() => openClickHouseServer({ ...port, database, log: silentLog })),
    )
    await Promise.all([engine, ...others].map((each) => migrate(each)))
    expect(
      await engine.query('SELECT version, count() FROM schema_migrations GROUP BY 1 ORDER BY 1'),
    ).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, at) => [at + 1, '1']))
    expect(await engine.query('EXISTS TABLE migration_lock')).toEqual([[0]])
    for (const other of others) await other.close()
    await engine.close()
  })

  test('go on when the one who made them died, once its lock is too old', async () => {
    const { engine } = await openTestHttp()
    await engine.command(
      "CREATE TABLE migration_lock (held Bool) ENGINE = MergeTree ORDER BY held COMMENT 'another'",
    )
    const { definition } = engine.shared
    const options = { engine, definition, holder: 'this', log: silentLog }
    const waiting = runAlone({ ...options, waitMsMax: 0 }, async () => {})
    expect(await rejection(waiting)).toMatchObject({ code: 'schema_locked', retriable: true })
    expect(await runAlone({ ...options, staleMs: -1 }, async () => 7)).toBe(7)
    expect(await engine.query('EXISTS TABLE migration_lock')).toEqual([[0]])
    await engine.close()
  })

  test('know their own lock though the answer was lost', async () => {
    const { server, engine } = await openTestHttp()
    let lost = 0
    server.fault = ({ sql }) => {
      if (!sql.startsWith('CREATE TABLE migration_lock') || lost > 0) return null
      lost += 1
      return 'cut after'
    }
    expect(await migrate(engine)).toBe(0)
    expect(await migrate(engine)).toBe(SCHEMA_VERSION)
    expect(lost).toBe(1)
    await engine.close()
  })

  test('wait for inserts that a process which is gone has left running', async () => {
    const { engine } = await openTestHttp()
    await migrate(engine)
    await engine.command(TABLE)
    const slow = engine.command(
      'INSERT INTO t SELECT number FROM numbers(4) WHERE sleepEachRow(0.1) = 0 ' +
        `SETTINGS log_comment = 'orrery insert ${engine.database}'`,
    )
    let running = 0
    while (running === 0) {
      const [row] = await engine.query(
        "SELECT count() FROM system.processes WHERE Settings['log_comment'] LIKE 'orrery insert%'",
      )
      running = numberOf(row?.[0])
    }
    await migrate(engine)
    expect(await engine.query('SELECT count() FROM t')).toEqual([['4']])
    await slow
    await engine.close()
  })
})

describe('a person’s statement on a server', () => {
  test('is read-only and bounded there, and reaches no database but ours', async () => {
    const { server, engine } = await openTestHttp()
    await engine.command(TABLE)
    const run = (sql: string) => rejection(runConsoleQuery({ engine, sql, format: 'TSV' }))
    expect(await run('SELECT count() FROM t')).toBeNull()
    expect(await run(`SELECT count() FROM ${engine.database}.t`)).toBeNull()
    expect(server.seen.at(-1)?.params.get('readonly')).toBe('1')
    expect(Number(server.seen.at(-1)?.params.get('max_result_rows'))).toBeGreaterThan(0)
    for (const sql of [
      `SELECT * FROM ${kept.database}.t`,
      `SELECT 1 IN ${kept.database}.t`,
      `SELECT * FROM numbers(1), \`${kept.database}\`.t`,
      `SELECT * FROM "${kept.database}" . t`,
    ]) {
      expect(await run(sql)).toMatchObject({ code: 'sql_refused' })
    }
    // Behind the fence: what the server itself does not let through.
    expect(await rejection(engine.ask('DROP TABLE t', 'TSV'))).toMatchObject({
      clickhouseCode: 164,
    })
    await engine.close()
  })
})
