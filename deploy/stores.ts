import { existsSync, readFileSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import { BRONZE_TRIPS_VIEW, ensureBronzeView } from '../sinks/clickhouse/bronze-view.ts'
import { openChdb } from '../sinks/clickhouse/chdb-engine.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { bronzeLocation } from '../sinks/iceberg/bronze-table.ts'
import type { Warehouse } from '../sinks/iceberg/warehouse.ts'
import { placeOf } from './adapters-texts.ts'
import { type Adapters, adaptersOf } from './adapters.ts'
import { writeDurably } from './durable-file.ts'
import { Parts, patiently, type Waiting } from './patience.ts'
import type { Config } from './settings.ts'
import { shutStdin } from './stdin.ts'

/** Where a journal on this machine's disk has its facts written. */
export type LocalStores = Readonly<{
  engine: ClickHouse
  warehouse: string | Warehouse
  /** Names the data folder in a ClickHouse server, whose tables may be older or younger than it. */
  installation?: string
}>

const PROBE_MS_MAX = 5_000

/** Opens what stands behind the sinks: inside of this process, or outside, each when it is there. */
export async function openLocalStores(
  config: Config,
  log: Log,
  waiting: Waiting = untilThere(),
): Promise<LocalStores> {
  const { silver, bronze } = adaptersOf(config)
  const opening = openEngine(config, log, waiting)
  const warehouse = await openWarehouse(bronze, log, waiting)
  const engine = await opening
  if (silver.kind !== 'server') return { engine, warehouse }
  return { engine, warehouse, installation: installationOf(config.dataDir) }
}

/**
 * ClickHouse on its server, or in this process: from then on the working directory is the data folder, and standard
 * input is shut.
 */
export async function openEngine(
  config: Config,
  log: Log,
  waiting: Waiting = untilThere(),
): Promise<ClickHouse> {
  const { silver } = adaptersOf(config)
  if (silver.kind === 'server') {
    // Others rely on it too: paths in the data folder are short there.
    process.chdir(config.dataDir)
    const { openServer } = await import('./clickhouse-server.ts')
    return openServer(config, silver, { ...waiting, log })
  }
  shutStdin()
  return openChdb({
    directory: join(config.dataDir, 'clickhouse'),
    database: config.clickhouseDatabase,
    memoryBytesMax: config.clickhouseMemoryBytesMax,
    workingDirectory: config.dataDir,
    log,
  })
}

/** Lets SQL see the raw messages of both streams: the engine in this process, in a local folder. */
export async function ensureBronzeViews(engine: ClickHouse, config: Config): Promise<void> {
  const { silver, bronze } = adaptersOf(config)
  if (silver.kind !== 'embedded' || bronze.kind !== 'local') return
  await ensureBronzeView(engine, bronzeLocation(bronze.folder))
  await ensureBronzeView(engine, bronzeLocation(bronze.folder, 'trips'), BRONZE_TRIPS_VIEW)
}

/** Whether a start may have to wait for somebody else. */
export function hasStoresOutside(config: Config): boolean {
  const { silver, bronze } = adaptersOf(config)
  return silver.kind === 'server' || bronze.kind === 's3'
}

async function openWarehouse(
  bronze: Adapters['bronze'],
  log: Log,
  waiting: Waiting,
): Promise<string | Warehouse> {
  switch (bronze.kind) {
    case 'local':
      await mkdir(bronze.folder, { recursive: true, mode: 0o700 })
      return realpath(bronze.folder)
    case 's3': {
      const { access, catalog } = bronze
      const s3 = { name: 's3', url: access.endpoint, check: 'MINIO_ENDPOINT' }
      const rest = { name: 'catalog', url: catalog?.uri, check: 'ICEBERG_REST_URL' }
      await Promise.all([s3, rest].map((part) => answers(part, log, waiting)))
      return bronze
    }
    default:
      throw new TypeError('a journal on disk has its raw messages kept')
  }
}

/** Waits until something speaks HTTP there; whether it is content with us is seen by who uses it. */
async function answers(
  { name, url, check }: Readonly<{ name: string; url: string | undefined; check: string }>,
  log: Log,
  { parts, signal }: Waiting,
): Promise<void> {
  if (url === undefined) return
  const where = placeOf(url)
  parts.needed(name, where)
  const probe = async (): Promise<void> => {
    try {
      const answer = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(PROBE_MS_MAX) })
      await answer.body?.cancel()
    } catch (cause) {
      throw new OrreryError('away', messageOf(cause), { retriable: true, cause })
    }
  }
  await patiently(name, probe, {
    ...{ clock: systemClock, random: Math.random, log, parts, signal, where },
    check: `that it runs there, and ${check}`,
  })
}

/** For a command that nobody looks at from outside: it waits until it is ended. */
function untilThere(): Waiting {
  return { parts: new Parts(), signal: new AbortController().signal }
}

/** The name of a data folder, made when it is first asked for. */
function installationOf(dataDir: string): string {
  const path = join(dataDir, 'installation')
  if (!existsSync(path)) writeDurably(path, `${crypto.randomUUID()}\n`)
  return readFileSync(path, 'utf8').trim()
}
