import type { Sequenced } from '../../actors/feed/ring.ts'
import type { Clock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import type { Counter, Log, LogFields, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { LiveWriter, Written } from './writer.ts'

/** What is written: a feed of one partition. */
export type OutletSource<Snapshot extends object, Delta extends object> = Readonly<{
  seq: number
  tick(nowMs: number, wanted: boolean): Sequenced<Delta> | null
  snapshot(nowMs: number): Snapshot
}>

export type OutletOptions<Snapshot extends object, Delta extends object> = Readonly<{
  source: OutletSource<Snapshot, Delta>
  writer: Pick<LiveWriter, 'append' | 'show' | 'beat' | 'newest'>
  /** A snapshot in parts, none of them large. */
  split: (snapshot: Snapshot) => readonly object[]
  /** Figures of the partition; asked once a second. */
  figures?: () => object | null
  clock: Clock
  log: Log
  /** Fields of every line that is logged: which channel and partition it is. */
  about: LogFields
  telemetry: Telemetry
  tickMs: number
}>

const NOT_YET = 'not written yet'
/** How often the owner says that it is there, and asks whether anybody watches. */
const BEAT_MS = 500
const FIGURES_EVERY_BEATS = 2
/** Between two snapshots lie at least so many deltas, of at least so many times its size; or, whatever their size, so many. */
const DELTAS_MIN = 64
const WEIGHT_MIN = 2
const DELTAS_MAX = 400

/**
 * Writes a feed to Redis while a web process watches: one step at a time, so that what changes meanwhile
 * gathers in the feed as one delta. Redis away: deltas are dropped, and a snapshot comes first afterwards.
 * Nobody waits for it, and nothing grows.
 */
export class Outlet<Snapshot extends object, Delta extends object> {
  readonly #options: OutletOptions<Snapshot, Delta>
  readonly #bytes: Counter
  readonly #snapshots: Counter
  #watched = false
  #fenced = false
  /** Readers can go on from what is there. */
  #shown = false
  #trouble: string | null = NOT_YET
  #deltas = 0
  #deltaBytes = 0
  #snapshotBytes = 0
  #beats = 0
  /** What goes on, at most one of each. */
  readonly #under: { write?: Promise<void>; renewal?: Promise<void>; beat?: Promise<void> } = {}
  readonly #cancels: { tick?: () => void; beat?: () => void } = {}
  #closed = false

  constructor(options: OutletOptions<Snapshot, Delta>) {
    this.#options = options
    const { telemetry } = options
    this.#bytes = telemetry.counter('orrery_live_written_bytes_total', 'Live feed: bytes to Redis')
    this.#snapshots = telemetry.counter('orrery_live_snapshots_total', 'Live feed: snapshots made')
  }

  /** Why web processes may not see what happens here; null while they do, or nobody watches. */
  get trouble(): string | null {
    return this.#trouble
  }

  start(): void {
    this.#beat()
    this.#beatLater()
    this.#tickLater()
  }

  /** Stops; what is shown stays until the next owner's snapshot, or its time is over. */
  async close(): Promise<void> {
    this.#closed = true
    this.#cancels.tick?.()
    this.#cancels.beat?.()
    const { write, renewal, beat } = this.#under
    await Promise.all([write, renewal, beat])
  }

  #tickLater(): void {
    const { clock, tickMs } = this.#options
    this.#cancels.tick = clock.after(tickMs, () => {
      this.#tickLater()
      this.#tick()
    })
  }

  #beatLater(): void {
    this.#cancels.beat = this.#options.clock.after(BEAT_MS, () => {
      this.#beatLater()
      this.#beat()
    })
  }

  #tick(): void {
    const { source, clock } = this.#options
    // Changes gather until what is on its way is there.
    if (this.#under.write) return
    const wanted = this.#watched && !this.#fenced
    if (!wanted || !this.#shown) {
      // Even so, what has to leave the map leaves it.
      source.tick(clock.nowMs(), false)
      if (wanted && !this.#under.renewal) this.#run('write', () => this.#show(true))
      return
    }
    const next = source.tick(clock.nowMs(), true)
    if (next) this.#run('write', () => this.#append(next))
    else if (this.#isDue() && !this.#under.renewal) this.#run('renewal', () => this.#show(false))
  }

  #isDue(): boolean {
    if (this.#deltas >= DELTAS_MAX) return true
    return this.#deltas >= DELTAS_MIN && this.#deltaBytes >= WEIGHT_MIN * this.#snapshotBytes
  }

  async #append({ seq, delta }: Sequenced<Delta>): Promise<void> {
    const { written, bytes } = await this.#options.writer.append(seq, delta)
    this.#bytes.add(bytes)
    this.#deltas++
    this.#deltaBytes += bytes
    this.#note(written)
    if (written === 'written' && this.#isDue() && !this.#under.renewal && !this.#closed) {
      this.#run('renewal', () => this.#show(false))
    }
  }

  async #show(anew: boolean): Promise<void> {
    const { source, writer, split, clock } = this.#options
    const { seq } = source
    const after = writer.newest
    const parts = split(source.snapshot(clock.nowMs()))
    this.#deltas = 0
    this.#deltaBytes = 0
    const { written, bytes } = await writer.show(parts, { seq, anew, after })
    this.#bytes.add(bytes)
    this.#snapshots.add()
    this.#snapshotBytes = bytes
    if (written === 'written' && anew) this.#shown = true
    this.#note(written)
  }

  #beat(): void {
    if (this.#under.beat) return
    const { writer, figures } = this.#options
    const isTime = this.#beats++ % FIGURES_EVERY_BEATS === 0
    this.#run('beat', async () => {
      const { state, watched } = await writer.beat(isTime && figures ? figures() : null)
      this.#watched = watched
      if (!watched) this.#shown = false
      this.#note(state === 'shown' ? 'written' : state)
    })
  }

  #note(outcome: Written): void {
    this.#fenced = outcome === 'fenced'
    if (outcome !== 'written') this.#shown = false
    this.#say(this.#fenced ? 'another worker has this partition' : null)
  }

  #run(name: 'write' | 'renewal' | 'beat', work: () => Promise<void>): void {
    const done = work().catch((thrown: unknown) => {
      // Nobody knows what is there now: a beat that is answered comes first, and then a snapshot.
      this.#shown = false
      this.#watched = false
      this.#say(messageOf(thrown))
    })
    this.#under[name] = done.then(() => {
      delete this.#under[name]
    })
  }

  #say(trouble: string | null): void {
    if (trouble === this.#trouble) return
    const { log, about } = this.#options
    // Once an outage, whatever each try says.
    const begins = this.#trouble === null || this.#trouble === NOT_YET
    if (trouble === null) log.info(about, 'the live feed is written')
    else if (begins && !this.#closed) {
      log.warn({ ...about, error: trouble }, 'the live feed is not written')
    }
    this.#trouble = trouble
  }
}
