import { describe, expect, test } from 'bun:test'

import { forServer, OPTIONAL_SETTINGS } from './server-cluster.ts'
import { sqlText } from './sql-text.ts'
import { MIGRATIONS } from './tables.ts'
import { openTestClickHouse } from './testing.ts'

const all = MIGRATIONS.flatMap(({ statements }) => statements)
const known = new Set(OPTIONAL_SETTINGS)

describe('statements for one server', () => {
  test('are what they are', () => {
    for (const sql of all) {
      expect(forServer(sql, { clusterName: null, tableSettings: known })).toBe(sql)
    }
  })

  test('have no setting that an older server does not know', () => {
    const older = all.map((sql) => forServer(sql, { clusterName: null, tableSettings: new Set() }))
    expect(all.join('\n')).toContain('merge_selector_base')
    expect(older.join('\n')).not.toContain('merge_selector_base')
    // Nothing else is gone.
    const without = all.map((sql) => sql.replace(/,\s*merge_selector_base = 10/, ''))
    expect(older).toEqual(without)
  })
})

describe('statements for a cluster', () => {
  const kind = { clusterName: 'fleet', tableSettings: known }
  const made = all.map((sql) => forServer(sql, kind))

  test('run on each of its hosts', () => {
    for (const sql of made) expect(sql).toMatch(/^\w+(?: \w+)* \w+ ON CLUSTER fleet\b/)
  })

  test('are read by ClickHouse as what they are meant to be', async () => {
    const engine = await openTestClickHouse()
    for (const sql of made) {
      const [row] = await engine.query(`SELECT formatQuerySingleLine(${sqlText(sql)})`)
      expect(String(row?.[0])).toContain(' ON CLUSTER fleet ')
    }
    await engine.close()
  })

  test('make replicated tables, with a window of tokens that is replicated too', () => {
    const tables = made.filter((sql) => sql.startsWith('CREATE TABLE'))
    expect(tables.length).toBeGreaterThan(8)
    for (const sql of tables) {
      expect(sql).toMatch(
        /ENGINE = Replicated(?:Replacing)?MergeTree\('\/clickhouse\/tables\/\{shard\}\/\{database\}\/\{table\}', '\{replica\}'(?:, [\w`]+)?\)\s/,
      )
      expect(sql).not.toContain('non_replicated')
      if (!sql.includes(' sink_progress ')) {
        expect(sql).toContain('replicated_deduplication_window = 10000')
        expect(sql).toContain('replicated_deduplication_window_seconds = 604800')
      }
    }
  })

  test('keep the version of rows that replace each other', () => {
    const headers = made.find((sql) => sql.includes(' session_headers '))
    expect(headers).toContain(
      "ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', revision)\n",
    )
    const progress = made.find((sql) => sql.includes(' sink_progress '))
    expect(progress).toContain("'{replica}', `offset`)\n")
  })

  test('of other kinds: rows go to one host, and an unknown one is not guessed', () => {
    const insert = "INSERT INTO schema_migrations (version, name) VALUES (1, 'x')"
    expect(forServer(insert, kind)).toBe(insert)
    expect(forServer('DROP TABLE IF EXISTS migration_lock', kind)).toBe(
      'DROP TABLE IF EXISTS migration_lock ON CLUSTER fleet',
    )
    expect(forServer('CREATE DATABASE IF NOT EXISTS silver', kind)).toBe(
      'CREATE DATABASE IF NOT EXISTS silver ON CLUSTER fleet',
    )
    expect(() => forServer('RENAME TABLE a TO b', kind)).toThrow('not known how to run')
  })
})
