import type { BronzePing } from './checker-reference.ts'
import { nameOf } from './checker-silver.ts'
import type { SilverRow, SilverTables } from './world-silver.ts'
import { POISON } from './world-traffic.ts'

/** An alert this much later than due counts as late. */
const LATE_MS = 60_000

/** Each silence of a delivery under way must have been told once, and nothing else. */
export function checkAlerts(
  silver: SilverTables,
  pings: readonly BronzePing[],
  silentMs: number,
): string | null {
  const alerts = Map.groupBy(
    silver.of('session_alerts').filter((row) => row['alert'] === 'silent'),
    (row) => String(row['session_id']),
  )
  const heard = Map.groupBy(
    pings.filter(({ sent }) => sent.ping.orderId !== POISON),
    ({ sent }) => sent.ping.sessionId,
  )
  for (const [id, own] of alerts) if (!heard.has(id)) return `alerts: of nobody: ${shown(own[0])}`
  for (const [id, own] of heard) {
    const wrong = checkSession(own, alerts.get(id) ?? [], silentMs)
    if (wrong !== null) return `session_alerts: ${id}: ${wrong}`
  }
  return null
}

function checkSession(
  pings: readonly BronzePing[],
  alerts: readonly SilverRow[],
  silentMs: number,
): string | null {
  const inOrder = alerts.toSorted((a, b) => Number(a['offset']) - Number(b['offset']))
  let at = 0
  let lastMs = 0
  let isCompleted = false
  for (const [index, alert] of inOrder.entries()) {
    const offset = Number(alert['offset'])
    let listened = 0
    for (let ping = pings[at]; ping && ping.offset < offset; ping = pings[++at]) {
      listened++
      lastMs = Math.max(lastMs, ping.receivedMs)
      isCompleted ||= ping.sent.ping.status === 'completed'
    }
    if (nameOf(alert) === nameOf(inOrder[index - 1] ?? {})) return `twice: ${shown(alert)}`
    if (isCompleted) return `it had been completed: ${shown(alert)}`
    if (listened === 0) return `nothing was heard since the one before: ${shown(alert)}`
    const [dueMs, firedMs] = [Number(alert['due_at']), Number(alert['fired_at'])]
    if (dueMs !== lastMs + silentMs) return `due at ${lastMs + silentMs}: ${shown(alert)}`
    if (firedMs < dueMs) return `too early: ${shown(alert)}`
    if (alert['late'] !== firedMs - dueMs > LATE_MS) return `late or not: ${shown(alert)}`
  }
  const rest = pings.slice(at)
  isCompleted ||= rest.some(({ sent }) => sent.ping.status === 'completed')
  if (rest.length > 0 && !isCompleted) return `its silence at the end was not told`
  return null
}

function shown(alert: SilverRow | undefined): string {
  return JSON.stringify(alert)
}
