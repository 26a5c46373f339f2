import { nanoid } from 'nanoid'

import type { Clock } from '../actors/kernel/clock.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type { Offer, OfferOutcome } from '../actors/model/offer.ts'
import { parsePing } from '../actors/model/ping.ts'
import { createFleet, type Fleet } from '../simulator/fleet.ts'

const VEHICLES = 200
const TICK_MS = 50

type Offering = (offer: Offer, done: (outcome: OfferOutcome) => void) => void

/** A simulated fleet of 200 inside the process; its pings go the way of all pings. */
export class Demo {
  readonly #offer: Offering
  readonly #clock: Clock
  readonly #log: Log
  #cancel: (() => void) | null = null

  constructor(parts: Readonly<{ offer: Offering; clock: Clock; log: Log }>) {
    this.#offer = parts.offer
    this.#clock = parts.clock
    this.#log = parts.log
  }

  get running(): boolean {
    return this.#cancel !== null
  }

  /** Starts or stops the fleet; each start is a new run with its own sessions. */
  set(running: boolean): void {
    if (running === this.running) return
    this.#log.info({ running, vehicles: VEHICLES }, 'demo fleet')
    if (!running) {
      this.#cancel?.()
      this.#cancel = null
      return
    }
    const run = nanoid(8)
    this.#drive(createFleet({ vehicles: VEHICLES, seed: 7, rateHz: 1, speed: 1, run }))
  }

  #drive(fleet: Fleet): void {
    this.#cancel = this.#clock.after(TICK_MS, () => {
      this.#drive(fleet)
      this.#send(fleet)
    })
  }

  #send(fleet: Fleet): void {
    const receivedMs = this.#clock.nowMs()
    const wire = fleet.step(receivedMs)
    const pings = wire.flatMap((ping) => {
      const parsed = parsePing(ping, receivedMs)
      return parsed.ok ? [parsed.ping] : []
    })
    if (pings.length === 0 || pings.length !== wire.length) return
    const payload = JSON.stringify(wire)
    // Told busy, a simulated vehicle does as a real one without memory: its next fix comes anyway.
    const offer = {
      source: 'demo',
      receivedMs,
      payload,
      messages: pings,
      deadLetters: [],
      countDuplicates: false,
    }
    this.#offer(offer, () => {})
  }
}
