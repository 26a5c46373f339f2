import { encode, encodeLarge } from './codec.ts'
import {
  type Channel,
  type PartitionKeys,
  partitionKeys,
  partitionsKey,
  stagingKey,
  watchersKey,
} from './keys.ts'
import type { LiveLink } from './link.ts'
import { APPEND, BEAT, SHOW } from './scripts.ts'

export type LiveWriterOptions = Readonly<{
  link: LiveLink
  channel: Channel
  partition: number
  /** Of the claim of the partition: a later owner's is greater. */
  epoch: number
}>

/** `written`, or why not: a later owner has been here, or readers could not go on from what is there. */
export type Written = 'written' | 'fenced' | 'snapshot'

/** What a beat found. */
export type Beat = Readonly<{ state: 'shown' | 'fenced' | 'snapshot'; watched: boolean }>

/** Without a beat for so long everything of a partition goes: its owner is no more. */
export const LIVE_TTL_MS = 30_000
/** Entries of a stream, whatever happens; snapshots trim it much earlier. */
const LENGTH_MAX = 1_000

/** Writes one partition's deltas, snapshots and figures. Each call is one step behind the fence. */
export class LiveWriter {
  readonly #options: LiveWriterOptions
  readonly #keys: PartitionKeys
  readonly #staging: string
  /** The newest entry that is known to be there. */
  #newest = '0-0'

  constructor(options: LiveWriterOptions) {
    const { channel, partition, epoch } = options
    this.#options = options
    this.#keys = partitionKeys(channel, partition)
    this.#staging = stagingKey(channel, partition, epoch)
  }

  /** An id of the stream that is not after any delta still to be written. */
  get newest(): string {
    return this.#newest
  }

  /** Writes the delta `seq`; `bytes` is its size on the way. Throws SinkError, outcome unknown. */
  async append(seq: number, delta: object): Promise<Readonly<{ written: Written; bytes: number }>> {
    const { head, stream, snapshot } = this.#keys
    const text = encode(delta)
    const args = [this.#epoch, String(seq - 1), String(seq), String(LENGTH_MAX), TTL, text]
    const answer = await this.#options.link.run(APPEND, [head, stream, snapshot], args)
    return { written: this.#take(answer, true), bytes: text.length }
  }

  /**
   * Shows what stands at `seq`, in parts so that none is large. `anew` begins the stream again; else it
   * goes on from `after`, which was `newest` when the snapshot was taken. Throws SinkError, outcome unknown.
   */
  async show(
    parts: readonly object[],
    { seq, anew, after }: Readonly<{ seq: number; anew: boolean; after: string }>,
  ): Promise<Readonly<{ written: Written; bytes: number }>> {
    const { link } = this.#options
    const { head, stream, snapshot } = this.#keys
    let bytes = 0
    await link.send('DEL', [this.#staging])
    for (const [at, part] of parts.entries()) {
      const text = await encodeLarge(part)
      bytes += text.length
      await link.send('HSET', [this.#staging, String(at), text])
      if (at === 0) await link.send('PEXPIRE', [this.#staging, TTL])
    }
    const args = [this.#epoch, String(seq), anew ? '1' : '0', after, String(parts.length), TTL]
    const answer = await link.run(SHOW, [head, stream, snapshot, this.#staging], args)
    return { written: this.#take(answer, anew), bytes }
  }

  /** Says that the owner is there; where nobody watches the snapshot goes. Throws SinkError. */
  async beat(figures: object | null): Promise<Beat> {
    const { link, channel, partition } = this.#options
    const { head, stream, snapshot, figures: figuresKey } = this.#keys
    const all = [partitionsKey(channel), watchersKey(channel)]
    const text = figures === null ? '' : JSON.stringify(figures)
    const args = [this.#epoch, String(partition), TTL, text]
    const answer = await link.run(BEAT, [head, stream, snapshot, figuresKey, ...all], args)
    const [state, watched] = Array.isArray(answer) ? answer.map(String) : [String(answer)]
    const known = state === 'shown' || state === 'fenced' ? state : 'snapshot'
    return { state: known, watched: watched === '1' }
  }

  get #epoch(): string {
    return String(this.#options.epoch)
  }

  #take(answer: unknown, isNewest: boolean): Written {
    const first = String(answer)
    if (first === 'fenced' || first === 'snapshot') return first
    if (isNewest) this.#newest = first
    return 'written'
  }
}

const TTL = String(LIVE_TTL_MS)
