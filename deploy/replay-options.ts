import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { messageOf } from '../actors/kernel/errors.ts'
import type { RowKind } from '../simulator/replay-rows.ts'
import type { RowOrder } from '../simulator/replay-source.ts'

export const REPLAY_HELP = `Usage: bun run replay FILE [options]

Sends a recording: trips as CSV (header trip_id,region_id,event_time,fare,duration,distance, in any order) or NDJSON,
pings as NDJSON (.ndjson, .jsonl) or a JSON list (.json); - is stdin. Lines that cannot be used become dead
letters, are named with their number and reason, and the rest goes on.

  --speed N|max  1: with the pauses as recorded; 10: ten times faster; max: without (default max)
  --max N        ends after N rows, counted after the sort
  --sort         by event time (default for trips; ties stay as in the file)
  --file-order   as the file has them (default for pings; for trips from a pipe that does not end)
  --flush        after the last trip, makes every open window final
  --resume       goes on after the last acknowledged row of an interrupted replay of the same file
  --kind KIND    trips or pings (default: by the first line)
  --url URL      a server somewhere; without it the one that runs on DATA_DIR, and when none runs
                 the rows go straight into DATA_DIR
  --key KEY      ingest key for --url (default: API_KEY)
  --batch N      rows in a body (default 500)
  --help         this text

StreamPulse's names work too: --csv-file FILE, --replay-speed N, --max-events N, --batch-size N,
--preserve-timestamps (as --speed 1, unless a speed is given), --no-preserve-timestamps (as --speed max).

Exit code: 0 every row accepted; 1 it failed half way or could not begin; 2 wrong usage;
4 some rows were refused.`

const BATCH_MAX = 10_000

/** Wrong usage: one line for the person at the terminal. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** What `bun run replay` was asked for, checked. */
export type ReplayCommand = Readonly<{
  file: string
  url: URL | null
  key: string | null
  batchRows: number
  /** Null: as fast as it goes. */
  speed: number | null
  rowsMax: number | null
  order: RowOrder | null
  kind: RowKind | null
  flush: boolean
  resume: boolean
}>

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseReplayCommand(args: readonly string[]): ReplayCommand | null {
  const { values, positionals } = parse(args)
  if (values.help) return null
  if (values['kafka-servers'] !== undefined || values['kafka-topic'] !== undefined) {
    throw new UsageError(
      '--kafka-servers and --kafka-topic: a replay sends to the server itself, not to Kafka; give --url, or neither',
    )
  }
  const files = [...positionals, ...(values['csv-file'] === undefined ? [] : [values['csv-file']])]
  const [file, ...more] = files
  if (file === undefined) throw new UsageError('a file is needed: bun run replay FILE')
  if (more.length > 0)
    throw new UsageError(`one file at a time, please; also given: ${more.join(' ')}`)
  if (values.sort && values['file-order'])
    throw new UsageError('--sort and --file-order exclude each other')
  const { kind } = values
  if (kind !== undefined && kind !== 'trips' && kind !== 'pings')
    throw new UsageError(`--kind is "${kind}": trips or pings is needed`)
  const resume = values.resume ?? false
  if (resume && file === '-')
    throw new UsageError('--resume needs a file: stdin cannot be read twice')
  const rows = either('max', values.max, 'max-events', values['max-events'])
  return {
    // Now, while the working directory is still the one that the path was written for.
    file: file === '-' ? file : resolve(file),
    url: values.url === undefined ? null : checkUrl(values.url),
    key: values.key ?? null,
    batchRows: whole(
      'batch',
      either('batch', values.batch, 'batch-size', values['batch-size']) ?? '500',
      BATCH_MAX,
    ),
    speed: speedOf(values),
    rowsMax: rows === undefined ? null : whole('max', rows, Number.MAX_SAFE_INTEGER),
    order: values.sort ? 'time' : values['file-order'] ? 'file' : null,
    kind: kind ?? null,
    flush: values.flush ?? false,
    resume,
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        url: { type: 'string' },
        key: { type: 'string' },
        batch: { type: 'string' },
        speed: { type: 'string' },
        max: { type: 'string' },
        kind: { type: 'string' },
        sort: { type: 'boolean' },
        'file-order': { type: 'boolean' },
        flush: { type: 'boolean' },
        resume: { type: 'boolean' },
        help: { type: 'boolean' },
        'csv-file': { type: 'string' },
        'replay-speed': { type: 'string' },
        'max-events': { type: 'string' },
        'batch-size': { type: 'string' },
        'preserve-timestamps': { type: 'boolean' },
        'no-preserve-timestamps': { type: 'boolean' },
        'kafka-servers': { type: 'string' },
        'kafka-topic': { type: 'string' },
      },
    })
  } catch (cause) {
    throw new UsageError(messageOf(cause))
  }
}

function speedOf(values: ReturnType<typeof parse>['values']): number | null {
  const paced = values['preserve-timestamps'] ?? false
  const unpaced = values['no-preserve-timestamps'] ?? false
  const text = either('speed', values.speed, 'replay-speed', values['replay-speed'])
  if (paced && unpaced)
    throw new UsageError('--preserve-timestamps and --no-preserve-timestamps exclude each other')
  if (unpaced || text === 'max') return null
  if (text === undefined) return paced ? 1 : null
  const speed = Number(text)
  if (text.trim() !== '' && speed > 0 && Number.isFinite(speed)) return speed
  throw new UsageError(`--speed is "${text}": a number above 0 or max is needed`)
}

/** One of two names for the same option. */
function either(
  name: string,
  value: string | undefined,
  other: string,
  otherValue: string | undefined,
): string | undefined {
  if (value !== undefined && otherValue !== undefined)
    throw new UsageError(`--${name} and --${other} are the same; give one of them`)
  return value ?? otherValue
}

function whole(name: string, text: string, max: number): number {
  const value = Number(text)
  if (Number.isInteger(value) && value >= 1 && value <= max) return value
  throw new UsageError(`--${name} is "${text}": a whole number from 1 to ${max} is needed`)
}

function checkUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return url
  throw new UsageError(`--url "${text}" must be http://HOST:PORT or https://HOST:PORT`)
}
