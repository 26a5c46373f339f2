import { deadLetterId } from '../../actors/model/dead-letter.ts'
import type {
  AlertFact,
  DeadLetterFact,
  FactName,
  HeaderFact,
  MovementFact,
  RetryFact,
  StatusFact,
} from '../../actors/model/fact.ts'
import {
  BoolColumn,
  BytesColumn,
  type ColumnBuilder,
  FloatColumn,
  IntColumn,
  TextColumn,
} from './columns.ts'
import type { Column } from './engine.ts'

/** What the tables have in common: the fact's name, and how columns are handed over and emptied. */
export abstract class FactColumns {
  abstract readonly table: string
  count = 0
  readonly #partition = new IntColumn('partition')
  readonly #offset = new IntColumn('offset')
  readonly #part = new IntColumn('part')
  protected abstract readonly own: readonly ColumnBuilder[]

  columns(): Column[] {
    return [...this.own, this.#partition, this.#offset, this.#part].map((each) => each.column())
  }

  clear(): void {
    if (this.count === 0) return
    this.count = 0
    for (const each of [...this.own, this.#partition, this.#offset, this.#part]) each.clear()
  }

  protected name(fact: FactName): void {
    this.count += 1
    this.#partition.add(fact.partition)
    this.#offset.add(fact.offset)
    this.#part.add(fact.part)
  }
}

/** Columns of `session_movements`. */
export class MovementColumns extends FactColumns {
  readonly table = 'session_movements'
  readonly #sessionId = new TextColumn('session_id')
  readonly #lat = new FloatColumn('current_lat')
  readonly #lng = new FloatColumn('current_lon')
  readonly #timestamp = new IntColumn('timestamp', 'time')
  readonly #movementId = new TextColumn('movement_id')
  readonly #status = new TextColumn('status')
  readonly #eventTimeUs = new IntColumn('event_time_us')
  readonly #distanceCm = new IntColumn('distance_cm')
  readonly #speedKmh = new FloatColumn('speed_kmh')
  readonly #headingDeg = new FloatColumn('heading_deg')
  readonly #travelledCm = new IntColumn('travelled_cm')
  readonly #remainingCm = new IntColumn('remaining_cm')
  readonly #late = new BoolColumn('late')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  protected readonly own = [
    this.#sessionId,
    this.#lat,
    this.#lng,
    this.#timestamp,
    this.#movementId,
    this.#status,
    this.#eventTimeUs,
    this.#distanceCm,
    this.#speedKmh,
    this.#headingDeg,
    this.#travelledCm,
    this.#remainingCm,
    this.#late,
    this.#receivedAt,
  ]

  add(fact: MovementFact): void {
    this.name(fact)
    this.#sessionId.add(fact.sessionId)
    this.#lat.add(fact.lat)
    this.#lng.add(fact.lng)
    this.#timestamp.add(milliseconds(fact.eventTimeUs))
    this.#movementId.add(fact.movementId)
    this.#status.add(fact.status)
    this.#eventTimeUs.add(fact.eventTimeUs)
    this.#distanceCm.add(fact.distanceCm)
    this.#speedKmh.add(fact.speedKmh)
    this.#headingDeg.add(fact.headingDeg)
    this.#travelledCm.add(fact.travelledCm)
    this.#remainingCm.add(fact.remainingCm)
    this.#late.add(fact.late)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
  }
}

/** Columns of `session_headers`. */
export class HeaderColumns extends FactColumns {
  readonly table = 'session_headers'
  readonly #sessionId = new TextColumn('session_id')
  readonly #revision = new IntColumn('revision')
  readonly #vehicleId = new TextColumn('vehicle_id')
  readonly #orderId = new TextColumn('order_id')
  readonly #deviceId = new TextColumn('device_id')
  readonly #startLat = new FloatColumn('start_lat')
  readonly #startLng = new FloatColumn('start_lon')
  readonly #endLat = new FloatColumn('end_lat')
  readonly #endLng = new FloatColumn('end_lon')
  readonly #createdAt = new IntColumn('created_at', 'time')
  readonly #createdAtUs = new IntColumn('created_at_us')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  protected readonly own = [
    this.#sessionId,
    this.#revision,
    this.#vehicleId,
    this.#orderId,
    this.#deviceId,
    this.#startLat,
    this.#startLng,
    this.#endLat,
    this.#endLng,
    this.#createdAt,
    this.#createdAtUs,
    this.#receivedAt,
  ]

  add(fact: HeaderFact): void {
    this.name(fact)
    this.#sessionId.add(fact.sessionId)
    this.#revision.add(fact.revision)
    this.#vehicleId.add(fact.vehicleId)
    this.#orderId.add(fact.orderId)
    this.#deviceId.add(fact.deviceId)
    this.#startLat.add(fact.startLat)
    this.#startLng.add(fact.startLng)
    this.#endLat.add(fact.endLat)
    this.#endLng.add(fact.endLng)
    this.#createdAt.add(milliseconds(fact.createdAtUs))
    this.#createdAtUs.add(fact.createdAtUs)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
  }
}

/** Columns of `session_statuses`. */
export class StatusColumns extends FactColumns {
  readonly table = 'session_statuses'
  readonly #sessionId = new TextColumn('session_id')
  readonly #status = new TextColumn('status')
  readonly #revision = new IntColumn('revision')
  readonly #eventId = new TextColumn('event_id')
  readonly #from = new TextColumn('from_status')
  readonly #timestamp = new IntColumn('timestamp', 'time')
  readonly #eventTimeUs = new IntColumn('event_time_us')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  protected readonly own = [
    this.#sessionId,
    this.#status,
    this.#revision,
    this.#eventId,
    this.#from,
    this.#timestamp,
    this.#eventTimeUs,
    this.#receivedAt,
  ]

  add(fact: StatusFact): void {
    this.name(fact)
    this.#sessionId.add(fact.sessionId)
    this.#status.add(fact.status)
    this.#revision.add(fact.revision)
    this.#eventId.add(fact.eventId)
    this.#from.add(fact.from ?? '')
    this.#timestamp.add(milliseconds(fact.eventTimeUs))
    this.#eventTimeUs.add(fact.eventTimeUs)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
  }
}

/** Columns of `session_alerts`. */
export class AlertColumns extends FactColumns {
  readonly table = 'session_alerts'
  readonly #sessionId = new TextColumn('session_id')
  readonly #alert = new TextColumn('alert')
  readonly #dueAt = new IntColumn('due_at', 'time')
  readonly #firedAt = new IntColumn('fired_at', 'time')
  readonly #late = new BoolColumn('late')
  protected readonly own = [this.#sessionId, this.#alert, this.#dueAt, this.#firedAt, this.#late]

  add(fact: AlertFact): void {
    this.name(fact)
    this.#sessionId.add(fact.sessionId)
    this.#alert.add(fact.alert)
    this.#dueAt.add(Math.floor(fact.dueMs))
    this.#firedAt.add(Math.floor(fact.firedMs))
    this.#late.add(fact.late)
  }
}

/** Columns of `dead_letters`. */
export class DeadLetterColumns extends FactColumns {
  readonly table = 'dead_letters'
  readonly #id = new TextColumn('id')
  readonly #code = new TextColumn('code')
  readonly #path = new TextColumn('path')
  readonly #expected = new TextColumn('expected')
  readonly #received = new TextColumn('received')
  readonly #message = new TextColumn('message')
  readonly #raw = new BytesColumn('raw')
  readonly #truncated = new BoolColumn('truncated')
  readonly #receivedAt = new IntColumn('received_at', 'time')
  readonly #source = new TextColumn('source')
  protected readonly own = [
    this.#id,
    this.#code,
    this.#path,
    this.#expected,
    this.#received,
    this.#message,
    this.#raw,
    this.#truncated,
    this.#receivedAt,
    this.#source,
  ]

  add(fact: DeadLetterFact): void {
    this.name(fact)
    this.#id.add(deadLetterId(fact))
    this.#code.add(fact.code)
    this.#path.add(fact.path)
    this.#expected.add(fact.expected)
    this.#received.add(fact.received)
    this.#message.add(fact.message)
    this.#raw.add(fact.raw)
    this.#truncated.add(fact.truncated)
    this.#receivedAt.add(Math.floor(fact.receivedMs))
    this.#source.add(fact.source)
  }
}

/** Columns of `dead_letter_retries`. */
export class RetryColumns extends FactColumns {
  readonly table = 'dead_letter_retries'
  readonly #letterPartition = new IntColumn('letter_partition')
  readonly #letterOffset = new IntColumn('letter_offset')
  readonly #letterPart = new IntColumn('letter_part')
  readonly #outcome = new TextColumn('outcome')
  readonly #pings = new IntColumn('pings')
  readonly #refused = new IntColumn('refused')
  readonly #code = new TextColumn('code')
  readonly #path = new TextColumn('path')
  readonly #message = new TextColumn('message')
  readonly #retriedAt = new IntColumn('retried_at', 'time')
  readonly #source = new TextColumn('source')
  protected readonly own = [
    this.#letterPartition,
    this.#letterOffset,
    this.#letterPart,
    this.#outcome,
    this.#pings,
    this.#refused,
    this.#code,
    this.#path,
    this.#message,
    this.#retriedAt,
    this.#source,
  ]

  add(fact: RetryFact): void {
    this.name(fact)
    this.#letterPartition.add(fact.letter.partition)
    this.#letterOffset.add(fact.letter.offset)
    this.#letterPart.add(fact.letter.part)
    this.#outcome.add(fact.outcome)
    this.#pings.add(fact.pings)
    this.#refused.add(fact.refused)
    this.#code.add(fact.code)
    this.#path.add(fact.path)
    this.#message.add(fact.message)
    this.#retriedAt.add(Math.floor(fact.receivedMs))
    this.#source.add(fact.source)
  }
}

/** Event time as the documented columns have it: milliseconds, cut and not rounded, as PacketPulse did. */
function milliseconds(eventTimeUs: number): number {
  return Math.floor(eventTimeUs / 1_000)
}
