import type { Offer } from '../actors/model/offer.ts'
import type { RegionMap } from '../actors/model/region-map.ts'
import { parseTrip, type Trip } from '../actors/model/trip.ts'
import { TripMaker } from '../simulator/trips.ts'

/** A trip for about so many pings: five a second with 200 vehicles. */
const PINGS_PER_TRIP = 40
/** How long a trip's report takes to come, at most. */
const DELAY_MS_MAX = 20_000
/** Where the phones have no net: in the eighth column of the grid, one in so many comes when its minute is over. */
const LATE_COLUMN = 8
const LATE_EVERY = 6
const LATE_MS = 7 * 60_000

type Position = Readonly<{ lat: number; lng: number }>

/** Taxi trips of the demo: they end where its vehicles are, so that busy streets make busy regions. */
export class DemoTrips {
  readonly #regions: RegionMap
  readonly #run: string
  readonly #maker: TripMaker
  #trips = 0

  constructor(regions: RegionMap, run: string) {
    this.#regions = regions
    this.#run = run
    this.#maker = new TripMaker(11, regions.regions.length)
  }

  /** The trips that come with these pings, as their sender would offer them; null for none. */
  step(positions: readonly Position[], nowMs: number): Offer<Trip> | null {
    const wire: object[] = []
    const messages: Trip[] = []
    for (const { lat, lng } of positions) {
      if (this.#maker.random() * PINGS_PER_TRIP >= 1) continue
      const region_id = this.#regions.regionOf(lat, lng)
      if (region_id === null) continue
      const number = ++this.#trips
      const isLate = region_id % 10 === LATE_COLUMN && this.#maker.random() * LATE_EVERY < 1
      const delayMs = isLate ? LATE_MS : this.#maker.random() * DELAY_MS_MAX
      const made = this.#maker.make(`trip_${this.#run}_${number}`, Math.floor(nowMs - delayMs))
      const trip = { ...made, region_id }
      const parsed = parseTrip(trip, nowMs)
      if (!parsed.ok) continue
      wire.push(trip)
      messages.push(parsed.trip)
    }
    if (messages.length === 0) return null
    const payload = JSON.stringify(wire)
    const about = { source: 'demo', receivedMs: nowMs, countDuplicates: false }
    return { ...about, payload, messages, deadLetters: [] }
  }
}
