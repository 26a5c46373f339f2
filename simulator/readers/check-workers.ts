import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import type { Clock } from '../../actors/kernel/clock.ts'
import { OrreryError } from '../../actors/kernel/errors.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import type { Environment } from '../../actors/testing/services.ts'
import { storedOffsets } from '../../sinks/iceberg/offsets.ts'
import { s3Table, type S3Warehouse } from '../../sinks/iceberg/s3-sink.ts'
import { Cluster } from '../crashtest/scaled/cluster.ts'
import { Load } from '../crashtest/scaled/load.ts'

const PARTITIONS = 6
const SEED = 1
const READY_MS_MAX = 240_000
const LOOK_EVERY_MS = 250

/**
 * Starts everything scaled out, and clients that send, as `bun run crashtest --profile scaled` does; there is something of every
 * partition in bronze once it returns. What it has started goes into `parts` at once. Throws OrreryError `not_ready`.
 */
export async function startWorkers(
  about: Readonly<{ workers: number; ratePerS: number; env: Environment; clock: Clock }>,
  parts: AsyncDisposableStack,
): Promise<S3Warehouse> {
  const { workers, ratePerS, env, clock } = about
  const root = mkdtempSync(join(tmpdir(), 'orrery-lake-check-'))
  parts.defer(() => rmSync(root, { recursive: true, force: true }))
  const kinds = { gateways: 1, workers, webs: 0, edge: false, direct: true }
  const cluster = parts.use(
    await Cluster.prepare({ env, root, clock, ...kinds, partitions: PARTITIONS, record: 'single' }),
  )
  const ours = [...cluster.of('gateway'), ...cluster.of('worker').slice(0, workers)]
  for (const part of ours) part.start(true)
  for (const part of ours) {
    if (await part.ready(READY_MS_MAX)) continue
    throw new OrreryError('not_ready', `${part.name} does not serve:\n${part.lastWords()}`)
  }
  const { url: endpoint, region, accessKey, secretKey } = cluster.servers.s3
  const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey }
  const warehouse: S3Warehouse = {
    ...{ kind: 's3', access: { endpoint, region, credentials } },
    catalog: { kind: 'rest', uri: cluster.servers.catalogUrl },
  }
  const load = Load.start({ cluster, root, seed: SEED, rate: ratePerS, clock })
  parts.defer(() => load.kill())
  await load.connected()
  const { catalog } = s3Table(warehouse, 'pings', { clock, log: silentLog })
  const latestMs = clock.monotonicMs() + READY_MS_MAX
  for (;;) {
    const table = await catalog.load(null).catch(() => null)
    if (table && storedOffsets(table.metadata).size >= PARTITIONS) break
    if (clock.monotonicMs() > latestMs) throw new OrreryError('not_ready', silent(cluster))
    await new Promise<void>((resolve) => void clock.after(LOOK_EVERY_MS, resolve))
  }
  return warehouse
}

function silent(cluster: Cluster): string {
  const ended = cluster.of('worker').filter((part) => !part.running)
  return `bronze has not something of every partition; ${ended.length} workers do not run`
}
