import { systemClock } from '../actors/kernel/clock.ts'
import type { Telemetry } from '../actors/kernel/telemetry.ts'
import type { MetricsBoard, MetricsKpis } from '../sinks/metrics/board.ts'

/** The counts of the metrics store, for who scrapes; of a worker's partitions each its own, to be added up. */
export function showCounts(telemetry: Telemetry, board: MetricsBoard): void {
  const show = (name: string, help: string, read: (kpis: MetricsKpis) => number): void =>
    telemetry
      .gauge(`orrery_counted_${name}`, help)
      .from(() => read(board.kpis(systemClock.nowMs())))
  show('pings', 'Pings in the metrics store', (kpis) => kpis.pings)
  show('sessions', 'Sessions ever seen', (kpis) => kpis.sessions)
  show('sessions_active', 'Sessions seen and not completed', (kpis) => kpis.activeSessions)
  show('sessions_started', 'Sessions that reached started', (kpis) => kpis.started)
  show('sessions_en_route', 'Sessions that reached en_route', (kpis) => kpis.enRoute)
  show('sessions_completed', 'Sessions that reached completed', (kpis) => kpis.completed)
  show('distance_km', 'Kilometres travelled', (kpis) => kpis.distanceKm)
  show('refused', 'Dead letters', (kpis) => kpis.refused)
  show('silent', 'Silence alerts', (kpis) => kpis.silent)
}
