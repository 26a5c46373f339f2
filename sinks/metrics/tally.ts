import { assertNever } from '../../actors/kernel/errors.ts'
import type { Fact, StatusFact } from '../../actors/model/fact.ts'
import type { Status } from '../../actors/model/ping.ts'
import { type CountName, minuteOf, noCounts, type OpenCounts } from './counts.ts'

const COUNT_OF: Readonly<Record<Status, CountName>> = {
  started: 'started',
  en_route: 'enRoute',
  completed: 'completed',
}

/** What a set of facts adds to the counts: a sum, so that the order of the facts does not matter. */
export class Tally {
  readonly totals = noCounts()
  readonly minutes = new Map<number, OpenCounts>()

  /** Adds one fact. */
  add(fact: Fact): void {
    switch (fact.kind) {
      case 'pings':
        return this.#count('pings', fact.count, fact.receivedMs)
      case 'movement':
        return this.#count('distanceCm', fact.distanceCm, fact.eventTimeUs / 1_000)
      case 'header':
        return fact.revision === 0 ? this.#count('opened', 1, fact.receivedMs) : undefined
      case 'status':
        return this.#status(fact)
      case 'alert':
        return fact.alert === 'silent' ? this.#count('silent', 1, fact.firedMs) : undefined
      case 'dead_letter':
        return this.#count('refused', 1, fact.receivedMs)
      case 'retry':
        // Its pings are counted as those of any frame.
        return undefined
      case 'trips':
      case 'trip':
      case 'windows':
        // Regions have figures of their own.
        return undefined
      default:
        return assertNever(fact)
    }
  }

  #status(fact: StatusFact): void {
    const name = COUNT_OF[fact.status]
    if (fact.revision === 0) {
      this.#count(name, 1, fact.eventTimeUs / 1_000)
      if (fact.status === 'completed') this.#count('finished', 1, fact.receivedMs)
      return
    }
    // A revision moves the count to another minute; without the old time it stays where it was.
    if (fact.revisedFromUs === undefined) return
    this.#minute(fact.revisedFromUs / 1_000)[name] -= 1
    this.#minute(fact.eventTimeUs / 1_000)[name] += 1
  }

  #count(name: CountName, by: number, atMs: number): void {
    this.totals[name] += by
    this.#minute(atMs)[name] += by
  }

  #minute(atMs: number): OpenCounts {
    const minute = minuteOf(atMs)
    const known = this.minutes.get(minute)
    if (known) return known
    const counts = noCounts()
    this.minutes.set(minute, counts)
    return counts
  }
}
