import type { FactTarget } from '../actors/kernel/delivery.ts'
import type { Fact, FrameFact } from '../actors/model/fact.ts'
import type { SinkActor } from '../sinks/sink-actor.ts'

/** Bytes that a fact takes in a batch, about: what bounds memory, not what is written. */
function bytesOf(fact: Fact): number {
  switch (fact.kind) {
    case 'movement':
      return 250
    case 'pings':
    case 'trips':
      return 50
    case 'trip':
      return 200
    case 'windows':
      return 200 + 250 * fact.windows.length
    case 'dead_letter':
      return 300 + fact.raw.length
    case 'header':
    case 'status':
    case 'alert':
    case 'retry':
      return 350
  }
}

/** Calls back once, when the sink has room again. */
function onceRoom(sink: Pick<SinkActor<Fact>, 'onRoom'>, call: () => void): void {
  const stop = sink.onRoom(() => {
    stop()
    call()
  })
}

/** Frames as received, for bronze. */
export function receivedTarget(bronze: SinkActor<FrameFact>): FactTarget {
  return {
    get full() {
      return bronze.full
    },
    accept(fact) {
      if (fact.kind === 'pings' || fact.kind === 'trips')
        bronze.accept(fact.offset, fact, fact.payload.length, fact.receivedMs)
    },
    advance: (offset) => bronze.advance(offset),
    onRoom: (call) => onceRoom(bronze, call),
  }
}

/** Facts of the actors, for silver, metrics and whoever else listens. */
export function derivedTarget(
  silver: SinkActor<Fact>,
  metrics: SinkActor<Fact>,
  listen: (fact: Fact) => void,
): FactTarget {
  return {
    get full() {
      return silver.full || metrics.full
    },
    accept(fact) {
      const bytes = bytesOf(fact)
      const receivedMs = fact.kind === 'alert' ? fact.firedMs : fact.receivedMs
      if (fact.kind !== 'pings' && fact.kind !== 'trips')
        silver.accept(fact.offset, fact, bytes, receivedMs)
      metrics.accept(fact.offset, fact, bytes, receivedMs)
      listen(fact)
    },
    advance(offset) {
      silver.advance(offset)
      metrics.advance(offset)
    },
    onRoom: (call) => onceRoom(silver.full ? silver : metrics, call),
  }
}
