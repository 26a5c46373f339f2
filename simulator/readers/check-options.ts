import { parseArgs } from 'node:util'

import { type Environment, type ReaderName, READERS } from '../../actors/testing/services.ts'
import type { S3Warehouse } from '../../sinks/iceberg/s3-sink.ts'
import { type BronzeTable, LAYOUTS } from '../../sinks/iceberg/table-schema.ts'
import { UsageError, wholeNumber } from '../options.ts'

/** What `bun run lake-check` was asked for, checked. */
export type CheckOptions = Readonly<{
  readers: readonly ReaderName[]
  reads: number
  /** Pings a second that it writes itself; null when it looks at a lake that others write. */
  ratePerS: number | null
  warehouse: S3Warehouse | null
  /** Worker processes that write, with all that they need; 0 for the sink alone. */
  workers: number
  table: BronzeTable
}>

export const CHECK_HELP = `Usage: bun run lake-check [spark pyiceberg duckdb] [options]

Reads a bronze table with programs that are not ours, through its REST catalog, while it is being
written. The first reader takes what is newest; the others, and our own code, then read the same
snapshot: rows, names, sums of offsets and the hash of every value must be the same, none twice.

Without --attach it starts an S3 server and a catalog, and writes pings through the sink that
workers use, or with --workers everything scaled out, and clients that send to a gateway.
Needed once: bun run services install kafka redis s3 catalog readers spark

  --reads N          so often (default 5)
  --rate N           pings a second that are written (default 5000)
  --workers N        so many worker processes write (default 0: the sink alone)
  --attach           reads the lake that the environment names and writes nothing: ICEBERG_REST_URL,
                     ICEBERG_REST_NAMESPACE, MINIO_ENDPOINT, MINIO_ACCESS_KEY, MINIO_SECRET_KEY
  --table NAME       pings or trips (default pings; trips with --attach or --workers)
  --help             this text

Exit code: 0 all agree; 1 they do not, or something failed; 2 wrong usage.`

const RATE_MAX = 100_000
const READS_MAX = 1_000
const WORKERS_MAX = 8

/** Reads the command line; null when help was asked for. Throws UsageError. */
export function parseCheckOptions(
  args: readonly string[],
  environment: Environment,
): CheckOptions | null {
  const { values, positionals } = parse(args)
  if (values.help) return null
  const names = positionals.length === 0 ? READERS_WANTED : positionals
  const table = tableOf(values.table)
  const workers = wholeNumber('workers', values.workers, 0, WORKERS_MAX)
  if (values.attach && workers > 0) throw new UsageError('--workers does not go with --attach')
  if (!values.attach && workers === 0 && table !== 'pings') {
    throw new UsageError('--table needs --attach or --workers')
  }
  return {
    readers: names.map(readerOf),
    reads: wholeNumber('reads', values.reads, 1, READS_MAX),
    ratePerS: values.attach ? null : wholeNumber('rate', values.rate, 1, RATE_MAX),
    workers,
    warehouse: values.attach ? attached(environment) : null,
    table,
  }
}

const READERS_WANTED = ['spark', 'pyiceberg', 'duckdb'] as const

function readerOf(name: string): ReaderName {
  const reader = READERS.find((each) => each === name)
  if (reader === undefined) {
    throw new UsageError(`"${name}" is no reader: write ${READERS_WANTED.join(', ')}`)
  }
  return reader
}

function tableOf(name: string): BronzeTable {
  if (name === 'pings' || name === 'trips') return name
  throw new UsageError(`--table "${name}": write ${Object.keys(LAYOUTS).join(' or ')}`)
}

/** The lake that workers with the same environment write. */
function attached(environment: Environment): S3Warehouse {
  const needed = (name: string): string => {
    const value = environment[name]
    if (!value) throw new UsageError(`--attach needs ${name}`)
    return value
  }
  const endpoint = needed('MINIO_ENDPOINT')
  const namespace = environment.ICEBERG_REST_NAMESPACE
  return {
    kind: 's3',
    access: {
      endpoint: endpoint.includes('://') ? endpoint : `http://${endpoint}`,
      region: environment.AWS_REGION || 'us-east-1',
      credentials: {
        accessKeyId: needed('MINIO_ACCESS_KEY'),
        secretAccessKey: needed('MINIO_SECRET_KEY'),
      },
    },
    catalog: {
      kind: 'rest',
      uri: needed('ICEBERG_REST_URL'),
      ...(namespace ? { namespace: namespace.split('.') } : {}),
    },
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        reads: { type: 'string', default: '5' },
        rate: { type: 'string', default: '5000' },
        workers: { type: 'string', default: '0' },
        attach: { type: 'boolean', default: false },
        table: { type: 'string', default: 'pings' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause))
  }
}
