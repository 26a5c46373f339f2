/** How far a sink has come: who asks, who wants to hear of it, and who waits for it. */
export class Progress {
  #acknowledged = -1
  #settled = -1
  readonly #listeners = new Set<(acknowledged: number) => void>()
  #waiting: { offset: number; resolve: () => void; reject: (cause: Error) => void }[] = []

  /** Stored up to here, durably. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** At least `acknowledged`: up to here everything is stored, or there was nothing to store. */
  get settled(): number {
    return this.#settled
  }

  /** Where the store stands when it is opened; tells nobody. */
  begin(offset: number): void {
    this.#acknowledged = this.#settled = offset
  }

  /** Moves on, never back; then resolves who waited for it, and calls the listeners. */
  move(acknowledged: number, settled: number): void {
    const before = { acknowledged: this.#acknowledged, settled: this.#settled }
    this.#acknowledged = Math.max(before.acknowledged, acknowledged)
    this.#settled = Math.max(before.settled, settled, this.#acknowledged)
    if (this.#acknowledged === before.acknowledged && this.#settled === before.settled) return
    const reached = this.#waiting.filter(({ offset }) => offset <= this.#acknowledged)
    this.#waiting = this.#waiting.filter(({ offset }) => offset > this.#acknowledged)
    for (const { resolve } of reached) resolve()
    for (const call of this.#listeners) call(this.#acknowledged)
  }

  /** Calls after each move; the result unsubscribes. */
  listen(call: (acknowledged: number) => void): () => void {
    this.#listeners.add(call)
    return () => this.#listeners.delete(call)
  }

  /** Resolves when `offset` is acknowledged. */
  until(offset: number): Promise<void> {
    if (offset <= this.#acknowledged) return Promise.resolve()
    return new Promise((resolve, reject) => this.#waiting.push({ offset, resolve, reject }))
  }

  /** Tells those who wait that it will not come. */
  giveUp(cause: Error): void {
    for (const { reject } of this.#waiting.splice(0)) reject(cause)
  }
}
