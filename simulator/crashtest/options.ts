import { parseArgs } from 'node:util'

import { UsageError } from '../options.ts'

/** What `bun run crashtest` was asked for, checked. */
export type CrashtestOptions = Readonly<{
  kills: number
  seed: number
  vehicles: number
  jsonFile: string | null
  /** Where the disk, the records and the logs lie; null for a temporary folder. */
  dir: string | null
}>

export const CRASHTEST_HELP = `Usage: bun run crashtest [options]

Starts the server as "bun run start" does, sends it the traffic of three clients with every fault
they have, and meanwhile kills, freezes and stops it, fills its disk, makes it read-only and cuts
its power, at random moments. At the end every store is compared, by SQL, with what the clients
were told was taken. A disk of its own needs root on Linux; without it those faults are left out.

  --profile P    embedded, or scaled: many processes over Kafka, ClickHouse, S3 and Redis; see
                 --profile scaled --help (default embedded)
  --kills N      how often the process is killed with SIGKILL (default 100; each takes about 4 s)
  --seed N       same seed, same faults in the same order (default: by time, printed)
  --vehicles N   vehicles that send, two pings a second each (default 400)
  --json FILE    writes the result as JSON
  --dir DIR      works in this folder and leaves everything there (default: a temporary one,
                 removed when nothing is wrong)
  --help         this text

Exit code: 0 nothing lost, double or wrong; 1 something was, or the server did not come back;
2 wrong usage; 130 interrupted.`

/** Which of the two crash tests a command line asks for. Throws UsageError when neither. */
export function profileOf(args: readonly string[]): 'embedded' | 'scaled' {
  const { values } = parseArgs({
    args: [...args],
    options: { profile: { type: 'string', default: 'embedded' } },
    strict: false,
  })
  const { profile } = values
  if (profile === 'embedded' || profile === 'scaled') return profile
  throw new UsageError(`--profile is "${profile}": embedded or scaled is needed`)
}

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseCrashtestOptions(
  args: readonly string[],
  nowMs: number,
): CrashtestOptions | null {
  const values = parse(args)
  if (values.help) return null
  return {
    kills: whole('kills', values.kills, 1, 100_000),
    seed: values.seed === undefined ? nowMs % 1_000_000 : whole('seed', values.seed, 0, 2 ** 31),
    vehicles: whole('vehicles', values.vehicles, 2, 20_000),
    jsonFile: values.json ?? null,
    dir: values.dir ?? null,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        profile: { type: 'string', default: 'embedded' },
        kills: { type: 'string', default: '100' },
        seed: { type: 'string' },
        vehicles: { type: 'string', default: '400' },
        json: { type: 'string' },
        dir: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause))
  }
}

function whole(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
    throw new UsageError(`--${name} is "${text}": a whole number from ${min} to ${max} is needed`)
  }
  return value
}
