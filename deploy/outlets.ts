import { systemClock } from '../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { SinkActor } from '../sinks/sink-actor.ts'
import { outletLink, PartitionLive, PartitionRegions } from './live-outlet.ts'
import type { Outlet, WorkedOptions } from './worked.ts'

/** What the partitions of a worker show of themselves, over one connection to Redis. */
export type Outlets = WorkedOptions['outlets'] & Readonly<{ close(): Promise<void> }>

export function outletsOf({
  url,
  log,
  telemetry,
}: Readonly<{ url: string; log: Log; telemetry: Telemetry }>): Outlets {
  const clock = systemClock
  const link = outletLink({ url, clock })
  const placeOf = ({ journal, states }: PlaceOf) => {
    const { partition } = journal
    const labelled = telemetry.labelled({ partition: String(partition) })
    return { link, partition, epoch: states.epoch, clock, log, telemetry: labelled }
  }
  return {
    sessions({ stream, board }) {
      const { core, states, journal } = stream
      const live = new PartitionLive(placeOf(stream))
      const seen = { pings: 0, newestMs: 0 }
      live.restore({
        directory: core.directory,
        ...{ states, board, ackMs: null },
        accepted: () => seen.pings,
        completeUpToMs() {
          const isBehind = journal.behind > 0 || core.inlet.backlog > 0
          const nowMs = isBehind ? seen.newestMs : clock.nowMs()
          return oldestMs([core.bronze, core.silver, core.metrics], nowMs)
        },
        queryableMs: core.silver.queryableMs,
      })
      return counting(live, seen)
    },
    async trips({ stream, windows }) {
      const regions = new PartitionRegions(placeOf(stream))
      await regions.restore(windows)
      return regions
    },
    async close() {
      await link.close()
    },
  }
}

type PlaceOf = Readonly<{
  journal: Readonly<{ partition: number }>
  states: Readonly<{ epoch: number }>
}>

/** Everything received up to this wall-clock time is in every store. */
function oldestMs(
  sinks: readonly Pick<SinkActor<never>, 'oldestUnackedMs'>[],
  nowMs: number,
): number {
  return Math.min(nowMs, ...sinks.map((sink) => sink.oldestUnackedMs ?? nowMs))
}

/** The same outlet, with what came by: how many pings, and when the newest was received. */
function counting(outlet: Outlet, seen: { pings: number; newestMs: number }): Outlet {
  return {
    accept(fact: Fact) {
      if (fact.kind === 'pings') {
        seen.pings += fact.count
        seen.newestMs = Math.max(seen.newestMs, fact.receivedMs)
      }
      outlet.accept(fact)
    },
    start: () => outlet.start(),
    close: () => outlet.close(),
  }
}
