import type { ScaledMeasured } from './scaled-case.ts'
import type { ScaledResult } from './scaled.ts'

type Row = readonly [name: string, value: (one: ScaledMeasured) => string]

const NAME_WIDTH = 46
const CELL_WIDTH = 26
/** Beyond it something else ran beside the bench. */
const STRANGERS_PERCENT_MAX = 25

const number = (value: number): string => value.toLocaleString('en-US')
const seconds = (value: number | null): string => (value === null ? 'never' : String(value))

const ROWS: readonly Row[] = [
  [
    'offered, pings/s',
    (one) => (one.offeredPerS === null ? 'as acknowledged' : number(one.offeredPerS)),
  ],
  ['acknowledged, pings/s', (one) => number(one.acknowledgedPerS)],
  [
    'stored under load / until all was, pings/s',
    (one) => `${number(one.storedPerS.underLoad)} / ${number(one.storedPerS.whole)}`,
  ],
  [
    'all in silver / bronze after, s',
    (one) => `${seconds(one.silverAfterS)} / ${seconds(one.bronzeAfterS)}`,
  ],
  ['acknowledged, not in silver, tenths', ({ behind }) => thousands(behind)],
  ['acknowledged p50 / p99, ms', (one) => `${one.ackP50Ms} / ${one.ackP99Ms}`],
  [
    'broker to queryable p50 / p99, at most, ms',
    (one) => `${one.queryableP50Ms} / ${one.queryableP99Ms}`,
  ],
  ['lost; double', (one) => `${number(one.lost)}; ${number(one.double)}`],
  ['  acknowledged in all', (one) => number(one.expected)],
  ['  rows of silver / bronze', ({ rows }) => `${number(rows.silver)} / ${number(rows.bronze)}`],
  ['  refused; busy replies', (one) => `${number(one.refused)}; ${number(one.busy)}`],
  ['machine busy, % of all cores', (one) => String(one.machineBusyPercent)],
  ['  by others, % of a core', (one) => String(one.strangersCpuPercent)],
]

/** The figures as a table: first what came of it, then each part by itself. */
export function scaledText({ cases, loadAverage }: ScaledResult): string {
  const all = Object.entries(cases)
  const line = (name: string, cells: readonly string[]): string =>
    name.padEnd(NAME_WIDTH) + cells.map((cell) => cell.padStart(CELL_WIDTH)).join('')
  const each = (name: string, value: (one: ScaledMeasured) => string): string =>
    line(
      name,
      all.map(([, one]) => value(one)),
    )
  const parts = namesOf(all.map(([, one]) => one.cpuUsPerPing))
  const requests = namesOf(all.map(([, one]) => one.requestsPerMinute.load))
  const lines = [
    line(
      '',
      all.map(([name]) => name),
    ),
    ...ROWS.map(([name, value]) => each(name, value)),
    '',
    'CPU a ping, µs; of it above what idling takes',
    ...parts.map((part) =>
      each(`  ${part}`, (one) => {
        const us = one.cpuUsPerPing[part]
        const net = one.cpuUsPerPingAboveIdle[part]
        return us === undefined ? '' : `${us}${net === undefined ? '' : `; ${net}`}`
      }),
    ),
    each(
      '  all but load and bench',
      (one) => `${ownSum(one.cpuUsPerPing)}; ${ownSum(one.cpuUsPerPingAboveIdle)}`,
    ),
    '',
    'idle, thousandths of a core; memory (RSS) at most, MB',
    ...parts.map((part) =>
      each(`  ${part}`, ({ idleMilliCores, rssMaxMb }) =>
        [idleMilliCores[part], rssMaxMb[part]]
          .map((value) => (value === undefined ? '-' : number(value)))
          .join('; '),
      ),
    ),
    '',
    'a minute, without load / under it',
    ...requests.map((kind) =>
      each(`  ${kind}`, ({ requestsPerMinute: { idle, load } }) =>
        [idle[kind], load[kind]].map((count) => number(count ?? 0)).join(' / '),
      ),
    ),
    '',
    `load average before ${loadAverage.before}, after ${loadAverage.after}`,
  ]
  for (const [name, { strangersCpuPercent, unclean }] of all) {
    if (strangersCpuPercent > STRANGERS_PERCENT_MAX)
      lines.push(
        `${name}: other processes used ${strangersCpuPercent} % of a core: measure again without them`,
      )
    for (const why of unclean) lines.push(`${name}: did not end in order: ${why}`)
  }
  return lines.join('\n')
}

/** Over everything that an installation consists of. */
export function ownSum(values: Readonly<Record<string, number>>): number {
  const own = Object.entries(values).filter(([part]) => part !== 'load' && part !== 'bench')
  return Math.round(own.reduce((sum, [, value]) => sum + value, 0) * 10) / 10
}

function namesOf(all: readonly Readonly<Record<string, number>>[]): readonly string[] {
  return [...new Set(all.flatMap((one) => Object.keys(one)))]
}

function thousands(values: readonly number[]): string {
  const most = Math.max(0, ...values)
  const last = values.at(-1) ?? 0
  return `max ${number(most)}, end ${number(last)}`
}
