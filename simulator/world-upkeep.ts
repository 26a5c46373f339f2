import { type Checkpoint, raiseFloor } from '../actors/kernel/checkpoint.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { FactTarget } from '../actors/kernel/delivery.ts'
import type { Journal } from '../actors/kernel/journal.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Fact, PingsFact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { SinkActor } from '../sinks/sink-actor.ts'

/** The sink actors of one life. */
export type Sinks = Readonly<{
  bronze: SinkActor<PingsFact>
  silver: SinkActor<Fact>
  metrics: SinkActor<Fact>
}>

/** Frames as received, for bronze. */
export function receivedTarget({ bronze }: Sinks): FactTarget {
  return {
    get full() {
      return bronze.full
    },
    accept(fact) {
      if (fact.kind !== 'pings') return
      bronze.accept(fact.offset, fact, fact.payload.length, fact.receivedMs)
    },
    advance: (offset) => bronze.advance(offset),
    onRoom: (call) => onceRoom(bronze, call),
  }
}

/** What actors derive, for silver, metrics and the map. */
export function derivedTarget(
  { silver, metrics }: Sinks,
  listen: (fact: Fact) => void,
): FactTarget {
  return {
    get full() {
      return silver.full || metrics.full
    },
    accept(fact) {
      const receivedMs = fact.kind === 'alert' ? fact.firedMs : fact.receivedMs
      if (fact.kind !== 'pings') silver.accept(fact.offset, fact, 250, receivedMs)
      metrics.accept(fact.offset, fact, 250, receivedMs)
      listen(fact)
    },
    advance(offset) {
      silver.advance(offset)
      metrics.advance(offset)
    },
    onRoom: (call) => onceRoom(silver.full ? silver : metrics, call),
  }
}

function onceRoom(sink: Pick<SinkActor<Fact>, 'onRoom'>, call: () => void): void {
  const stop = sink.onRoom(() => {
    stop()
    call()
  })
}

/** Resolves when silver and metrics have acknowledged an offset. */
export async function untilAcknowledged({ silver, metrics }: Sinks, offset: number): Promise<void> {
  for (const sink of [silver, metrics]) {
    if (sink.acknowledged >= offset) continue
    await new Promise<void>((resolve) => {
      const forget = sink.onAcknowledged((acknowledged) => {
        if (acknowledged < offset) return
        forget()
        resolve()
      })
    })
  }
}

/** Checkpoints, and lets go of the journal as early as is right: whoever needs it later has lost. */
export class SimUpkeep {
  readonly #options: Readonly<{
    clock: Clock
    sinks: Sinks
    states: StateStore
    journal: Journal
    checkpoint: Checkpoint<SessionState, Ping>
    everyMs: number
  }>
  #halted = false
  #cancel: () => void = () => {}

  constructor(
    options: Readonly<{
      clock: Clock
      sinks: Sinks
      states: StateStore
      journal: Journal
      checkpoint: Checkpoint<SessionState, Ping>
      everyMs: number
    }>,
  ) {
    this.#options = options
  }

  start(): void {
    this.#cancel = this.#options.clock.after(this.#options.everyMs, () => {
      this.#round()
        // A failed round is tried again.
        .catch(() => {})
        .finally(() => {
          if (!this.#halted) this.start()
        })
    })
  }

  halt(): void {
    this.#halted = true
    this.#cancel()
  }

  /** The last checkpoint of an orderly stop. */
  async finish(): Promise<void> {
    this.halt()
    await this.#options.checkpoint.take()
    await this.#options.checkpoint.take()
  }

  async #round(): Promise<void> {
    const { sinks, states, journal, checkpoint } = this.#options
    const { bronze, silver, metrics } = sinks
    await raiseFloor(states, Math.min(silver.acknowledged, metrics.acknowledged))
    await checkpoint.take()
    const needed = Math.min(
      checkpoint.last,
      bronze.acknowledged,
      silver.acknowledged,
      metrics.acknowledged,
    )
    if (needed + 1 > journal.firstOffset) await journal.trim(needed + 1)
  }
}
