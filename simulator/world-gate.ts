import type { Clock, Random, VirtualClock } from '../actors/kernel/clock.ts'
import type { Ending, Plan, Port, Rates } from './world-plan.ts'

/** What befell a run, in order, for whoever reads about a seed that failed. */
export class Chronicle {
  readonly lines: string[] = []
  readonly counts = new Map<string, number>()
  readonly #clock: VirtualClock

  constructor(clock: VirtualClock) {
    this.#clock = clock
  }

  note(what: string, detail = ''): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
    const atS = (this.#clock.monotonicMs() / 1_000).toFixed(3)
    this.lines.push(`${atS.padStart(9)} s  ${what}${detail === '' ? '' : `: ${detail}`}`)
  }
}

/** One life of the process, as all that leaves it sees it: once dead, nothing that it does has an effect. */
export class Mortal {
  dead = false
  readonly clock: Clock
  readonly #world: VirtualClock
  readonly #ending: Ending | null
  readonly #onEnding: (ending: Ending, at: string) => void
  #left: number
  readonly #timers = new Set<() => void>()

  constructor(
    world: VirtualClock,
    ending: Ending | null,
    onEnding: (ending: Ending, at: string) => void,
  ) {
    this.#world = world
    this.#ending = ending
    this.#onEnding = onEnding
    this.#left = ending?.nth ?? 0
    // A timer of no time takes a millisecond, as it does in a real event loop.
    const after = (delayMs: number, call: () => void): (() => void) =>
      this.#after(Math.max(1, delayMs), call)
    this.clock = {
      // A machine's clock counts whole milliseconds.
      nowMs: () => Math.floor(world.nowMs()),
      monotonicMs: () => world.monotonicMs(),
      after,
      soon: (call) => void this.#after(0, call),
    }
  }

  die(): void {
    this.dead = true
    for (const cancel of this.#timers) cancel()
    this.#timers.clear()
  }

  /** Says that an operation is about to be done, or was done: the moment may be the last one. */
  pass(operation: string, when: Ending['when']): void {
    const ending = this.#ending
    if (this.dead || !ending?.at || ending.when !== when) return
    if (!operation.startsWith(ending.at) || --this.#left !== 0) return
    this.#onEnding(ending, `${when} ${operation}`)
  }

  #after(delayMs: number, call: () => void): () => void {
    if (this.dead) return () => {}
    const cancel = this.#world.after(delayMs, () => {
      this.#timers.delete(cancelled)
      if (!this.dead) call()
    })
    const cancelled = (): void => {
      this.#timers.delete(cancelled)
      cancel()
    }
    this.#timers.add(cancelled)
    return cancelled
  }
}

/** A promise that nobody will ever settle: what a dead process waits for. */
export const never = <T>(): Promise<T> => new Promise<T>(() => {})

export type Call<T> = Readonly<{
  port: Port
  /** Its name in the chronicle, and what endings are named by. */
  name: string
  effect: () => T | Promise<T>
  failure: (message: string) => Error
  /** Does a part of the work, for faults that tear it. */
  part?: () => void | Promise<void>
}>

/** Where every call that leaves the process passes: it takes time, fails, or is the last thing done. */
export class Gate {
  /** False when faults are over. */
  active = true
  readonly chronicle: Chronicle
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #plan: Plan

  constructor(clock: VirtualClock, random: Random, plan: Plan, chronicle: Chronicle) {
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

  /** How long an operation takes. */
  delayMs(port: Port): number {
    const { slow } = this.#plan.rates[port]
    if (this.chance(slow)) return Math.floor(this.#random() * 500)
    return Math.floor(this.#random() * 3)
  }

  async through<T>(mortal: Mortal, call: Call<T>): Promise<T> {
    const { port, name, effect, failure } = call
    mortal.pass(name, 'before')
    if (mortal.dead) {
      // The last thing that it did may be there in part.
      if (call.part && this.#random() < 0.5) await call.part()
      return never()
    }
    await this.pause(this.delayMs(port))
    if (mortal.dead) return never()
    const fault = this.#draw(port)
    if (fault) this.chronicle.note(`${name.split(' ')[0]} ${fault}`)
    if (fault === 'hang') await this.pause(2_000 + Math.floor(this.#random() * 8_000))
    if (mortal.dead) return never()
    if (fault === 'late') this.#later(mortal, effect)
    if (fault === 'part') await call.part?.()
    const isUndone = fault === 'hang' && this.#random() < 0.5
    if (isUndone || fault === 'fail' || fault === 'late' || fault === 'part') {
      throw failure(`${name}: ${fault}`)
    }
    const result = await effect()
    if (fault === 'twice') await effect()
    mortal.pass(name, 'after')
    if (mortal.dead) return never()
    await this.pause(this.delayMs(port))
    if (mortal.dead) return never()
    if (fault === 'lost') throw failure(`${name}: the answer is lost`)
    return result
  }

  #later(mortal: Mortal, effect: () => unknown): void {
    void this.pause(1 + Math.floor(this.#random() * 3_000)).then(async () => {
      if (mortal.dead) return
      try {
        await effect()
      } catch {
        // Nobody waits for it any more.
      }
    })
  }

  #draw(port: Port): keyof Rates | null {
    if (!this.active) return null
    const rates = this.#plan.rates[port]
    for (const fault of ['fail', 'lost', 'hang', 'late', 'twice', 'part'] as const) {
      if (this.chance(rates[fault])) return fault
    }
    return null
  }
}
