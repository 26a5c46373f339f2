import { COUNT_NAMES, type CountName } from '../sinks/metrics/counts.ts'
import { Ledger } from '../sinks/metrics/ledger.ts'
import { MemoryMetricsStore } from '../sinks/metrics/memory-store.ts'
import type { MetricsState } from '../sinks/metrics/store.ts'
import type { BronzePing, Expected } from './checker-reference.ts'
import type { Tables } from './checker-silver.ts'

/** Where counts are, and what they must agree with. */
export type Counted = Readonly<{
  silver: Tables
  states: ConstructorParameters<typeof MemoryMetricsStore>[0]
  partition: number
}>

type Tally = Map<string, number>

const COUNT_OF: Readonly<Record<string, CountName>> = {
  started: 'started',
  en_route: 'enRoute',
  completed: 'completed',
}

/** The counts as stored must be those that the tables give, in all and minute by minute. */
export async function checkMetrics(
  of: Counted,
  pings: readonly BronzePing[],
  expected: Expected,
): Promise<string | null> {
  // Read anew from what is durable, as the next life would.
  const store = new MemoryMetricsStore(of.states)
  const state = await store.load(of.partition, new AbortController().signal)
  const stored = flatten(new Ledger(state))
  const counted = recount(of, pings, expected)
  for (const key of new Set([...counted.keys(), ...stored.keys()])) {
    const [want, have] = [counted.get(key) ?? 0, stored.get(key) ?? 0]
    if (want !== have) return `metrics: ${key} should be ${want}, not ${have}`
  }
  return null
}

function flatten(state: MetricsState): Tally {
  const flat: Tally = new Map()
  for (const name of COUNT_NAMES) {
    flat.set(`all ${name}`, state.totals[name])
    for (const [minute, counts] of state.minutes) flat.set(`${minute} ${name}`, counts[name])
  }
  return flat
}

function recount(of: Counted, pings: readonly BronzePing[], expected: Expected): Tally {
  const tally: Tally = new Map()
  const count = (name: CountName, by: number, atMs: number): void => {
    for (const key of [`all ${name}`, `${Math.floor(atMs / 60_000)} ${name}`]) {
      tally.set(key, (tally.get(key) ?? 0) + by)
    }
  }
  for (const { receivedMs } of pings) count('pings', 1, receivedMs)
  for (const { columns } of expected.headers) {
    if (columns['revision'] === '0') count('opened', 1, Number(columns['received_at']))
  }
  for (const { columns } of expected.movements) {
    count('distanceCm', Number(columns['distance_cm']), Number(columns['event_time_us']) / 1_000)
  }
  const newest = new Map(expected.statuses.map((row) => [row.content, row.columns]))
  for (const { status = '', event_time_us } of newest.values()) {
    count(COUNT_OF[status] ?? 'started', 1, Number(event_time_us) / 1_000)
  }
  for (const { columns } of expected.statuses) {
    const isEnd = columns['status'] === 'completed' && columns['revision'] === '0'
    if (isEnd) count('finished', 1, Number(columns['received_at']))
  }
  for (const row of of.silver.of('session_alerts')) {
    if (row['alert'] === 'silent') count('silent', 1, Number(row['fired_at']))
  }
  for (const row of of.silver.of('dead_letters')) {
    count('refused', 1, Number(row['received_at']))
  }
  return tally
}
