import { tmpdir } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { messageOf } from '../actors/kernel/errors.ts'
import { UsageError, wholeNumber } from '../simulator/options.ts'
import type { ScaledCase } from './scaled-case.ts'
import { scaledCases } from './scaled.ts'

export const SCALED_HELP = `Usage: bun run bench --profile scaled [options]

Starts a broker, Redis, an S3 server, a REST catalog and a ClickHouse server over the embedded engine, a
gateway and workers, each a process of its own on this machine, puts load on the gateway, and counts in
the stores afterwards what became of it. Four times, each on empty folders: frames and single messages
as records of Kafka, handled by one and by two workers. Says what each part takes of processor and
memory, how far the tables are behind, and how many requests the stores get. Needs what
"bun run services install" fetches; DuckDB, of "bun run services install readers", counts bronze where it is.

  --seconds N     measured time of each (default 60)
  --warm-up N     seconds before it that count for nothing but the stores (default 5)
  --only NAME     frame-1, frame-2, single-1 or single-2
  --rate N        pings a second (default: as fast as acknowledged)
  --vehicles N    live sessions (default 20000)
  --pings N       in one message of a sender (default 50)
  --sockets N     connections (default: 16; 256 for fewer than 10 pings in a message)
  --window N      messages of one connection without an answer (default: 2; 1 for fewer than 10 pings)
  --partitions N  of each topic (default 8)
  --compression K none, gzip or zstd (default zstd)
  --set NAME=VALUE another setting of gateway and workers; may be given several times
  --dir DIR       where the data goes meanwhile (default: the system's folder for temporary files)
  --json FILE     writes the figures as JSON
  --help          this text

Exit code: 0 nothing lost and nothing double; 1 not so, or it failed; 2 wrong usage.`

export type ScaledBenchOptions = Readonly<{
  cases: readonly ScaledCase[]
  dir: string
  jsonFile: string | null
}>

/** Whether a command line asks for this profile. Throws UsageError for one that is not there. */
export function isScaledAsked(args: readonly string[]): boolean {
  const { profile } = parseArgs({
    args: [...args],
    options: { profile: { type: 'string', default: 'embedded' } },
    strict: false,
  }).values
  if (profile === 'scaled') return true
  if (profile === 'embedded') return false
  throw new UsageError(`--profile is "${profile}": embedded or scaled`)
}

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseScaledBench(args: readonly string[]): ScaledBenchOptions | null {
  const values = parse(args)
  if (values.help) return null
  const { compression, only = null, json } = values
  if (!['none', 'gzip', 'zstd'].includes(compression))
    throw new UsageError(`--compression is "${compression}": none, gzip or zstd`)
  const given = (name: 'rate' | 'vehicles' | 'sockets' | 'window', min: number, max: number) => {
    const text = values[name]
    return text === undefined ? null : wholeNumber(name, text, min, max)
  }
  const cases = scaledCases({
    seconds: wholeNumber('seconds', values.seconds, 1, 86_400),
    warmUpS: wholeNumber('warm-up', values['warm-up'], 1, 3_600),
    rate: given('rate', 1, 10_000_000),
    vehicles: given('vehicles', 100, 1_000_000),
    partitions: wholeNumber('partitions', values.partitions, 2, 100),
    pings: wholeNumber('pings', values.pings, 1, 100),
    sockets: given('sockets', 1, 10_000),
    framesInFlight: given('window', 1, 10_000),
    settings: Object.fromEntries(values.set.map(settingOf)),
    ...{ compression, only },
  })
  if (cases.length === 0)
    throw new UsageError(`--only is "${only}": frame-1, frame-2, single-1 or single-2`)
  return { cases, dir: resolve(values.dir), jsonFile: json === undefined ? null : resolve(json) }
}

function settingOf(text: string): [name: string, value: string] {
  const [, name = '', value = ''] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(text) ?? []
  if (name === '') throw new UsageError(`--set is "${text}": NAME=VALUE is needed`)
  return [name, value]
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        profile: { type: 'string' },
        seconds: { type: 'string', default: '60' },
        'warm-up': { type: 'string', default: '5' },
        only: { type: 'string' },
        rate: { type: 'string' },
        vehicles: { type: 'string' },
        pings: { type: 'string', default: '50' },
        sockets: { type: 'string' },
        window: { type: 'string' },
        partitions: { type: 'string', default: '8' },
        compression: { type: 'string', default: 'zstd' },
        set: { type: 'string', multiple: true, default: [] },
        dir: { type: 'string', default: tmpdir() },
        json: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(messageOf(cause))
  }
}
