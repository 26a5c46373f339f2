import { nanoid } from 'nanoid'

import { type FeedFigures, kpiOf } from '../actors/feed/figures.ts'
import { MergedFeed } from '../actors/feed/merged-feed.ts'
import type { RegionsFeed as RegionsSource } from '../actors/feed/regions-feed.ts'
import type { Sequenced, SequencedDelta } from '../actors/feed/ring.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { RegionsDelta, RegionsSnapshot } from '../actors/model/live-regions.ts'
import type { LiveDelta, LiveSnapshot } from '../actors/model/live.ts'
import type { LiveFeed, RegionsFeed } from '../gateway/ports.ts'
import { LiveLink } from '../sinks/live/link.ts'
import { joinLive, joinRegions } from '../sinks/live/parts.ts'
import { LiveReader } from '../sinks/live/reader.ts'
import { type LiveWorld, VEHICLES_MAX } from './live-facts.ts'
import { newRegionsFeed } from './live-regions.ts'
import { isWatched } from './watching.ts'

/** Where the workers' feeds are read. */
export type RemoteOptions = LiveWorld & Readonly<{ url: string }>

/** Workers tick by themselves: this one only joins what comes at about one time. */
const TICK_MS = 100
/** A viewer that was cut off finds the deltas it missed for so long. */
const COME_BACK_MS = 60_000
/** Longer than it waits for entries. */
const WAITING_MS_MAX = 5_000

/** The live map of all partitions, as their workers write it to Redis: a feed of its own, with its own event ids. */
export class RemoteLive implements LiveFeed {
  readonly #feed: MergedFeed
  readonly #reader: LiveReader<LiveSnapshot, LiveDelta>
  readonly #viewers: Viewers<LiveDelta, Parameters<LiveFeed['subscribe']>[0]>
  readonly #clock: Clock

  constructor(options: RemoteOptions) {
    const { clock, telemetry } = options
    this.#clock = clock
    this.#feed = new MergedFeed({
      epoch: nanoid(10),
      limits: { vehiclesMax: VEHICLES_MAX, deltasMax: 600, positionsMax: 100_000 },
    })
    this.#viewers = new Viewers(clock, (wanted) => this.#feed.tick(clock.nowMs(), wanted))
    this.#reader = new LiveReader<LiveSnapshot, LiveDelta>({
      ...linksOf(options),
      channel: 'live',
      join: joinLive,
      target: {
        replace: (partition, snapshot) => this.#feed.replace(partition, snapshot),
        apply: (partition, delta) => this.#feed.apply(partition, delta),
        drop: (partition) => this.#feed.drop(partition),
        figures: (figures) => this.#tell(figures.filter(isFigures)),
      },
    })
    telemetry
      .gauge('orrery_map_vehicles', 'Vehicles on the live map')
      .from(() => this.#feed.vehicles)
    telemetry
      .gauge('orrery_live_partitions', 'Partitions whose live feed is shown')
      .from(() => this.#reader.counts.shown)
  }

  get epoch(): string {
    return this.#feed.epoch
  }

  get seq(): number {
    return this.#feed.seq
  }

  snapshot(): LiveSnapshot {
    return this.#feed.snapshot(this.#clock.nowMs())
  }

  since(seq: number): readonly SequencedDelta[] | null {
    return this.#feed.since(seq)
  }

  subscribe(on: Parameters<LiveFeed['subscribe']>[0]): () => void {
    return this.#viewers.add(on)
  }

  /** Why the map may be old; null while it is not. For `/health`. */
  trouble(): string | null {
    return this.#reader.trouble
  }

  /** Partitions that are known, and of them those on the map, and those that no worker has at the moment. */
  get partitions(): LiveReader<LiveSnapshot, LiveDelta>['counts'] {
    return this.#reader.counts
  }

  start(): void {
    this.#reader.start()
    this.#viewers.start()
  }

  async stop(): Promise<void> {
    this.#viewers.stop()
    await this.#reader.close()
  }

  #tell(figures: readonly FeedFigures[]): void {
    if (figures.length === 0) return
    const kpi = kpiOf(figures, this.#clock.nowMs())
    for (const listener of this.#viewers.all) listener.kpi(kpi)
  }
}

/** The windows of all regions, as `RemoteLive`. Figures only grow: a snapshot takes nothing back. */
export class RemoteRegions implements RegionsFeed {
  readonly #feed: RegionsSource
  readonly #reader: LiveReader<RegionsSnapshot, RegionsDelta>
  readonly #viewers: Viewers<RegionsDelta, Parameters<RegionsFeed['subscribe']>[0]>
  readonly #clock: Clock

  constructor(options: RemoteOptions) {
    const { clock, telemetry } = options
    this.#clock = clock
    this.#feed = newRegionsFeed(nanoid(10), [])
    this.#viewers = new Viewers(clock, (wanted) => this.#feed.tick(clock.nowMs(), wanted))
    const take = (partition: number, change: RegionsDelta | RegionsSnapshot): void =>
      this.#feed.take(partition, change, this.#viewers.recently)
    this.#reader = new LiveReader<RegionsSnapshot, RegionsDelta>({
      ...linksOf(options),
      channel: 'regions',
      join: joinRegions,
      target: { replace: take, apply: take, drop: () => {}, figures: () => {} },
    })
    telemetry
      .gauge('orrery_watermark_seconds', 'Event time up to which windows are final, since 1970 UTC')
      .from(() => (this.#feed.watermarkMs ?? 0) / 1_000)
  }

  /** The lowest of the partitions that have had a trip; null before the first. */
  get watermarkMs(): number | null {
    return this.#feed.watermarkMs
  }

  get epoch(): string {
    return this.#feed.epoch
  }

  get seq(): number {
    return this.#feed.seq
  }

  snapshot(): RegionsSnapshot {
    return this.#feed.snapshot(this.#clock.nowMs())
  }

  since(seq: number): readonly Sequenced<RegionsDelta>[] | null {
    return this.#feed.since(seq)
  }

  subscribe(on: Parameters<RegionsFeed['subscribe']>[0]): () => void {
    return this.#viewers.add(on)
  }

  trouble(): string | null {
    return this.#reader.trouble
  }

  start(): void {
    this.#reader.start()
    this.#viewers.start()
  }

  async stop(): Promise<void> {
    this.#viewers.stop()
    await this.#reader.close()
  }
}

type Listening<Delta> = Readonly<{
  delta(next: Sequenced<Delta>): void
  watching?: () => boolean
}>

/** Who listens, and the ticks that make deltas for them. */
class Viewers<Delta, Listener extends Listening<Delta>> {
  readonly all = new Set<Listener>()
  readonly #clock: Clock
  readonly #tick: (wanted: boolean) => Sequenced<Delta> | null
  #watchedMs = -Infinity
  #cancel = (): void => {}

  constructor(clock: Clock, tick: (wanted: boolean) => Sequenced<Delta> | null) {
    this.#clock = clock
    this.#tick = tick
  }

  /** Somebody watches, or did a moment before and may come back for what it missed. */
  get recently(): boolean {
    const nowMs = this.#clock.monotonicMs()
    if (isWatched(this.all)) this.#watchedMs = nowMs
    return nowMs - this.#watchedMs < COME_BACK_MS
  }

  add(on: Listener): () => void {
    this.all.add(on)
    return () => this.all.delete(on)
  }

  start(): void {
    this.#cancel = this.#clock.after(TICK_MS, () => {
      this.start()
      const next = this.#tick(this.recently)
      if (next) for (const listener of this.all) listener.delta(next)
    })
  }

  stop(): void {
    this.#cancel()
  }
}

function linksOf({ url, clock, log }: RemoteOptions) {
  return {
    ...{ clock, log },
    link: new LiveLink({ url, clock }),
    waiting: new LiveLink({ url, clock, commandMsMax: WAITING_MS_MAX }),
  }
}

function isFigures(figures: object): figures is FeedFigures {
  return 'completeUpToMs' in figures && 'ackCounts' in figures
}
