import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { assertNever, OrreryError } from '../../actors/kernel/errors.ts'
import type { Fact, TripFact } from '../../actors/model/fact.ts'
import type { RegionWindow } from '../../actors/model/window.ts'
import { batchOf, rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import { type ClickHouse, ClickHouseError } from './engine.ts'
import { sampleFacts, sampleMovement } from './fact-samples.ts'
import { migrate } from './schema.ts'
import { CLICKHOUSE_LIMITS, ClickHouseSink, readAcknowledged } from './sink.ts'
import { CrashingEngine, openTestClickHouse } from './testing.ts'

function fingerprints(fact: Fact): string[] {
  if (fact.kind !== 'windows') return [fingerprint(fact)]
  const named = [fact.offset, fact.part, fact.regionId]
  const rows = [
    ...fact.windows.map((window) => ['window', ...named, ...windowCells(window)]),
    ...fact.lateMarks.map((mark, at) => [
      'late',
      ...named,
      at,
      mark.startMs,
      mark.sizeS,
      mark.count,
    ]),
  ]
  return rows.map((row) => JSON.stringify(row.map(String)))
}

function windowCells(window: RegionWindow): readonly unknown[] {
  return [
    window.startMs / 1_000,
    window.sizeS,
    window.tripCount,
    window.avgFare,
    window.totalDistance,
    window.avgDuration,
    window.p50Duration,
    window.p95Duration,
    window.totalFare,
    window.minFare,
    window.maxFare,
    window.minDuration,
    window.maxDuration,
    window.minDistance,
    window.maxDistance,
    window.lateCount,
    window.final,
    window.revision,
  ]
}

function tripCells({ trip, late, counted, receivedMs }: TripFact): readonly unknown[] {
  const { extras } = trip
  return [
    trip.tripId,
    trip.regionId,
    trip.eventTimeUs,
    trip.eventTimeUs,
    trip.fareUsd,
    trip.durationS,
    trip.distanceKm,
    extras?.pickupLat ?? null,
    extras?.pickupLng ?? null,
    extras?.dropoffLat ?? null,
    extras?.dropoffLng ?? null,
    extras?.driverId ?? '',
    extras?.vehicleType ?? '',
    extras?.paymentMethod ?? '',
    late,
    counted,
    receivedMs,
  ]
}

function fingerprint(fact: Fact): string {
  const cells = (): readonly unknown[] => {
    switch (fact.kind) {
      case 'movement':
        return [
          fact.sessionId,
          fact.movementId,
          fact.status,
          fact.lat,
          fact.lng,
          fact.eventTimeUs,
          fact.distanceCm,
          fact.speedKmh,
          fact.headingDeg,
          fact.travelledCm,
          fact.remainingCm,
          fact.late,
        ]
      case 'header':
        return [
          fact.sessionId,
          fact.vehicleId,
          fact.orderId,
          fact.deviceId,
          fact.startLat,
          fact.endLng,
          fact.createdAtUs,
        ]
      case 'status':
        return [fact.sessionId, fact.eventId, fact.status, fact.from ?? '', fact.eventTimeUs]
      case 'alert':
        return [fact.sessionId, fact.alert, fact.dueMs, fact.firedMs, fact.late]
      case 'dead_letter':
        return [
          fact.code,
          fact.path,
          fact.expected,
          fact.received,
          fact.message,
          Buffer.from(fact.raw).toString('hex'),
          fact.truncated,
          fact.source,
          fact.receivedMs,
        ]
      case 'retry':
        return [
          fact.letter.partition,
          fact.letter.offset,
          fact.letter.part,
          fact.outcome,
          fact.pings,
          fact.refused,
          fact.code,
          fact.path,
          fact.message,
          fact.source,
          fact.receivedMs,
        ]
      case 'trip':
        return tripCells(fact)
      case 'pings':
      case 'trips':
      case 'windows':
        return []
      default:
        return assertNever(fact)
    }
  }
  return JSON.stringify([fact.kind, fact.offset, fact.part, ...cells()].map(String))
}

const READ_BACK = `
SELECT 'movement', offset, part, session_id, movement_id, status, current_lat, current_lon,
  event_time_us, distance_cm, speed_kmh, heading_deg, travelled_cm, remaining_cm, late
FROM session_movements WHERE partition = 0;
SELECT 'header', offset, part, session_id, vehicle_id, order_id, device_id, start_lat, end_lon,
  created_at_us FROM session_headers WHERE partition = 0;
SELECT 'status', offset, part, session_id, event_id, status, from_status, event_time_us
FROM session_statuses WHERE partition = 0;
SELECT 'alert', offset, part, session_id, alert, toUnixTimestamp64Milli(due_at),
  toUnixTimestamp64Milli(fired_at), late FROM session_alerts WHERE partition = 0;
SELECT 'dead_letter', offset, part, code, path, expected, received, message, lower(hex(raw)),
  truncated, source, toUnixTimestamp64Milli(received_at) FROM dead_letters WHERE partition = 0;
SELECT 'retry', offset, part, letter_partition, letter_offset, letter_part, outcome, pings, refused, code,
  path, message, source, toUnixTimestamp64Milli(retried_at) FROM dead_letter_retries WHERE partition = 0;
SELECT 'trip', offset, part, trip_id, region_id, event_time_us, toUnixTimestamp64Micro(event_time), fare,
  duration, distance, pickup_lat, pickup_lon, dropoff_lat, dropoff_lon, driver_id, vehicle_type,
  payment_method, late, counted, toUnixTimestamp64Milli(received_at) FROM trips WHERE partition = 0;
SELECT 'window', offset, part, region_id, toUnixTimestamp(window_start), window_size_s, trip_count,
  avg_fare, total_distance, avg_duration, p50_duration, p95_duration, total_fare, min_fare, max_fare,
  min_duration, max_duration, min_distance, max_distance, late_count, final, revision
FROM region_windows WHERE partition = 0;
SELECT 'late', offset, part, region_id, mark, toUnixTimestamp(window_start) * 1000, window_size_s, trips
FROM region_late WHERE partition = 0`

async function readBack(engine: ClickHouse): Promise<string[]> {
  const answers = await Promise.all(READ_BACK.split(';').map((sql) => engine.query(sql)))
  return answers.flat().map((row) => JSON.stringify(row.map(String)))
}

let kept: ClickHouse
beforeAll(async () => {
  kept = await openTestClickHouse()
})
afterAll(() => kept.close())

describeSink<Fact>(
  'clickhouse (chDB)',
  async () => {
    const engine = await openTestClickHouse()
    let crashing = new CrashingEngine(engine)
    return {
      sink: new ClickHouseSink(crashing),
      async reopen() {
        crashing = new CrashingEngine(engine)
        return new ClickHouseSink(crashing)
      },
      readBack: () => readBack(engine),
      rowsFor: sampleFacts,
      fingerprints,
      crashAt: (point) => crashing.crashAt(point),
      cleanup: () => engine.close(),
    }
  },
  {
    crashPoints: [
      'before anything',
      'after movements alone',
      'after late marks alone',
      'after windows alone',
      'before movements',
      'between the rows and the offset',
      'after the offset, before the answer',
    ],
  },
)

describe('the ClickHouse sink', () => {
  test('counts right without FINAL after a failed write is written again', async () => {
    const engine = await openTestClickHouse()
    const crashing = new CrashingEngine(engine)
    const sink = new ClickHouseSink(crashing)
    await sink.open(0, signal())
    const facts = sampleFacts(0, 99, 3)
    crashing.crashAt('between the rows and the offset')
    expect(await rejection(sink.write(batchOf(0, 99, facts), signal()))).toMatchObject({
      code: 'sink',
      retriable: true,
    })
    expect(await readAcknowledged(engine, 0)).toBe(-1)
    crashing.crashAt('')
    const inserts = crashing.inserts
    expect(await rejection(sink.write(batchOf(0, 99, facts), signal()))).not.toBeNull()
    // Of the windows alone, whose rows replace each other.
    expect(crashing.inserts).toBe(inserts + 1)
    const counts = await engine.query(
      'SELECT (SELECT count() FROM session_movements), (SELECT count() FROM dead_letters), ' +
        '(SELECT count() FROM trips), (SELECT count() FROM region_windows)',
    )
    expect(counts).toEqual([['100', '25', '15', '60']])
    await engine.close()
  })

  test('a month’s edge within a batch does not split it into two that could be told apart', async () => {
    const engine = await openTestClickHouse()
    const sink = new ClickHouseSink(engine)
    await sink.open(0, signal())
    const edgeMs = Date.UTC(2026, 11, 1)
    const facts = Array.from({ length: 20 }, (_, offset) =>
      sampleMovement({ offset, receivedMs: edgeMs - 10 + offset }),
    )
    await sink.write(batchOf(0, 19, facts), signal())
    // As a crash between the two parts leaves it.
    await engine.command("ALTER TABLE session_movements DROP PARTITION '202612'")
    await engine.command('TRUNCATE TABLE sink_progress')
    const again = new ClickHouseSink(engine)
    expect(await again.open(0, signal())).toBe(-1)
    // Dropped, the part left its token in the window, as a crash would not: hence another id.
    await again.write({ ...batchOf(0, 19, facts), id: '0:0-19 again' }, signal())
    expect(
      await engine.query('SELECT count(), countDistinct(offset) FROM session_movements'),
    ).toEqual([['20', '20']])
    await engine.close()
  })

  test('a store that is not there yet may be opened later, and tables of a newer program never', async () => {
    const opening = (failure: Error) => {
      const refuse = (): Promise<never> => Promise.reject(failure)
      const closed = { database: 'default', close: async () => {}, insert: refuse, ask: refuse }
      const sink = new ClickHouseSink({ ...closed, command: refuse, query: refuse })
      return sink.open(0, signal())
    }
    const away = new ClickHouseError('connection refused', 210)
    await expect(opening(away)).rejects.toMatchObject({ name: 'SinkError', retriable: true })
    const newer = new OrreryError('schema_newer', 'the tables are newer')
    await expect(opening(newer)).rejects.toBe(newer)
  })

  test('a fact of a table that is gone fails for good, and says which', async () => {
    const engine = await openTestClickHouse()
    const sink = new ClickHouseSink(engine)
    await sink.open(0, signal())
    await engine.command('DROP TABLE session_alerts')
    const error = await rejection(sink.write(batchOf(0, 9, sampleFacts(0, 9, 1)), signal()))
    expect(error).toMatchObject({ name: 'SinkError', retriable: false })
    expect(String(error)).toContain('session_alerts')
    await engine.close()
  })

  test('what is stored is found by the index on offsets, not by reading the table', async () => {
    const engine = await openTestClickHouse()
    await migrate(engine)
    const sink = new ClickHouseSink(engine, { ...CLICKHOUSE_LIMITS })
    await sink.open(0, signal())
    for (const first of [0, 20_000]) {
      const facts = Array.from({ length: 20_000 }, (_, at) =>
        sampleMovement({ offset: first + at, sessionId: `session-${first / 20_000}` }),
      )
      await sink.write(batchOf(first, first + 19_999, facts), signal())
    }
    await engine.command('OPTIMIZE TABLE session_movements FINAL')
    const plan = (
      await engine.query(
        'EXPLAIN indexes = 1 SELECT offset, part FROM session_movements WHERE partition = 0 AND offset >= 40000',
      )
    ).join('\n')
    expect(plan).toContain('offset_range')
    expect(plan).toMatch(/Granules: 0\//)
    await engine.close()
  })
})
