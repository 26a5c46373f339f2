import { readdirSync, readFileSync } from 'node:fs'

/** Linux counts CPU time in hundredths of a second. */
const TICK_US = 10_000

/** CPU time so far, microseconds, of a process and of each of its threads. */
export type CpuUse = Readonly<{
  totalUs: number
  mainUs: number
  /** By the thread's name; threads of one name are added up. */
  othersUs: ReadonlyMap<string, number>
}>

/** CPU time of a process, all threads that ever lived included; zeros once it is gone. */
export function cpuUse(pid: number): CpuUse {
  const othersUs = new Map<string, number>()
  let mainUs = 0
  for (const thread of entries(`/proc/${pid}/task`)) {
    const read = statOf(`/proc/${pid}/task/${thread}/stat`)
    if (!read) continue
    if (thread === String(pid)) {
      mainUs = read.cpuUs
    } else {
      // `Bun Pool 7` and its like are one pool.
      const name = read.name.replace(/[\s-]*\d+$/, '')
      othersUs.set(name, (othersUs.get(name) ?? 0) + read.cpuUs)
    }
  }
  return { totalUs: statOf(`/proc/${pid}/stat`)?.cpuUs ?? 0, mainUs, othersUs }
}

/** What was used between two readings. */
export function cpuBetween(before: CpuUse, after: CpuUse): CpuUse {
  const othersUs = new Map(
    [...after.othersUs].map(([name, us]) => [name, us - (before.othersUs.get(name) ?? 0)]),
  )
  return {
    totalUs: after.totalUs - before.totalUs,
    mainUs: after.mainUs - before.mainUs,
    othersUs,
  }
}

/** Resident memory of a process in megabytes: now, and the most it ever was. */
export function memoryMb(pid: number): Readonly<{ now: number; most: number }> {
  const status = readText(`/proc/${pid}/status`)
  const kb = (key: string): number =>
    Number(new RegExp(`${key}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0)
  return { now: (kb('VmRSS') * 1_024) / 1e6, most: (kb('VmHWM') * 1_024) / 1e6 }
}

/** CPU time that the whole machine spent and spent not, microseconds over all cores. */
export function machineCpu(): Readonly<{ busyUs: number; idleUs: number }> {
  const fields = readText('/proc/stat').split('\n')[0]?.split(/\s+/).slice(1).map(Number) ?? []
  const idle = (fields[3] ?? 0) + (fields[4] ?? 0)
  // The first eight: user, nice, system, idle, iowait, irq, softirq, steal. Guests are in user.
  const all = fields.slice(0, 8).reduce((sum, ticks) => sum + ticks, 0)
  return { busyUs: (all - idle) * TICK_US, idleUs: idle * TICK_US }
}

function statOf(file: string): { name: string; cpuUs: number } | null {
  const text = readText(file)
  const open = text.indexOf('(')
  const close = text.lastIndexOf(')')
  if (open < 0 || close < 0) return null
  // After the name: state is field 3, utime and stime are 14 and 15.
  const fields = text.slice(close + 2).split(' ')
  const ticks = Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  return { name: text.slice(open + 1, close), cpuUs: ticks * TICK_US }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
