import { loadavg } from 'node:os'

import type { Cleanup } from './load-process.ts'
import { memoryMb } from './processes.ts'

/** What a scenario is given. */
export type ScenarioOptions = Readonly<{
  workDir: string
  /** How long an overload lasts. */
  seconds: number
  /** Sessions that are seen. */
  sessions: number
  /** Messages in the journal at a restart. */
  records: number
  /** Trips of a replay. */
  trips: number
  /** One part of a scenario that has several; null for all. */
  only: string | null
  say: (text: string) => void
  onCleanup: Cleanup
  /** Called when a server ends that should not; the scenario fails with what it said. */
  onServerEnded: (why: string) => void
}>

/** What a scenario came to: figures by name, a table for people, and whether what must hold held. */
export type ScenarioResult = Readonly<{
  figures: Readonly<Record<string, unknown>>
  rows: readonly (readonly [name: string, value: string])[]
  held: boolean
}>

/** A table of two columns. */
export function rowsText(rows: ScenarioResult['rows']): string {
  return rows.map(([name, value]) => `${name.padEnd(52)}${value}`).join('\n')
}

/** The machine's load over the last minute, to say beside the figures: others may use it too. */
export function loadAverage(): number {
  return round(loadavg()[0] ?? 0)
}

/** Two decimals. */
export function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** With thousands apart. */
export function shown(value: number): string {
  return Number.isNaN(value) ? 'none' : round(value).toLocaleString('en-US')
}

const RSS_EVERY_MS = 500

/** Reads a process's memory all the time, in megabytes. */
export class MemoryWatch {
  readonly #samples: number[] = []
  readonly #timer: ReturnType<typeof setInterval>

  constructor(pid: number) {
    this.#timer = setInterval(() => this.#samples.push(memoryMb(pid).now), RSS_EVERY_MS)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Samples so far: a mark for `over`. */
  get length(): number {
    return this.#samples.length
  }

  get mostMb(): number {
    return Math.round(Math.max(0, ...this.#samples))
  }

  /** Means of so many equal stretches of the time since a mark. */
  over(stretches: number, from = 0): readonly number[] {
    const samples = this.#samples.slice(from)
    return Array.from({ length: stretches }, (_, index) => {
      const at = (share: number): number => Math.floor((samples.length * share) / stretches)
      const some = samples.slice(at(index), at(index + 1))
      return Math.round(some.reduce((sum, mb) => sum + mb, 0) / Math.max(1, some.length))
    })
  }
}
