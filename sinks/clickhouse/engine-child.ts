import { Session } from 'chdb'

import { jsonLog } from '../../actors/kernel/telemetry.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import { BRONZE_TRIPS_VIEW, ensureBronzeView } from './bronze-view.ts'
import { openChdb } from './chdb-engine.ts'
import { runConsoleQuery } from './console.ts'
import type { ClickHouse } from './engine.ts'
import { sampleFacts } from './fact-samples.ts'
import { ClickHouseSink } from './sink.ts'

/**
 * A process of its own for tests that need one: the working directory, the lock on the data, a kill.
 * `bun engine-child.ts <what> <folder>`; each line on stdout is JSON.
 */
const [what, folder = ''] = process.argv.slice(2)
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`)
const open = () =>
  openChdb({
    directory: `${folder}/clickhouse`,
    memoryBytesMax: 1_500_000_000,
    workingDirectory: folder,
    readers: 1,
    log: jsonLog(
      'warn',
      (line) => console.error(line),
      () => 0,
    ),
  })

/** Makes an Iceberg table with the engine's own writer, which our user may not use. */
async function makeIceberg(): Promise<void> {
  process.chdir(folder)
  const session = new Session(`${folder}/maker`)
  const run = (sql: string) => session.queryAsync(sql)
  await run('SET allow_insert_into_iceberg = 1')
  await run(
    "CREATE TABLE default.i (device_id String, current_lat Nullable(Float64), timestamp DateTime64(6, 'UTC'), " +
      `event_date Date) ENGINE = IcebergLocal('${folder}/bronze/raw/', 'Parquet') ` +
      'PARTITION BY toRelativeDayNum(event_date)',
  )
  const insert =
    "INSERT INTO default.i SELECT toString(number), if(number = 5, NULL, number / 4), toDateTime64('2026-11-21', 6, 'UTC') + number * 60, " +
    "toDate('2026-11-21') + intDiv(number, 1440) FROM numbers(3000)"
  await run(insert)
  if (what === 'iceberg twice') await run(insert)
  session.close()
}

async function viewBronze(): Promise<void> {
  const engine = await open()
  say(await ensureBronzeView(engine, `${folder}/bronze/nothing`))
  say(await ensureBronzeView(engine, `${folder}/bronze/raw`))
  say(await ensureBronzeView(engine, `${folder}/bronze/raw`))
  for (const sql of [
    'SELECT count(), sum(current_lat), min(timestamp) FROM bronze.raw_delivery_data',
    "SELECT count() FROM bronze.raw_delivery_data WHERE event_date = '2026-11-22'",
    'SELECT device_id FROM bronze.raw_delivery_data WHERE current_lat IS NULL',
    'DESCRIBE TABLE bronze.raw_delivery_data',
    'SHOW TABLES FROM bronze',
    `SELECT count() FROM icebergLocal('${folder}/bronze/raw')`,
  ]) {
    await tell(engine, sql)
  }
  say(await ensureBronzeView(engine, `${folder}/bronze/nothing`, BRONZE_TRIPS_VIEW))
  say(await ensureBronzeView(engine, `${folder}/bronze/raw`, BRONZE_TRIPS_VIEW))
  await tell(engine, 'SELECT count() FROM bronze.trips')
  await tell(engine, 'SHOW TABLES FROM bronze')
  await engine.close()
}

async function tell(engine: ClickHouse, sql: string): Promise<void> {
  const answer = runConsoleQuery({ engine, sql, format: 'TSV' })
  say(await answer.then((bytes) => Buffer.from(bytes).toString(), String))
}

/** Writes batches and says which are acknowledged, until it is killed. */
async function writeForEver(): Promise<void> {
  const engine = await open()
  const sink = new ClickHouseSink(engine)
  let acknowledged = await sink.open(0, signal())
  for (;;) {
    say(acknowledged)
    const last = acknowledged + 500
    await sink.write(
      batchOf(acknowledged + 1, last, sampleFacts(acknowledged + 1, last, 1)),
      signal(),
    )
    acknowledged = last
  }
}

async function count(): Promise<void> {
  const engine = await open()
  say(await new ClickHouseSink(engine).open(0, signal()))
  for (const table of ['session_movements', 'dead_letters', 'trips', 'region_windows']) {
    const sql = `SELECT count(), countDistinct(offset), max(offset) FROM ${table}`
    say((await engine.query(sql))[0]?.map(Number))
  }
  const marks = 'SELECT count(), uniqExact(offset, part, mark), max(offset) FROM region_late'
  say((await engine.query(marks))[0]?.map(Number))
  await engine.close()
}

async function hold(): Promise<void> {
  const engine = await open()
  say('open')
  for await (const _ of process.stdin) break
  await engine.close()
}

const TASKS: Readonly<Record<string, () => Promise<void>>> = {
  iceberg: makeIceberg,
  'iceberg twice': makeIceberg,
  view: viewBronze,
  write: writeForEver,
  count,
  hold,
}

try {
  await TASKS[what ?? '']?.()
} catch (thrown) {
  say(String(thrown))
}
process.exit(0)
