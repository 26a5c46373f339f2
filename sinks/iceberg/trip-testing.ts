import type { TripsFact } from '../../actors/model/fact.ts'
import type { Batch } from '../sink.ts'
import { bronzeLocation } from './bronze-table.ts'

/** Where the trips of tests in memory are. */
export const TRIPS_LOCATION = bronzeLocation('memory://warehouse', 'trips')

const EPOCH_MS = 1_790_000_000_000
const encoder = new TextEncoder()
// The ways in which senders of trips write a time.
const ZONES = ['Z', '+00:00Z', '+00:00', ''] as const

/** The event time of the trip with this offset as its sender wrote it. */
export function tripTimeText(offset: number): string {
  const text = new Date(EPOCH_MS + offset * 60_000).toISOString().slice(0, 19)
  return offset % 5 === 4 ? text.replace('T', ' ') : `${text}${ZONES[offset % 5] ?? ''}`
}

/** The same in microseconds since 1970. */
export function tripTimeUs(offset: number): number {
  return Math.floor((EPOCH_MS + offset * 60_000) / 1_000) * 1_000_000
}

/** The wire object of the trip with this offset; the seed and the offset decide all of it. */
export function tripOf(offset: number, seed = 1, note = `note-${seed}`): Record<string, unknown> {
  return {
    trip_id: `trip_${seed}_${String(offset).padStart(6, '0')}`,
    region_id: 1 + (offset % 100),
    event_time: tripTimeText(offset),
    fare: 5 + (offset % 97) / 8,
    duration: 60 + (offset % 7_000),
    distance: 0.5 + (offset % 13) / 4,
    ...(offset % 3 === 0 ? { driver_id: `driver_${seed}`, note } : {}),
  }
}

/** A frame of trips from `offset` on, as NDJSON or an array. */
export function tripFrameOf(offset: number, trips: readonly unknown[], partition = 0): TripsFact {
  const lines = trips.map((trip) => JSON.stringify(trip))
  const payload = encoder.encode(offset % 2 === 0 ? lines.join('\n') : `[${lines.join(',')}]`)
  const [count, receivedMs] = [trips.length, EPOCH_MS + offset]
  return { kind: 'trips', partition, offset, part: 0, count, receivedMs, source: 'test', payload }
}

/** Frames for a range of offsets, four trips each where they fit. */
export function tripFramesFor(first: number, last: number, seed = 1, note?: string): TripsFact[] {
  const frames: TripsFact[] = []
  for (let offset = first; offset <= last;) {
    const count = Math.min(last - offset + 1, 4 - (offset % 4))
    const trips = Array.from({ length: count }, (_, at) => tripOf(offset + at, seed, note))
    frames.push(tripFrameOf(offset, trips))
    offset += count
  }
  return frames
}

/** A batch of a range of offsets. */
export function tripBatchFor(first: number, last: number, partition = 0): Batch<TripsFact> {
  const rows = tripFramesFor(first, last).map((frame) => ({ ...frame, partition }))
  const id = `${partition}:${first}-${last}`
  return { id, partition, offsetFirst: first, offsetLast: last, rows }
}

/** One line for a stored trip: its name and its content. */
export function tripFingerprint(row: Readonly<Record<string, unknown>>): string {
  const { trip_id, region_id, event_time_text, fare, duration, distance, extras } = row
  return JSON.stringify([
    Number(row['offset']),
    ...[trip_id, region_id, event_time_text, fare, duration, distance],
    extras ?? null,
  ])
}

/** The same of the trips of a frame before they are stored. */
export function tripFingerprintsOf(frame: TripsFact): readonly string[] {
  const text = Buffer.from(frame.payload).toString('utf8')
  const trips = text.startsWith('[') ? JSON.parse(text) : text.split('\n').map((l) => JSON.parse(l))
  return trips.map((trip: Record<string, unknown>, index: number) => {
    const { driver_id, note, event_time } = trip
    const extras = note === undefined ? null : JSON.stringify({ driver_id, note })
    const offset = frame.offset + index
    return tripFingerprint({ ...trip, offset, event_time_text: event_time, extras })
  })
}
