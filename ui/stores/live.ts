import type { LiveDelta, LiveKpi, LiveSnapshot } from '../../actors/model/live.ts'
import { probeLive } from './api.ts'
import { Fleet } from './fleet.ts'
import { takeKpi } from './kpis.ts'
import { LiveStream, parseEventId, type StreamWorld } from './stream.ts'

const now = (): number => performance.now()

/** The page's fleet. */
export const fleet = new Fleet(now)

/** The page's line to the server. */
export const stream = new LiveStream({
  world: browserWorld(),
  lastEventId: () => fleet.lastEventId,
  receive,
})

/** Opens the line, once for the page. */
export function startLive(): void {
  fleet.smooth = !matchMedia('(prefers-reduced-motion: reduce)').matches
  stream.start()
  addEventListener('online', () => stream.wake())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') stream.wake()
  })
  addEventListener('pagehide', () => stream.stop())
  addEventListener('pageshow', (event: PageTransitionEvent) => {
    if (event.persisted) stream.start()
  })
}

function receive(event: 'snapshot' | 'delta' | 'kpi', id: string, text: string): boolean {
  const message: unknown = JSON.parse(text)
  if (event === 'kpi') {
    takeKpi(message as LiveKpi)
    return true
  }
  const at = parseEventId(id)
  if (!at) return false
  if (event === 'snapshot') {
    fleet.applySnapshot(at.epoch, at.seq, message as LiveSnapshot)
    return true
  }
  const applied = fleet.applyDelta(at.epoch, at.seq, message as LiveDelta)
  return applied === 'applied' || applied === 'repeat'
}

function browserWorld(): StreamWorld {
  return {
    open(url, handlers) {
      const source = new EventSource(url)
      source.addEventListener('open', () => handlers.opened())
      source.addEventListener('error', () => handlers.failed())
      for (const event of ['snapshot', 'delta', 'kpi'] as const) {
        source.addEventListener(event, (message: MessageEvent<string>) => {
          // A KPI has no id of its own, yet the browser repeats the last one.
          handlers.message(event, message.lastEventId, message.data)
        })
      }
      return source
    },
    probe: probeLive,
    now,
    random: Math.random,
    after(delayMs, run) {
      const timer = setTimeout(run, delayMs)
      return () => clearTimeout(timer)
    },
  }
}
