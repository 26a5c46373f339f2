import { assertNever } from '../../actors/kernel/errors.ts'
import type { Fact, TripFact } from '../../actors/model/fact.ts'
import type { RegionWindow } from '../../actors/model/window.ts'
import type { ClickHouse } from './engine.ts'

/** What the tests of a sink know a fact by: one text a row that it makes, all that the row holds. */
export function fingerprints(fact: Fact): string[] {
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

/** The same texts of all that the tables hold of partition 0, doubles included. */
export async function readBack(engine: ClickHouse): Promise<string[]> {
  const answers = await Promise.all(READ_BACK.split(';').map((sql) => engine.query(sql)))
  return answers.flat().map((row) => JSON.stringify(row.map(String)))
}
