import { nanoid } from 'nanoid'

import type { Clock } from '../actors/kernel/clock.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type { Offer, OfferOutcome } from '../actors/model/offer.ts'
import { parsePing, type Ping } from '../actors/model/ping.ts'
import type { RegionMap } from '../actors/model/region-map.ts'
import type { Trip } from '../actors/model/trip.ts'
import { createFleet, type Fleet } from '../simulator/fleet.ts'
import { DemoTrips } from './demo-trips.ts'

const VEHICLES = 200
const TICK_MS = 50

type Offering<Message> = (offer: Offer<Message>, done: (outcome: OfferOutcome) => void) => void

type DemoParts = Readonly<{
  offer: Offering<Ping>
  /** Null for a fleet without trips: those move the watermark to now. */
  offerTrips: Offering<Trip> | null
  regions: RegionMap
  clock: Clock
  log: Log
}>

/** A simulated fleet of 200 inside the process, and taxi trips; they go the way of all pings and trips. */
export class Demo {
  readonly #parts: DemoParts
  #cancel: (() => void) | null = null

  constructor(parts: DemoParts) {
    this.#parts = parts
  }

  get running(): boolean {
    return this.#cancel !== null
  }

  /** Starts or stops the fleet; each start is a new run with its own sessions. */
  set(running: boolean): void {
    if (running === this.running) return
    this.#parts.log.info({ running, vehicles: VEHICLES }, 'demo fleet')
    if (!running) {
      this.#cancel?.()
      this.#cancel = null
      return
    }
    const run = nanoid(8)
    const fleet = createFleet({ vehicles: VEHICLES, seed: 7, rateHz: 1, speed: 1, run })
    this.#drive(fleet, new DemoTrips(this.#parts.regions, run))
  }

  #drive(fleet: Fleet, trips: DemoTrips): void {
    this.#cancel = this.#parts.clock.after(TICK_MS, () => {
      this.#drive(fleet, trips)
      this.#send(fleet, trips)
    })
  }

  #send(fleet: Fleet, trips: DemoTrips): void {
    const { offer, offerTrips, clock } = this.#parts
    const receivedMs = clock.nowMs()
    const wire = fleet.step(receivedMs)
    const pings = wire.flatMap((ping) => {
      const parsed = parsePing(ping, receivedMs)
      return parsed.ok ? [parsed.ping] : []
    })
    if (pings.length === 0 || pings.length !== wire.length) return
    const payload = JSON.stringify(wire)
    // Told busy, a simulated vehicle does as a real one without memory: its next fix comes anyway.
    const about = { source: 'demo', receivedMs, deadLetters: [], countDuplicates: false }
    offer({ ...about, payload, messages: pings }, () => {})
    const made = offerTrips && trips.step(pings, receivedMs)
    if (made) offerTrips(made, () => {})
  }
}
