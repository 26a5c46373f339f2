import type { Clock } from '../../actors/kernel/clock.ts'
import type { CoreWire } from './core-connection.ts'
import type { Line, LineEvents } from './dial.ts'

/** The core's end of a connection, as the line feeds it. */
export type CoreEnd = Readonly<{
  receive(data: string | Uint8Array): void
  heard(): void
  closed(): void
}>

/** Accepts a connection, or does not answer. */
export type Accept = (wire: CoreWire) => CoreEnd | null

/**
 * A line between an edge and a core of a test's world: what is said arrives in order after a while. It can be cut, with what is on its
 * way lost or still delivered, and it can go dead, when neither end hears anything any more.
 */
export class WorldLine {
  readonly #clock: Clock
  readonly #events: LineEvents
  readonly #latencyMs: number
  #core: CoreEnd | null = null
  #isDead = false
  #isOver = false
  /** What the edge has said still arrives, after the edge has gone. */
  #isDraining = false

  constructor(clock: Clock, events: LineEvents, accept: Accept, latencyMs: number) {
    this.#clock = clock
    this.#events = events
    this.#latencyMs = latencyMs
    this.#later(() => {
      this.#core = accept(this.#wire())
      if (!this.#core) return this.cut(false)
      this.#later(() => this.#events.opened(), 'edge')
    }, 'core')
  }

  get edgeEnd(): Line {
    return {
      send: (message) => this.#later(() => this.#core?.receive(message), 'core'),
      buffered: 0,
      cut: () => this.cut(true),
    }
  }

  /** Neither end hears anything any more, nor that. */
  die(): void {
    this.#isDead = true
  }

  /** Both ends hear that it is over; what the edge had said may still arrive first. */
  cut(isDrained: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#isDraining = isDrained
    const core = (): void => this.#core?.closed()
    if (this.#isDead) return
    this.#clock.after(this.#latencyMs, core)
    this.#clock.after(0, () => this.#events.closed('cut'))
  }

  /** One end's process is gone: the other hears it, unless the line is dead. */
  processGone(end: 'edge' | 'core'): void {
    if (end === 'core') this.#core = null
    this.cut(end === 'edge')
  }

  #wire(): CoreWire {
    return {
      sendText: (text) => {
        this.#later(() => this.#events.word(text), 'edge')
        return text.length
      },
      ping: () => {
        this.#later(() => this.#later(() => this.#core?.heard(), 'core'), 'edge')
        return 0
      },
      close: () => this.#later(() => this.cut(false), 'edge'),
      terminate: () => this.cut(false),
    }
  }

  #later(call: () => void, end: 'edge' | 'core'): void {
    this.#clock.after(this.#latencyMs, () => {
      if (this.#isDead) return
      if (this.#isOver && !(end === 'core' && this.#isDraining)) return
      call()
    })
  }
}

/** A clock of one process: when that is gone, nothing of it happens any more. */
export class LifeClock implements Clock {
  readonly #clock: Clock
  isAlive = true

  constructor(clock: Clock) {
    this.#clock = clock
  }

  nowMs(): number {
    return this.#clock.nowMs()
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs()
  }

  after(delayMs: number, call: () => void): () => void {
    return this.#clock.after(delayMs, () => {
      if (this.isAlive) call()
    })
  }

  soon(call: () => void): void {
    this.after(0, call)
  }
}
