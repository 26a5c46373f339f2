import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import type { Fact } from '../../actors/model/fact.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import { runConsoleQuery } from './console.ts'
import type { ClickHouse } from './engine.ts'
import { sampleMovement } from './fact-samples.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

/**
 * Models in the manner of PacketPulse's dbt: views over `sessions`, `orders`, `vehicles` and
 * `session_movements` by their older names and columns, with the functions that its models use.
 */
const MODELS: Readonly<Record<string, string>> = {
  active_sessions: `
    WITH latest AS (
      SELECT session_id, status, event_tsp, current_lat, current_lon
      FROM session_movements
      ORDER BY session_id, event_tsp DESC
      LIMIT 1 BY session_id
    ), measured AS (
      SELECT s.session_id AS session_id, s.vehicle_id AS vehicle_id, s.order_id AS order_id,
        l.status AS order_status, s.event_started AS start_time, l.event_tsp AS last_update_time,
        round(greatCircleDistance(l.current_lon, l.current_lat, s.end_lon, s.end_lat) / 1000, 2)
          AS distance_to_destination_km,
        dateDiff('second', s.event_started, l.event_tsp) AS elapsed_seconds,
        round(greatCircleDistance(s.start_lon, s.start_lat, l.current_lon, l.current_lat)
          / greatest(elapsed_seconds, 1) * 3.6, 2) AS avg_speed_kmh
      FROM sessions AS s
      INNER JOIN latest AS l ON s.session_id = l.session_id
      WHERE l.status IN ('started', 'en_route')
    )
    SELECT session_id, vehicle_id, order_id, order_status, start_time, last_update_time,
      distance_to_destination_km, toTime64(elapsed_seconds, 0) AS elapsed_time, avg_speed_kmh,
      toTime64(toUInt32(ceil(distance_to_destination_km * 1000
        / greatest(avg_speed_kmh / 3.6, 0.1))), 0) AS eta
    FROM measured`,
  session_summary: `
    SELECT s.session_id AS session_id, s.vehicle_id AS vehicle_id, s.order_id AS order_id,
      l.status AS status, s.event_started AS start_time,
      if(o.status = 'completed', o.completed_at, l.last_tsp) AS end_time,
      dateDiff('second', start_time, end_time) AS duration_seconds,
      round(greatCircleDistance(s.start_lon, s.start_lat,
        if(o.status = 'completed', s.end_lon, l.last_lon),
        if(o.status = 'completed', s.end_lat, l.last_lat)) / 1000, 2) AS total_distance_km,
      round(total_distance_km / nullIf(duration_seconds, 0) * 3600, 2) AS avg_speed_kmh
    FROM sessions AS s
    LEFT JOIN orders AS o ON s.order_id = o.order_id
    LEFT JOIN (
      SELECT session_id, max(event_tsp) AS last_tsp, argMax(status, event_tsp) AS status,
        argMax(current_lat, event_tsp) AS last_lat, argMax(current_lon, event_tsp) AS last_lon
      FROM session_movements GROUP BY session_id
    ) AS l ON s.session_id = l.session_id
    WHERE o.status = 'completed' OR (l.last_tsp IS NOT NULL AND duration_seconds > 0)`,
  kpi_aggregates: ['Day', 'Week', 'Month']
    .map(
      (period) => `
    SELECT toDate(toStartOf${period}(start_time)) AS period_start, period_start AS period_end,
      lower('${period}') AS period_type, count() AS sessions_completed,
      round(avg(duration_seconds), 2) AS avg_duration_sec,
      round(sum(total_distance_km), 2) AS total_distance_km,
      round(avg(avg_speed_kmh), 2) AS avg_speed_kmh
    FROM session_summary GROUP BY period_start`,
    )
    .join(' UNION ALL '),
  fleet_summary: `
    SELECT v.vehicle_id AS vehicle_id, min(v.first_seen) AS first_seen,
      max(m.last_tsp) AS last_updated, max(m.moving) AS is_active,
      count(DISTINCT s.session_id) AS trips, round(sum(m.km), 2) AS total_km
    FROM vehicles AS v
    LEFT JOIN sessions AS s ON v.vehicle_id = s.vehicle_id
    LEFT JOIN (
      SELECT session_id, max(event_tsp) AS last_tsp,
        max(if(status IN ('started', 'en_route'), 1, 0)) AS moving,
        greatCircleDistance(min(current_lon), min(current_lat), max(current_lon),
          max(current_lat)) / 1000 AS km
      FROM session_movements GROUP BY session_id
    ) AS m ON s.session_id = m.session_id
    GROUP BY v.vehicle_id`,
}

const MS = 1_790_000_000_000
let engine: ClickHouse

/** A session of three fixes, ten minutes apart; completed or still on its way. */
function sessionFacts(index: number, completed: boolean): Fact[] {
  const sessionId = `session-${index}`
  const offset = index * 3
  const names = { partition: 0, offset, sessionId, receivedMs: MS }
  const statuses = ['started', 'en_route', completed ? 'completed' : 'en_route'] as const
  const moves = statuses.map((status, step) =>
    sampleMovement({
      sessionId,
      offset: offset + step,
      movementId: `0000000${step}-0000-8000-8000-00000000000${index}`,
      status,
      lat: 37.9 + step * 0.05,
      lng: 23.7,
      eventTimeUs: (MS + step * 600_000) * 1_000,
    }),
  )
  const header: Fact = {
    ...names,
    kind: 'header',
    part: 1,
    revision: 0,
    vehicleId: `vehicle-${index % 2}`,
    orderId: `order-${index}`,
    deviceId: `device-${index}`,
    startLat: 37.9,
    startLng: 23.7,
    endLat: 38,
    endLng: 23.7,
    createdAtUs: MS * 1_000,
  }
  const event = (status: 'started' | 'completed', atMs: number, part: number): Fact => ({
    ...names,
    kind: 'status',
    part,
    eventId: `event-${index}-${status}`,
    revision: 0,
    status,
    from: null,
    eventTimeUs: atMs * 1_000,
  })
  const events = [event('started', MS, 2)]
  if (completed) events.push(event('completed', MS + 1_200_000, 3))
  return [header, ...events, ...moves]
}

beforeAll(async () => {
  engine = await openTestClickHouse()
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  const facts = [0, 1, 2].flatMap((index) => sessionFacts(index, index < 2))
  await sink.write(batchOf(0, 8, facts), signal())
  for (const [name, sql] of Object.entries(MODELS)) {
    await engine.command(`CREATE VIEW ${name} AS ${sql}`)
  }
})
afterAll(() => engine.close())

const columns = async (view: string): Promise<string[]> =>
  (await engine.query(`DESCRIBE TABLE ${view}`)).map(([name, type]) => `${name} ${type}`)
const answer = async (sql: string): Promise<unknown> =>
  JSON.parse(
    Buffer.from(await runConsoleQuery({ engine, sql, format: 'JSONCompactEachRow' })).toString(),
  )

describe('gold models in PacketPulse’s manner run over the compatibility names', () => {
  test('active_sessions', async () => {
    expect(await columns('active_sessions')).toEqual([
      'session_id String',
      'vehicle_id String',
      'order_id String',
      'order_status String',
      "start_time DateTime64(3, 'UTC')",
      "last_update_time DateTime64(3, 'UTC')",
      'distance_to_destination_km Float64',
      'elapsed_time Time64(0)',
      'avg_speed_kmh Float64',
      'eta Time64(0)',
    ])
    const [id, , , status, , , , elapsed] = Object.values(
      Object(await answer('SELECT * FROM active_sessions')),
    )
    expect([id, status, elapsed]).toEqual(['session-2', 'en_route', '00:20:00'])
  })

  test('session_summary', async () => {
    expect((await columns('session_summary')).slice(4)).toEqual([
      "start_time DateTime64(3, 'UTC')",
      "end_time DateTime64(3, 'UTC')",
      'duration_seconds Int64',
      'total_distance_km Float64',
      'avg_speed_kmh Nullable(Float64)',
    ])
    expect(
      await answer(
        'SELECT count(), sum(duration_seconds), max(avg_speed_kmh) FROM session_summary',
      ),
    ).toEqual([3, 3_600, 33.36])
  })

  test('kpi_aggregates', async () => {
    expect(
      await answer("SELECT sessions_completed FROM kpi_aggregates WHERE period_type = 'month'"),
    ).toEqual([3])
    expect((await columns('kpi_aggregates')).slice(0, 4)).toEqual([
      'period_start Date',
      'period_end Date',
      'period_type String',
      'sessions_completed UInt64',
    ])
  })

  test('fleet_summary', async () => {
    expect(
      await answer("SELECT trips, is_active FROM fleet_summary WHERE vehicle_id = 'vehicle-0'"),
    ).toEqual([2, 1])
  })

  test('movements have the names id and event_tsp, and SELECT * has the documented columns first', async () => {
    expect(
      await answer(
        'SELECT toTypeName(id), id, event_tsp = timestamp FROM session_movements LIMIT 1',
      ),
    ).toEqual(['UUID', '00000000-0000-8000-8000-000000000000', 1])
    expect(
      await answer('SELECT event_tsp = timestamp FROM (SELECT * FROM session_movements LIMIT 1)'),
    ).toEqual([1])
    expect((await engine.query('SELECT * FROM session_movements LIMIT 1'))[0]?.slice(0, 5)).toEqual(
      ['session-0', 37.9, 23.7, '2026-09-21 14:13:20.000', '00000000-0000-8000-8000-000000000000'],
    )
  })
})
