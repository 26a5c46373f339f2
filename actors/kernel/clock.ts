/** Time and timers, handed in so that tests and the simulation decide how time passes. */
export interface Clock {
  /** Wall clock, milliseconds since 1970 UTC. May jump; never used to measure how long something took. */
  nowMs(): number
  /** Monotonic milliseconds; only differences mean something. */
  monotonicMs(): number
  /** Calls once after `delayMs`; the result cancels it. */
  after(delayMs: number, call: () => void): () => void
  /** Lets waiting I/O go first, then calls. */
  soon(call: () => void): void
}

/** A source of randomness in [0, 1), handed in so that a seed repeats a run. */
export type Random = () => number

/** The machine's own clock. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, call) {
    const timer = setTimeout(call, delayMs)
    return () => clearTimeout(timer)
  },
  soon: (call) => void setImmediate(call),
}

type Timer = { dueMs: number; sequence: number; call: (() => void) | null }

/** A clock that stands still until told; timers fire in order of their due time. For tests and the simulation. */
export class VirtualClock implements Clock {
  #nowMs: number
  #elapsedMs = 0
  #sequence = 0
  #waiting = 0
  /** A binary heap by due time; a cancelled timer stays in it without its call until it is due. */
  readonly #timers: Timer[] = []

  constructor(startMs = 1_790_000_000_000) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, call: () => void): () => void {
    const dueMs = this.#elapsedMs + Math.max(0, delayMs)
    const timer: Timer = { dueMs, sequence: this.#sequence++, call }
    this.#push(timer)
    this.#waiting++
    return () => {
      if (timer.call) this.#waiting--
      timer.call = null
    }
  }

  soon(call: () => void): void {
    this.after(0, call)
  }

  /** How many timers wait: a test that leaks one sees it here. */
  get waiting(): number {
    return this.#waiting
  }

  /** Moves the wall clock alone, as an operator or NTP does. */
  jumpMs(byMs: number): void {
    this.#nowMs += byMs
  }

  /** Lets time pass and fires what falls due, in order; promises settle between two timers. */
  async advanceMs(byMs: number): Promise<void> {
    const untilMs = this.#elapsedMs + byMs
    for (;;) {
      await settle()
      const next = this.#next(untilMs)
      if (!next) break
      this.#pass(next.dueMs - this.#elapsedMs)
      next.call()
    }
    this.#pass(untilMs - this.#elapsedMs)
    await settle()
  }

  #pass(byMs: number): void {
    this.#elapsedMs += byMs
    this.#nowMs += byMs
  }

  /** Takes out the first timer that is due until then. */
  #next(untilMs: number): { dueMs: number; call: () => void } | null {
    for (let first = this.#timers[0]; first; first = this.#timers[0]) {
      const { dueMs, call } = first
      if (call && dueMs > untilMs) return null
      this.#takeFirst()
      if (!call) continue
      first.call = null
      this.#waiting--
      return { dueMs, call }
    }
    return null
  }

  #push(timer: Timer): void {
    const timers = this.#timers
    let at = timers.length
    for (; at > 0; at = (at - 1) >> 1) {
      const parent = timers[(at - 1) >> 1]
      if (!parent || isBefore(parent, timer)) break
      timers[at] = parent
    }
    timers[at] = timer
  }

  #takeFirst(): void {
    const timers = this.#timers
    const last = timers.pop()
    if (!last || timers.length === 0) return
    let at = 0
    for (;;) {
      const left = timers[2 * at + 1]
      const right = timers[2 * at + 2]
      const isRight = left && right && isBefore(right, left)
      const child = isRight ? right : left
      if (!child || isBefore(last, child)) break
      timers[at] = child
      at = 2 * at + (isRight ? 2 : 1)
    }
    timers[at] = last
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.sequence < b.sequence)
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve()
}

/** A small seeded generator (mulberry32): the same seed gives the same numbers on every machine. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
