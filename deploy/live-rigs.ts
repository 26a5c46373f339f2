import { type Clock, systemClock, VirtualClock } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import { MemoryStateStore } from '../actors/kernel/memory-state-store.ts'
import { Histogram, LATENCY_BOUNDS_MS, silentLog, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, WindowsFact } from '../actors/model/fact.ts'
import { sessionBehavior } from '../actors/session/behavior.ts'
import type { LiveFeed, RegionsFeed } from '../gateway/ports.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import type { FeedRig } from './live-conformance.ts'
import type { LiveSources } from './live-facts.ts'
import { outletLink, PartitionLive, PartitionRegions } from './live-outlet.ts'
import { LiveRegions } from './live-regions.ts'
import { RemoteLive, RemoteRegions } from './live-remote.ts'
import { Live } from './live.ts'

const UNTIL_MS_MAX = 20_000
const STEP_MS = 50

/** Sources without sessions, whose figures are what the feed itself knows. */
export function emptySources(): LiveSources {
  const behavior = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 600_000 })
  const states = new MemoryStateStore()
  return {
    ...{ directory: new Directory(behavior, states), states, board: new MetricsBoard() },
    ...{ accepted: () => 0, completeUpToMs: () => 0 },
    ...{ ackMs: new Histogram(LATENCY_BOUNDS_MS), queryableMs: new Histogram(LATENCY_BOUNDS_MS) },
  }
}

/** Lets virtual time pass step by step, and real I/O between, until it holds. */
export async function passUntil(clock: VirtualClock, holds: () => boolean): Promise<void> {
  for (const endMs = performance.now() + UNTIL_MS_MAX; !holds();) {
    if (performance.now() > endMs) return
    await clock.advanceMs(STEP_MS)
    await new Promise<void>((resolve) => void systemClock.after(1, resolve))
  }
}

function rigOf(clock: VirtualClock) {
  return {
    until: (holds: () => boolean) => passUntil(clock, holds),
    passMs: async (ms: number) => {
      const endMs = clock.monotonicMs() + ms
      await passUntil(clock, () => clock.monotonicMs() >= endMs)
    },
    nowMs: () => clock.nowMs(),
  }
}

export async function embeddedLive(): Promise<FeedRig<LiveFeed, Fact>> {
  const clock = new VirtualClock()
  const live = new Live(clock, new Telemetry(), silentLog)
  live.restore(emptySources())
  live.start()
  return {
    ...rigOf(clock),
    ...{ feed: live, partitions: 3, accept: (fact) => live.accept(fact) },
    [Symbol.asyncDispose]: async () => live.stop(),
  }
}

export async function embeddedRegions(): Promise<FeedRig<RegionsFeed, WindowsFact>> {
  const clock = new VirtualClock()
  const live = new LiveRegions(clock, new Telemetry())
  live.start()
  return {
    ...rigOf(clock),
    ...{ feed: live, partitions: 1, accept: (fact) => live.accept(fact) },
    [Symbol.asyncDispose]: async () => live.stop(),
  }
}

/** Workers in virtual time and a web process in real time, with a real Redis between them. */
export class RemoteRig implements FeedRig<LiveFeed, Fact> {
  readonly clock = new VirtualClock()
  readonly partitions = 3
  readonly url: string
  readonly feed: RemoteLive
  readonly workers: PartitionLive[] = []
  readonly #link: ReturnType<typeof outletLink>
  readonly #all: PartitionLive[] = []
  readonly until: (holds: () => boolean) => Promise<void>
  readonly passMs: (ms: number) => Promise<void>

  constructor(url: string, options: Readonly<{ clock?: Clock }> = {}) {
    this.url = url
    const { until, passMs } = rigOf(this.clock)
    this.until = until
    this.passMs = passMs
    this.#link = outletLink({ url, clock: systemClock })
    this.feed = new RemoteLive({ ...world(options.clock ?? systemClock), url })
    for (let partition = 0; partition < this.partitions; partition++) {
      this.workers.push(this.worker(partition, 1))
    }
  }

  /** Another worker that has claimed a partition; not told any facts unless it is put among `workers`. */
  worker(partition: number, epoch: number): PartitionLive {
    const link = this.#link
    const worker = new PartitionLive({ ...world(this.clock), link, partition, epoch })
    worker.restore(emptySources())
    worker.start()
    this.#all.push(worker)
    return worker
  }

  nowMs(): number {
    return this.clock.nowMs()
  }

  accept(fact: Fact): void {
    this.workers[fact.partition]?.accept(fact)
  }

  /** Starts the web process and waits until it shows every partition. */
  async start(): Promise<this> {
    this.feed.start()
    await this.until(() => this.feed.partitions.shown === this.partitions)
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = Promise.all(this.#all.map((worker) => worker.close()))
    this.#link.close()
    await Promise.all([closed, this.feed.stop()])
  }
}

export async function remoteRegions(url: string): Promise<FeedRig<RegionsFeed, WindowsFact>> {
  const clock = new VirtualClock()
  const link = outletLink({ url, clock: systemClock })
  const feed = new RemoteRegions({ ...world(systemClock), url })
  const workers = [1_000, 1_001].map(
    (partition) => new PartitionRegions({ ...world(clock), link, partition, epoch: 1 }),
  )
  feed.start()
  for (const worker of workers) worker.start()
  return {
    ...rigOf(clock),
    ...{ feed, partitions: 2, accept: (fact) => workers[fact.partition - 1_000]?.accept(fact) },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(workers.map((worker) => worker.close()))
      link.close()
      await feed.stop()
    },
  }
}

function world(clock: Clock) {
  return { clock, telemetry: new Telemetry(), log: silentLog }
}
