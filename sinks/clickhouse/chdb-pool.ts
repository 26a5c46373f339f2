import type { Session } from 'chdb'

import { OrreryError } from '../../actors/kernel/errors.ts'

/** Connections handed out one at a time: each runs one statement, in order of asking. */
export class ChdbPool {
  readonly #sessions: readonly Session[]
  readonly #waitingMax: number
  #idle: Session[]
  #waiting: ((session: Session) => void)[] = []

  constructor(sessions: readonly Session[], waitingMax: number) {
    this.#sessions = sessions
    this.#idle = [...sessions]
    this.#waitingMax = waitingMax
  }

  async use<T>(task: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.#take()
    try {
      return await task(session)
    } finally {
      const next = this.#waiting.shift()
      if (next) next(session)
      else this.#idle.push(session)
    }
  }

  /** Runs a task on every connection; before the first `use`. */
  async each(task: (session: Session) => Promise<unknown>): Promise<void> {
    for (const session of this.#sessions) await task(session)
  }

  close(): void {
    for (const session of this.#sessions) session.close()
  }

  #take(): Promise<Session> | Session {
    const idle = this.#idle.pop()
    if (idle) return idle
    if (this.#waiting.length >= this.#waitingMax) {
      throw new OrreryError('busy', 'too many statements wait for ClickHouse', { retriable: true })
    }
    return new Promise((resolve) => this.#waiting.push(resolve))
  }
}
