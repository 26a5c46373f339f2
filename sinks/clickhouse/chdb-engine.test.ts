import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { seededRandom } from '../../actors/kernel/clock.ts'
import { BoolColumn, BytesColumn, FloatColumn, IntColumn, TextColumn } from './columns.ts'
import { runConsoleQuery } from './console.ts'
import { type Cell, type ClickHouse, numberOf } from './engine.ts'
import { sqlInt, sqlText } from './sql-text.ts'
import { openTestClickHouse } from './testing.ts'

const TABLE =
  "CREATE TABLE t (i Int64, f Nullable(Float64), b Bool, s String, r String, at DateTime64(3, 'UTC')) " +
  'ENGINE = MergeTree ORDER BY i SETTINGS non_replicated_deduplication_window = 100'

let kept: ClickHouse
beforeAll(async () => {
  kept = await openTestClickHouse()
})
afterAll(() => kept.close())

describe('columns', () => {
  test('come back bit for bit, with a builder used again and again', async () => {
    const engine = await openTestClickHouse()
    await engine.command(TABLE)
    const random = seededRandom(3)
    const texts = ['', 'plain', 'Ζωή 🛵', '\ud83d', '\udef5', "\n\n'\\\t\0", 'x'.repeat(300)]
    const builders = {
      i: new IntColumn('i', 'int', 4),
      f: new FloatColumn('f', 4),
      b: new BoolColumn('b', 4),
      s: new TextColumn('s', 4),
      r: new BytesColumn('r'),
      at: new IntColumn('at', 'time', 4),
    }
    const expected: Cell[][] = []
    for (const [batch, length] of [3, 100, 9, 1].entries()) {
      for (const builder of Object.values(builders)) builder.clear()
      for (let row = 0; row < length; row += 1) {
        const i = Math.floor((random() - 0.5) * 2 ** 53)
        const f = row % 3 === 0 ? null : (random() - 0.5) * 10 ** Math.floor(random() * 600 - 300)
        const b = random() < 0.5
        // The second batch has text beyond ASCII, the first and third none.
        const s = texts[batch === 1 ? row % texts.length : 1] ?? ''
        const r = Uint8Array.from({ length: row % 7 }, () => Math.floor(random() * 256))
        const at = Math.floor((random() - 0.2) * 2e12)
        builders.i.add(i)
        builders.f.add(f)
        builders.b.add(b)
        builders.s.add(s)
        builders.r.add(r)
        builders.at.add(at)
        const utf8 = Buffer.from(s).toString('hex')
        expected.push([String(i), f, b, utf8, Buffer.from(r).toString('hex'), String(at)])
      }
      const columns = Object.values(builders).map((builder) => builder.column())
      await engine.insert({ table: 't', columns, token: `batch ${batch} it's` })
    }
    const rows = await engine.query(
      'SELECT i, f, b, lower(hex(s)), lower(hex(r)), toUnixTimestamp64Milli(at) FROM t ORDER BY i',
    )
    expect(rows.map((row) => [...row])).toEqual(
      expected.sort((a, b) => Number(a[0]) - Number(b[0])),
    )
    await engine.close()
  })

  test('with a token that was there already are not stored again, and the next without is', async () => {
    const engine = await openTestClickHouse()
    await engine.command(TABLE)
    const insert = async (value: number, token: string): Promise<void> => {
      const column = new IntColumn('i')
      column.add(value)
      await engine.insert({ table: 't', columns: [column.column()], token })
    }
    await insert(1, 'a')
    await insert(2, 'a')
    await engine.command('INSERT INTO t (i) VALUES (3)')
    await insert(4, 'b')
    expect(await engine.query('SELECT i FROM t ORDER BY i')).toEqual([['1'], ['3'], ['4']])
    await engine.close()
  })
})

describe('literals', () => {
  test('are the text that went in, whatever it holds', async () => {
    const engine = await openTestClickHouse()
    const random = seededRandom(8)
    const alphabet = [
      "'",
      '\\',
      '\0',
      '\n',
      '`',
      '"',
      '-',
      ';',
      '🛵',
      'é',
      ' ',
      'n',
      '0',
      '{',
      '$',
      '?',
    ]
    const texts = Array.from({ length: 300 }, () =>
      Array.from(
        { length: Math.floor(random() * 12) },
        () => alphabet[Math.floor(random() * alphabet.length)] ?? '',
      ).join(''),
    )
    const rows = await engine.query(`SELECT ${texts.map(sqlText).join(', ')}`)
    expect(rows).toEqual([texts])
    await engine.close()
  })

  test('of numbers are whole numbers only', () => {
    expect(sqlInt(-5)).toBe('-5')
    for (const bad of [1.5, Number.NaN, Infinity, 2 ** 60]) expect(() => sqlInt(bad)).toThrow()
  })
})

describe('the engine', () => {
  test('says what failed, and whether trying again may help', async () => {
    const engine = await openTestClickHouse()
    expect(engine.query('SELECT * FROM missing')).rejects.toMatchObject({
      code: 'clickhouse',
      clickhouseCode: 60,
      retriable: false,
    })
    expect(engine.query('SELECT range(100000000000)')).rejects.toMatchObject({ retriable: true })
    expect(
      engine.query("SELECT * FROM file('/etc/hostname', 'LineAsString')"),
    ).rejects.toMatchObject({ clickhouseCode: 497 })
    await engine.close()
    expect(() => engine.query('SELECT 1')).toThrow('closed')
  })

  test('gives an answer that is all its own after one that was cut off', async () => {
    const engine = await openTestClickHouse()
    const cut = 'SELECT number FROM numbers(1200000)'
    for (let turn = 0; turn < 3; turn += 1) {
      const failed = runConsoleQuery({ engine, sql: cut, format: 'TSV' })
      expect(failed).rejects.toMatchObject({ code: 'sql_failed' })
      await failed.catch(() => {})
      const answer = await runConsoleQuery({ engine, sql: 'SELECT 7', format: 'TSV' })
      expect(Buffer.from(answer).toString()).toBe('7\n')
      const ours = engine.query('SELECT throwIf(number = 900000), number FROM numbers(1000000)')
      expect(await ours.catch(() => 'failed')).toBe('failed')
      expect(await engine.query('SELECT 8')).toEqual([[8]])
    }
    await engine.close()
  })

  test('runs our questions while a person’s long statement runs, and closing stops that', async () => {
    const engine: ClickHouse = await openTestClickHouse()
    const sql = 'SELECT count() FROM numbers(1900000000) WHERE NOT ignore(sipHash64(number, 1, 2))'
    const long = runConsoleQuery({ engine, sql, format: 'TSV' }).catch((thrown: unknown) => thrown)
    let running = 0
    while (running === 0) {
      const rows = await engine.query(
        // Neither this question nor the one that reads the statement.
        "SELECT count() FROM system.processes WHERE query LIKE '(%1900000000%'",
      )
      running = numberOf(rows[0]?.[0])
    }
    const startMs = performance.now()
    await engine.close()
    expect(performance.now() - startMs).toBeLessThan(5_000)
    expect(await long).toMatchObject({ code: 'sql_failed' })
  })
})
