import type { Histogram } from '../actors/kernel/telemetry.ts'

/** What a histogram saw in its last steps by bucket, where the histogram itself only grows. */
export class RecentCounts {
  readonly #histogram: Histogram
  readonly #stepsMax: number
  #steps: (readonly number[])[] = []

  constructor(histogram: Histogram, stepsMax: number) {
    this.#histogram = histogram
    this.#stepsMax = stepsMax
  }

  /** Takes a step; the counts of the last steps, in the order of the histogram's bounds. */
  next(): readonly number[] {
    const { counts } = this.#histogram
    this.#steps = [...this.#steps.slice(-this.#stepsMax), [...counts]]
    const [oldest = []] = this.#steps
    return counts.map((count, index) => count - (oldest[index] ?? 0))
  }
}
