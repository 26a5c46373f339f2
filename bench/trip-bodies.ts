import { madeTrips, type TripsOptions } from '../simulator/trips.ts'

/** Trips as they are sent: whole bodies, made before the first is sent, so that a load costs little. */
export type TripBodies = Readonly<{
  bodies: readonly Uint8Array<ArrayBuffer>[]
  /** Rows of each body. */
  rows: readonly number[]
}>

/** NDJSON bodies of so many rows, in the order in which the trips are made; the last may be shorter. */
export function tripBodies(options: TripsOptions, bodyTrips: number): TripBodies {
  const bodies: Uint8Array<ArrayBuffer>[] = []
  const rows: number[] = []
  let lines: string[] = []
  const close = (): void => {
    if (lines.length === 0) return
    bodies.push(Buffer.from(lines.join('')))
    rows.push(lines.length)
    lines = []
  }
  for (const trip of madeTrips(options)) {
    lines.push(`${JSON.stringify(trip)}\n`)
    if (lines.length === bodyTrips) close()
  }
  close()
  return { bodies, rows }
}

/**
 * Which body goes next. Several fly at one time, but none is further ahead of the oldest without an
 * answer than `ahead`: else a body that is slow would find the watermark beyond its trips.
 */
export class InOrder {
  readonly #count: number
  readonly #ahead: number
  readonly #answered: boolean[] = []
  #next = 0
  #oldest = 0

  constructor(count: number, ahead: number) {
    this.#count = count
    this.#ahead = ahead
  }

  /** True when every body has its answer. */
  get isOver(): boolean {
    return this.#oldest === this.#count
  }

  /** The next body's place; null when it has to wait, or none is left. */
  take(): number | null {
    if (this.#next === this.#count || this.#next >= this.#oldest + this.#ahead) return null
    return this.#next++
  }

  answered(body: number): void {
    this.#answered[body] = true
    while (this.#oldest < this.#next && this.#answered[this.#oldest]) this.#oldest++
  }
}
