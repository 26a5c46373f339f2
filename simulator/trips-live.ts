import type { Clock } from '../actors/kernel/clock.ts'
import type { IngestAnswer } from './ingest-client.ts'
import { type SendBody, untilTaken } from './replay.ts'
import { TripMaker } from './trips.ts'

export type LiveTripsOptions = Readonly<{
  seed: number
  regions: number
  /** Trips a second. */
  rate: number
  /** Begins each trip id, so that two runs are not taken for one. */
  run: string
  /** Null: until told to end. */
  durationS: number | null
  clock: Clock
  signal: AbortSignal
  onProgress?: (counts: LiveTripsCounts) => void
}>

export type LiveTripsCounts = Readonly<{ sent: number; accepted: number; refused: number }>

const TICK_MS = 100
/** After a longer pause it goes on from now: a burst of old trips would be no traffic that exists. */
const BEHIND_MS_MAX = 3_000
const BODY_TRIPS_MAX = 5_000

/** Sends trips that happen now, at an even rate, until its time is over. */
export async function sendLiveTrips(
  send: SendBody,
  options: LiveTripsOptions,
): Promise<LiveTripsCounts> {
  const { clock, rate, signal } = options
  const maker = new TripMaker(options.seed, options.regions)
  const startedMs = clock.monotonicMs()
  const endMs = options.durationS === null ? Number.POSITIVE_INFINITY : options.durationS * 1_000
  let counts: LiveTripsCounts = { sent: 0, accepted: 0, refused: 0 }
  let doneMs = 0
  let owed = 0
  while (!signal.aborted && doneMs < endMs) {
    await new Promise<void>((resolve) => clock.after(TICK_MS, resolve))
    const atMs = Math.min(clock.monotonicMs() - startedMs, endMs)
    owed += (Math.min(atMs - doneMs, BEHIND_MS_MAX) * rate) / 1_000
    doneMs = atMs
    for (let trips = dueOf(owed); trips > 0 && !signal.aborted; trips = dueOf(owed)) {
      owed -= trips
      const body = bodyOf(maker, trips, counts.sent, options)
      const answered = counts.sent > 0
      const answer = await untilTaken(() => send(body), { clock, answered, onRepeat() {} })
      counts = added(counts, trips, answer)
      options.onProgress?.(counts)
    }
  }
  return counts
}

/** Whole trips of what is owed. Tenths that add up to one trip count as one, rounding or not. */
function dueOf(owed: number): number {
  return Math.min(Math.floor(owed + 1e-6), BODY_TRIPS_MAX)
}

function bodyOf(
  maker: TripMaker,
  trips: number,
  from: number,
  { run, clock }: LiveTripsOptions,
): Uint8Array<ArrayBuffer> {
  const nowMs = clock.nowMs()
  const lines = Array.from({ length: trips }, (_, n) => {
    const id = `trip_${run}_${String(from + n).padStart(6, '0')}`
    return `${JSON.stringify(maker.make(id, nowMs))}\n`
  })
  return Buffer.from(lines.join(''))
}

function added(counts: LiveTripsCounts, sent: number, answer: IngestAnswer): LiveTripsCounts {
  return {
    sent: counts.sent + sent,
    accepted: counts.accepted + answer.accepted,
    refused: counts.refused + answer.refusedCount,
  }
}
