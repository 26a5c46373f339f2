import type { Random } from '../actors/kernel/clock.ts'
import type { Handling, Leg } from './leg.ts'

/** A kind of vehicle: the prefix of its id, its share of a fleet, how it drives. */
export type VehicleKind = Handling & Readonly<{ prefix: string; share: number }>

export const VEHICLE_KINDS: readonly VehicleKind[] = [
  { prefix: 'VAN', share: 0.4, kmhMax: 90, accelerationMs2: 1.8, brakingMs2: 2.5 },
  { prefix: 'EV', share: 0.2, kmhMax: 85, accelerationMs2: 2.4, brakingMs2: 2.5 },
  { prefix: 'MOTO', share: 0.2, kmhMax: 70, accelerationMs2: 2.6, brakingMs2: 3 },
  { prefix: 'BIKE', share: 0.2, kmhMax: 25, accelerationMs2: 0.9, brakingMs2: 2 },
]

/** Longest stretch of time moved in one go; shorter is truer at corners, longer is cheaper. */
const SLICE_S_MAX = 0.5
const SLICES_MAX = 60
const CREEP_MS = 0.8
const ARRIVED_M = 0.3

/** One vehicle on one leg. Pure motion: it knows nothing of pings, orders or time of day. */
export class Drive {
  readonly leg: Leg
  readonly #handling: Handling
  /** Node passed last, and metres driven since. */
  #node = 0
  #alongM = 0
  #speedMs = 0
  #waitS = 0

  constructor(leg: Leg, handling: Handling, rolling: boolean) {
    this.leg = leg
    this.#handling = handling
    if (rolling) this.#speedMs = Math.min(leg.passMs[0] ?? 0, leg.cruiseMs[0] ?? 0)
  }

  get speedKmh(): number {
    return this.#speedMs * 3.6
  }

  /** At the door, and the goods handed over. */
  get finished(): boolean {
    return this.#atDoor && this.#waitS <= 0
  }

  get lat(): number {
    return this.#between(this.leg.lat)
  }

  get lng(): number {
    return this.#between(this.leg.lng)
  }

  /** Drives for a while: speeds up, brakes, waits. */
  advance(seconds: number): void {
    const sliceS = Math.max(SLICE_S_MAX, seconds / SLICES_MAX)
    let leftS = seconds
    while (leftS > 1e-9 && !this.finished) {
      const takenS = Math.min(leftS, this.#waitS > 0 ? this.#waitS : sliceS)
      if (this.#waitS > 0) this.#waitS -= takenS
      else this.#move(takenS)
      leftS -= takenS
    }
  }

  get #atDoor(): boolean {
    return this.#node === this.leg.lat.length - 1
  }

  #move(seconds: number): void {
    const { leg } = this
    const aheadM = (leg.lengthM[this.#node] ?? 0) - this.#alongM
    const passMs = leg.passMs[this.#node + 1] ?? 0
    const { accelerationMs2, brakingMs2 } = this.#handling
    const safeMs = Math.sqrt(passMs * passMs + 2 * brakingMs2 * Math.max(0, aheadM))
    const wantedMs = Math.min(leg.cruiseMs[this.#node] ?? 0, safeMs)
    const fasterMs = Math.min(wantedMs, this.#speedMs + accelerationMs2 * seconds)
    const nextMs = Math.max(CREEP_MS, fasterMs, this.#speedMs - brakingMs2 * 1.5 * seconds)
    this.#roll(((this.#speedMs + nextMs) / 2) * seconds)
    this.#speedMs = this.#waitS > 0 ? 0 : nextMs
  }

  /** Rolls on over as many nodes as the way reaches, up to the next stop. */
  #roll(metres: number): void {
    const { leg } = this
    this.#alongM += metres
    for (;;) {
      const lengthM = leg.lengthM[this.#node] ?? 0
      const stop = (leg.waitS[this.#node + 1] ?? 0) > 0
      if (this.#alongM < lengthM - (stop ? ARRIVED_M : 0)) return
      this.#node++
      this.#alongM = stop ? 0 : this.#alongM - lengthM
      if (!stop) continue
      this.#waitS = leg.waitS[this.#node] ?? 0
      return
    }
  }

  #between(coordinates: Float64Array): number {
    const from = coordinates[this.#node] ?? 0
    const lengthM = this.leg.lengthM[this.#node] ?? 0
    if (lengthM === 0) return from
    const to = coordinates[this.#node + 1] ?? from
    return from + ((to - from) * this.#alongM) / lengthM
  }
}

/** The wandering error of a GPS receiver: it drifts, as the real one does, and does not jump about. */
export class GpsNoise {
  readonly #sigmaM: number
  readonly #random: Random
  #northM = 0
  #eastM = 0

  constructor(sigmaM: number, random: Random) {
    this.#sigmaM = sigmaM
    this.#random = random
  }

  /** Where the receiver believes to be when it is here. */
  apply(lat: number, lng: number): Readonly<{ lat: number; lng: number }> {
    if (this.#sigmaM === 0) return { lat, lng }
    this.#northM = this.#drift(this.#northM)
    this.#eastM = this.#drift(this.#eastM)
    const degree = 111_195
    return {
      lat: lat + this.#northM / degree,
      lng: lng + this.#eastM / (degree * Math.cos((lat * Math.PI) / 180)),
    }
  }

  #drift(errorM: number): number {
    // Sum of three uniform numbers, near enough to a normal one; 0.9 and 0.436 keep the variance.
    const normal = (this.#random() + this.#random() + this.#random() - 1.5) * 2
    return errorM * 0.9 + this.#sigmaM * 0.436 * normal
  }
}
