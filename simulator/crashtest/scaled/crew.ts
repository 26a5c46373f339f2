import type { Random } from '../../../actors/kernel/clock.ts'
import type { Cluster, Kind } from './cluster.ts'
import type { Part } from './part.ts'

/** Who of ours should be running now. */
export class Crew {
  readonly cluster: Cluster
  readonly #random: Random
  readonly #wanted = new Set<Part>()

  constructor(cluster: Cluster, random: Random) {
    this.cluster = cluster
    this.#random = random
  }

  get wanted(): readonly Part[] {
    return [...this.#wanted]
  }

  running(kind: Kind): readonly Part[] {
    return this.cluster.of(kind).filter((part) => part.running && this.#wanted.has(part))
  }

  /** Starts it over what it left; a worker now and then as on a new machine. An edge's folder is its outbox. */
  start(part: Part, first = false): void {
    const anew = first || (part.name.startsWith('worker') && this.#random() < 0.4)
    this.#wanted.add(part)
    part.start(anew)
  }

  /** It may be gone from now on. */
  dismiss(part: Part): void {
    this.#wanted.delete(part)
  }
}
