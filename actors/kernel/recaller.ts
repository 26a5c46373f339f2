import type { History, HistoryRequest } from '../model/history.ts'
import type { Behavior } from './behavior.ts'
import type { Cell, Letter } from './cell.ts'
import type { Clock } from './clock.ts'
import { messageOf } from './errors.ts'
import { Mailbox } from './mailbox.ts'
import type { Supervisor } from './supervisor.ts'
import type { Log } from './telemetry.ts'

/** Pause before a failed look into the past is tried again. */
const RETRY_MS = 250
/** A failure that lasts is logged again after this long. */
const LOG_EVERY_MS = 60_000

export type RecallerOptions<State, Message, Page> = Readonly<{
  partition: number
  behavior: Behavior<State, Message, Page>
  history: History<Page>
  supervisor: Supervisor<State, Message, Page>
  clock: Clock
  log: Log
  mailboxMax: number
  /** Called when actors have gone on, and when there is something to ask again. */
  changed: () => void
}>

/** Actors that look into their past: their letters wait, the page is fetched, and they go on. */
export class Recaller<State, Message, Page> {
  readonly #options: RecallerOptions<State, Message, Page>
  readonly #waiting = new Set<Cell<State, Message>>()
  #asked: { cell: Cell<State, Message>; aroundUs: number }[] = []
  #loggedMs = -Infinity

  #halted = false

  constructor(options: RecallerOptions<State, Message, Page>) {
    this.#options = options
  }

  /** Actors that wait. */
  get size(): number {
    return this.#waiting.size
  }

  /** True when every actor that waits takes so many letters more. */
  hasRoom(letters: number): boolean {
    for (const { waiting } of this.#waiting)
      if (waiting && waiting.size + letters > waiting.max) return false
    return true
  }

  /** The oldest message that waits, or Infinity. */
  get oldestOffset(): number {
    let oldest = Infinity
    for (const cell of this.#waiting) oldest = Math.min(oldest, cell.waitingOffset ?? Infinity)
    return oldest
  }

  /** Lets nobody go on any more, whatever is answered. */
  halt(): void {
    this.#halted = true
  }

  /** Lets the actor wait with this letter for its past around an event time. */
  park(cell: Cell<State, Message>, letter: Letter<Message>, aroundUs: number): void {
    cell.waiting = new Mailbox(this.#options.mailboxMax)
    cell.waiting.offer(letter)
    this.#waiting.add(cell)
    this.#asked.push({ cell, aroundUs })
  }

  /** Asks for everything that was parked since the last time, at once. */
  load(): void {
    if (this.#asked.length === 0) return
    const asked = this.#asked
    this.#asked = []
    const { partition, history, clock, log, changed } = this.#options
    const requests = asked.map(({ cell, aroundUs }): HistoryRequest => ({
      id: cell.id,
      partition,
      eventTimeUs: aroundUs,
      beforeOffset: cell.waitingOffset ?? 0,
    }))
    history.load(requests).then(
      (pages) => {
        if (this.#halted) return
        asked.forEach(({ cell }, index) => {
          const page = pages[index]
          if (page) this.#resume(cell, page)
        })
        changed()
      },
      (cause: unknown) => {
        const nowMs = clock.monotonicMs()
        if (nowMs - this.#loggedMs >= LOG_EVERY_MS) {
          this.#loggedMs = nowMs
          const error = messageOf(cause)
          log.warn({ actors: this.size, error }, 'looks into the past fail, tried again')
        }
        clock.after(RETRY_MS, () => {
          this.#asked.push(...asked)
          changed()
        })
      },
    )
  }

  /** Goes on with an actor whose past is at hand, until its letters are done or it must look further. */
  #resume(cell: Cell<State, Message>, page: Page): void {
    const { behavior, supervisor } = this.#options
    cell.state = behavior.recalled(cell.state, page)
    for (let letter = cell.waiting?.peek(); letter; letter = cell.waiting?.peek()) {
      const aroundUs = supervisor.recalls(cell, letter)
      if (aroundUs !== null) {
        this.#asked.push({ cell, aroundUs })
        return
      }
      cell.waiting?.take()
      supervisor.turn(cell, letter)
    }
    cell.state = behavior.forgotten(cell.state)
    cell.waiting = null
    this.#waiting.delete(cell)
  }
}
