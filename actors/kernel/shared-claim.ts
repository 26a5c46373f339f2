import type { Clock, Random } from './clock.ts'
import { messageOf, OrreryError } from './errors.ts'
import { encodeHead, HEAD, parseHead, type SnapshotHead } from './shared-head.ts'
import type { SnapshotObject, SnapshotObjects } from './snapshots.ts'
import type { Log } from './telemetry.ts'

/** How a swap of the head is repeated. */
export type SwapBounds = Readonly<{
  triesMax: number
  /** Random, up to this times two for each try before, at most a second. */
  pauseMs: number
}>

export type HeadOptions = Readonly<{
  objects: SnapshotObjects
  clock: Clock
  random: Random
  log: Log
  bounds: SwapBounds
  /** Aborted when the partition is not wanted any more: a claim after that would take it from its next owner. */
  signal?: AbortSignal
}>

type Stored = Readonly<{ head: SnapshotHead | null; version: string | null }>

const PAUSE_MS_MAX = 1_000
const EMPTY = { publish: 0, through: -1, marks: null, segments: [] } as const

/** The head of a partition's snapshots, while it is ours. */
export class HeldHead {
  readonly #options: HeadOptions
  #head: SnapshotHead
  #version: string | null
  #publishes = 0
  #lost: OrreryError | null = null

  private constructor(options: HeadOptions, head: SnapshotHead, version: string | null) {
    this.#options = options
    this.#head = head
    this.#version = version
  }

  /**
   * Makes the partition ours: from now on nobody with an earlier claim can replace the head. Throws what the store of
   * objects throws, or OrreryError `claim_lost`, retriable, when others were faster each time, or the signal's reason.
   */
  static async claim(options: HeadOptions): Promise<HeldHead> {
    const claim = randomHex(options.random, 16)
    let thrown: unknown = null
    for (let attempt = 0; attempt < options.bounds.triesMax; attempt++) {
      if (attempt > 0) await pause(options, attempt)
      try {
        options.signal?.throwIfAborted()
        const { head: before, version } = await stored(options.objects)
        options.signal?.throwIfAborted()
        // Said to have failed, and done all the same.
        if (before?.claim === claim) return new HeldHead(options, before, version)
        const epoch = (before?.epoch ?? 0) + 1
        const head: SnapshotHead = { ...EMPTY, ...before, epoch, claim, publish: 0 }
        const swapped = await options.objects.swap(HEAD, encodeHead(head), version)
        if (swapped !== null) return new HeldHead(options, head, swapped)
      } catch (cause) {
        if (!isRetriable(cause)) throw cause
        thrown = cause
        options.log.warn({ error: messageOf(cause), attempt }, 'claim of a partition not answered')
      }
    }
    if (thrown) throw thrown
    const message = 'others claim the partition again and again'
    throw new OrreryError('claim_lost', message, { retriable: true })
  }

  /** Throws when it is known that the partition was claimed by another. */
  check(): void {
    if (this.#lost) throw this.#lost
  }

  get head(): SnapshotHead {
    return this.#head
  }

  /**
   * Replaces the head by the next of our claim. Throws OrreryError `fenced` when there is another claim, else what the
   * store of objects throws: then it may be replaced or not, now or later, and the next call finds out.
   */
  async replace(next: Omit<SnapshotHead, 'epoch' | 'claim' | 'publish'>): Promise<void> {
    const { objects, bounds } = this.#options
    const { epoch, claim } = this.#head
    // Not the number of a publish that failed: it may have been done.
    const head: SnapshotHead = { ...next, epoch, claim, publish: ++this.#publishes }
    let thrown: unknown = null
    for (let attempt = 0; attempt < bounds.triesMax; attempt++) {
      if (attempt > 0) await pause(this.#options, attempt)
      try {
        const swapped = await objects.swap(HEAD, encodeHead(head), this.#version)
        if (swapped !== null) return this.#hold(head, swapped)
      } catch (cause) {
        if (!isRetriable(cause)) throw cause
        thrown = cause
      }
      const found = await stored(objects)
      if (found.head?.claim !== claim) {
        this.#lost = fenced(found.head, epoch)
        throw this.#lost
      }
      if (found.head.publish === head.publish) return this.#hold(head, found.version)
      this.#version = found.version
    }
    throw (
      thrown ??
      new OrreryError('snapshot_failed', 'the head changes by itself', { retriable: true })
    )
  }

  #hold(head: SnapshotHead, version: string | null): void {
    this.#head = head
    this.#version = version
  }
}

/** So many hexadecimal digits. */
export function randomHex(random: Random, length: number): string {
  let text = ''
  while (text.length < length) text += Math.floor(random() * 16).toString(16)
  return text
}

/** Is the same call worth making again. */
export function isRetriable(thrown: unknown): boolean {
  return thrown instanceof OrreryError && thrown.retriable
}

async function stored(objects: SnapshotObjects): Promise<Stored> {
  const object: SnapshotObject | null = await objects.get(HEAD)
  return { head: object && parseHead(object.bytes), version: object?.version ?? null }
}

function fenced(head: SnapshotHead | null, epoch: number): OrreryError {
  const message = head
    ? `the partition was claimed by another owner: epoch ${head.epoch} instead of ${epoch}`
    : `the partition's snapshots were removed under epoch ${epoch}`
  return new OrreryError('fenced', message)
}

function pause({ clock, random, bounds }: HeadOptions, attempt: number): Promise<void> {
  const delayMs = random() * Math.min(PAUSE_MS_MAX, bounds.pauseMs * 2 ** attempt)
  return new Promise((resolve) => void clock.after(delayMs, resolve))
}
