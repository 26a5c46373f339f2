import { type Clock, systemClock } from '../../actors/kernel/clock.ts'
import { messageOf } from '../../actors/kernel/errors.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import type { Environment } from '../../actors/testing/services.ts'
import { BRONZE_NAMESPACE } from '../../sinks/iceberg/bronze-table.ts'
import { Lake } from '../../sinks/iceberg/lake-testing.ts'
import { s3Table, type S3Warehouse } from '../../sinks/iceberg/s3-sink.ts'
import { LAYOUTS } from '../../sinks/iceberg/table-schema.ts'
import { UsageError } from '../options.ts'
import { CHECK_HELP, type CheckOptions, parseCheckOptions } from './check-options.ts'
import { type CheckTraffic, startTraffic } from './check-traffic.ts'
import { startWorkers } from './check-workers.ts'
import { ownPartitions } from './ours.ts'
import { type BronzePlace, BronzeReader, type BronzeSeen } from './readers.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130

/** `bun run lake-check`: returns the exit code. What was read goes to stdout, one line a reader. */
export async function lakeCheckMain(args: readonly string[], env: Environment): Promise<number> {
  try {
    const options = parseCheckOptions(args, env)
    if (options) return await run(options, env)
    process.stdout.write(`${CHECK_HELP}\n`)
    return 0
  } catch (thrown) {
    process.stderr.write(`lake-check: ${messageOf(thrown)}\n`)
    return thrown instanceof UsageError ? EXIT_USAGE : EXIT_FAILED
  }
}

async function run(options: CheckOptions, env: Environment): Promise<number> {
  // What runs is ended at any end.
  await using parts = new AsyncDisposableStack()
  const reading = readAll(options, env, parts)
  reading.catch(() => {})
  const agreed = await Promise.race([reading, interrupted()])
  return agreed === null ? EXIT_INTERRUPTED : agreed ? 0 : EXIT_FAILED
}

async function readAll(
  options: CheckOptions,
  env: Environment,
  parts: AsyncDisposableStack,
): Promise<boolean> {
  const readers = options.readers.map((name) => parts.use(new BronzeReader(name, env)))
  let { warehouse } = options
  let traffic: CheckTraffic | null = null
  const { workers, ratePerS } = options
  if (ratePerS !== null && workers > 0) {
    const about = { workers, ratePerS, env, clock: systemClock }
    warehouse = await startWorkers(about, parts)
    say(`${workers} workers write`)
  } else if (warehouse === null) {
    warehouse = parts.use(await Lake.start(env)).cataloged()
    traffic = parts.use(await startTraffic(warehouse, ratePerS ?? 0, systemClock))
  }
  let agreed = true
  for (let read = 1; read <= options.reads; read++) {
    say(`read ${read} of ${options.reads}`)
    if (!(await readOnce(readers, warehouse, { options, traffic }))) agreed = false
  }
  say(agreed ? 'all agree' : 'THEY DO NOT AGREE')
  return agreed
}

/** All readers at the snapshot that is the newest for the first. */
async function readOnce(
  readers: readonly BronzeReader[],
  warehouse: S3Warehouse,
  about: Readonly<{ options: CheckOptions; traffic: CheckTraffic | null }>,
): Promise<boolean> {
  const { options, traffic } = about
  const place = placeOf(warehouse, options)
  const before = traffic?.acknowledged() ?? 0
  const seen: BronzeSeen[] = []
  const problems: string[] = []
  for (const reader of readers) {
    const beganMs = systemClock.monotonicMs()
    const [first] = seen
    const at = first?.snapshot
    seen.push(await reader.read(place, at ? { snapshot: at } : {}))
    const last = seen.at(-1)
    if (last) say(lineOf(reader.name, last, tookS(systemClock, beganMs)))
    if (last && first && contentOf(last) !== contentOf(first))
      problems.push(`${reader.name} differs`)
  }
  const [first] = seen
  if (!first || first.snapshot === null) return false
  const table = s3Table(warehouse, options.table, { clock: systemClock, log: silentLog })
  const ours = await ownPartitions(table, first.snapshot)
  const rows = ours.reduce((sum, each) => sum + each.rows, 0)
  say(`  ours       ${rows} rows, offsets ${ours.map((each) => each.offsetSum).join(' + ')}`)
  if (JSON.stringify(ours) !== JSON.stringify(first.partitions)) problems.push('ours differs')
  if (first.rows !== first.distinct) problems.push(`${first.rows - first.distinct} rows too many`)
  if (first.rows < before) problems.push(`${before} were acknowledged before it was read`)
  for (const problem of problems) say(`  WRONG: ${problem}`)
  return problems.length === 0
}

function placeOf({ access, catalog }: S3Warehouse, { table }: CheckOptions): BronzePlace {
  const { credentials, endpoint = '', region = 'us-east-1' } = access
  const { accessKeyId: accessKey = '', secretAccessKey: secretKey = '' } = credentials ?? {}
  const s3 = { endpoint, region, accessKey, secretKey }
  const { uri: catalogUri = '', namespace = [BRONZE_NAMESPACE] } = catalog ?? {}
  return { s3, catalogUri, namespace, table: LAYOUTS[table].name }
}

/** What must be the same, as text. */
function contentOf({
  rows,
  distinct,
  partitions,
  snapshot,
  columns,
  checksum,
}: BronzeSeen): string {
  return JSON.stringify({ rows, distinct, partitions, snapshot, columns, checksum })
}

function lineOf(name: string, seen: BronzeSeen, took: string): string {
  const offsets = seen.partitions.map((each) => each.offsetSum).join(' + ')
  const reader = `${name} ${seen.version}`.padEnd(18)
  return (
    `  ${reader} snapshot ${seen.snapshot} of ${seen.snapshots}: ${seen.rows} rows, ` +
    `${seen.distinct} names, offsets ${offsets}, content ${seen.checksum}, ${took}`
  )
}

function tookS(clock: Clock, beganMs: number): string {
  return `${((clock.monotonicMs() - beganMs) / 1_000).toFixed(1)} s`
}

function interrupted(): Promise<null> {
  return new Promise((settle) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => settle(null))
  })
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
