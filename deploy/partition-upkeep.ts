import { type Checkpoint, raiseFloor } from '../actors/kernel/checkpoint.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { SharedStateStore } from '../actors/kernel/snapshots.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import { snapshotEveryMs } from './batches.ts'
import type { Config } from './settings.ts'

type Acknowledging = Readonly<{ acknowledged: number }>

export type PartitionUpkeepOptions = Readonly<{
  journal: Readonly<{ partition: number; trim(offset: number): void }>
  states: SharedStateStore
  core: Readonly<{ bronze: Acknowledging; silver: Acknowledging; metrics: Acknowledging }>
  checkpoint: Pick<Checkpoint<never, never>, 'take' | 'last'>
  config: Config
  clock: Clock
  log: Log
  /** Hears that the snapshots are somebody else's now. */
  fenced: (message: string) => void
}>

/** Takes a checkpoint every so often and makes a snapshot of it, from which the partition's next owner goes on. */
export class PartitionUpkeep {
  readonly #options: PartitionUpkeepOptions
  #isHalted = false
  #publishedTo = -Infinity
  #cancel = (): void => {}
  #round: Promise<void> = Promise.resolve()

  constructor(options: PartitionUpkeepOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, config } = this.#options
    this.#cancel = clock.after(snapshotEveryMs(config), () => {
      this.#round = this.#take().finally(() => {
        if (!this.#isHalted) this.start()
      })
    })
  }

  /** No more rounds; what one is waiting for may never come. */
  halt(): void {
    this.#isHalted = true
    this.#cancel()
  }

  /** The last snapshot, when everything is handled and stored. */
  async finish(): Promise<void> {
    this.halt()
    await this.#round
    await this.#options.checkpoint.take()
    await this.#publish().catch((thrown: unknown) => {
      if (!isFenced(thrown)) throw thrown
      // Kafka does not wait for us: the next owner may have begun, and replays what the snapshot lacks.
      const { partition } = this.#options.journal
      this.#options.log.info({ partition }, 'the next owner was faster than the last snapshot')
    })
  }

  async #take(): Promise<void> {
    const { checkpoint, states, log, journal, core } = this.#options
    try {
      await raiseFloor(states, Math.min(core.silver.acknowledged, core.metrics.acknowledged))
      await checkpoint.take()
      if (!this.#isHalted) await this.#publish()
    } catch (thrown) {
      const { partition } = journal
      if (isFenced(thrown)) {
        this.halt()
        return this.#options.fenced(messageOf(thrown))
      }
      log.warn({ partition, error: messageOf(thrown) }, 'snapshot failed, tried again')
    }
  }

  async #publish(): Promise<void> {
    const { checkpoint, states, journal, core } = this.#options
    const { last } = checkpoint
    const bound = Math.min(core.silver.acknowledged, core.metrics.acknowledged)
    // Without a new message there is nothing that the last snapshot has not.
    if (bound + last > this.#publishedTo) await states.publish(bound)
    // Both only rise.
    this.#publishedTo = bound + last
    // Any start from now on begins behind the snapshot's checkpoint, or where bronze stands.
    journal.trim(Math.min(last, core.bronze.acknowledged) + 1)
  }
}

function isFenced(thrown: unknown): boolean {
  return thrown instanceof OrreryError && thrown.code === 'fenced'
}
