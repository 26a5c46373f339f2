import type { Session } from 'chdb'

import { OrreryError } from '../../actors/kernel/errors.ts'

/** Connections handed out one at a time: each runs one statement, in order of asking. */
export class ChdbPool {
  readonly #open: () => Promise<Session>
  readonly #waitingMax: number
  readonly #count: number
  #idle: Session[] = []
  #waiting: (() => void)[] = []
  #closed = false

  private constructor(open: () => Promise<Session>, count: number, waitingMax: number) {
    this.#open = open
    this.#count = count
    this.#waitingMax = waitingMax
  }

  static async open(
    open: () => Promise<Session>,
    { count, waitingMax }: Readonly<{ count: number; waitingMax: number }>,
  ): Promise<ChdbPool> {
    const pool = new ChdbPool(open, count, waitingMax)
    while (pool.#idle.length < count) pool.#idle.push(await open())
    return pool
  }

  /** True while a statement runs or waits. */
  get busy(): boolean {
    return this.#idle.length < this.#count
  }

  /** Runs a task on a connection of its own; after a failure the next task gets a clean one. */
  async use<T>(task: (session: Session) => Promise<T>): Promise<T> {
    let session = await this.#take()
    try {
      return await task(session)
    } catch (cause) {
      if (!(await rinse(session))) {
        session.close()
        session = await this.#open()
      }
      throw cause
    } finally {
      this.#idle.push(session)
      this.#waiting.shift()?.()
    }
  }

  /** Refuses what waits, lets what runs end (its rinsing too), then closes every connection. */
  async close(): Promise<void> {
    this.#closed = true
    for (const wake of this.#waiting.splice(0)) wake()
    while (this.#idle.length < this.#count) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
    for (const session of this.#idle) session.close()
  }

  async #take(): Promise<Session> {
    this.#refuseWhenClosed()
    let session = this.#idle.pop()
    while (!session) {
      if (this.#waiting.length >= this.#waitingMax) {
        throw new OrreryError('busy', 'too many statements wait for ClickHouse', {
          retriable: true,
        })
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
      this.#refuseWhenClosed()
      session = this.#idle.pop()
    }
    return session
  }

  #refuseWhenClosed(): void {
    if (this.#closed) throw new OrreryError('closed', 'ClickHouse is closed')
  }
}

/**
 * A statement that failed half-way leaves what it had put out in the connection, and chDB 3.4.0 hands
 * it over as the beginning of the next answer. So it is asked something until the answer is right.
 */
async function rinse(session: Session): Promise<boolean> {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const answer = await session.queryAsync('SELECT 1', { format: 'TSV' }).catch(() => null)
    if (answer?.text() === '1\n') return true
  }
  return false
}
