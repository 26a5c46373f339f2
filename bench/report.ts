import type { Machine } from './machine.ts'
import type { Measured } from './measure.ts'

type Row = readonly [name: string, value: (one: Measured) => string]

/** Beyond it something else ran beside the bench: its own counting and probing take less. */
const STRANGERS_PERCENT_MAX = 25

const number = (value: number): string => value.toLocaleString('en-US')

const ROWS: readonly Row[] = [
  ['pings a second', (one) => number(one.pingsPerSecond)],
  ['lost', (one) => number(one.lost)],
  ['double', (one) => number(one.double)],
  [
    'acknowledged p50 / p99 / max, ms',
    (one) => `${one.ackP50Ms} / ${one.ackP99Ms} / ${one.ackMaxMs}`,
  ],
  ['queryable p50 / p99, ms', (one) => `${one.queryableP50Ms} / ${one.queryableP99Ms}`],
  ['  probes (not seen)', (one) => `${one.probes} (${one.probesUnseen})`],
  ['CPU a ping, µs', (one) => String(one.cpuUsPerPing)],
  ['server CPU, % of a core', (one) => String(one.serverCpuPercent)],
  ['  main thread', (one) => String(one.mainThreadPercent)],
  ['load CPU, % of a core', (one) => String(one.loaderCpuPercent)],
  ['machine busy, % of all cores', (one) => String(one.machineBusyPercent)],
  ['  by others, % of a core', (one) => String(one.strangersCpuPercent)],
  ['memory (RSS) at most, MB', (one) => number(one.rssMaxMb)],
  ['  at 10, 25, 50, 75, 100 %', (one) => one.rssMbOverTime.join(', ')],
  ['acknowledged in all', (one) => number(one.acknowledged)],
  ['refused; busy replies', (one) => `${number(one.refused)}; ${number(one.busy)}`],
  ['rows in silver / bronze', (one) => `${number(one.rows.silver)} / ${number(one.rows.bronze)}`],
  ['stores complete after, s', (one) => (one.drainS === null ? 'never' : String(one.drainS))],
  ['disk: fdatasync p50 / p99, ms', (one) => `${one.fdatasyncP50Ms} / ${one.fdatasyncP99Ms}`],
]

/** The figures as a table, and what bounds each. */
export function reportText(
  results: Readonly<Record<string, Measured>>,
  machine: Machine,
  commit: string,
): string {
  const cases = Object.entries(results)
  const line = (name: string, cells: readonly string[]): string =>
    name.padEnd(34) + cells.map((cell) => cell.padStart(26)).join('')
  const lines = [
    line(
      '',
      cases.map(([name]) => name),
    ),
  ]
  for (const [name, value] of ROWS)
    lines.push(
      line(
        name,
        cases.map(([, one]) => value(one)),
      ),
    )
  for (const [name, one] of cases) {
    const threads = Object.entries(one.otherThreadsPercent)
      .slice(0, 8)
      .map(([thread, percent]) => `${thread} ${percent}`)
    lines.push('', `${name} is bounded by ${one.boundedBy}`)
    if (one.strangersCpuPercent > STRANGERS_PERCENT_MAX)
      lines.push(
        `  other processes used ${one.strangersCpuPercent} % of a core: measure again without them`,
      )
    lines.push(
      `  CPU of its threads, % of a core: main ${one.mainThreadPercent}, ${threads.join(', ')}`,
    )
  }
  lines.push('', machineText(machine, commit))
  return lines.join('\n')
}

/** What was measured on, in one line. */
export function machineText(machine: Machine, commit: string): string {
  const { cpu, cores, memoryGb, kernel, bun } = machine
  return `${cpu}, ${cores} cores, ${memoryGb} GB, Linux ${kernel}, Bun ${bun}, commit ${commit}`
}
