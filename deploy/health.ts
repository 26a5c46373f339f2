import type { PartHealth, Process } from '../gateway/ports.ts'
import type { Demo } from './demo.ts'
import type { EventLoopLag } from './lag.ts'
import type { Pipeline } from './pipeline.ts'

/** What a stream looks like from here, whatever it carries. */
type Watched = Pick<Pipeline['sessions'], 'journal'> &
  Readonly<{
    directory: Readonly<{ awake: number }>
    partition: Readonly<{ backlog: number }>
    replay: Readonly<{ behind: number }>
  }>

/** The process as the gateway asks for it: the health of its parts, and its few switches. */
export function processOf(
  pipeline: Pipeline,
  demo: Demo,
  lag: EventLoopLag,
  redisUrl: string,
): Process {
  const { sessions, trips } = pipeline
  const streams: readonly Watched[] = [sessions, trips]
  return {
    health: () => ({
      journal: journalHealth(sessions, 'pings'),
      actors: actorsHealth(sessions, 'pings'),
      bronze: sessions.bronze.health(),
      silver: sessions.silver.health(),
      metrics: sessions.metrics.health(),
      tripsJournal: journalHealth(trips, 'trips'),
      regions: actorsHealth(trips, 'trips'),
      tripsBronze: trips.bronze.health(),
      tripsSilver: trips.silver.health(),
      windows: trips.metrics.health(),
      ...(redisUrl === '' ? {} : { redis: redisHealth(trips.redisTrouble()) }),
      eventLoop: lag.health(),
    }),
    notReady: () => {
      for (const { journal } of streams) {
        const { refusing } = journal
        if (refusing !== null && refusing !== 'busy') return `the journal is ${refusing}`
      }
      return null
    },
    demoRunning: () => demo.running,
    setDemo: (running) => demo.set(running),
    queryable: (withinMs) => pipeline.flush('silver', withinMs),
  }
}

/** Redis is a copy: without it everything is taken and kept, and windows are served from here. */
function redisHealth(trouble: string | null): PartHealth {
  if (trouble === null) return { status: 'healthy', detail: 'has every window' }
  return { status: 'degraded', detail: trouble }
}

function actorsHealth({ directory, partition, replay }: Watched, what: string): PartHealth {
  const detail = `${directory.awake} awake, ${partition.backlog} ${what} waiting`
  if (replay.behind === 0) return { status: 'healthy', detail }
  return { status: 'degraded', detail: `${detail}, ${replay.behind} to replay from the journal` }
}

function journalHealth({ journal: { refusing } }: Watched, what: string): PartHealth {
  if (refusing === null) return { status: 'healthy', detail: `takes ${what}` }
  if (refusing === 'busy')
    return { status: 'degraded', detail: 'the disk is behind: senders are told busy' }
  const detail =
    refusing === 'full' ? 'no space left: nothing is taken' : `the journal is ${refusing}`
  return { status: 'unhealthy', detail }
}
