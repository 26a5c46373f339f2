import { parseArgs } from 'node:util'

import { UsageError, wholeNumber } from '../../options.ts'
import { SCALED_FAULTS, type ScaledFault } from './books.ts'

/** What `bun run crashtest --profile scaled` was asked for, checked. */
export type ScaledOptions = Readonly<{
  scenario: 'faults' | 'movement'
  kills: number
  /** No further fault begins later than this; null for no limit. */
  minutes: number | null
  seed: number
  workers: number
  gateways: number
  webs: number
  edge: boolean
  rate: number
  partitions: number
  record: 'single' | 'frame'
  only: readonly ScaledFault[]
  keep: boolean
  jsonFile: string | null
  dir: string | null
}>

export const SCALED_HELP = `Usage: bun run crashtest --profile scaled [options]

Starts a broker, Redis, an S3 server, a REST catalog and a ClickHouse server over the embedded engine,
processes of "bun run start" in their roles, and clients of every kind; every connection between two
parts goes over a line of its own. Then, one after the other, at random moments: parts and servers are
killed, frozen and started again, workers join and leave, lines are cut, silent in one or both
directions, or slow. After each fault a ping of every partition must arrive in silver. At the end bronze
is read with PyIceberg and DuckDB, silver by SQL, windows by Redis' own protocol, and all is compared
with what clients were told was taken. Needs what "bun run services install" fetches.

  --kills N        how many faults (default 50; each takes 5 to 40 s)
  --minutes N      begins no further fault after so many minutes (default: no limit)
  --seed N         same seed, same faults as far as chance is ours (default: by time, printed)
  --workers N      workers at the start; two more may join (default 3)
  --gateways N     gateways (default 2)
  --webs N         processes with pages (default 1)
  --edge           an edge gateway as well, with clients of its own
  --rate N         pings a second, all clients together (default 2000)
  --partitions N   partitions of each topic (default 6)
  --record KIND    single or frame: messages a Kafka record (default single)
  --only LIST      only these faults, by their names, with commas between
  --scenario NAME  faults, or movement: one of the workers is killed and one joins under --rate
                   (there 20000), and each partition's way from one to another is timed
  --json FILE      writes the result as JSON
  --dir DIR        works in this folder and leaves everything there
  --keep           leaves records, logs and data also when nothing is wrong
  --help           this text

Faults: ${SCALED_FAULTS.join(', ')}.

Exit code: 0 nothing lost, double or wrong; 1 something was, or it did not come back;
2 wrong usage; 130 interrupted.`

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseScaledOptions(args: readonly string[], nowMs: number): ScaledOptions | null {
  const values = parse(args)
  if (values.help) return null
  const { scenario, record } = values
  if (scenario !== 'faults' && scenario !== 'movement') {
    throw new UsageError(`--scenario is "${scenario}": faults or movement is needed`)
  }
  if (record !== 'single' && record !== 'frame') {
    throw new UsageError(`--record is "${record}": single or frame is needed`)
  }
  const rate = values.rate ?? (scenario === 'movement' ? '20000' : '2000')
  return {
    ...{ scenario, record, edge: values.edge, keep: values.keep },
    kills: wholeNumber('kills', values.kills, 0, 100_000),
    minutes:
      values.minutes === undefined ? null : wholeNumber('minutes', values.minutes, 1, 100_000),
    seed:
      values.seed === undefined ? nowMs % 1_000_000 : wholeNumber('seed', values.seed, 0, 2 ** 31),
    workers: wholeNumber('workers', values.workers, 1, 20),
    gateways: wholeNumber('gateways', values.gateways, 1, 20),
    webs: wholeNumber('webs', values.webs, 0, 10),
    rate: wholeNumber('rate', rate, 10, 1_000_000),
    partitions: wholeNumber('partitions', values.partitions, 1, 100),
    only: faultsOf(values.only),
    jsonFile: values.json ?? null,
    dir: values.dir ?? null,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        profile: { type: 'string' },
        kills: { type: 'string', default: '50' },
        minutes: { type: 'string' },
        seed: { type: 'string' },
        workers: { type: 'string', default: '3' },
        gateways: { type: 'string', default: '2' },
        webs: { type: 'string', default: '1' },
        edge: { type: 'boolean', default: false },
        rate: { type: 'string' },
        partitions: { type: 'string', default: '6' },
        record: { type: 'string', default: 'single' },
        only: { type: 'string' },
        scenario: { type: 'string', default: 'faults' },
        json: { type: 'string' },
        dir: { type: 'string' },
        keep: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause))
  }
}

function faultsOf(list: string | undefined): readonly ScaledFault[] {
  if (list === undefined) return SCALED_FAULTS
  return list.split(',').map((text) => {
    const fault = SCALED_FAULTS.find((name) => name === text.trim())
    if (!fault) throw new UsageError(`--only names no fault "${text}"; --help lists them`)
    return fault
  })
}
