import { OrreryError } from '../../actors/kernel/errors.ts'
import type { StagedBatch } from './change.ts'

/** Commits batches of different partitions together, and gives those of them that are refused. */
type CommitAll = (
  batches: readonly StagedBatch[],
  signal: AbortSignal,
) => Promise<readonly StagedBatch[]>

type Waiting = Readonly<{
  staged: StagedBatch
  signal: AbortSignal
  done: PromiseWithResolvers<boolean>
}>

/**
 * Joins what waits for a commit into one: partitions of one process would otherwise be in conflict with each other
 * all the time, and a commit costs as much for many batches as for one.
 */
export class CommitQueue {
  readonly #commitAll: CommitAll
  #waiting: Waiting[] = []

  constructor(commitAll: CommitAll) {
    this.#commitAll = commitAll
  }

  /** Whether the batch was refused, once it was its turn; `inTurn` runs one thing after another. */
  add(
    staged: StagedBatch,
    signal: AbortSignal,
    inTurn: (call: () => Promise<void>) => Promise<void>,
  ): Promise<boolean> {
    const done = Promise.withResolvers<boolean>()
    this.#waiting.push({ staged, signal, done })
    // Whoever waits when this turn comes is in it; those turns that follow then find nothing.
    inTurn(() => this.#commit()).catch(() => {})
    return done.promise
  }

  async #commit(): Promise<void> {
    const group = this.#take()
    if (group.length === 0) return
    const batches = group.map(({ staged }) => staged)
    // One that is aborted ends all: the others come again, and are looked up.
    const signal = AbortSignal.any(group.map((each) => each.signal))
    try {
      const refused = new Set(await this.#commitAll(batches, signal))
      for (const { staged, done } of group) done.resolve(refused.has(staged))
    } catch (cause) {
      for (const { signal: own, done } of group) {
        done.reject(signal.aborted && !own.aborted ? abortedByAnother(cause) : cause)
      }
    }
  }

  /** A batch that came twice is left for another turn: a commit holds one of a partition. */
  #take(): readonly Waiting[] {
    const group = new Map<number, Waiting>()
    const left: Waiting[] = []
    for (const waiting of this.#waiting) {
      const { signal, staged, done } = waiting
      if (signal.aborted) done.reject(signal.reason)
      else if (group.has(staged.partition)) left.push(waiting)
      else group.set(staged.partition, waiting)
    }
    this.#waiting = left
    return [...group.values()]
  }
}

function abortedByAnother(cause: unknown): OrreryError {
  const message = 'a batch of another partition in the same commit was aborted'
  return new OrreryError('iceberg_aborted', message, { retriable: true, cause })
}
