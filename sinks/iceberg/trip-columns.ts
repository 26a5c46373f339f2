import { parseAcceptedTrip } from '../../actors/model/trip.ts'
import type { ColumnEncoder, Rows } from './column-encoder.ts'
import type { EncodedValues } from './parquet-pages.ts'
import {
  grown,
  grownInts,
  noColumn,
  type Origin,
  ReceivedColumns,
  type WireFields,
} from './received-columns.ts'
import { LAYOUTS } from './table-schema.ts'
import { TextDictionary } from './text-dictionary.ts'

const KNOWN: ReadonlySet<string> = new Set([
  'trip_id',
  'region_id',
  'event_time',
  'fare',
  'duration',
  'distance',
])

/**
 * Rows of the table of trips. The columns hold each trip as the gateway took it, so that they join with every
 * other store; a field that was sent in another form (a number in quotes, space around the id) is kept
 * as it was among the extras, with all fields that have no column.
 */
export class TripColumns extends ReceivedColumns {
  override readonly layout = LAYOUTS.trips
  readonly tripId: TextDictionary
  regionId: Int32Array
  durationS: Int32Array
  fareUsd: Float64Array
  distanceKm: Float64Array

  constructor(capacity = 16_384) {
    super(capacity)
    this.tripId = new TextDictionary(capacity)
    this.regionId = new Int32Array(capacity)
    this.durationS = new Int32Array(capacity)
    this.fareUsd = new Float64Array(capacity)
    this.distanceKm = new Float64Array(capacity)
  }

  override clear(): void {
    super.clear()
    this.tripId.clear()
  }

  override isKnown(name: string): boolean {
    return KNOWN.has(name)
  }

  override push(wire: WireFields, origin: Origin, exact?: WireFields): void {
    const trip = parseAcceptedTrip(wire)
    const row = this.pushRow(origin)
    this.tripId.set(row, trip.tripId)
    this.regionId[row] = trip.regionId
    this.durationS[row] = trip.durationS
    this.fareUsd[row] = trip.fareUsd
    this.distanceKm[row] = trip.distanceKm
    const text = String(wire['event_time'])
    this.pushTime(row, { text, us: trip.eventTimeUs, receivedMs: origin.receivedMs })
    const same =
      wire['trip_id'] === trip.tripId &&
      wire['region_id'] === trip.regionId &&
      wire['fare'] === trip.fareUsd &&
      wire['duration'] === trip.durationS &&
      wire['distance'] === trip.distanceKm
    this.extras.set(row, extrasText(wire, exact ?? wire, same))
  }

  protected override encodeOwn(name: string, encoder: ColumnEncoder, rows: Rows): EncodedValues {
    switch (name) {
      case 'trip_id':
        return encoder.repeated(this.tripId, rows, true)
      case 'region_id':
        return encoder.ints(this.regionId, rows)
      case 'event_time':
        return encoder.longs(this.eventTimeUs, rows, undefined)
      case 'fare':
        return encoder.doubles(this.fareUsd, rows, undefined, null)
      case 'duration':
        return encoder.ints(this.durationS, rows)
      case 'distance':
        return encoder.doubles(this.distanceKm, rows, undefined, null)
      case 'event_time_text':
        return encoder.texts(this.timeText, rows)
      default:
        throw noColumn(name)
    }
  }

  protected override growOwn(capacity: number): void {
    this.tripId.grow(capacity)
    this.regionId = grownInts(this.regionId, capacity)
    this.durationS = grownInts(this.durationS, capacity)
    this.fareUsd = grown(this.fareUsd, capacity)
    this.distanceKm = grown(this.distanceKm, capacity)
  }
}

/** All fields that have no column; null when none. Those with one too, as sent, when a column differs. */
function extrasText(wire: WireFields, exact: WireFields, same: boolean): string | null {
  let extras: Record<string, unknown> | null = null
  for (const name in wire) {
    if (KNOWN.has(name) && (same || !isOtherForm(name, wire[name]))) continue
    extras ??= Object.create(null) as Record<string, unknown>
    extras[name] = exact[name]
  }
  return extras === null ? null : JSON.stringify(extras)
}

function isOtherForm(name: string, value: unknown): boolean {
  if (name === 'event_time') return false
  if (name === 'trip_id') return typeof value === 'string' && value !== value.trim()
  return typeof value !== 'number'
}
