import type { Histogram } from '../actors/kernel/telemetry.ts'

/** A quantile of what a histogram saw in its last steps, where the histogram itself only grows. */
export class RecentQuantile {
  readonly #histogram: Histogram
  readonly #quantile: number
  readonly #stepsMax: number
  #steps: (readonly number[])[] = []

  constructor(histogram: Histogram, quantile: number, stepsMax: number) {
    this.#histogram = histogram
    this.#quantile = quantile
    this.#stepsMax = stepsMax
  }

  /** Takes a step; the bucket bound under which the quantile of the last steps lies, null when they saw nothing. */
  next(): number | null {
    const { counts, bounds } = this.#histogram
    this.#steps = [...this.#steps.slice(-this.#stepsMax), [...counts]]
    const [oldest = []] = this.#steps
    const recent = counts.map((count, index) => count - (oldest[index] ?? 0))
    const total = recent.reduce((sum, count) => sum + count, 0)
    if (total === 0) return null
    let seen = 0
    for (const [index, count] of recent.entries()) {
      seen += count
      if (seen >= total * this.#quantile) return bounds[index] ?? bounds.at(-1) ?? null
    }
    return null
  }
}
