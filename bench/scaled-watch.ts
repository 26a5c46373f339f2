import { memoryMb } from './processes.ts'
import type { Rig } from './scaled-rig.ts'
import { silverRows } from './scaled-stores.ts'

type Sample = Readonly<{ atMs: number; behind: number }>

const EVERY_MS = 1_000

/** Looks every second at how far silver is behind what was acknowledged, and at the load's memory. */
export class Watch {
  /** Set by the load's progress. */
  acknowledged = 0
  loadPid: number | null = null
  loadRssMb = 0
  readonly #rig: Rig
  readonly #samples: Sample[] = []
  #stopped = false
  readonly #running: Promise<void>

  constructor(rig: Rig) {
    this.#rig = rig
    this.#running = this.#run()
    this.#running.catch(() => {})
  }

  /** Rejects when the store could not be asked. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#running
  }

  /** Acknowledged pings that were not in silver, at the end of so many equal stretches. */
  behind(fromMs: number, toMs: number, stretches: number): readonly number[] {
    const span = (toMs - fromMs) / stretches
    return Array.from({ length: stretches }, (_, index) => {
      const endMs = fromMs + (index + 1) * span
      return this.#samples.findLast(({ atMs }) => atMs <= endMs)?.behind ?? 0
    })
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      // Asked first: what is acknowledged meanwhile is no backlog.
      const { acknowledged } = this
      const stored = (await silverRows(this.#rig)) - this.#rig.probed
      this.#samples.push({
        atMs: performance.now(),
        behind: Math.max(0, acknowledged - stored),
      })
      if (this.loadPid !== null)
        this.loadRssMb = Math.max(this.loadRssMb, memoryMb(this.loadPid).most)
      await Bun.sleep(EVERY_MS)
    }
  }
}
