import { raiseFloor } from '../actors/kernel/checkpoint.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { Journal } from '../actors/kernel/journal.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import { snapshotEveryMs } from './batches.ts'
import type { Config } from './settings.ts'

type Acknowledging = Readonly<{ acknowledged: number }>

type UpkeepOptions = Readonly<{
  journal: Journal
  states: StateStore
  bronze: Acknowledging
  silver: Acknowledging
  metrics: Acknowledging
  checkpoint: Readonly<{ last: number; take(): Promise<number> }>
  config: Config
  clock: Clock
  log: Log
}>

const MINUTE_MS = 60_000

/** Takes a checkpoint every so often, and lets go of the journal that nobody needs any more. */
export class Upkeep {
  readonly #options: UpkeepOptions
  /** Where the journal stood at past times, to keep what is younger than the retention. */
  #ages: { atMs: number; offset: number }[] = []
  #halted = false
  #cancel: () => void = () => {}

  constructor(options: UpkeepOptions) {
    this.#options = options
  }

  start(): void {
    const { clock, config, log } = this.#options
    this.#cancel = clock.after(snapshotEveryMs(config), () => {
      this.#round()
        .catch((cause: unknown) =>
          log.warn({ error: messageOf(cause) }, 'checkpoint failed, tried again'),
        )
        .finally(() => {
          if (!this.#halted) this.start()
        })
    })
  }

  /** No more rounds. */
  halt(): void {
    this.#halted = true
    this.#cancel()
  }

  /** The last checkpoint, when everything is handled and stored. */
  async finish(): Promise<void> {
    this.halt()
    // One that runs began before the end; the one after it reaches the end.
    await this.#options.checkpoint.take()
    await this.#options.checkpoint.take()
  }

  async #round(): Promise<void> {
    const { states, silver, metrics, checkpoint } = this.#options
    await raiseFloor(states, Math.min(silver.acknowledged, metrics.acknowledged))
    await checkpoint.take()
    await this.#trim()
  }

  async #trim(): Promise<void> {
    const { journal, bronze, silver, metrics, checkpoint, config, clock } = this.#options
    const nowMs = clock.monotonicMs()
    this.#ages.push({ atMs: nowMs, offset: journal.nextOffset })
    const oldestMs = nowMs - config.journalRetentionMinutes * MINUTE_MS
    let expired = 0
    while ((this.#ages[1]?.atMs ?? Infinity) <= oldestMs) {
      expired = this.#ages[1]?.offset ?? 0
      this.#ages.shift()
    }
    const tooLarge = journal.bytesStored > config.journalRetentionBytesMax
    const needed = Math.min(
      checkpoint.last,
      bronze.acknowledged,
      silver.acknowledged,
      metrics.acknowledged,
    )
    const offset = tooLarge ? needed + 1 : Math.min(needed + 1, expired)
    if (offset > journal.firstOffset) await journal.trim(offset)
  }
}
