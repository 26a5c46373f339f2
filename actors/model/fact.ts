import type { Status } from './ping.ts'
import type { Trip } from './trip.ts'
import type { LateMark, RegionTotals, RegionWindow } from './window.ts'

/** Address of an actor. */
export type ActorKey = `session:${string}` | `region:${string}`

/**
 * The name of a fact: the partition and offset of the message that caused it, and its place within
 * that turn. It travels into every sink and makes a second write harmless.
 */
export type FactName = Readonly<{ partition: number; offset: number; part: number }>

/** Who and whence: from the session's earliest ping of any status. A late, earlier ping revises it. */
export type HeaderFact = FactName &
  Readonly<{
    kind: 'header'
    sessionId: string
    /** 0 for the first, one more each time a late ping changes it; the highest is the truth. */
    revision: number
    vehicleId: string
    orderId: string
    deviceId: string
    startLat: number
    startLng: number
    endLat: number
    endLng: number
    /** Event time of the session's earliest ping, microseconds since 1970 UTC. */
    createdAtUs: number
    receivedMs: number
  }>

/** The session reached a status; one a session and status, at the earliest event time seen for it. */
export type StatusFact = FactName &
  Readonly<{
    kind: 'status'
    sessionId: string
    eventId: string
    revision: number
    status: Status
    /** Status before it in event time as known when this fact was made; null for the first. */
    from: Status | null
    eventTimeUs: number
    /** Event time of the revision before, so that sums by event time can move; absent on the first. */
    revisedFromUs?: number
    receivedMs: number
  }>

/** One GPS fix that is no repeat. Append-only: a late one carries the correction in `distanceCm`. */
export type MovementFact = FactName &
  Readonly<{
    kind: 'movement'
    sessionId: string
    /** From the content (session, event time, status, position): the same in whatever order pings come. */
    movementId: string
    status: Status
    lat: number
    lng: number
    eventTimeUs: number
    receivedMs: number
    /**
     * Whole centimetres from the fix before it in event time. A late fix carries
     * d(before, it) + d(it, after) − d(before, after), so that every sum is independent of order.
     */
    distanceCm: number
    /** From the fix before it; null for the session's first and for two fixes at one time. */
    speedKmh: number | null
    /** Degrees clockwise from north, from the fix before it; null when it did not move. */
    headingDeg: number | null
    /** The session's travelled distance with this fix included, as known at this turn. */
    travelledCm: number
    /** Great-circle distance to the destination. */
    remainingCm: number
    /** True when a fix with a later event time had been applied before it. */
    late: boolean
  }>

/**
 * Something a durable timer found: no ping for long, or not there by the estimated arrival. Each fires
 * once a session (silence once a silence); `late` when due while the process was down.
 */
export type AlertFact = FactName &
  Readonly<{
    kind: 'alert'
    sessionId: string
    alert: 'silent' | 'overdue'
    dueMs: number
    firedMs: number
    late: boolean
  }>

/** Input given up, kept with its reason. */
export type DeadLetterFact = FactName & Readonly<{ kind: 'dead_letter' }> & DeadLetter

/** What came of a dead letter that was read again. */
export type Retry = Readonly<{
  /** The dead letter. */
  letter: FactName
  /** Partial: some of its pings were accepted, the others are dead letters of their own. */
  outcome: 'accepted' | 'partial' | 'refused'
  /** Pings accepted. */
  pings: number
  refused: number
  /** The first reason, empty when nothing was refused. */
  code: string
  path: string
  message: string
}>

/** A dead letter was retried; in the journal it is one entry with the pings that were accepted. */
export type RetryFact = FactName &
  Readonly<{ kind: 'retry'; receivedMs: number; source: string }> &
  Retry

/** A frame of accepted pings as received, for bronze: `count` pings from `offset` on. */
export type PingsFact = FactName &
  Readonly<{
    kind: 'pings'
    count: number
    receivedMs: number
    source: string
    /** JSON: one object, an array of objects, or NDJSON; exactly `count` objects. As it came: bytes or text. */
    payload: Uint8Array | string
  }>

/** A frame of accepted trips as received, for bronze; as `PingsFact`. */
export type TripsFact = Omit<PingsFact, 'kind'> & Readonly<{ kind: 'trips' }>

/** A frame of accepted messages as received. */
export type FrameFact = PingsFact | TripsFact

/** A trip that is no repeat; its offset is the trip's own. Append-only. */
export type TripFact = FactName &
  Readonly<{
    kind: 'trip'
    trip: Trip
    /** Its one-minute window was final when it came: the watermark had passed the window's end. */
    late: boolean
    /** False when that window was no longer held, and the trip is not in it. */
    counted: boolean
    receivedMs: number
  }>

/**
 * What changed in a region's windows since it last said so; one a region and frame, under the name of the
 * frame's last message with the region's own part (see `windowsPart`).
 */
export type WindowsFact = FactName &
  Readonly<{
    kind: 'windows'
    regionId: number
    windows: readonly RegionWindow[]
    lateMarks: readonly LateMark[]
    totals: RegionTotals
    /** Of the partition, when this was said: its newest event time less the bound and a millisecond. */
    watermarkMs: number
    receivedMs: number
  }>

/** The place of a region's `WindowsFact` within its offset: part 0 is the trip's. */
export function windowsPart(regionId: number): number {
  return 1 + regionId
}

/** Everything an actor, or the journal itself, can say of sessions. */
export type SessionFact =
  HeaderFact | StatusFact | MovementFact | AlertFact | DeadLetterFact | RetryFact | PingsFact

/** Everything that can be said of trips and their regions. */
export type RegionFact = TripFact | WindowsFact | DeadLetterFact | RetryFact | TripsFact

export type Fact = SessionFact | RegionFact

/** Partitions of sessions are numbered from 0, those of trips from here on: a name says which stream it is of. */
export const TRIPS_PARTITION_FIRST = 1_000

/** Why a message was refused, for its sender and for the dead letter. */
export type Refusal = Readonly<{
  /** Stable code: invalid_json, invalid_ping, too_large, poison, … */
  code: string
  /** Path of the first bad field (`current_lat`), empty when the whole message is meant. */
  path: string
  expected: string
  received: string
  /** One sentence for a person. */
  message: string
}>

/** A refused message as it is kept. */
export type DeadLetter = Refusal &
  Readonly<{
    /** The bytes as received, cut at a limit. */
    raw: Uint8Array
    truncated: boolean
    receivedMs: number
    /** Who sent it: the key's name. */
    source: string
  }>
