import type { LivePosition } from '../actors/model/live.ts'
import { type BronzePing, compare } from './checker-reference.ts'
import type { SilverTables } from './world-silver.ts'
import { POISON } from './world-traffic.ts'

/** Each delivery under way must be on the map where it was last, by event time. */
export function checkMap(
  positions: ReadonlyMap<string, LivePosition>,
  pings: readonly BronzePing[],
  silver: SilverTables,
): string | null {
  const sessions = Map.groupBy(
    pings.filter(({ sent }) => sent.ping.orderId !== POISON),
    ({ sent }) => sent.ping.sessionId,
  )
  const silent = new Set(
    silver
      .of('session_alerts')
      .filter((row) => row['alert'] === 'silent')
      .map((row) => String(row['session_id'])),
  )
  for (const [id, own] of sessions) {
    // What was completed may have left.
    if (own.some(({ sent }) => sent.ping.status === 'completed')) continue
    const newest = own
      .map(({ sent }) => sent.ping)
      .toSorted(compare)
      .at(-1)
    const position = positions.get(id)
    if (!newest) continue
    if (!position) return `map: ${id} is not on it`
    const here = [position.lat, position.lng].map((degrees) => Math.round(degrees * 1e6))
    const there = [newest.lat, newest.lng].map((degrees) => Math.round(degrees * 1e6))
    const fixMs = Math.floor(newest.eventTimeUs / 1_000)
    if (here.join() !== there.join() || position.fixMs !== fixMs) {
      return `map: ${id} should be at ${there.join()} (${fixMs}), not ${here.join()} (${position.fixMs})`
    }
    const status = silent.has(id) ? 'silent' : newest.status
    if (position.status !== status) return `map: ${id} should be ${status}, not ${position.status}`
  }
  return null
}
