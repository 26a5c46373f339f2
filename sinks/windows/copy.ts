import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { SinkError } from '../sink.ts'
import type { MemoryWindowStore } from './memory-store.ts'
import { FOREIGN, type RedisWindowStore } from './redis-store.ts'

/** What a copy is kept in. */
export type CopyStore = Pick<RedisWindowStore, 'own' | 'fence' | 'put' | 'clear'>

export type WindowsCopyOptions = Readonly<{
  /** The truth: durable before the copy hears of anything. */
  ledger: MemoryWindowStore
  store: CopyStore
  clock: Clock
  log: Log
  /** How often an idle copy is looked at. */
  lookMs?: number
  /**
   * Of an installation whose partitions move between processes: its name, the same for all of them, and
   * the number of this claim of the partition. Without it the ledger's own name stands for the data.
   */
  claim?: Readonly<{ owner: string; epoch: number }>
}>

/** How often one is put right before giving up for now. */
const TRIES_MAX = 3

/**
 * Keeps another store equal to the ledger of one partition. Nothing rests on what that store keeps: where
 * its fence stands is all that is believed of it, and whatever the ledger has beyond is put again. A copy
 * that lost its last second, or everything, is right after the next batch, or the next look.
 */
export class WindowsCopy {
  readonly #options: WindowsCopyOptions
  #partition = -1
  /** Where the copy is known to stand; null for unknown. */
  #stands: number | null = null
  /** Its fence was ours since we opened it. */
  #ours = false
  #trouble: string | null = null
  #turn: Promise<unknown> = Promise.resolve()
  #cancel: (() => void) | null = null
  readonly #closing = new AbortController()

  constructor(options: WindowsCopyOptions) {
    this.#options = options
  }

  /** Why the copy may be behind; null while it is right. */
  get trouble(): string | null {
    return this.#trouble
  }

  /** Brings it up to date if it answers; if not, it is looked at until it does. Throws what needs a person. */
  async open(partition: number, signal: AbortSignal): Promise<void> {
    this.#partition = partition
    const { store, ledger, claim } = this.#options
    if (claim) store.own(claim.owner, { partition, epoch: claim.epoch })
    else store.own(await ledger.owner())
    try {
      await this.settle(signal)
    } catch (thrown) {
      if (!(thrown instanceof SinkError && thrown.retriable) || signal.aborted) throw thrown
    }
    this.#lookLater()
  }

  /**
   * Resolves when the copy has everything that the ledger has. `ask` asks it even when it is known where
   * it stood last. Throws SinkError.
   */
  settle(signal: AbortSignal, ask = false): Promise<void> {
    const turn = this.#turn.then(async () => {
      try {
        if (ask) this.#stands = null
        await this.#settle(signal)
        this.#noted(null)
      } catch (thrown) {
        this.#noted(messageOf(thrown))
        throw thrown
      }
    })
    this.#turn = turn.catch(() => {})
    return turn
  }

  async close(): Promise<void> {
    this.#closing.abort(new SinkError('the sink closes', { retriable: true }))
    this.#cancel?.()
    await this.#turn
  }

  async #settle(signal: AbortSignal): Promise<void> {
    const { store, ledger } = this.#options
    const partition = this.#partition
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const stands = this.#stands ?? (await store.fence(partition, signal))
      this.#stands = null
      const fenceFrom = await this.#usable(stands, signal)
      const since = ledger.since(partition, fenceFrom)
      const { fence: fenceTo, ...values } = since
      if (fenceFrom !== fenceTo) {
        if (!(await store.put({ partition, fenceFrom, fenceTo, ...values }, signal))) continue
        this.#ours = true
      }
      this.#stands = fenceTo
      return
    }
    throw new SinkError('another writer keeps moving the fence', { retriable: true })
  }

  // What stands ahead of the ledger, or is of another one, tells nothing: it makes room for the truth.
  async #usable(stands: number, signal: AbortSignal): Promise<number> {
    const { store, ledger, log } = this.#options
    const partition = this.#partition
    const { fence } = ledger.since(partition, Infinity)
    if (stands === FOREIGN && this.#ours) {
      const message = 'another Orrery has taken over the windows in this store'
      throw new SinkError(message, { retriable: false })
    }
    if (stands === FOREIGN || stands > fence) {
      log.warn({ partition, stands, fence }, 'windows of other data are replaced')
      await store.clear(partition, signal)
      return -1
    }
    if (stands >= 0) this.#ours = true
    else if (this.#ours) log.warn({ partition, fence }, 'the store of windows came back empty')
    return stands
  }

  #lookLater(): void {
    const { clock, lookMs = 1_000 } = this.#options
    if (this.#closing.signal.aborted) return
    this.#cancel = clock.after(lookMs, () => {
      const look = this.settle(this.#closing.signal, true).catch(() => {})
      void look.then(() => this.#lookLater())
    })
  }

  #noted(trouble: string | null): void {
    const { log } = this.#options
    const partition = this.#partition
    if (trouble !== null && this.#trouble === null && !this.#closing.signal.aborted) {
      log.warn({ partition, error: trouble }, 'the copy of windows is behind')
    }
    if (trouble === null && this.#trouble !== null) {
      log.info({ partition }, 'the copy of windows is up to date')
    }
    this.#trouble = trouble
  }
}
