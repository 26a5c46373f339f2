import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Log } from '../../actors/kernel/telemetry.ts'
import { decode } from './codec.ts'
import { type Channel, partitionKeys, partitionsKey, prefixOf, watchersKey } from './keys.ts'
import type { LiveLink } from './link.ts'
import { entriesOf, snapshotOf, type Stand, standsOf, type StreamEntry } from './replies.ts'
import { LOOK } from './scripts.ts'

/** Who is told what the partitions' workers wrote: of each partition a snapshot first, then each delta after it once. */
export type LiveTarget<Snapshot extends object, Delta extends object> = Readonly<{
  replace(partition: number, snapshot: Snapshot): void
  apply(partition: number, delta: Delta): void
  /** It has had no owner for long. */
  drop(partition: number): void
  /** Once a second, of all partitions that are known: of those between two owners the last there were. */
  figures(figures: readonly object[]): void
}>

export type LiveReaderOptions<Snapshot extends object, Delta extends object> = Readonly<{
  channel: Channel
  /** Answers at once. */
  link: LiveLink
  /** One of its own: it waits for entries, and takes longer than a second to answer. */
  waiting: LiveLink
  join: (parts: readonly Snapshot[]) => Snapshot
  target: LiveTarget<Snapshot, Delta>
  clock: Clock
  log: Log
}>

type Followed = {
  /** The greatest epoch that was heard of: what an older owner still writes is not shown. */
  epoch: number
  seq: number
  /** The entry that was read last. */
  id: string
  shown: boolean
  /** Waits for a snapshot. */
  wanting: boolean
  /** Name of the snapshot that was taken last: one that leads nowhere is not taken again and again. */
  taken: string
  /** Name of the snapshot that was of another version. */
  unreadable: string
  /** What it stood at when the last look found it behind. */
  behindAt: number | null
  orphanSinceMs: number | null
  /** As its last owner told them. */
  figures: object | null
}

type Loop = 'look' | 'follow'

const NOT_YET = 'not connected yet'
const LOOK_MS = 1_000
/** A web process that is gone is noticed after so long. */
const WATCH_MS = 10_000
const WAIT_MS = 1_000
/** While a snapshot is waited for. */
const WANTING_WAIT_MS = 100
const ENTRIES_MAX = 64
/** Its keys live half a minute without an owner; what is shown so long again. */
const ORPHAN_MS_MAX = 30_000
const BACK_OFF_MS = { first: 100, most: 3_000 } as const
const PARTITIONS_MAX = 4_096

/**
 * Follows all partitions of a channel. A gap, another epoch, or a stream that lost something is answered
 * by that partition's snapshot; whoever comes late or falls behind gets one, never a backlog.
 */
export class LiveReader<Snapshot extends object, Delta extends object> {
  readonly #options: LiveReaderOptions<Snapshot, Delta>
  readonly #partitions = new Map<number, Followed>()
  readonly #troubles: Record<Loop, string | null> = { look: NOT_YET, follow: NOT_YET }
  readonly #pauses = new Set<() => void>()
  #closed = false
  #loops: Promise<unknown> = Promise.resolve()

  constructor(options: LiveReaderOptions<Snapshot, Delta>) {
    this.#options = options
  }

  /** Why what is shown may be old; null while it is not. */
  get trouble(): string | null {
    return this.#troubles.look ?? this.#troubles.follow
  }

  /** Partitions that are known, and of them those that are shown, and those that no worker has. */
  get counts(): Readonly<{ known: number; shown: number; orphaned: number }> {
    const all = [...this.#partitions.values()]
    return {
      known: all.length,
      shown: all.filter(({ shown }) => shown).length,
      orphaned: all.filter(({ orphanSinceMs }) => orphanSinceMs !== null).length,
    }
  }

  start(): void {
    const loops = [
      this.#loop('look', () => this.#look()),
      this.#loop('follow', () => this.#follow()),
    ]
    this.#loops = Promise.all(loops)
  }

  /** Closes both connections. */
  async close(): Promise<void> {
    this.#closed = true
    this.#options.link.close()
    this.#options.waiting.close()
    for (const end of this.#pauses) end()
    await this.#loops
  }

  /** Again and again; after a failure with back-off. */
  async #loop(name: Loop, step: () => Promise<void>): Promise<void> {
    let waitMs: number = BACK_OFF_MS.first
    while (!this.#closed) {
      try {
        await step()
        waitMs = BACK_OFF_MS.first
        this.#say(name, null)
      } catch (thrown) {
        if (this.#closed) return
        this.#say(name, messageOf(thrown))
        await this.#pause(waitMs)
        waitMs = Math.min(2 * waitMs, BACK_OFF_MS.most)
      }
    }
  }

  async #look(): Promise<void> {
    const { link, channel, target } = this.#options
    const keys = [partitionsKey(channel), watchersKey(channel)]
    const stands = standsOf(await link.run(LOOK, keys, [prefixOf(channel), String(WATCH_MS)]))
    const owned = stands.filter((stand) => this.#see(stand))
    this.#bury(new Set(owned.map(({ partition }) => partition)))
    target.figures([...this.#partitions.values()].flatMap(({ figures }) => figures ?? []))
    this.#say('look', null)
    await this.#pause(LOOK_MS)
  }

  /** False when it has no owner, or one that is not the last. */
  #see({ partition, epoch, seq, figures }: Stand): boolean {
    if (epoch === null) return false
    const known = this.#partitions.get(partition) ?? this.#meet(partition)
    if (!known || epoch < known.epoch) return false
    known.figures = figures ?? known.figures
    if (epoch > known.epoch) {
      Object.assign(known, { epoch, seq: -1, wanting: true, behindAt: null })
      return true
    }
    // It moves on and we are told nothing: a server that counts otherwise than the one before.
    if (seq > known.seq && known.behindAt === known.seq) known.wanting = true
    known.behindAt = seq > known.seq ? known.seq : null
    return true
  }

  #meet(partition: number): Followed | null {
    if (this.#partitions.size >= PARTITIONS_MAX) return null
    const known: Followed = {
      ...{ epoch: -1, seq: -1, id: '$', shown: false, wanting: true },
      ...{ taken: '', unreadable: '', behindAt: null, orphanSinceMs: null, figures: null },
    }
    this.#partitions.set(partition, known)
    return known
  }

  /** Forgets those that have had no owner for long. */
  #bury(owned: ReadonlySet<number>): void {
    const nowMs = this.#options.clock.monotonicMs()
    for (const [partition, known] of this.#partitions) {
      if (owned.has(partition)) known.orphanSinceMs = null
      else known.orphanSinceMs ??= nowMs
      if (nowMs - (known.orphanSinceMs ?? nowMs) < ORPHAN_MS_MAX) continue
      this.#partitions.delete(partition)
      this.#options.target.drop(partition)
    }
  }

  async #follow(): Promise<void> {
    const { channel, waiting } = this.#options
    for (const [partition, known] of this.#partitions) {
      if (known.wanting) await this.#load(partition, known)
    }
    const all = [...this.#partitions]
    if (all.length === 0) return this.#pause(WANTING_WAIT_MS)
    const streams = all.map(([partition]) => partitionKeys(channel, partition).stream)
    // Whoever waits for a snapshot only has to hear that there is one.
    const ids = all.map(([, { wanting, id }]) => (wanting ? '$' : id))
    const waitMs = ids.includes('$') ? WANTING_WAIT_MS : WAIT_MS
    const read = ['COUNT', String(ENTRIES_MAX), 'BLOCK', String(waitMs), 'STREAMS']
    const answer = entriesOf(await waiting.send('XREAD', [...read, ...streams, ...ids]))
    for (const [at, [partition, known]] of all.entries()) {
      for (const entry of answer.get(streams[at] ?? '') ?? []) this.#take(partition, known, entry)
    }
  }

  #take(partition: number, known: Followed, { id, epoch, seq, delta }: StreamEntry): void {
    if (known.wanting) return
    // Of an owner before: too late.
    if (epoch >= known.epoch) {
      const follows = epoch === known.epoch && seq <= known.seq + 1
      if (!follows || (delta === null && seq > known.seq)) {
        known.wanting = true
        return
      }
      if (delta !== null && seq > known.seq) {
        const readable = this.#readable(() => decode<Delta>(delta))
        if (!readable) {
          known.wanting = true
          return
        }
        this.#options.target.apply(partition, readable)
        known.seq = seq
      }
    }
    known.id = id
  }

  async #load(partition: number, known: Followed): Promise<void> {
    const { link, channel, join, target, clock } = this.#options
    const key = partitionKeys(channel, partition).snapshot
    const found = snapshotOf(await link.send('HGETALL', [key]))
    if (!found || found.epoch < known.epoch) return
    const { epoch, seq, after: id } = found
    const taken = `${epoch}-${seq}-${id}`
    if (taken === known.unreadable) return
    if (taken === known.taken) {
      // What follows it is gone: without it the worker makes another one.
      await link.send('DEL', [key])
      return
    }
    const parts: Snapshot[] = []
    for (const part of found.parts) {
      const readable = this.#readable(() => decode<Snapshot>(part))
      if (!readable) {
        known.unreadable = taken
        return
      }
      parts.push(readable)
      // Each takes a while: others come between.
      await new Promise<void>((resolve) => clock.soon(resolve))
    }
    target.replace(partition, join(parts))
    Object.assign(known, { epoch, seq, id, taken, shown: true, wanting: false, behindAt: null })
  }

  /** Null for what a worker of another version has written: one partition must not hold up the others. */
  #readable<Value>(read: () => Value): Value | null {
    try {
      return read()
    } catch (thrown) {
      this.#say('follow', messageOf(thrown))
      return null
    }
  }

  #pause(ms: number): Promise<void> {
    const { clock } = this.#options
    return new Promise((resolve) => {
      const end = (): void => {
        cancel()
        this.#pauses.delete(end)
        resolve()
      }
      const cancel = clock.after(ms, end)
      this.#pauses.add(end)
      if (this.#closed) end()
    })
  }

  #say(loop: Loop, trouble: string | null): void {
    const before = this.trouble
    this.#troubles[loop] = trouble
    const now = this.trouble
    if (now === before) return
    const { log, channel } = this.#options
    if (now === null) log.info({ channel }, 'the live feed is read')
    else if (before === null || before === NOT_YET) {
      log.warn({ channel, error: now }, 'the live feed is not read')
    }
  }
}
