import type { Random } from '../actors/kernel/clock.ts'
import type { Line } from './outbox.ts'
import type { Tally } from './tally.ts'

/** What can go wrong between a vehicle and the server, made to go wrong on purpose. */
export const FAULTS = ['drop', 'duplicate', 'reorder', 'late', 'cut'] as const
export type Fault = (typeof FAULTS)[number]

/** Share of pings (of frames for `cut`) that a fault hits. */
export type FaultShares = Readonly<Partial<Record<Fault, number>>>

/** Shares used when a fault is named without a number. */
export const FAULT_SHARES: Readonly<Record<Fault, number>> = {
  drop: 0.01,
  duplicate: 0.02,
  reorder: 0.05,
  late: 0.01,
  cut: 0.005,
}

const REORDER_MS_MAX = 3_000
const LATE_MS_MIN = 60_000
const LATE_MS_MAX = 300_000
/** Lines held back at once; beyond it pings pass unharmed, so that memory stays bounded. */
const HELD_MAX = 100_000

type Held = { dueMs: number; vehicle: string; line: Line }

/** Reads `drop,duplicate=0.1,…`; the error says which word is none. */
export function parseFaults(text: string): FaultShares {
  const shares: Partial<Record<Fault, number>> = {}
  for (const word of text.split(',').filter((part) => part !== '')) {
    const [name = '', share] = word.split('=')
    const fault = FAULTS.find((known) => known === name.trim())
    if (!fault) throw new Error(`unknown fault "${name}": choose from ${FAULTS.join(', ')}`)
    const value = share === undefined ? FAULT_SHARES[fault] : Number(share)
    if (!(value >= 0 && value <= 1))
      throw new Error(`the share of "${fault}" is "${share}", not a number from 0 to 1`)
    shares[fault] = value
  }
  return shares
}

/**
 * Stands between the fleet and the outboxes: lets a ping through, loses it, repeats it, or holds it
 * back for seconds (`reorder`) or minutes (`late`). The same seed harms the same pings.
 */
export class FaultLine {
  readonly #shares: FaultShares
  readonly #random: Random
  readonly #tally: Tally
  /** A binary heap by due time. */
  #held: Held[] = []

  constructor(shares: FaultShares, random: Random, tally: Tally) {
    this.#shares = shares
    this.#random = random
    this.#tally = tally
  }

  /** Pings held back and not yet let go, copies left out. */
  get originals(): number {
    return this.#held.reduce((sum, held) => sum + (held.line.copy ? 0 : 1), 0)
  }

  /** Takes a fresh ping; what is to be sent now goes to `send`. */
  pass(
    text: string,
    vehicle: string,
    nowMs: number,
    send: (line: Line, vehicle: string) => void,
  ): void {
    this.#tally.generated++
    if (this.#hits('drop')) {
      this.#tally.dropped++
      return
    }
    const line = { text, copy: false }
    const late = this.#hits('late')
    const reorder = this.#hits('reorder')
    const room = this.#held.length < HELD_MAX
    if (late && room) {
      this.#tally.late++
      this.#hold(line, vehicle, nowMs + LATE_MS_MIN + this.#random() * (LATE_MS_MAX - LATE_MS_MIN))
    } else if (reorder && room) {
      this.#tally.reordered++
      this.#hold(line, vehicle, nowMs + this.#random() * REORDER_MS_MAX)
    } else {
      send(line, vehicle)
    }
    if (this.#hits('duplicate') && this.#held.length < HELD_MAX)
      this.#hold({ text, copy: true }, vehicle, nowMs + this.#random() * REORDER_MS_MAX)
  }

  /** Lets go what is due. */
  release(nowMs: number, send: (line: Line, vehicle: string) => void): void {
    for (let next = this.#held[0]; next && next.dueMs <= nowMs; next = this.#held[0]) {
      this.#removeFirst()
      send(next.line, next.vehicle)
    }
  }

  /** True when the connection is to be cut after this frame. */
  cuts(): boolean {
    return this.#hits('cut')
  }

  #hits(fault: Fault): boolean {
    const share = this.#shares[fault] ?? 0
    return share > 0 && this.#random() < share
  }

  #hold(line: Line, vehicle: string, dueMs: number): void {
    const heap = this.#held
    let at = heap.length
    const held = { dueMs, vehicle, line }
    heap.push(held)
    while (at > 0) {
      const parentAt = (at - 1) >> 1
      const parent = heap[parentAt]
      if (!parent || parent.dueMs <= dueMs) break
      heap[at] = parent
      at = parentAt
    }
    heap[at] = held
  }

  #removeFirst(): void {
    const heap = this.#held
    const last = heap.pop()
    if (!last || heap.length === 0) return
    let at = 0
    for (;;) {
      const left = heap[at * 2 + 1]
      const right = heap[at * 2 + 2]
      const child = right && left && right.dueMs < left.dueMs ? at * 2 + 2 : at * 2 + 1
      const lower = heap[child]
      if (!lower || lower.dueMs >= last.dueMs) break
      heap[at] = lower
      at = child
    }
    heap[at] = last
  }
}
