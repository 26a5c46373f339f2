import { systemClock } from '../../actors/kernel/clock.ts'
import { silentLog } from '../../actors/kernel/telemetry.ts'
import {
  type CatalogServer,
  type S3Server,
  startCatalog,
  startS3,
} from '../../actors/testing/servers.ts'
import { type Environment, skipped } from '../../actors/testing/services.ts'
import type { Batch } from '../sink.ts'
import { systemRandom } from './names.ts'
import type { S3Access } from './s3-access.ts'
import { type S3Table, s3Table, type S3Warehouse } from './s3-sink.ts'
import { IcebergSink, TABLE_POLICY } from './sink.ts'
import type { BronzeTable, FrameOf } from './table-schema.ts'
import { readRows } from './testing.ts'

/** Why there is no lake to test against, said aloud; null when there is one. Throws with `CI` set. */
export function noLake(env: Environment): string | null {
  return skipped(['s3', 'catalog'], env) ? 'no lake' : null
}

/** A real S3 server and a real REST catalog over it. */
export class Lake implements AsyncDisposable {
  readonly s3: S3Server
  readonly catalog: CatalogServer
  #warehouses = 0

  private constructor(s3: S3Server, catalog: CatalogServer) {
    this.s3 = s3
    this.catalog = catalog
  }

  static async start(env: Environment): Promise<Lake> {
    const s3 = await startS3({ env })
    return new Lake(s3, await startCatalog({ env, s3 }))
  }

  get access(): S3Access {
    const { url: endpoint, region, accessKey: accessKeyId, secretKey: secretAccessKey } = this.s3
    return { endpoint, region, credentials: { accessKeyId, secretAccessKey } }
  }

  /** An empty warehouse on S3 without a catalog. */
  alone(): S3Warehouse {
    return { kind: 's3', access: this.access, location: this.#location() }
  }

  /** An empty warehouse: a namespace of its own in the catalog, reached by this address. */
  cataloged(uri = this.catalog.url): S3Warehouse {
    const location = this.#location()
    const namespace = [`n${this.#warehouses}`]
    const { access } = this
    return { kind: 's3', access, location, catalog: { kind: 'rest', uri, namespace } }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.catalog[Symbol.asyncDispose]()
    await this.s3[Symbol.asyncDispose]()
  }

  #location(): string {
    return `s3://${this.s3.bucket}/warehouse-${++this.#warehouses}`
  }
}

/** The ports of a table in a warehouse, with times that suit a test. */
export function tableIn(
  warehouse: S3Warehouse,
  table: BronzeTable = 'pings',
  timeoutMs = 8_000,
): S3Table {
  const bounds = { timeoutMs, backoff: { firstMs: 20, longestMs: 200 } }
  return s3Table(warehouse, table, { clock: systemClock, log: silentLog, bounds })
}

/** A sink over such ports, here and not in a Worker. */
export function lakeSink<Kind extends BronzeTable = 'pings'>(
  ports: S3Table,
  table?: Kind,
): IcebergSink<Kind> {
  const parts = { clock: systemClock, random: systemRandom, log: silentLog, policy: TABLE_POLICY }
  return new IcebergSink<Kind>({ ...ports, ...parts, ...(table === undefined ? {} : { table }) })
}

/** Rows that a reader of the newest version sees. */
export function rowsOf(warehouse: S3Warehouse, table: BronzeTable = 'pings') {
  const { storage, catalog } = tableIn(warehouse, table)
  return readRows(storage, catalog)
}

/** `partition/offset` of every stored row, sorted. */
export async function namesIn(warehouse: S3Warehouse): Promise<readonly string[]> {
  const rows = await rowsOf(warehouse)
  return rows.map((row) => `${row['partition']}/${row['offset']}`).sort()
}

/** The names of the offsets of a partition up to the last. */
export function namesTo(partition: number, last: number): readonly string[] {
  return Array.from({ length: last + 1 }, (_, offset) => `${partition}/${offset}`)
}

/** Writes as the sink actor does: what failed and may pass is sent again, at most so often. */
export async function persist<Kind extends BronzeTable>(
  sink: IcebergSink<Kind>,
  batch: Batch<FrameOf<Kind>>,
  triesMax = 40,
): Promise<number> {
  for (let tries = 1; ; tries++) {
    try {
      await sink.write(batch, new AbortController().signal)
      return tries
    } catch (thrown) {
      const retriable =
        thrown instanceof Error && 'retriable' in thrown && thrown.retriable === true
      if (!retriable || tries >= triesMax) throw thrown
    }
  }
}
