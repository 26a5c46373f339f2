import type { Clock, Random, VirtualClock } from '../actors/kernel/clock.ts'
import type { NetPort, ScaledPlan } from './scaled-world-plan.ts'
import { type Chronicle, Mortal, never } from './world-gate.ts'
import type { Rates } from './world-plan.ts'

type Held = { call: (() => void) | null }

/** One life of one process among several: it may die, or stand still while the world goes on. */
export class Node extends Mortal {
  readonly name: string
  override readonly clock: Clock
  frozen = false
  /** What falls due while it stands still. */
  #held: Held[] = []
  readonly #onDeath: (() => void)[] = []

  /** `skewMs`: how much its wall clock is ahead of the world's. */
  constructor(world: VirtualClock, name: string, skewMs: number) {
    super(world, null, () => {})
    this.name = name
    const after = (delayMs: number, call: () => void): (() => void) => {
      // A timer of no time takes a millisecond, as it does in a real event loop.
      const held: Held = { call }
      const cancel = world.after(Math.max(1, delayMs), () => this.#due(held))
      return () => {
        held.call = null
        cancel()
      }
    }
    this.clock = {
      nowMs: () => Math.floor(world.nowMs()) + skewMs,
      monotonicMs: () => world.monotonicMs(),
      after,
      soon: (call) => void after(0, call),
    }
  }

  /** No turn of its comes from now on; what it has sent is on its way all the same. */
  freeze(): void {
    this.frozen = true
  }

  /** It goes on, and does not know that it stood still. */
  thaw(): void {
    this.frozen = false
    for (const held of this.#held.splice(0)) this.#due(held)
  }

  override die(): void {
    super.die()
    this.#held = []
    for (const call of this.#onDeath.splice(0)) call()
  }

  /** Called when it dies: what an operating system would do. */
  onDeath(call: () => void): void {
    this.#onDeath.push(call)
  }

  /** Resolves at its next turn; never when it is dead. */
  turn(): Promise<void> {
    if (this.dead) return never()
    if (!this.frozen) return Promise.resolve()
    return new Promise((resolve) => this.#held.push({ call: resolve }))
  }

  #due(held: Held): void {
    if (this.dead || !held.call) return
    if (this.frozen) return void this.#held.push(held)
    const { call } = held
    held.call = null
    call()
  }
}

/** A request to somebody outside. */
export type Request<T> = Readonly<{
  port: NetPort
  /** Its name in the chronicle. */
  name: string
  /** What happens at the other end, once the request is there. */
  effect: () => T | Promise<T>
  failure: (message: string) => Error
  /** Does a part of the work, for faults that tear it. */
  part?: () => void | Promise<void>
}>

/** The network between the processes and their stores: what is sent arrives, or late, or never, and so does the answer. */
export class Net {
  /** False when faults are over. */
  active = true
  readonly chronicle: Chronicle
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #plan: ScaledPlan

  constructor(clock: VirtualClock, random: Random, plan: ScaledPlan, chronicle: Chronicle) {
    this.#clock = clock
    this.#random = random
    this.#plan = plan
    this.chronicle = chronicle
  }

  chance(rate: number): boolean {
    return this.active && rate > 0 && this.#random() < rate
  }

  pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#clock.after(ms, resolve))
  }

  /** A moment up to `max`, mostly short while faults go on, and always so afterwards. */
  upTo(max: number): number {
    return this.active ? Math.floor(this.#random() ** 4 * max) : Math.min(max, 2)
  }

  async call<T>(node: Node, request: Request<T>): Promise<T> {
    if (node.dead) return never()
    const { port, name, effect, failure } = request
    const drawn = this.#draw(port)
    const fault = drawn === 'part' && !request.part ? 'fail' : drawn
    if (fault) this.chronicle.note(`${name.split(' ')[0]} ${fault}`, node.name)
    if (fault === 'late') this.#later(effect)
    await this.pause(this.#delayMs(port))
    if (fault === 'hang') await this.pause(2_000 + Math.floor(this.#random() * 8_000))
    if (fault === 'part') await request.part?.()
    const isUndone = fault === 'hang' && this.#random() < 0.5
    if (isUndone || fault === 'fail' || fault === 'late' || fault === 'part') {
      await node.turn()
      throw failure(`${name}: ${fault}`)
    }
    // A request that was sent arrives, whatever became of its sender: mostly.
    if (node.dead && this.#random() < 0.3) return never()
    try {
      const result = await effect()
      await this.pause(this.#delayMs(port))
      if (fault === 'lost') throw failure(`${name}: the answer is lost`)
      return result
    } finally {
      await node.turn()
    }
  }

  #later(effect: () => unknown): void {
    const delayMs = 1 + Math.floor(this.#random() * this.#plan.lateMsMax)
    void this.pause(delayMs).then(async () => {
      try {
        await effect()
      } catch {
        // Nobody waits for it any more.
      }
    })
  }

  #delayMs(port: NetPort): number {
    const isSlow = this.chance(this.#plan.rates[port].slow)
    return Math.floor(this.#random() * (isSlow ? 500 : 3))
  }

  #draw(port: NetPort): keyof Rates | null {
    const rates = this.#plan.rates[port]
    for (const fault of ['fail', 'lost', 'hang', 'late', 'part'] as const) {
      if (this.chance(rates[fault])) return fault
    }
    return null
  }
}
