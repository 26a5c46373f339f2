import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import {
  type ClickHouseClient,
  ClickHouseError,
  ClickHouseLogLevel,
  createClient,
} from '@clickhouse/client'

import { rejection } from '../conformance-bench.ts'
import { ClickHouseTestServer } from './server-testing.ts'
import { openTestPlace, type TestPlace } from './testing.ts'

let place: TestPlace
let server: ClickHouseTestServer
let client: ClickHouseClient

beforeAll(async () => {
  place = await openTestPlace()
  server = await ClickHouseTestServer.open({ directory: place.directory, password: 'secret' })
  client = connect({})
  await client.command({
    query: 'CREATE TABLE t (i UInt64, s String) ENGINE = MergeTree ORDER BY i',
  })
})
afterAll(async () => {
  await client.close()
  await server.close()
  await place.engine.close()
})

const connect = (options: object): ClickHouseClient =>
  createClient({
    url: `http://127.0.0.1:${server.port}`,
    password: 'secret',
    log: { level: ClickHouseLogLevel.OFF },
    database: place.engine.database,
    ...options,
  })

describe('the test server speaks what the client does', () => {
  test('ping, by its path and by a question', async () => {
    expect(await client.ping()).toMatchObject({ success: true })
    expect(await client.ping({ select: true })).toMatchObject({ success: true })
  })

  for (const codec of ['gzip', 'zstd'] as const) {
    test(`rows in and out, compressed by ${codec}`, async () => {
      const compressed = connect({ compression: { request: { codec }, response: { codec } } })
      await compressed.command({ query: 'TRUNCATE TABLE t' })
      const values = Array.from({ length: 500 }, (_, i) => ({ i: String(i), s: `it's\n\n${i} 🛵` }))
      await compressed.insert({ table: 't', values, format: 'JSONEachRow' })
      expect(server.seen.at(-1)?.encoding).toBe(codec)
      const found = await compressed.query({
        query: 'SELECT * FROM t ORDER BY i',
        format: 'JSONEachRow',
        clickhouse_settings: { output_format_json_quote_64bit_integers: 1 },
      })
      expect(await found.json<unknown>()).toEqual(values)
      await compressed.close()
    })
  }

  test('parameters, whatever they hold', async () => {
    const text = "it's \\ a\ttab\nand {x}"
    const found = await client.query({
      query: 'SELECT {text: String} AS text, {numbers: Array(Int32)} AS numbers',
      query_params: { text, numbers: [1, 2] },
      format: 'JSONEachRow',
    })
    expect(await found.json<unknown>()).toEqual([{ text, numbers: [1, 2] }])
  })

  test('settings for one request, and others for a session', async () => {
    const setting = async (session_id?: string): Promise<unknown> => {
      const query = "SELECT getSetting('max_threads') AS n"
      const found = await client.query({
        query,
        format: 'JSONCompactEachRow',
        ...(session_id !== undefined && { session_id }),
      })
      return (await found.json<unknown>())[0]
    }
    const usual = await setting()
    await client.command({ query: 'SELECT 1', clickhouse_settings: { max_threads: 3 } })
    expect(await setting()).toEqual(usual)
    await client.command({ query: 'SET max_threads = 5', session_id: 'one' })
    expect(String(await setting('one'))).toBe('5')
    expect(await setting('two')).toEqual(usual)
  })

  test('errors with code and name, settings that are none, and who may not enter', async () => {
    const failing = async (options: object): Promise<unknown> => {
      const error = await rejection(client.command({ query: 'SELECT 1', ...options }))
      expect(error).toBeInstanceOf(ClickHouseError)
      return error
    }
    expect(await failing({ query: 'SELECT * FROM missing' })).toMatchObject({
      code: '60',
      type: 'UNKNOWN_TABLE',
    })
    expect(await failing({ query: 'SELEC 1' })).toMatchObject({ code: '62' })
    expect(await failing({ clickhouse_settings: { no_such_setting: 1 } })).toMatchObject({
      code: '115',
      type: 'UNKNOWN_SETTING',
    })
    const auth = { username: 'default', password: 'wrong' }
    expect(await failing({ auth })).toMatchObject({ code: '516', type: 'AUTHENTICATION_FAILED' })
    const elsewhere = connect({ database: 'missing' })
    expect(await rejection(elsewhere.command({ query: 'SELECT 1' }))).toMatchObject({ code: '81' })
    await elsewhere.close()
  })

  test('a summary of what was read', async () => {
    const { summary } = await client.command({ query: 'SELECT count() FROM numbers(1000)' })
    expect(Number(summary?.read_rows)).toBeGreaterThan(0)
  })
})
