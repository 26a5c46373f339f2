import type { VirtualClock } from '../actors/kernel/clock.ts'
import type { LivePosition } from '../actors/model/live.ts'
import { rowsIn } from '../sinks/iceberg/testing.ts'
import { type AlertRules, checkAlerts } from './checker-alerts.ts'
import { checkMap } from './checker-map.ts'
import { checkMetrics } from './checker-metrics.ts'
import { type BronzePing, recompute } from './checker-reference.ts'
import { checkRefused, checkSilver } from './checker-silver.ts'
import type { Told } from './world-client.ts'
import { BRONZE_LOCATION } from './world-life.ts'
import type { Machine } from './world-machine.ts'
import type { SentPing } from './world-traffic.ts'

/** What the checker may look at: what clients were told, what they had sent, and the three stores. */
export type Evidence = Readonly<{
  clock: VirtualClock
  told: Told
  sent: readonly SentPing[]
  machine: Machine
  positions: ReadonlyMap<string, LivePosition>
  rules: AlertRules
}>

/** Compares the stores with what was acknowledged; the first thing that does not hold, or null. */
export async function checkRun(evidence: Evidence): Promise<string | null> {
  const { told, machine, clock, rules, positions } = evidence
  const [wrong] = told.wrong
  if (wrong !== undefined) return `answers: ${wrong}`
  const rows = await rowsIn(machine.bronze, clock, BRONZE_LOCATION)
  const bronze = rows.map((row) => bronzePing(row, evidence.sent))
  const bad = bronze.find((ping) => typeof ping === 'string')
  if (typeof bad === 'string') return `bronze: ${bad}`
  const pings = bronze
    .filter((ping) => typeof ping !== 'string')
    .sort((a, b) => a.offset - b.offset)
  const expected = recompute(pings)
  return (
    checkOffsets(pings) ??
    checkAcknowledged(pings, told) ??
    checkSilver(machine.silver, expected, pings) ??
    checkRefused(machine.silver, told) ??
    checkAlerts(machine.silver, pings, expected, rules) ??
    (await checkMetrics({ ...machine, partition: 0 }, pings, expected)) ??
    checkMap(positions, pings, machine.silver)
  )
}

/** Each offset of a partition is there once. */
export function checkOffsets(pings: readonly BronzePing[]): string | null {
  for (const [index, ping] of pings.entries()) {
    if (ping.offset === pings[index - 1]?.offset) {
      return `bronze: offset ${ping.offset} is there twice (${ping.sent.text})`
    }
  }
  return null
}

/** Everything acknowledged is there. */
export function checkAcknowledged(pings: readonly BronzePing[], told: Told): string | null {
  const stored = new Set(pings.map(({ sent }) => sent.mark))
  for (const mark of told.acknowledged) {
    if (!stored.has(mark)) return `bronze: ping ${mark} was acknowledged and is not there`
  }
  return null
}

type Row = Readonly<Record<string, unknown>>

/** A row as the ping that it must be, or what is wrong with it. */
export function bronzePing(row: Row, sent: readonly SentPing[]): BronzePing | string {
  const extras: unknown = JSON.parse(String(row['extras'] ?? 'null'))
  const mark = Number(extras && typeof extras === 'object' && 'mark' in extras ? extras.mark : -1)
  const made = sent[mark]
  const shown = JSON.stringify(row, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  )
  if (!made) return `a row that nobody sent: ${shown}`
  const { ping, timestamp } = made
  const columns: Row = {
    device_id: ping.deviceId,
    vehicle_id: ping.vehicleId,
    session_id: ping.sessionId,
    order_id: ping.orderId,
    status: ping.status,
    timestamp_text: timestamp,
    start_lat: ping.startLat,
    start_lon: ping.startLng,
    end_lat: ping.endLat,
    end_lon: ping.endLng,
    current_lat: ping.lat,
    current_lon: ping.lng,
  }
  for (const [name, value] of Object.entries(columns)) {
    if (row[name] !== value) return `${name} should be ${String(value)}: ${shown}`
  }
  const received = row['received_at']
  const receivedMs = received instanceof Date ? received.getTime() : Number.NaN
  if (Number.isNaN(receivedMs)) return `no time of receipt: ${shown}`
  return { offset: Number(row['offset']), receivedMs, sent: made }
}
