import { cpus } from 'node:os'

import { cpuUse, machineCpu, memoryMb } from './processes.ts'
import type { Rig } from './scaled-rig.ts'

/** The bench itself: it counts, and the lines that it counts requests on go through it. */
export const BENCH = 'bench'

/** Counters of all parts at one moment. */
export type Reading = Readonly<{
  atMs: number
  cpuUs: Readonly<Record<string, number>>
  rssMaxMb: Readonly<Record<string, number>>
  requests: Readonly<Record<string, number>>
  machine: Readonly<{ busyUs: number; idleUs: number }>
}>

/** What was used between two readings. */
export type Used = Readonly<{
  tookS: number
  cpuUs: Readonly<Record<string, number>>
  requests: Readonly<Record<string, number>>
  /** Of all cores. */
  machineBusyPercent: number
  machineBusyUs: number
}>

const INSERTS = `SELECT sum(value) FROM system.events WHERE event = 'InsertQuery'`

/** Reads every counter there is. */
export async function read(rig: Rig): Promise<Reading> {
  const [redis, inserts] = await Promise.all([rig.redisCalls(), rig.number(INSERTS)])
  const { user, system } = process.cpuUsage()
  const pids = [...rig.pids]
  return {
    atMs: performance.now(),
    cpuUs: {
      ...Object.fromEntries(pids.map(([name, pid]) => [name, cpuUse(pid).totalUs])),
      [BENCH]: user + system,
    },
    rssMaxMb: Object.fromEntries(pids.map(([name, pid]) => [name, Math.round(memoryMb(pid).most)])),
    requests: {
      'Redis scripts': redis.scripts,
      'Redis commands, with those of scripts': redis.commands,
      'ClickHouse inserts': inserts,
      'S3 requests': rig.lines['S3 server'].total,
      'S3 kilobytes': Math.round(rig.lines['S3 server'].bytes / 1_000),
      'catalog requests': rig.lines.catalog.total,
    },
    machine: machineCpu(),
  }
}

/** The difference of two readings. */
export function usedBetween(before: Reading, after: Reading): Used {
  const busyUs = after.machine.busyUs - before.machine.busyUs
  const allUs = busyUs + after.machine.idleUs - before.machine.idleUs
  return {
    tookS: (after.atMs - before.atMs) / 1_000,
    cpuUs: mapped(after.cpuUs, (us, part) => us - (before.cpuUs[part] ?? 0)),
    requests: mapped(after.requests, (count, kind) => count - (before.requests[kind] ?? 0)),
    machineBusyPercent: Math.round((busyUs / Math.max(1, allUs)) * 100),
    machineBusyUs: busyUs,
  }
}

/** Per cent of one core that nothing of the bench used: high, it spoils the figures. */
export function strangersPercent(used: Used, loadUs: number): number {
  const ours = Object.values(used.cpuUs).reduce((sum, us) => sum + us, loadUs)
  const percent = (used.machineBusyUs - ours) / used.tookS / 10_000
  return Math.max(0, Math.min(cpus().length * 100, Math.round(percent)))
}

/** Another value for each name. */
export function mapped(
  values: Readonly<Record<string, number>>,
  to: (value: number, name: string) => number,
): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, to(value, name)]))
}
