import type { BronzePing, Expected } from './checker-reference.ts'
import { nameOf, type Tables } from './checker-silver.ts'
import type { SilverRow } from './world-silver.ts'
import { POISON } from './world-traffic.ts'

/** An alert this much later than due counts as late. */
const LATE_MS = 60_000
/** Who is overdue is told so at the latest. */
const MARGIN_MS = 10_000

export type AlertRules = Readonly<{
  silentMs: number
  overdueMs: number
  /** Wall clock of the check. */
  nowMs: number
  /** False when a program that knew no arrival has run: then an alert may be missing. */
  knowsArrivals: boolean
}>

/** Each silence of a delivery under way, and each that is overdue, must have been told once, and nothing else. */
export function checkAlerts(
  silver: Tables,
  pings: readonly BronzePing[],
  expected: Expected,
  rules: AlertRules,
): string | null {
  const alerts = Map.groupBy(silver.of('session_alerts'), (row) => String(row['session_id']))
  const heard = Map.groupBy(
    pings.filter(({ sent }) => sent.ping.orderId !== POISON),
    ({ sent }) => sent.ping.sessionId,
  )
  for (const [id, own] of alerts) if (!heard.has(id)) return `alerts: of nobody: ${shown(own[0])}`
  for (const [id, own] of heard) {
    const { silent = [], overdue = [] } = Object.groupBy(alerts.get(id) ?? [], (row) =>
      String(row['alert']),
    )
    const wrong =
      checkSilence(own, silent, rules.silentMs) ??
      checkOverdue(own, overdue, expected.arrivalsMs.get(id) ?? null, rules)
    if (wrong !== null) return `session_alerts: ${id}: ${wrong}`
  }
  return null
}

function checkOverdue(
  pings: readonly BronzePing[],
  alerts: readonly SilverRow[],
  arrivalMs: number | null,
  { overdueMs, nowMs, knowsArrivals }: AlertRules,
): string | null {
  const [alert, another] = alerts
  if (another) return `overdue twice: ${shown(another)}`
  const end = pings.find(({ sent }) => sent.ping.status === 'completed')
  const dueMs = arrivalMs === null ? Infinity : arrivalMs + overdueMs
  if (!alert) {
    if (end || !knowsArrivals || dueMs + MARGIN_MS > nowMs) return null
    return `it was overdue at ${dueMs}, and that was not told`
  }
  const firedMs = Number(alert['fired_at'])
  if (end && end.offset < Number(alert['offset'])) return `it had been completed: ${shown(alert)}`
  if (firedMs < Number(alert['due_at'])) return `too early: ${shown(alert)}`
  if (knowsArrivals && Number(alert['due_at']) !== dueMs) return `due at ${dueMs}: ${shown(alert)}`
  return null
}

function checkSilence(
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
