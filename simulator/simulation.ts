import type { Clock } from '../actors/kernel/clock.ts'
import { seededRandom } from '../actors/kernel/clock.ts'
import { FaultLine, type FaultShares } from './faults.ts'
import type { Fleet } from './fleet.ts'
import { Link } from './link.ts'
import type { Line } from './outbox.ts'
import { type Summary, Tally } from './tally.ts'

export type SimulationOptions = Readonly<{
  url: string
  /** Asked for before each connection, told `true` when the last key was refused. */
  key: (refused: boolean) => Promise<string>
  fleet: Fleet
  seed: number
  framePings: number
  sockets: number
  framesInFlightMax: number
  faults: FaultShares
  clock: Clock
  onAcknowledged: (lines: readonly string[]) => void
}>

/** Pings that all outboxes hold together before a vehicle's memory counts as full. */
const LINES_MAX = 200_000
const STEP_MS = 10
/** A frame that does not fill goes out after this long. */
const FRAME_AGE_MS_MAX = 250
const DRAIN_STEP_MS = 5

/** What is going on, for the line that a person watches. */
export type SimulationState = Readonly<{
  tally: Tally
  unacknowledged: number
  linksReady: number
  links: number
}>

/** A fleet, its faults, and the links that carry it to a server. */
export class Simulation {
  readonly #options: SimulationOptions
  readonly #tally = new Tally()
  readonly #faults: FaultLine
  readonly #links: readonly Link[]
  readonly #linkOfVehicle = new Map<string, Link>()
  #cancelStep: (() => void) | null = null
  #lastFrames: (() => void) | null = null

  constructor(options: SimulationOptions) {
    this.#options = options
    const { clock, url, key, framePings, framesInFlightMax, sockets, onAcknowledged } = options
    const random = seededRandom(options.seed ^ 0x5eed)
    this.#faults = new FaultLine(options.faults, random, this.#tally)
    const around = {
      ...{ url, key, clock, onAcknowledged, tally: this.#tally, faults: this.#faults },
      // Back-off is no part of the fleet: it must not move the seeded faults.
      random: seededRandom(options.seed ^ 0xbac0ff),
    }
    const linesMax = Math.max(framePings, Math.ceil(LINES_MAX / sockets))
    this.#links = Array.from(
      { length: sockets },
      () => new Link(around, { framePings, framesInFlightMax, linesMax }),
    )
  }

  get state(): SimulationState {
    return {
      tally: this.#tally,
      unacknowledged: this.#links.reduce((sum, link) => sum + link.outbox.lines, 0),
      linksReady: this.#links.filter((link) => link.ready).length,
      links: this.#links.length,
    }
  }

  /** Connects and drives off. Rejects when the first link cannot connect. */
  async start(): Promise<void> {
    const [first, ...others] = this.#links
    await first?.start()
    // One key that works is known; the others keep trying for themselves.
    for (const link of others) link.start().catch(() => {})
    this.#step()
  }

  /**
   * Stops generating, lets go what faults hold back, and waits until all is answered, at most so long;
   * then closes the links and the books.
   */
  async finish(drainMsMax: number): Promise<Summary> {
    this.#cancelStep?.()
    this.#faults.release(Infinity, this.#send)
    for (const link of this.#links) link.outbox.close()
    await this.#drained(drainMsMax)
    for (const link of this.#links) link.end()
    const held = this.#links.reduce((sum, link) => sum + link.outbox.originals, 0)
    return this.#tally.settle(held + this.#faults.originals)
  }

  /** Ends the waiting of `finish` at once. */
  giveUp(): void {
    this.#lastFrames?.()
  }

  #step(): void {
    const { clock, fleet } = this.#options
    const nowMs = clock.nowMs()
    for (const ping of fleet.step(nowMs))
      this.#faults.pass(JSON.stringify(ping), ping.vehicle_id, nowMs, this.#send)
    this.#faults.release(nowMs, this.#send)
    const ageMs = clock.monotonicMs()
    for (const link of this.#links) {
      link.outbox.closeOlderThan(FRAME_AGE_MS_MAX, ageMs)
      link.pump()
    }
    this.#cancelStep = clock.after(STEP_MS, () => this.#step())
  }

  readonly #send = (line: Line, vehicle: string): void => {
    let link = this.#linkOfVehicle.get(vehicle)
    if (!link) {
      link = this.#links[this.#linkOfVehicle.size % this.#links.length]
      if (!link) return
      this.#linkOfVehicle.set(vehicle, link)
    }
    const taken = link.outbox.offer(line, this.#options.clock.monotonicMs())
    if (!taken && !line.copy) this.#tally.overflowed++
  }

  #drained(drainMsMax: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      this.#lastFrames = resolve
      const untilMs = clock.monotonicMs() + drainMsMax
      const look = (): void => {
        for (const link of this.#links) link.pump()
        const done = this.#links.every((link) => link.outbox.lines === 0)
        if (done || clock.monotonicMs() >= untilMs) resolve()
        else clock.after(DRAIN_STEP_MS, look)
      }
      look()
    })
  }
}
