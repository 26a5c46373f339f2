import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { REGION_ID_MAX } from '../actors/model/trip.ts'
import { findControlSocket } from './control-socket.ts'
import { ingestOverControl, ingestOverHttp, type IngestPort } from './ingest-client.ts'
import { number, UsageError, wholeNumber } from './options.ts'
import { sendLiveTrips } from './trips-live.ts'
import { csvRow, madeTrips, TRIPS_HEADER, type TripsOptions } from './trips.ts'

export const TRIPS_HELP = `Usage: bun run generate-trips [options]
       bun run simulate trips [options]

Makes taxi trips as StreamPulse's generator does: a file of them as CSV, or, with --rate, trips that happen
now and are sent to a server. The same options give the same file.

  --count N        different trips (default 300)
  --seed N         same seed, same trips (default 1)
  --out FILE       where to (default: standard output)
  --regions N      regions 1 to N, at most ${REGION_ID_MAX} (default 5)
  --start TIME     ISO time of the first (default 2025-08-17T06:00:00Z)
  --span HOURS     time from first to last (default 18)
  --disorder S     event times up to S seconds from their place; 0: in order (default: by the hour, up to an hour)
  --duplicates P   share of trips that come twice, 0 to 1 (default 0)
  --late P         share of trips that come 10 to 60 minutes late (default 0)

  --rate R         sends R trips a second instead of writing a file; Ctrl-C ends it
  --duration S     ends after S seconds
  --url URL        server to send to (default: the one that runs on DATA_DIR)
  --key KEY        ingest key for --url (default: API_KEY)
  --data-dir DIR   where a server on this machine keeps its data (default: DATA_DIR, else ./data)
  --help           this text`

type Environment = Readonly<Record<string, string | undefined>>

const CHUNK_CHARS = 1_048_576

/** Makes trips into a file or sends them; returns the exit code. Throws UsageError. */
export async function runTrips(args: readonly string[], environment: Environment): Promise<number> {
  const values = parse(args)
  if (values.help) {
    process.stdout.write(`${TRIPS_HELP}\n`)
    return 0
  }
  const options = tripsOptions(values)
  if (values.rate !== undefined || values.url !== undefined)
    return live(values, options, environment)
  await writeTrips(options, values.out)
  return 0
}

/** Streams the rows: a file of any length needs no memory of its length. */
async function writeTrips(options: TripsOptions, out: string | undefined): Promise<void> {
  const writer = (out === undefined ? Bun.stdout : Bun.file(resolve(out))).writer()
  let text = `${TRIPS_HEADER}\n`
  for (const trip of madeTrips(options)) {
    text += `${csvRow(trip)}\n`
    if (text.length < CHUNK_CHARS) continue
    writer.write(text)
    await writer.flush()
    text = ''
  }
  writer.write(text)
  await writer.end()
}

async function live(
  values: ReturnType<typeof parse>,
  options: TripsOptions,
  environment: Environment,
): Promise<number> {
  const rate = number('rate', values.rate ?? '10', 0.01, 100_000)
  const durationS =
    values.duration === undefined ? null : number('duration', values.duration, 0.1, 10_000_000)
  const port = await portOf(values, environment)
  const ending = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort())
  const counts = await sendLiveTrips((body) => port.ingestTrips(body), {
    ...{ seed: options.seed, regions: options.regions, rate, durationS },
    run: Date.now().toString(36),
    clock: systemClock,
    signal: ending.signal,
  })
  process.stdout.write(
    `${counts.sent} trips sent, ${counts.accepted} accepted, ${counts.refused} refused\n`,
  )
  return counts.refused > 0 ? 4 : 0
}

async function portOf(
  values: ReturnType<typeof parse>,
  environment: Environment,
): Promise<IngestPort> {
  if (values.url !== undefined) {
    const url = URL.canParse(values.url) ? new URL(values.url) : null
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
      throw new UsageError(`--url "${values.url}" must be http://HOST:PORT or https://HOST:PORT`)
    const key = values.key ?? environment.API_KEY
    if (!key) throw new UsageError('--url needs a key: --key KEY or API_KEY')
    return ingestOverHttp(url, key)
  }
  const dataDir = resolve(values['data-dir'] ?? environment.DATA_DIR ?? './data')
  const control = await findControlSocket(dataDir)
  if (control) return ingestOverControl(control)
  throw new OrreryError(
    'no_server',
    `no running server was found in ${dataDir}; give --url and --key, or --data-dir`,
  )
}

function tripsOptions(values: ReturnType<typeof parse>): TripsOptions {
  const startMs = Date.parse(values.start)
  if (Number.isNaN(startMs))
    throw new UsageError(
      `--start is "${values.start}": a time such as 2025-08-17T06:00:00Z is needed`,
    )
  const { disorder } = values
  return {
    count: wholeNumber('count', values.count, 1, 1_000_000_000),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31),
    regions: wholeNumber('regions', values.regions, 1, REGION_ID_MAX),
    startMs,
    spanMs: number('span', values.span, 0.001, 1_000_000) * 3_600_000,
    disorderMs: disorder === undefined ? null : number('disorder', disorder, 0, 86_400) * 1_000,
    duplicateShare: number('duplicates', values.duplicates, 0, 1),
    lateShare: number('late', values.late, 0, 1),
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        count: { type: 'string', default: '300' },
        seed: { type: 'string', default: '1' },
        out: { type: 'string' },
        regions: { type: 'string', default: '5' },
        start: { type: 'string', default: '2025-08-17T06:00:00Z' },
        span: { type: 'string', default: '18' },
        disorder: { type: 'string' },
        duplicates: { type: 'string', default: '0' },
        late: { type: 'string', default: '0' },
        rate: { type: 'string' },
        duration: { type: 'string' },
        url: { type: 'string' },
        key: { type: 'string' },
        'data-dir': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(messageOf(cause))
  }
}
