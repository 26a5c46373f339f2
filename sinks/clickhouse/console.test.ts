import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { batchOf, signal } from '../conformance-bench.ts'
import { CONSOLE_FORMATS, oneLine, runConsoleQuery } from './console.ts'
import type { ClickHouse } from './engine.ts'
import { sampleFacts } from './fact-samples.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

const SECRET = 'canary-of-the-host'
let engine: ClickHouse
let folder: string
let hits = 0
let server: ReturnType<typeof Bun.serve>

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orrery-console-'))
  await writeFile(join(folder, 'secret.txt'), `${SECRET}\n`)
  server = Bun.serve({
    port: 0,
    hostname: '127.0.0.1',
    fetch() {
      hits += 1
      return new Response(SECRET)
    },
  })
  engine = await openTestClickHouse()
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  await sink.write(batchOf(0, 29, sampleFacts(0, 29, 1)), signal())
})
afterAll(async () => {
  await engine.close()
  await server.stop(true)
  await rm(folder, { recursive: true })
})

const run = async (sql: string, format = 'TSV'): Promise<string> =>
  Buffer.from(await runConsoleQuery({ engine, sql, format })).toString('utf8')

describe('the console answers', () => {
  const answers: readonly (readonly [string, string])[] = [
    ['SELECT count() FROM session_movements', '30\n'],
    ['select count() from session_movements;', '30\n'],
    ['  SELECT 1 -- a comment\n /* and\n another */ ; ;\n', '1\n'],
    ["SELECT ';', ' FORMAT JSON', '-- no'", ';\t FORMAT JSON\t-- no\n'],
    ['SELECT 1 AS x FORMAT JSONEachRow', '{"x":1}\n'],
    ['SELECT 1 AS x\nformat CsvWithNames\n;', '"x"\n1\n'],
    ['WITH 2 AS two SELECT two + number FROM numbers(2)', '2\n3\n'],
    ['(SELECT 1) UNION ALL (SELECT 1)', '1\n1\n'],
    ['SELECT number FROM numbers(3) ORDER BY number DESC', '2\n1\n0\n'],
    ['SELECT 1, 1, count() FROM numbers(3)', '1\t1\t3\n'],
    ['SELECT x FROM (SELECT 1 AS y) ARRAY JOIN arrayMap(i -> i * 2, [1, 2]) AS x', '2\n4\n'],
    ["SELECT trim(BOTH ' ' FROM ' a '), extract(DAY FROM toDate('2026-01-09'))", 'a\t9\n'],
    ["SELECT 'it''s', $$dollar$$, \"x\" FROM (SELECT 3 AS x)", "it\\'s\tdollar\t3\n"],
    ['SELECT 1 IS NOT DISTINCT FROM 1', '1\n'],
    ["SELECT uniq(status) FROM session_movements WHERE status IN ('started', 'completed')", '2\n'],
    ['FROM session_movements SELECT count()', '30\n'],
    ['EXISTS TABLE session_movements', '1\n'],
    ['SELECT count() FROM trips', '5\n'],
    ['SELECT countDistinct(region_id), max(window_size_s) FROM region_windows', '5\t3600\n'],
    [
      'SELECT final, revision, late_count FROM region_windows WHERE region_id = 8 AND window_size_s = 60',
      'true\t2\t1\n',
    ],
    ['SELECT sum(trips) > 0 FROM region_late', '1\n'],
    ["SHOW TABLES LIKE 'region_w%'", 'region_window_versions\nregion_windows\n'],
    ["SHOW TABLES LIKE 'session_m%'", 'session_movements\n'],
    ['SELECT max(x) FROM generateSeries(1, 4) AS t(x)', ''],
  ]
  for (const [sql, answer] of answers.slice(0, -1)) {
    test(JSON.stringify(sql), async () => expect(await run(sql)).toBe(answer))
  }

  test('of tables: what they are, and how they were made', async () => {
    expect(await run('DESCRIBE TABLE sessions_base')).toStartWith('session_id\tString')
    expect(await run(`DESC ${engine.database}.session_events`)).toStartWith('session_id\tString')
    expect(await run('SHOW CREATE TABLE dead_letters', 'TSVRaw')).toContain('ENGINE = MergeTree')
    expect(await run('SHOW COLUMNS FROM session_movements')).toContain('movement_id')
    expect(await run('EXPLAIN SELECT count() FROM session_movements')).not.toBe('')
    expect(await run('EXPLAIN PIPELINE graph = 0 SELECT 1')).not.toBe('')
  })

  for (const format of CONSOLE_FORMATS) {
    test(`in format ${format}`, async () => {
      const bytes = await runConsoleQuery({ engine, sql: "SELECT 'a\u00e9' AS text", format })
      if (format !== 'Null') expect(bytes.length).toBeGreaterThan(0)
    })
  }

  test('binary formats byte for byte', async () => {
    const sql = "SELECT toUInt8(255), toUInt16(2570), unhex('00ff0a0a80')"
    const bytes = await runConsoleQuery({ engine, sql, format: 'RowBinary' })
    expect(Buffer.from(bytes).toString('hex')).toBe('ff0a0a0500ff0a0a80')
  })
})

describe('the console refuses', () => {
  const inFile = (): string => join(folder, 'secret.txt')
  const outFile = (): string => join(folder, 'written.txt')
  const url = (): string => `http://127.0.0.1:${server.port}/x`
  const attempts: readonly (() => string)[] = [
    // Files, by function, table function, name, alias, lambda, APPLY, heredoc, quoting, comments.
    () => `SELECT file('${inFile()}')`,
    () => `SELECT FILE('${inFile()}')`,
    () => "SELECT `file`('" + inFile() + "')",
    () => `SELECT "file"('${inFile()}')`,
    () => `SELECT fi/**/le('${inFile()}')`,
    () => `SELECT file/* */ ('${inFile()}')`,
    () => `SELECT file($x$${inFile()}$x$)`,
    () => `SELECT arrayMap(file, ['${inFile()}'])`,
    () => `SELECT arrayMap(x -> file(x), ['${inFile()}'])`,
    () => `SELECT * APPLY file FROM (SELECT '${inFile()}' AS a)`,
    () => `SELECT * APPLY(file) FROM (SELECT '${inFile()}' AS a)`,
    () => `SELECT COLUMNS('a') APPLY x -> file(x) FROM (SELECT '${inFile()}' AS a)`,
    () => `WITH file AS f SELECT f('${inFile()}')`,
    () => `SELECT '${inFile()}' AS a, a.file()`,
    () => `SELECT * FROM file('${inFile()}', 'LineAsString')`,
    () => `SELECT * FROM file('${inFile()}', LineAsString) SETTINGS readonly = 0`,
    () => `SELECT * FROM (SELECT * FROM file('${inFile()}', 'LineAsString') SETTINGS readonly = 0)`,
    () => `SELECT * FROM '${inFile()}'`,
    () => 'SELECT * FROM `' + inFile() + '`',
    () => `SELECT * FROM "${inFile()}"`,
    () => `SELECT * FROM numbers(1), '${inFile()}'`,
    () => `SELECT * FROM numbers(1) JOIN '${inFile()}' ON 1`,
    () => `SELECT 1 IN (SELECT * FROM file('${inFile()}', 'LineAsString'))`,
    () => `SELECT (SELECT * FROM file('${inFile()}', 'LineAsString'))`,
    () => `SELECT * FROM view(SELECT * FROM file('${inFile()}', 'LineAsString'))`,
    () => `SELECT * FROM viewIfPermitted(SELECT file('${inFile()}') ELSE null('x String'))`,
    () => `SELECT * FROM eval('SELECT file(''${inFile()}'')')`,
    () => `SELECT * FROM loop(file('${inFile()}', 'LineAsString'))`,
    () => `SELECT * FROM numbers(1), eval('SELECT 1')`,
    () => `SELECT * FROM fuzzQuery('SELECT 1')`,
    () => `SELECT * FROM icebergLocal('${folder}')`,
    () => `SELECT * FROM deltaLakeLocal('${folder}')`,
    () => `SELECT * FROM filesystem('${folder}')`,
    () => `SELECT * FROM executable('cat', 'TSV', 'a String')`,
    () => `SELECT * FROM sqlite('${inFile()}', 'x')`,
    () => `SELECT * FROM fileCluster('default', '${inFile()}', 'LineAsString')`,
    () => `DESCRIBE file('${inFile()}')`,
    () => `DESCRIBE TABLE file('${inFile()}', 'CSV')`,
    () => `DESCRIBE (SELECT file('${inFile()}'))`,
    () => `EXPLAIN SELECT file('${inFile()}')`,
    () => `EXPLAIN QUERY TREE SELECT file('${inFile()}')`,
    () => `EXPLAIN SYNTAX SELECT * FROM file('${inFile()}', 'LineAsString')`,
    () => `EXPLAIN SELECT 1 INTO OUTFILE '${outFile()}'`,
    // Writing.
    () => `SELECT 1 INTO OUTFILE '${outFile()}'`,
    () => `SELECT 1 INTO OUTFILE '${outFile()}' TRUNCATE FORMAT CSV`,
    () => `(SELECT 1 INTO OUTFILE '${outFile()}')`,
    () => `SELECT 1) INTO OUTFILE '${outFile()}' --`,
    () => `SELECT 1\n) INTO OUTFILE '${outFile()}' FORMAT CSV\n(`,
    () => `INSERT INTO FUNCTION file('${outFile()}', 'CSV') SELECT 1`,
    () => "INSERT INTO session_alerts (session_id) VALUES ('x')",
    () => 'TRUNCATE TABLE session_movements',
    () => 'TRUNCATE TABLE trips',
    () => 'DROP VIEW region_windows',
    () => 'DROP TABLE session_movements',
    () => 'ALTER TABLE session_movements DELETE WHERE 1',
    () => 'CREATE TABLE evil (a Int8) ENGINE = MergeTree ORDER BY a',
    () => 'CREATE TEMPORARY TABLE evil (a Int8)',
    () => `CREATE VIEW evil SQL SECURITY NONE AS SELECT * FROM file('${inFile()}')`,
    () => 'CREATE FUNCTION evil AS x -> x',
    () => 'OPTIMIZE TABLE session_movements',
    () => 'DELETE FROM session_movements WHERE 1',
    () => "UPDATE session_movements SET status = 'x' WHERE 1",
    // The network.
    () => `SELECT * FROM url('${url()}', 'LineAsString')`,
    () => `SELECT * FROM numbers(1), url('${url()}', 'LineAsString')`,
    () => `SELECT * FROM s3('${url()}', 'LineAsString')`,
    () => `SELECT * FROM remote('127.0.0.1:${server.port}', 'system', 'one')`,
    () => `SELECT * FROM (SELECT * FROM url('${url()}', 'LineAsString') SETTINGS readonly = 0)`,
    () => `SELECT * FROM mysql('127.0.0.1:${server.port}', 'a', 'b', 'c', 'd')`,
    () => `SELECT * FROM redis('127.0.0.1:${server.port}', 'k', 'k String')`,
    () => `SELECT aiGenerate('x', '${url()}')`,
    // Other tables and the engine itself.
    () => 'SELECT * FROM system.tables',
    () => 'SELECT * FROM `system`.`processes`',
    () => 'SELECT * FROM "SYSTEM".one',
    () => 'SELECT * FROM information_schema.tables',
    () => 'SELECT * FROM INFORMATION_SCHEMA.COLUMNS',
    () => "SELECT * FROM merge('system', '^processes$')",
    () => "SELECT * FROM numbers(1), merge('system', '^one$')",
    () => "SELECT * FROM dictionary('x')",
    () => `SELECT * FROM mergeTreeIndex(${'default'}, session_movements)`,
    () => "SELECT * FROM cluster('default', 'system', 'one')",
    () => 'SHOW TABLES FROM system',
    () => 'SHOW CREATE TABLE system.tables',
    () => 'DESCRIBE TABLE system.users',
    () => 'SHOW GRANTS',
    () => 'SHOW PROCESSLIST',
    () => "SHOW SETTINGS LIKE '%'",
    () => 'KILL QUERY WHERE 1',
    () => 'SYSTEM SHUTDOWN',
    () => 'SYSTEM STOP MERGES',
    () => "ATTACH TABLE x FROM '/tmp/x' (a Int8) ENGINE = MergeTree ORDER BY a",
    () => 'USE system',
    () => "BACKUP TABLE session_movements TO Disk('x', 'y')",
    // Settings and several statements.
    () => 'SET readonly = 0',
    () => 'SELECT 1; SELECT 2',
    () => 'SELECT 1; SET readonly = 0',
    () => 'SET readonly = 0; SELECT 1',
    () => 'SELECT 1 SETTINGS max_execution_time = 0',
    () => 'SELECT (SELECT 1 SETTINGS max_rows_to_read = 0)',
    () => "SELECT getServerSetting('max_server_memory_usage')",
    () => 'SELECT sleep(3)',
    () => 'SELECT arrayMap(sleepEachRow, [3])',
    () => "SELECT hasColumnInTable('system', 'one', 'dummy')",
    () => "SELECT catboostEvaluate('/x', 1)",
    () => 'SELECT 1 FORMAT CapnProto',
    () => 'SELECT 1 FORMAT Template',
    () => 'SELECT 1 FORMAT JSON FORMAT CSV',
    () => 'SELECT 1 PARALLEL WITH SELECT 2',
    () => '',
    () => ';;',
    () => '-- nothing',
    () => 'SELECT \u0000 1',
    () => "SELECT 'open",
    () => 'SELECT `open',
  ]
  test('has at least sixty ways out to try', () => expect(attempts.length).toBeGreaterThan(60))
  for (const [index, attempt] of attempts.entries()) {
    test(`${index}: ${attempt.toString().slice(6)}`, async () => {
      const error = await run(attempt()).then(
        (answer) => `answered: ${answer}`,
        (thrown: unknown) => thrown,
      )
      expect(error).toMatchObject({ name: 'OrreryError' })
      expect(['sql_refused', 'sql_failed']).toContain(Reflect.get(Object(error), 'code'))
      expect(String(error)).not.toContain(SECRET)
      expect(String(error)).not.toContain('\n')
      expect(existsSync(outFile())).toBe(false)
      expect(hits).toBe(0)
    })
  }

  test('and afterwards everything is as it was', async () => {
    expect(await run('SELECT count() FROM session_movements')).toBe('30\n')
    expect(await engine.query('SELECT 1')).toEqual([[1]])
  })
})

describe('the console holds its limits', () => {
  const bombs = [
    'SELECT count() FROM numbers(100000000000)',
    'SELECT groupArray(number) FROM numbers(1000000000)',
    "SELECT repeat('x', 1000000000), range(500000000)",
    'SELECT number FROM numbers(2000000)',
    `SELECT ${'('.repeat(3_000)}1${')'.repeat(3_000)}`,
    `SELECT '${'x'.repeat(100_000)}'`,
    'WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r',
  ]
  for (const sql of bombs) {
    test(sql.slice(0, 70), async () => {
      const error = await run(sql).catch((thrown: unknown) => thrown)
      expect(['sql_refused', 'sql_failed']).toContain(Reflect.get(Object(error), 'code'))
      expect(String(error)).not.toContain('\n')
    })
  }
})

describe('an error is one clear line', () => {
  test('for a name that is wrong', async () => {
    expect(run('SELECT nam FROM sessions_base')).rejects.toThrow(/^Unknown expression.*`?nam`?/)
    expect(run('SELECT 1 FROM sesions_base')).rejects.toThrow(/^Unknown table.*sesions_base/)
  })

  test('for a statement that cannot be read', async () => {
    expect(run('SELEC 1')).rejects.toThrow(/^Syntax error: failed at position/)
    expect(run('SELECT 1 FORMAT Nonsense')).rejects.toThrow(/^format Nonsense is not known/)
    expect(run('DROP TABLE x')).rejects.toThrow(/^DROP is not allowed: only SELECT/)
  })

  test('without code, version or scope', () => {
    expect(
      oneLine(
        "Code: 60. DB::Exception: Unknown table expression identifier 'x' in scope SELECT * FROM x. (UNKNOWN_TABLE) (version 26.7.2.1 (official build))",
      ),
    ).toBe("Unknown table expression identifier 'x'")
  })
})
