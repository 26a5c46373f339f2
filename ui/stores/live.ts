import type { LiveDelta, LiveKpi, LiveSnapshot } from '../../actors/model/live.ts'
import { Fleet } from './fleet.ts'
import { takeKpi } from './kpis.ts'
import { browserWorld, keepOpen } from './stream-world.ts'
import { LiveStream, parseEventId } from './stream.ts'

/** The page's fleet. */
export const fleet = new Fleet(() => performance.now())

/** The page's line to the server. */
export const stream = new LiveStream({
  path: '/live',
  world: browserWorld('/live', ['snapshot', 'delta', 'kpi']),
  lastEventId: () => fleet.lastEventId,
  receive,
})

/** Opens the line, once for the page. */
export function startLive(): void {
  fleet.smooth = !matchMedia('(prefers-reduced-motion: reduce)').matches
  keepOpen(stream)
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
