import type { Random } from '../actors/kernel/clock.ts'
import { type Ping, type Status, STATUSES } from '../actors/model/ping.ts'
import { naiveIsoUs } from '../actors/model/time.ts'
import { drawInt, type Plan } from './world-plan.ts'

/** A ping as a vehicle made it; `mark` is in its bytes and names it wherever it turns up. */
export type SentPing = Readonly<{ mark: number; ping: Ping; text: string; timestamp: string }>

/** One thing to send: some pings, and perhaps pieces that are none. */
export type Parcel = Readonly<{ pieces: readonly (SentPing | string)[] }>

/** Order ids by which behaviors know what to choke on. */
export const POISON = 'poison'
export const FLAKY = 'flaky'

const BAD_PIECES = [
  '{"session_id":"session-1"}',
  '{"device_id":"d","vehicle_id":"v","session_id":"","order_id":"o"}',
  '{"device_id":1,"status":"lost"}',
  '{}',
] as const

type Session = Readonly<{
  id: string
  order: string
  points: number
  startUs: number
  place: number
}>

/** All traffic of a run: the routes of some sessions, with everything that vehicles do wrong. */
export class Traffic {
  readonly pings: SentPing[] = []
  readonly #random: Random
  readonly #plan: Plan

  constructor(random: Random, plan: Plan) {
    this.#random = random
    this.#plan = plan
    for (let index = 0; index < plan.sessions; index++) this.#route(index)
  }

  /** The parcels of each client, in the order in which it sends them. */
  parcels(clients: number): readonly (readonly Parcel[])[] {
    const random = this.#random
    const loads = Array.from({ length: clients }, (): SentPing[] => [])
    const stray = random() < 0.4 ? 0.2 : 0
    for (const sent of this.pings) {
      // A vehicle keeps to one line, except when it does not.
      const home = Number(sent.ping.sessionId.split('-')[1]) % clients
      const client = random() < stray ? Math.floor(random() * clients) : home
      loads[client]?.push(sent)
    }
    return loads.map((load) => this.#pack(this.#disturb(load)))
  }

  #route(index: number): void {
    const random = this.#random
    const { startMs, poisonRate, flakyRate } = this.#plan
    const ageMs = random() < 0.5 ? drawInt(random, 0, 60_000) : drawInt(random, 0, 10_000_000)
    const session: Session = {
      id: `session-${index}`,
      order: `order-${index}`,
      points: drawInt(random, 1, random() < 0.3 ? 60 : 18),
      startUs: (startMs - ageMs) * 1_000 - drawInt(random, 0, 999_999),
      place: drawInt(random, 0, 300),
    }
    const completes = random() < 0.7
    const startLost = random() < 0.2
    let us = session.startUs
    for (let point = 0; point < session.points; point++) {
      // Some fixes share their time, at another place.
      us += random() < 0.1 ? 0 : drawInt(random, 500_000, 40_000_000)
      const isLast = point === session.points - 1
      const status: Status =
        isLast && completes ? 'completed' : point === 0 && !startLost ? 'started' : 'en_route'
      const luck = random()
      const order =
        luck < poisonRate ? POISON : luck < poisonRate + flakyRate ? FLAKY : session.order
      this.#add(session, { us, status, order, step: point })
      if (random() < 0.05)
        this.#add(session, { us, status, order: `${session.order}-b`, step: point })
      if (status === 'completed' && random() < 0.3) {
        this.#add(session, { us: us + 3_000_000, status, order, step: point })
      }
    }
  }

  #add(
    session: Session,
    at: Readonly<{ us: number; status: Status; order: string; step: number }>,
  ): void {
    const random = this.#random
    const mark = this.pings.length
    const spread = (): number => drawInt(random, 0, 400) / 1e6
    const place = session.place / 1_000
    const ping: Ping = {
      deviceId: `device-${session.id}`,
      vehicleId: `vehicle-${session.place % 5}`,
      sessionId: session.id,
      orderId: at.order,
      status: at.status,
      eventTimeUs: at.us,
      startLat: 38 + place,
      startLng: 23.7,
      endLat: 37.95,
      endLng: 23.6 + place,
      lat: 38 + place - at.step * 0.0007 + spread(),
      lng: 23.7 + at.step * 0.0004 + spread(),
    }
    const timestamp = `${naiveIsoUs(at.us)}${random() < 0.3 ? 'Z' : ''}`
    this.pings.push({ mark, ping, timestamp, text: wireText(ping, timestamp, mark) })
  }

  /** Lost order, repeats, and yesterday's buffer sent again. */
  #disturb(load: readonly SentPing[]): readonly SentPing[] {
    const random = this.#random
    const order = load.map((sent, index) => ({ sent, at: index }))
    if (random() < 0.3) for (const one of order) one.at = random() * load.length
    else if (random() < 0.6) for (const one of order) one.at += random() * random() * 12
    const repeatRate = random() < 0.5 ? 0 : random() * 0.4
    for (const { sent, at } of [...order]) {
      if (random() < repeatRate) order.push({ sent, at: at + random() * 30 })
    }
    order.sort((a, b) => a.at - b.at)
    const again = random() < 0.3 ? order.filter(() => random() < 0.8) : []
    return [...order, ...again].map(({ sent }) => sent)
  }

  #pack(load: readonly SentPing[]): readonly Parcel[] {
    const random = this.#random
    const sizeMax = random() < 0.4 ? 1 : drawInt(random, 2, 25)
    const parcels: Parcel[] = []
    for (let at = 0; at < load.length;) {
      const pieces: (SentPing | string)[] = load.slice(at, at + drawInt(random, 1, sizeMax))
      at += pieces.length
      if (random() < this.#plan.badRate) {
        const bad = BAD_PIECES[Math.floor(random() * BAD_PIECES.length)] ?? '{}'
        if (sizeMax === 1) parcels.push({ pieces: [bad] })
        else pieces.splice(Math.floor(random() * pieces.length), 0, bad)
      }
      parcels.push({ pieces })
    }
    return parcels
  }
}

/** Pings of a parcel as one frame. */
export function frameText(parcel: Parcel, asList: boolean): string {
  const texts = parcel.pieces.map((piece) => (typeof piece === 'string' ? piece : piece.text))
  if (asList) return `[${texts.join(',')}]`
  return texts.join('\n')
}

/** Whether this is one of the three statuses. */
export function rankOf(status: Status): number {
  return STATUSES.indexOf(status)
}

function wireText(ping: Ping, timestamp: string, mark: number): string {
  return JSON.stringify({
    device_id: ping.deviceId,
    vehicle_id: ping.vehicleId,
    session_id: ping.sessionId,
    order_id: ping.orderId,
    status: ping.status,
    timestamp,
    start_lat: ping.startLat,
    start_lon: ping.startLng,
    end_lat: ping.endLat,
    end_lon: ping.endLng,
    current_lat: ping.lat,
    current_lon: ping.lng,
    mark,
  })
}
