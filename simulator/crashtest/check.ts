import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

import { asRecord, parseJson } from '../wire.ts'
import type { ClientSums } from './clients.ts'
import { compare, hashOf, keyOf, microseconds, type PingKey } from './keys.ts'
import {
  bronzePings,
  COUNTS,
  FACTS_TWICE,
  REACHED,
  type Shared,
  silverMovements,
  wrongDistances,
  wrongHeaders,
  wrongRemaining,
  wrongStatuses,
} from './queries.ts'

/** One thing that was looked at, and how often it was not as it must be. */
export type Finding = Readonly<{ kind: 'lost' | 'double' | 'wrong'; what: string; count: number }>

/** What the stores hold, against what the clients know. */
export type Verdict = Readonly<{
  acknowledged: number
  bronzeRows: number
  distinctPings: number
  movements: number
  sessions: number
  /** In the stores without an acknowledgement: sent, and its answer lost for good. */
  unanswered: number
  findings: readonly Finding[]
  hashes: Readonly<{ clients: string; bronze: string; silver: string }>
  examples: readonly string[]
}>

/** Rows of a read-only query. */
export type Ask = (query: string) => Promise<readonly (readonly unknown[])[]>

/** What a check looks at. The server must have nothing more to do. */
export type Evidence = Readonly<{
  ask: Ask
  /** What `/metrics` says now; read when the queries have brought everything into the stores. Null leaves it out. */
  metrics: (() => Promise<string>) | null
  /** Files with what was acknowledged, one ping a line. */
  records: readonly string[]
  sums: Pick<ClientSums, 'unacknowledged' | 'overflowed' | 'refused'>
}>

/** Rows of an answer at most, with room: the console takes a million and 128 MB. */
const ROWS_A_SHARE = 200_000

/** Compares bronze, silver, metrics and the clients' record. */
export async function check({ ask, metrics, records, sums }: Evidence): Promise<Verdict> {
  const counts = await readCounts(ask)
  const acknowledged = await readRecords(records)
  const shares = Math.ceil(Math.max(1, counts.bronze, counts.movements) / ROWS_A_SHARE)
  const bronze = await readKeys(ask, shares, bronzePings)
  const silver = await readKeys(ask, shares, silverMovements)
  const { lostFromBronze, lostFromSilver, unanswered, storesDiffer, examples } = compare({
    ...{ acknowledged, bronze, silver },
  })
  // What a client still holds at its end may have been taken; beyond that nobody sent it.
  const explained = sums.unacknowledged + sums.overflowed
  const findings: Finding[] = [
    { kind: 'lost', what: 'acknowledged and not in bronze', count: lostFromBronze },
    { kind: 'lost', what: 'acknowledged and not in silver', count: lostFromSilver },
    ...(await doubles(ask, counts)),
    wrong('pings in bronze or silver that nobody sent', Math.max(0, unanswered - explained)),
    wrong('pings in only one of bronze and silver', storesDiffer),
    wrong('dead letters, though every ping was good', counts.deadLetters),
    wrong('pings refused, though every ping was good', sums.refused),
    wrong('sessions with another header', await inShares(ask, shares, wrongHeaders)),
    wrong('statuses with another time', await inShares(ask, shares, wrongStatuses)),
    wrong('sessions with another distance', await inShares(ask, shares, wrongDistances)),
    wrong('movements with another distance left', await inShares(ask, shares, wrongRemaining)),
    ...(metrics === null ? [] : await figures(await metrics(), ask, counts)),
  ]
  return {
    acknowledged: acknowledged.size,
    bronzeRows: counts.bronze,
    distinctPings: bronze.size,
    movements: counts.movements,
    sessions: counts.sessions,
    unanswered,
    findings,
    hashes: { clients: hashOf(acknowledged), bronze: hashOf(bronze), silver: hashOf(silver) },
    examples,
  }
}

async function inShares(ask: Ask, shares: number, query: Shared): Promise<number> {
  let sum = 0
  for (let share = 0; share < shares; share++) sum += await one(ask, query(share, shares))
  return sum
}

/** The counts alone, asked again: a second look must see what the first one saw. */
export async function recount(ask: Ask): Promise<string> {
  return JSON.stringify(await readCounts(ask))
}

type Counts = Awaited<ReturnType<typeof readCounts>>

async function readCounts(ask: Ask) {
  const [row] = await ask(COUNTS)
  const at = (index: number): number => Number(row?.[index] ?? Number.NaN)
  return {
    ...{ bronze: at(0), bronzeOffsets: at(1), distinct: at(2), sessions: at(3) },
    ...{ movements: at(4), movementIds: at(5), movementFacts: at(6) },
    ...{ headers: at(7), headerNames: at(8), statuses: at(9), statusNames: at(10) },
    ...{ deadLetters: at(11), distanceCm: at(12) },
  }
}

async function doubles(ask: Ask, counts: Counts): Promise<readonly Finding[]> {
  const facts = Math.min(counts.movementIds, counts.movementFacts)
  let twice = 0
  for (const query of FACTS_TWICE) twice += await one(ask, query)
  return [
    double('offsets twice in bronze', counts.bronze - counts.bronzeOffsets),
    double('movements twice in silver', counts.movements - facts),
    double('sessions with two headers', counts.headers - counts.headerNames),
    double('statuses of a session twice', counts.statuses - counts.statusNames),
    double('other facts twice', twice),
  ]
}

async function figures(text: string, ask: Ask, counts: Counts): Promise<Finding[]> {
  const [reached] = await ask(REACHED)
  const completed = Number(reached?.[2])
  const expected: Readonly<Record<string, number>> = {
    pings: counts.bronze,
    sessions: counts.sessions,
    sessions_active: counts.sessions - completed,
    sessions_started: Number(reached?.[0]),
    sessions_en_route: Number(reached?.[1]),
    sessions_completed: completed,
    refused: counts.deadLetters,
  }
  const gauge = (name: string): number =>
    Number(new RegExp(`^orrery_counted_${name} (.+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
  const off = Object.entries(expected).filter(([name, value]) => gauge(name) !== value)
  if (Math.round(gauge('distance_km') * 100_000) !== counts.distanceCm)
    off.push(['distance_km', counts.distanceCm / 100_000])
  return [wrong('figures of metrics', 0)].concat(
    off.map(([name, value]) =>
      wrong(`orrery_counted_${name} is ${gauge(name)}, the tables say ${value}`, 1),
    ),
  )
}

async function one(ask: Ask, query: string): Promise<number> {
  const [row] = await ask(query)
  return Number(row?.[0] ?? Number.NaN)
}

async function readKeys(
  ask: Ask,
  shares: number,
  query: (share: number, of: number) => string,
): Promise<Set<PingKey>> {
  const keys = new Set<PingKey>()
  for (let share = 0; share < shares; share++) {
    for (const [session, status, us, lat, lon] of await ask(query(share, shares)))
      keys.add(keyOf(session, status, us, lat, lon))
  }
  return keys
}

/** Everything that was acknowledged to anybody. */
async function readRecords(files: readonly string[]): Promise<Set<PingKey>> {
  const keys = new Set<PingKey>()
  for (const file of files) {
    for await (const line of createInterface({ input: createReadStream(file) })) {
      const ping = asRecord(parseJson(line))
      if (!ping) throw new Error(`${file} holds a line that is no ping: ${line.slice(0, 200)}`)
      const { session_id, status, timestamp, current_lat, current_lon } = ping
      keys.add(keyOf(session_id, status, microseconds(String(timestamp)), current_lat, current_lon))
    }
  }
  return keys
}

function wrong(what: string, count: number): Finding {
  return { kind: 'wrong', what, count }
}

function double(what: string, count: number): Finding {
  return { kind: 'double', what, count }
}
