import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { batchOf, signal } from '../conformance-bench.ts'
import type { ClickHouse } from './engine.ts'
import { sampleRetry } from './fact-samples.ts'
import { ClickHouseReader } from './reader.ts'
import { migrate, SCHEMA_VERSION } from './schema.ts'
import { ClickHouseSink } from './sink.ts'
import { MIGRATIONS } from './tables.ts'
import { openTestClickHouse } from './testing.ts'

let engine: ClickHouse
beforeAll(async () => {
  engine = await openTestClickHouse()
  await migrate(engine)
})
afterAll(() => engine.close())

const columns = async (table: string): Promise<string[]> =>
  (await engine.query(`DESCRIBE TABLE ${table}`)).map(([name, type]) => `${name} ${type}`)

describe('silver tables', () => {
  test('begin with the documented columns, in the documented order', async () => {
    expect((await columns('sessions_base')).slice(0, 8)).toEqual([
      'session_id String',
      'vehicle_id String',
      'order_id String',
      'start_lat Float64',
      'start_lon Float64',
      'end_lat Float64',
      'end_lon Float64',
      "created_at DateTime64(3, 'UTC')",
    ])
    expect((await columns('session_events')).slice(0, 4)).toEqual([
      'session_id String',
      'status String',
      "timestamp DateTime64(3, 'UTC')",
      'event_id String',
    ])
    expect((await columns('session_movements')).slice(0, 5)).toEqual([
      'session_id String',
      'current_lat Float64',
      'current_lon Float64',
      "timestamp DateTime64(3, 'UTC')",
      'movement_id String',
    ])
  })

  test('show windows of regions with their columns in the documented order, and trips as StreamPulse names them', async () => {
    const names = async (table: string): Promise<string> =>
      (await columns(table)).map((column) => column.split(' ')[0]).join(' ')
    expect(await names('region_windows')).toStartWith(
      'region_id window_start window_size_s trip_count avg_fare total_distance avg_duration p50_duration ' +
        'p95_duration total_fare min_fare max_fare min_duration max_duration min_distance max_distance ' +
        'late_count final revision ',
    )
    expect(await names('trips')).toStartWith(
      'trip_id region_id event_time fare duration distance pickup_lat pickup_lon dropoff_lat dropoff_lon ' +
        'driver_id vehicle_type payment_method ',
    )
    expect((await columns('trips')).slice(1, 3)).toEqual([
      'region_id UInt16',
      "event_time DateTime64(6, 'UTC')",
    ])
  })

  test('have the names and columns that PacketPulse wrote', async () => {
    expect(await columns('sessions')).toEqual([
      'session_id String',
      'vehicle_id String',
      'order_id String',
      "event_started DateTime64(3, 'UTC')",
      'start_lat Float64',
      'start_lon Float64',
      'end_lat Float64',
      'end_lon Float64',
    ])
    expect(await columns('orders')).toEqual([
      'order_id String',
      'status String',
      "completed_at DateTime64(3, 'UTC')",
    ])
    expect(await columns('vehicles')).toEqual([
      'vehicle_id String',
      "first_seen DateTime64(3, 'UTC')",
    ])
  })

  test('resolve unqualified and with the name of the database', async () => {
    for (const name of [
      'sessions_base',
      'session_events',
      'session_movements',
      'dead_letters',
      'trips',
      'region_windows',
    ]) {
      expect(await engine.query(`SELECT count() FROM ${name}`)).toEqual([['0']])
      expect(await engine.query(`SELECT count() FROM ${engine.database}.${name}`)).toEqual([['0']])
    }
  })
})

describe('migrations', () => {
  test('run once, and a second start finds the version', async () => {
    expect(await migrate(engine)).toBe(SCHEMA_VERSION)
    expect(await engine.query('SELECT count() FROM schema_migrations')).toEqual([
      [String(SCHEMA_VERSION)],
    ])
  })

  test('a later version is applied on top', async () => {
    const own = await openTestClickHouse()
    expect(await migrate(own)).toBe(0)
    const later = [
      ...MIGRATIONS,
      {
        name: 'note',
        statements: ['ALTER TABLE dead_letters ADD COLUMN IF NOT EXISTS note String'],
      },
    ]
    expect(await migrate(own, later)).toBe(SCHEMA_VERSION)
    expect(await own.query('SELECT count(note) FROM dead_letters')).toEqual([['0']])
    expect(migrate(own)).rejects.toMatchObject({ code: 'schema_newer', retriable: false })
    await own.close()
  })

  test('tables of version 1 get what is new, and keep what they hold', async () => {
    const own = await openTestClickHouse()
    expect(await migrate(own, MIGRATIONS.slice(0, 1))).toBe(0)
    await own.command(
      "INSERT INTO dead_letters (id, code, raw, received_at, source, offset) VALUES ('0-7-0', 'invalid_ping', '{}', now64(3), 'depot', 7)",
    )
    await own.command(
      "INSERT INTO sink_progress (sink, partition, offset) VALUES ('clickhouse', 0, 7)",
    )
    const sink = new ClickHouseSink(own)
    expect(await sink.open(0, signal())).toBe(7)
    expect(await migrate(own)).toBe(SCHEMA_VERSION)
    const reader = new ClickHouseReader(own)
    expect(await reader.openDeadLetters({ limit: 9 })).toHaveLength(1)
    const letter = { partition: 0, offset: 7, part: 0 }
    await sink.write(batchOf(8, 9, [sampleRetry({ offset: 9, letter })]), signal())
    expect(await reader.deadLetters({ limit: 9 })).toMatchObject([
      { id: '0-7-0', retries: 1, outcome: 'accepted' },
    ])
    await own.close()
  })

  test('a start that was cut between two statements is made good', async () => {
    const own = await openTestClickHouse()
    const [first] = MIGRATIONS
    for (const statement of first?.statements.slice(0, 3) ?? []) await own.command(statement)
    expect(await migrate(own)).toBe(0)
    expect(await own.query('SELECT count() FROM vehicles')).toEqual([['0']])
    await own.close()
  })
})
