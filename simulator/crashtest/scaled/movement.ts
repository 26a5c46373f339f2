import { existsSync, readFileSync } from 'node:fs'

import type { Clock } from '../../../actors/kernel/clock.ts'
import { asRecord, parseJson } from '../../wire.ts'
import { pause } from '../server.ts'
import { askClickHouse, type ClickHousePlace } from './clickhouse-server.ts'
import type { Cluster } from './cluster.ts'
import type { Part } from './part.ts'
import { delayP99Ms, longestStandstill, Watcher } from './watcher.ts'

const STEADY_MS = 20_000
const AFTER_MS = 40_000
/** A partition must be stored again by then. */
const MOVED_MS_MAX = 15_000

export type MovementOptions = Readonly<{
  cluster: Cluster
  clock: Clock
  workers: number
  say: (text: string) => void
}>

/** How long one partition was without a new row in silver on its way from a worker to another: from the kill, or from the last row. */
export type Move = Readonly<{ partition: number; movedMs: number }>

/** What became of the partitions when a worker was killed and when one joined. */
export type Movement = Readonly<{
  killed: readonly Move[]
  joined: readonly Move[]
  /** Received to seen in silver, of the partitions that stayed. */
  stayedP99Ms: Readonly<{ before: number; killed: number; joined: number }>
  /** Pings in silver a second, from the first to the last look. */
  storedPerS: number
  failures: readonly string[]
}>

/** Kills one of the workers, then lets one join, and times each partition of the sessions. */
export async function move({ cluster, clock, workers, say }: MovementOptions): Promise<Movement> {
  const all = cluster.of('worker')
  const [killed, joining] = [all[0], all[workers]]
  if (!killed || !joining) throw new Error('movement takes a worker to kill and one to join')
  const { clickHouse } = cluster.servers
  const watcher = new Watcher(clickHouse, clock)
  const rowsBefore = await rowsOf(clickHouse)
  const beganMs = clock.monotonicMs()
  await pause(STEADY_MS)
  const steadyMs = clock.monotonicMs() - STEADY_MS
  const lost = heldBy(killed)
  say(`kill -9 of ${killed.name}, which has ${lost.join(', ')}`)
  const killedMs = clock.monotonicMs()
  await killed.kill()
  await pause(AFTER_MS)
  say(`${joining.name} joins`)
  const joinedMs = clock.monotonicMs()
  joining.start(true)
  await pause(AFTER_MS)
  const gained = heldBy(joining)
  say(`${joining.name} has ${gained.join(', ')}`)
  await watcher.stop()
  const { samples } = watcher
  const endMs = clock.monotonicMs()
  const standstill = (partition: number, fromMs: number, toMs: number) =>
    longestStandstill(samples.get(partition) ?? [], { fromMs, toMs })
  const staying = (moved: readonly number[]) =>
    [...samples].flatMap(([partition, own]) => (moved.includes(partition) ? [] : [own]))
  const killedMoves = lost.map((partition): Move => {
    const { overMs } = standstill(partition, killedMs, joinedMs)
    return { partition, movedMs: Math.round(overMs) }
  })
  // Until it gives it up, the one who has it goes on.
  const joinedMoves = gained.map((partition): Move => {
    const { lengthMs } = standstill(partition, joinedMs, endMs)
    return { partition, movedMs: Math.round(lengthMs) }
  })
  const stored = (await rowsOf(clickHouse)) - rowsBefore
  return {
    killed: killedMoves,
    joined: joinedMoves,
    stayedP99Ms: {
      before: delayP99Ms(samples.values(), { fromMs: steadyMs, toMs: killedMs }),
      killed: delayP99Ms(staying(lost), { fromMs: killedMs, toMs: joinedMs }),
      joined: delayP99Ms(staying(gained), { fromMs: joinedMs, toMs: endMs }),
    },
    storedPerS: (stored * 1_000) / (endMs - beganMs),
    failures: [
      ...[...killedMoves, ...joinedMoves].flatMap(({ partition, movedMs }) =>
        movedMs > MOVED_MS_MAX ? [`partition ${partition} moved in ${movedMs} ms`] : [],
      ),
      ...(lost.length === 0 ? [`${killed.name} had no partition`] : []),
      ...(gained.length === 0 ? [`${joining.name} got no partition`] : []),
    ],
  }
}

/** Pings in silver. */
async function rowsOf(place: ClickHousePlace): Promise<number> {
  const [row] = await askClickHouse(place, 'SELECT count() FROM session_movements')
  return Number(row?.[0])
}

/** For people. */
export function describeMovement(movement: Movement): string {
  const { killed, joined, stayedP99Ms, storedPerS } = movement
  const row = ({ partition, movedMs }: Move): string =>
    `  partition ${partition}`.padEnd(24) + `${(movedMs / 1_000).toFixed(1)} s`.padStart(8)
  const ms = (value: number): string => `${Math.round(value)} ms`
  return [
    `movement of partitions (${Math.round(storedPerS).toLocaleString('en-US')} pings/s into silver)`,
    'a worker was killed, from the kill to the next row',
    ...killed.map(row),
    'a worker joined, longest time without a new row',
    ...joined.map(row),
    'received to seen in silver, p99, partitions that stayed',
    `  before ${ms(stayedP99Ms.before)}, after the kill ${ms(stayedP99Ms.killed)}, after the joining ${ms(stayedP99Ms.joined)}`,
  ].join('\n')
}

/** Partitions of sessions that a worker has, by what it has logged. */
function heldBy({ logFile }: Part): readonly number[] {
  const held = new Set<number>()
  const lines = existsSync(logFile) ? readFileSync(logFile, 'utf8').split('\n') : []
  for (const line of lines) {
    const entry = asRecord(parseJson(line))
    const partition = Number(entry?.partition ?? Number.NaN)
    if (Number.isNaN(partition) || partition >= 1_000) continue
    if (entry?.message === 'partition opened') held.add(partition)
    if (entry?.message === 'partition handed over') held.delete(partition)
  }
  return [...held].sort((a, b) => a - b)
}
