/** Work that waits for a frame with time left: a dozen tiles at once would stop the vehicles. */
export class PaintQueue {
  readonly #budgetMs: number
  #waiting: { wanted: () => boolean; run: () => void }[] = []
  #running = false

  /** `budgetMs` is how much of one frame may be spent. */
  constructor(budgetMs: number) {
    this.#budgetMs = budgetMs
  }

  /** Runs it in one of the next frames, unless it is no longer wanted by then. */
  add(wanted: () => boolean, run: () => void): void {
    this.#waiting.push({ wanted, run })
    if (this.#running) return
    this.#running = true
    requestAnimationFrame(() => this.#frame())
  }

  #frame(): void {
    const untilMs = performance.now() + this.#budgetMs
    while (performance.now() < untilMs) {
      const next = this.#waiting.shift()
      if (!next) {
        this.#running = false
        return
      }
      if (next.wanted()) next.run()
    }
    requestAnimationFrame(() => this.#frame())
  }
}
