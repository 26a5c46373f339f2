import { messageOf } from './errors.ts'
import { objectHeader } from './shared-blocks.ts'
import type { HeldHead } from './shared-claim.ts'
import {
  epochOf,
  namesOf,
  objectName,
  type SnapshotPart,
  type SnapshotSegment,
} from './shared-head.ts'
import type { SharedReply, SharedRequest } from './shared-worker.ts'
import type { SnapshotObjects } from './snapshots.ts'
import type { StateThread } from './state-thread.ts'
import type { Log } from './telemetry.ts'

export type SharedThread = StateThread<SharedRequest, SharedReply>

export type PublisherOptions = Readonly<{
  held: HeldHead
  objects: SnapshotObjects
  thread: SharedThread
  log: Log
  /** An object is uploaded when it has grown to this. */
  partBytes: number
}>

/** What a snapshot wrote. */
export type Published = Readonly<{ states: number; bytes: number; segments: number }>

const REMOVED_AT_ONCE = 1_000

/** Writes segments, and the head that names them last: what a crash leaves behind is garbage, never a gap. */
export class SnapshotPublisher {
  readonly #options: PublisherOptions
  #segment: number
  #objects = 0
  /** Written by us and in no head that is known to be there. */
  readonly #unused = new Set<string>()

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#segment = options.held.head.segments.at(-1)?.number ?? 0
  }

  /** `began` is called once the states and marks are those of the snapshot, whatever is saved afterwards. */
  async publish(through: number, began: () => void): Promise<Published> {
    const { held, thread } = this.#options
    // Nothing is uploaded for nobody.
    held.check()
    const before = held.head
    try {
      const { segment, marks, kept } = await this.#write(through, began)
      const segments = before.segments.filter((old) => kept.has(old.number))
      if (segment.states > 0) segments.push(segment)
      await held.replace({ through, marks, segments })
      await this.#removeUnused(namesOf(before))
      const bytes = segment.parts.reduce((sum, part) => sum + part.bytes, marks.bytes)
      return { states: segment.states, bytes, segments: segments.length }
    } finally {
      // An open look at the file keeps its log from being emptied.
      await thread.ask({ ask: 'end' }).catch(() => {})
    }
  }

  /**
   * Removes what owners before us left unused. None of them can bring it into a head any more; what the owner after
   * us writes has a higher epoch.
   */
  async sweep(): Promise<void> {
    const { objects, held, log } = this.#options
    const used = namesOf(held.head)
    const left: string[] = []
    for await (const name of objects.list()) {
      const epoch = epochOf(name)
      if (epoch !== null && epoch < held.head.epoch && !used.has(name)) left.push(name)
    }
    await this.#remove(left)
    if (left.length > 0) log.info({ objects: left.length }, 'unused snapshot objects removed')
  }

  async #write(through: number, began: () => void) {
    const { held, thread } = this.#options
    const number = ++this.#segment
    const segments = held.head.segments.map(({ number, states }) => ({ number, states }))
    const { kept } = await thread.ask({ ask: 'begin', segment: number, through, segments })
    began()
    const segment = await this.#writeStates(number)
    const marks = await this.#writeMarks()
    await thread.ask({ ask: 'end' })
    return { segment, marks, kept: new Set(kept) }
  }

  async #writeStates(number: number): Promise<SnapshotSegment> {
    const { thread, partBytes } = this.#options
    const parts: SnapshotPart[] = []
    let states = 0
    let blocks: Uint8Array[] = []
    let bytes = 0
    for (;;) {
      const { block, states: more } = await thread.ask({ ask: 'next' })
      if (block) {
        blocks.push(block)
        bytes += block.byteLength
        states += more
      }
      if (bytes >= partBytes || (!block && bytes > 0)) {
        parts.push(await this.#put(blocks))
        blocks = []
        bytes = 0
      }
      if (!block) return { number, states, parts }
    }
  }

  async #writeMarks(): Promise<SnapshotPart> {
    const { block } = await this.#options.thread.ask({ ask: 'marks' })
    return this.#put(block ? [block] : [])
  }

  async #put(blocks: readonly Uint8Array[]): Promise<SnapshotPart> {
    const { objects, held } = this.#options
    const bytes = new Uint8Array(Buffer.concat([objectHeader(), ...blocks]))
    const name = objectName(held.head, String(this.#objects++))
    // Before it is there: what fails may be done all the same.
    this.#unused.add(name)
    await objects.put(name, bytes)
    return { name, bytes: bytes.byteLength }
  }

  /** The head before is known to be gone, and so is any other that could name them. */
  async #removeUnused(before: ReadonlySet<string>): Promise<void> {
    for (const name of before) this.#unused.add(name)
    for (const name of namesOf(this.#options.held.head)) this.#unused.delete(name)
    await this.#remove([...this.#unused])
  }

  /** What cannot be removed now is left to the next publish, or to the next owner. */
  async #remove(names: readonly string[]): Promise<void> {
    const { objects, log } = this.#options
    for (let at = 0; at < names.length; at += REMOVED_AT_ONCE) {
      const some = names.slice(at, at + REMOVED_AT_ONCE)
      try {
        await objects.remove(some)
        for (const name of some) this.#unused.delete(name)
      } catch (cause) {
        log.warn({ error: messageOf(cause), objects: some.length }, 'snapshot objects not removed')
      }
    }
  }
}
