import type { PartHealth, Process } from '../gateway/ports.ts'
import type { Demo } from './demo.ts'
import type { KafkaJournal } from './kafka-journal.ts'
import type { EventLoopLag } from './lag.ts'
import type { Parts } from './patience.ts'
import type { ScaledViews } from './scaled-views.ts'
import type { ScaledWorker } from './scaled-worker.ts'

/** A scaled-out process as its HTTP side asks for it. */
export function scaledProcess({
  journal,
  worker,
  views,
  demo,
  lag,
  parts,
}: Readonly<{
  journal: KafkaJournal
  worker: ScaledWorker | null
  views: ScaledViews | null
  demo: Demo
  lag: EventLoopLag
  parts: Parts
}>): Process {
  return {
    health: () => ({
      journal: journalHealth(journal),
      ...(worker ? worker.health() : {}),
      ...(views ? views.health() : {}),
      eventLoop: lag.health(),
    }),
    notReady() {
      if (journal.refusing() === 'failed') return 'kafka does not answer'
      return views?.notReady() ?? parts.notReady()
    },
    demoRunning: () => demo.running,
    setDemo: (running) => demo.set(running),
    queryable: (withinMs) => views?.queryable(withinMs) ?? Promise.resolve(false),
  }
}

function journalHealth(journal: KafkaJournal): PartHealth {
  const refusing = journal.refusing()
  if (refusing === null) return { status: 'healthy', detail: 'kafka takes messages' }
  if (refusing === 'busy')
    return { status: 'degraded', detail: 'kafka is behind: senders are told busy' }
  const detail = refusing === 'closed' ? 'closed' : 'kafka does not answer: nothing is taken'
  return { status: 'unhealthy', detail }
}
