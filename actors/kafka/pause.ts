import type { Clock } from '../kernel/clock.ts'

/** A pause between two tries that can be cut short. */
export class Pause {
  readonly #clock: Clock
  #end = (): void => {}

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Resolves after so long, or when it is ended. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, resolve)
      this.#end = () => {
        cancel()
        resolve()
      }
    })
  }

  end(): void {
    this.#end()
  }
}
