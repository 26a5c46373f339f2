import type { Random, VirtualClock } from '../actors/kernel/clock.ts'
import { type DiskFault, type DiskOperation, MemoryDisk } from '../actors/kernel/memory-disk.ts'
import { MemoryStateStore } from '../actors/kernel/memory-state-store.ts'
import { MemoryStorage } from '../sinks/iceberg/memory-storage.ts'
import type { Gate } from './world-gate.ts'
import type { Plan } from './world-plan.ts'
import { SilverTables } from './world-silver.ts'

/** What a machine keeps when the process ends: disk, states, and the stores. */
export class Machine {
  readonly disk: MemoryDisk
  readonly states: MemoryStateStore
  readonly silver = new SilverTables()
  readonly bronze: MemoryStorage
  readonly #clock: VirtualClock
  readonly #random: Random
  readonly #gate: Gate
  /** Saves that are written and not synced, oldest first. */
  #saves: (() => void)[] = []
  #savedMs = 0

  constructor(options: Readonly<{ clock: VirtualClock; random: Random; gate: Gate; plan: Plan }>) {
    const { clock, random, gate, plan } = options
    this.#clock = clock
    this.#random = random
    this.#gate = gate
    this.disk = new MemoryDisk({ random, pause: () => gate.pause(gate.delayMs('disk')) })
    this.disk.plan = (operation) => this.#diskFault(operation, plan)
    this.states = new MemoryStateStore(() => this.#saved())
    this.bronze = new MemoryStorage(clock)
  }

  /** The process is gone; with `power`, so is everything that was not synced. */
  async end(power: boolean): Promise<void> {
    if (power) this.disk.crash()
    else this.disk.kill()
    // Some of what was on its way into the state store is there, in order.
    const durable = Math.floor(this.#random() * (this.#saves.length + 1))
    for (const saved of this.#saves.splice(0).slice(0, durable)) saved()
    await this.#gate.pause(0)
    this.states.crash()
  }

  /** Leaves so many bytes on the disk. */
  fill(bytes: number): void {
    this.disk.bytesTotal = this.disk.bytesUsed + bytes
  }

  empty(): void {
    this.disk.bytesTotal = Infinity
  }

  /** One write after the other, as one thread does it. */
  #saved(): Promise<void> {
    const nowMs = this.#clock.monotonicMs()
    this.#savedMs = Math.max(this.#savedMs, nowMs + this.#gate.delayMs('states'))
    return new Promise((resolve) => {
      const saved = (): void => {
        this.#saves = this.#saves.filter((other) => other !== saved)
        resolve()
      }
      this.#saves.push(saved)
      this.#clock.after(this.#savedMs - nowMs, () => {
        if (this.#saves.includes(saved)) saved()
      })
    })
  }

  #diskFault(operation: DiskOperation, plan: Plan): DiskFault | null {
    const { fail, part } = plan.rates.disk
    if (!this.#gate.chance(fail)) return null
    this.#gate.chronicle.note(`disk.${operation} fail`)
    const code = this.#random() < 0.5 ? 'EIO' : 'ENOSPC'
    const bytesTaken = this.#gate.chance(part * 5) ? Math.floor(this.#random() * 300) : 0
    return { code, bytesTaken }
  }
}
