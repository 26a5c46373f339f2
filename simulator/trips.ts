import { type Random, seededRandom } from '../actors/kernel/clock.ts'

/** A made trip, as its fields are named on the wire. */
export type MadeTrip = Readonly<{
  trip_id: string
  region_id: number
  event_time: string
  fare: number
  duration: number
  distance: number
}>

export type TripsOptions = Readonly<{
  /** Different trips; copies come on top. */
  count: number
  seed: number
  /** Regions 1 to this. */
  regions: number
  startMs: number
  spanMs: number
  /** How far an event time may be from its place in the file; null: by the hour, as StreamPulse's generator has it. */
  disorderMs: number | null
  /** Share of trips that come once more, up to 1,000 rows later. */
  duplicateShare: number
  /** Share of trips that come 10 to 60 minutes after their time. */
  lateShare: number
}>

export const TRIPS_HEADER = 'trip_id,region_id,event_time,fare,duration,distance'

type Range = readonly [min: number, max: number]

/** StreamPulse's five kinds of region: centre, suburb, airport, residential, business. More regions repeat them. */
const KINDS: readonly Readonly<{
  weight: number
  fare: Range
  duration: Range
  distance: Range
}>[] = [
  { weight: 0.3, fare: [8, 45], duration: [300, 2_400], distance: [1, 15] },
  { weight: 0.2, fare: [12, 35], duration: [600, 3_600], distance: [3, 25] },
  { weight: 0.15, fare: [15, 60], duration: [900, 4_800], distance: [8, 45] },
  { weight: 0.15, fare: [6, 25], duration: [240, 1_800], distance: [0.5, 12] },
  { weight: 0.2, fare: [20, 80], duration: [1_200, 5_400], distance: [5, 35] },
]

const MINUTE_MS = 60_000
const COPY_ROWS_MAX = 1_000
const LATE_MS_MIN = 10 * MINUTE_MS
const LATE_MS_MAX = 60 * MINUTE_MS

/** Makes what a trip costs and takes; when it happened is the caller's. */
export class TripMaker {
  readonly #random: Random
  /** Sums of the regions' weights, the last of them 1. */
  readonly #weights: readonly number[]

  constructor(seed: number, regions: number) {
    this.#random = seededRandom(seed)
    const weights = Array.from({ length: regions }, (_, n) => kindOf(n + 1).weight)
    const whole = weights.reduce((sum, weight) => sum + weight, 0)
    let sum = 0
    this.#weights = weights.map((weight) => (sum += weight) / whole)
  }

  random(): number {
    return this.#random()
  }

  make(tripId: string, eventTimeMs: number): MadeTrip {
    const regionId = this.#region()
    const kind = kindOf(regionId)
    const duration = this.#duration(kind.duration)
    const distance = this.#distance(kind.distance, duration)
    return {
      trip_id: tripId,
      region_id: regionId,
      event_time: new Date(eventTimeMs).toISOString(),
      fare: this.#fare(kind.fare, duration, distance),
      duration,
      distance,
    }
  }

  #region(): number {
    const drawn = this.#random()
    const found = this.#weights.findIndex((sum) => drawn < sum)
    return found < 0 ? this.#weights.length : found + 1
  }

  /** Bell-shaped; nearly all within its range, the rest at its ends. */
  #duration([min, max]: Range): number {
    const bell =
      Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
    const drawn = Math.floor((min + max) / 2 + (bell * (max - min)) / 6)
    return Math.max(min, Math.min(drawn, max))
  }

  /** Between what is usual in the region and what 15 to 30 km/h give. */
  #distance(range: Range, duration: number): number {
    const driven = (duration / 3_600) * this.#between(15, 30)
    const drawn = ((this.#between(...range) + driven) / 2) * this.#between(0.8, 1.2)
    return Math.round(Math.max(0.5, Math.min(drawn, 50)) * 10) / 10
  }

  #fare(range: Range, duration: number, distance: number): number {
    const far = 1 + (distance - 5) * 0.02
    const long = 1 + (duration - 1_200) * 0.000_1
    const drawn = this.#between(...range) * far * long * this.#between(0.9, 1.1)
    return Math.round(Math.max(5, Math.min(drawn, 100)) * 100) / 100
  }

  #between(min: number, max: number): number {
    return min + this.#random() * (max - min)
  }
}

/** Rows of a file of trips, spread over a span; the same options give the same rows. */
export function* madeTrips(options: TripsOptions): Generator<MadeTrip> {
  const { count, startMs, spanMs } = options
  const maker = new TripMaker(options.seed, options.regions)
  /** Copies that wait for their row. */
  const copies = new Map<number, MadeTrip[]>()
  for (let n = 0; n < count + COPY_ROWS_MAX; n++) {
    if (n < count) {
      const baseMs = startMs + (n / count) * spanMs
      const jitterMs = options.disorderMs ?? hourlyJitterMs(baseMs)
      const lateMs = isDrawn(maker, options.lateShare)
        ? LATE_MS_MIN + maker.random() * (LATE_MS_MAX - LATE_MS_MIN)
        : 0
      const atMs = baseMs + (2 * maker.random() - 1) * jitterMs - lateMs
      const lastMs = startMs + Math.max(0, spanMs - MINUTE_MS)
      const trip = maker.make(
        `trip_${String(n).padStart(6, '0')}`,
        Math.floor(Math.max(startMs, Math.min(atMs, lastMs))),
      )
      yield trip
      if (isDrawn(maker, options.duplicateShare)) {
        const due = n + 1 + Math.floor(maker.random() * (COPY_ROWS_MAX - 1))
        copies.set(due, [...(copies.get(due) ?? []), trip])
      }
    }
    yield* copies.get(n) ?? []
    copies.delete(n)
  }
}

/** One row of the file. */
export function csvRow(trip: MadeTrip): string {
  const { trip_id, region_id, event_time, fare, duration, distance } = trip
  return `${trip_id},${region_id},${event_time},${fare},${duration},${distance}`
}

function kindOf(regionId: number): (typeof KINDS)[number] {
  const kind = KINDS[(regionId - 1) % KINDS.length]
  if (!kind) throw new RangeError(`region ${regionId} has no kind`)
  return kind
}

/** A share of 0 draws nothing, so that a file without it is the same as before there was one. */
function isDrawn(maker: TripMaker, share: number): boolean {
  return share > 0 && maker.random() < share
}

/** Rush hours are more orderly. */
function hourlyJitterMs(atMs: number): number {
  const hour = new Date(atMs).getUTCHours()
  const isRush = (hour >= 7 && hour <= 9) || (hour >= 17 && hour <= 19)
  return (isRush ? 30 : hour === 12 || hour === 13 ? 20 : 60) * MINUTE_MS
}
