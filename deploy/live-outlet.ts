import { RegionsFeed } from '../actors/feed/regions-feed.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { RegionsDelta, RegionsSnapshot } from '../actors/model/live-regions.ts'
import type { LiveDelta, LiveSnapshot } from '../actors/model/live.ts'
import type { WindowReader } from '../actors/model/window.ts'
import { LiveLink } from '../sinks/live/link.ts'
import { Outlet } from '../sinks/live/outlet.ts'
import { splitLive, splitRegions } from '../sinks/live/parts.ts'
import { LiveWriter } from '../sinks/live/writer.ts'
import type { RedisLinkOptions } from '../sinks/windows/redis-link.ts'
import { LiveFacts, type LiveSources, type LiveWorld, TICK_MS } from './live-facts.ts'
import { newRegionsFeed, REGIONS_TICK_MS, regionsStandOf } from './live-regions.ts'

/** Of a partition that this process has: which, since which claim, and the connection that all of them share. */
export type OutletPlace = LiveWorld &
  Readonly<{
    link: LiveLink
    partition: number
    /** Of the claim: an outlet with a lower one is refused. */
    epoch: number
  }>

/** The connection that the outlets of a process share; to be closed after them. */
export function outletLink(options: RedisLinkOptions): LiveLink {
  return new LiveLink(options)
}

/** The live map of one partition of sessions, written to Redis for web processes. No promise rests on it. */
export class PartitionLive {
  readonly #facts: LiveFacts
  readonly #outlet: Outlet<LiveSnapshot, LiveDelta>

  constructor(place: OutletPlace) {
    const { link, partition, epoch, clock, telemetry, log } = place
    this.#facts = new LiveFacts(String(epoch), place)
    const writer = new LiveWriter({ link, channel: 'live', partition, epoch })
    this.#outlet = new Outlet({
      ...{ source: this.#facts.feed, writer, split: splitLive, clock, log, telemetry },
      figures: () => this.#facts.figures(),
      about: { channel: 'live', partition },
      tickMs: TICK_MS,
    })
  }

  /** Why web processes may not see this partition; null while they do, or nobody watches. */
  get trouble(): string | null {
    return this.#outlet.trouble
  }

  /** Takes the sessions under way, before the journal's tail is replayed. */
  restore(sources: LiveSources): void {
    this.#facts.restore(sources)
  }

  accept(fact: Fact): void {
    this.#facts.accept(fact)
  }

  /** Begins to write; what was replayed by then is in the first snapshot. */
  start(): void {
    this.#outlet.start()
  }

  /** Stops within seconds; what is shown stays until the next owner's snapshot, for a minute at most. */
  close(): Promise<void> {
    return this.#outlet.close()
  }
}

/** The windows of one partition of trips, as `PartitionLive`. */
export class PartitionRegions {
  readonly #feed: RegionsFeed
  readonly #outlet: Outlet<RegionsSnapshot, RegionsDelta>

  constructor(place: OutletPlace) {
    const { link, partition, epoch, clock, telemetry, log } = place
    this.#feed = newRegionsFeed(String(epoch), [partition])
    telemetry
      .gauge('orrery_watermark_seconds', 'Event time up to which windows are final, since 1970 UTC')
      .from(() => (this.#feed.watermarkMs ?? 0) / 1_000)
    const writer = new LiveWriter({ link, channel: 'regions', partition, epoch })
    this.#outlet = new Outlet({
      ...{ source: this.#feed, writer, split: splitRegions, clock, log, telemetry },
      about: { channel: 'regions', partition },
      tickMs: REGIONS_TICK_MS,
    })
  }

  get trouble(): string | null {
    return this.#outlet.trouble
  }

  /** Takes what the partition's store of windows has, before the journal's tail is replayed. */
  async restore(windows: WindowReader): Promise<void> {
    this.#feed.restore(await regionsStandOf(windows))
  }

  accept(fact: Fact): void {
    if (fact.kind === 'windows') this.#feed.accept(fact)
  }

  start(): void {
    this.#outlet.start()
  }

  close(): Promise<void> {
    return this.#outlet.close()
  }
}
