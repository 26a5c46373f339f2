import type { VirtualClock } from '../actors/kernel/clock.ts'
import type { SharedStateStore } from '../actors/kernel/snapshots.ts'
import type { MemoryStorage } from '../sinks/iceberg/memory-storage.ts'
import { rowsIn } from '../sinks/iceberg/testing.ts'
import { type AlertRules, checkAlerts } from './checker-alerts.ts'
import { checkMetrics } from './checker-metrics.ts'
import { type BronzePing, recompute } from './checker-reference.ts'
import { checkRefused, checkSilver } from './checker-silver.ts'
import { bronzePing, checkAcknowledged, checkOffsets } from './checker.ts'
import type { Told } from './world-client.ts'
import { BRONZE_LOCATION } from './world-life.ts'
import type { SilverRow, SilverTables } from './world-silver.ts'
import type { SentPing } from './world-traffic.ts'

/** What the checker may look at when several processes have written. */
export type ScaledEvidence = Readonly<{
  clock: VirtualClock
  told: Told
  sent: readonly SentPing[]
  bronze: MemoryStorage
  silver: SilverTables
  /** Of each partition the states as its last owner has them. */
  states: readonly SharedStateStore[]
  rules: AlertRules
}>

type Placed = BronzePing & Readonly<{ partition: number }>

/** Compares the stores with what was acknowledged, partition by partition; the first thing that does not hold, or null. */
export async function checkScaledRun(evidence: ScaledEvidence): Promise<string | null> {
  const { told, clock, rules, bronze, silver, states } = evidence
  const [wrong] = told.wrong
  if (wrong !== undefined) return `answers: ${wrong}`
  const rows = await rowsIn(bronze, clock, BRONZE_LOCATION)
  const placed: Placed[] = []
  for (const row of rows) {
    const ping = bronzePing(row, evidence.sent)
    if (typeof ping === 'string') return `bronze: ${ping}`
    placed.push({ ...ping, partition: Number(row['partition']) })
  }
  const early = checkPlaces(placed) ?? checkCopies(placed, told)
  if (early !== null) return early
  for (const [partition, own] of states.entries()) {
    const pings = placed.filter((ping) => ping.partition === partition)
    pings.sort((a, b) => a.offset - b.offset)
    const view = { of: (table: string) => rowsOfPartition(silver, table, partition) }
    const expected = recompute(pings)
    const found =
      checkOffsets(pings) ??
      checkSilver(view, expected, pings) ??
      checkAlerts(view, pings, expected, rules) ??
      (await checkMetrics({ silver: view, states: own, partition }, pings, expected))
    if (found !== null) return `partition ${partition}: ${found}`
  }
  return checkAcknowledged(placed, told) ?? checkRefused(silver, told)
}

function rowsOfPartition(silver: SilverTables, table: string, partition: number): SilverRow[] {
  return silver.of(table).filter((row) => row['partition'] === partition)
}

/** A session is in one partition, whoever has sent it and whenever. */
function checkPlaces(pings: readonly Placed[]): string | null {
  const places = new Map<string, number>()
  for (const { sent, partition } of pings) {
    const { sessionId } = sent.ping
    const known = places.get(sessionId) ?? partition
    if (known !== partition)
      return `bronze: ${sessionId} is in partitions ${known} and ${partition}`
    places.set(sessionId, partition)
  }
  return null
}

/** What a gateway sent twice was taken once: a ping is there at most as often as its client has sent it. */
function checkCopies(pings: readonly Placed[], told: Told): string | null {
  const copies = new Map<number, number>()
  for (const { sent, offset, partition } of pings) {
    const count = (copies.get(sent.mark) ?? 0) + 1
    copies.set(sent.mark, count)
    const times = told.sent.get(sent.mark) ?? 0
    if (count > times) {
      return `bronze: ping ${sent.mark} was sent ${times} times, and is there once more: ${partition}:${offset}`
    }
  }
  return null
}
