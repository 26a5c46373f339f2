import { parseArgs } from 'node:util'

import { type FaultShares, parseFaults } from './faults.ts'

/** What `bun run simulate` was asked for, checked. */
export type SimulateOptions = Readonly<{
  url: string
  key: string | null
  vehicles: number
  rateHz: number
  seed: number
  run: string
  framePings: number
  sockets: number
  framesInFlightMax: number
  speed: number
  noiseM: number
  durationS: number | null
  faults: FaultShares
  jsonFile: string | null
  recordFile: string | null
  dataDir: string
}>

export const SIMULATE_HELP = `Usage: bun run simulate [options]

Drives vehicles through the city and sends their pings over WebSockets, as PacketPulse's simulator
did. What was not acknowledged is sent again after a cut. Ctrl-C ends it and prints the sums.
\`bun run simulate trips\` makes taxi trips instead; see its own --help.

  --url URL          server's socket (default ws://localhost:8000/ws)
  --key KEY          ingest key (default: API_KEY; else asked from the server that runs on DATA_DIR)
  --vehicles N       vehicles on the road (default 1000)
  --rate HZ          pings a second of each vehicle (default 1)
  --seed N           same seed, same city traffic (default 1)
  --run NAME         goes into session ids; the same name and seed repeat them (default: by time)
  --frame N          pings in a frame; 1 is the old protocol, one ping and one reply (default 1)
  --sockets N        connections that share the vehicles (default: by vehicles and frame)
  --window N         frames sent before the first is answered (default: 1 for --frame 1, else 8)
  --speed N          vehicles move N times faster than real ones (default 1)
  --noise METRES     GPS error, standard deviation (default 3)
  --duration S       ends after S seconds (default: runs until Ctrl-C)
  --faults LIST      drop,duplicate,reorder,late,cut, each with a share if wanted: drop=0.05
  --json FILE        writes the sums as JSON
  --record FILE      appends each acknowledged ping as a line of JSON
  --data-dir DIR     where a server on this machine keeps its data (default: DATA_DIR, else ./data)
  --help             this text

Exit code: 0 all acknowledged, refused or dropped on purpose; 1 no connection; 2 wrong usage;
3 key refused; 4 pings left unacknowledged.`

/** Wrong usage: one line for the person at the terminal. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

type Environment = Readonly<Record<string, string | undefined>>

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseSimulateOptions(
  args: readonly string[],
  environment: Environment,
  nowMs: number,
): SimulateOptions | null {
  const values = parse(args)
  if (values.help) return null
  const vehicles = wholeNumber('vehicles', values.vehicles, 1, 200_000)
  const framePings = wholeNumber('frame', values.frame, 1, 10_000)
  const sockets = values.sockets
    ? wholeNumber('sockets', values.sockets, 1, 10_000)
    : framePings === 1
      ? Math.min(vehicles, 64)
      : Math.min(16, Math.ceil(vehicles / 2_000))
  return {
    url: checkUrl(values.url),
    key: values.key ?? (environment.API_KEY || null),
    vehicles,
    rateHz: number('rate', values.rate, 0.001, 1_000),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 31),
    run: values.run ?? new Date(nowMs).toISOString(),
    framePings,
    sockets: Math.min(sockets, vehicles),
    framesInFlightMax: values.window
      ? wholeNumber('window', values.window, 1, 1_000)
      : framePings === 1
        ? 1
        : 8,
    speed: number('speed', values.speed, 0.01, 1_000),
    noiseM: number('noise', values.noise, 0, 1_000),
    durationS: values.duration ? number('duration', values.duration, 0.1, 10_000_000) : null,
    faults: faults(values.faults),
    jsonFile: values.json ?? null,
    recordFile: values.record ?? null,
    dataDir: values['data-dir'] ?? environment.DATA_DIR ?? './data',
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        url: { type: 'string', default: 'ws://localhost:8000/ws' },
        key: { type: 'string' },
        vehicles: { type: 'string', default: '1000' },
        rate: { type: 'string', default: '1' },
        seed: { type: 'string', default: '1' },
        run: { type: 'string' },
        frame: { type: 'string', default: '1' },
        sockets: { type: 'string' },
        window: { type: 'string' },
        speed: { type: 'string', default: '1' },
        noise: { type: 'string', default: '3' },
        duration: { type: 'string' },
        faults: { type: 'string', default: '' },
        json: { type: 'string' },
        record: { type: 'string' },
        'data-dir': { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause))
  }
}

function checkUrl(text: string): string {
  if (!URL.canParse(text))
    throw new UsageError(`--url "${text}" is no address: write ws://HOST:PORT/ws`)
  const url = new URL(text)
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:')
    throw new UsageError(`--url "${text}" must begin with ws:// or wss://`)
  if (url.pathname === '/') url.pathname = '/ws'
  return url.href
}

/** The number that an option gives, or a UsageError. */
export function number(name: string, text: string, min: number, max: number): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= min && value <= max))
    throw new UsageError(`--${name} is "${text}": a number from ${min} to ${max} is needed`)
  return value
}

/** The same without a fraction. */
export function wholeNumber(name: string, text: string, min: number, max: number): number {
  const value = number(name, text, min, max)
  if (!Number.isInteger(value)) throw new UsageError(`--${name} is "${text}": no fraction, please`)
  return value
}

function faults(text: string): FaultShares {
  try {
    return parseFaults(text)
  } catch (cause) {
    throw new UsageError(`--faults: ${cause instanceof Error ? cause.message : String(cause)}`)
  }
}
