import type { KafkaLog } from '../actors/kafka/log.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import type { OrreryError } from '../actors/kernel/errors.ts'
import { TRIPS_PARTITION_FIRST } from '../actors/model/fact.ts'
import type { PartHealth } from '../gateway/ports.ts'
import type { ClickHouseServer } from '../sinks/clickhouse/server-engine.ts'
import type { S3Access } from '../sinks/iceberg/s3-access.ts'
import { SharedIcebergSinks } from '../sinks/iceberg/shared-sink.ts'
import { S3Snapshots } from '../sinks/snapshots/s3.ts'
import { bronzeLimits } from './batches.ts'
import type { KafkaJournal } from './kafka-journal.ts'
import { outletsOf } from './outlets.ts'
import { clearScratch } from './partition-stream.ts'
import { patiently } from './patience.ts'
import type { ScaledOptions } from './scaled-options.ts'
import { openSessionsPartition, openTripsPartition, type WorkedOptions } from './worked.ts'
import { Worker } from './worker.ts'

export type ScaledWorkerOptions = ScaledOptions &
  Readonly<{ journal: KafkaJournal; engine: ClickHouseServer }>

/** The worker role of a process. */
export type ScaledWorker = Readonly<{
  health(): Readonly<Record<string, PartHealth>>
  /** Hands everything over; names what could not be stored. */
  stop(endMs: number): Promise<readonly string[]>
}>

/** Joins the group, and runs what it gives. */
export async function startScaledWorker(options: ScaledWorkerOptions): Promise<ScaledWorker> {
  const { config, adapters, choice, journal, log, telemetry, parts, signal } = options
  const { bronze, snapshots } = adapters
  if (bronze.kind !== 's3' || snapshots.kind !== 's3') throw new TypeError('a worker needs S3')
  const bucket = new S3Snapshots({ access: snapshots.access, clock: systemClock })
  const outlets = outletsOf({ url: config.redisUrl, log, telemetry })
  const lakeOptions = { warehouse: bronze, clock: systemClock, log, limits: bronzeLimits(config) }
  const lake = {
    pings: new SharedIcebergSinks(lakeOptions),
    trips: new SharedIcebergSinks({ ...lakeOptions, table: 'trips' }),
  }
  const worked: WorkedOptions = {
    ...{ config, log, telemetry, journal, outlets },
    engine: options.engine,
    warehouse: bronze,
    bronze: lake,
    held: { sessions: 0 },
    installation: options.installation,
    objectsOf: ({ topic, kafkaPartition }: KafkaLog) =>
      bucket.at(`${snapshots.location}${topic}/${kafkaPartition}/`),
  }
  const worker = new Worker({
    client: journal.client,
    groupId: choice.group,
    topics: choice.topics,
    ...{ log, telemetry },
    open: (kafkaLog, fenced) =>
      kafkaLog.partition >= TRIPS_PARTITION_FIRST
        ? openTripsPartition(worked, kafkaLog, fenced)
        : openSessionsPartition(worked, kafkaLog, fenced),
    fatal,
  })
  await clearScratch(config)
  await findSnapshots(options, bucket, snapshots)
  const where = choice.brokers.join(',')
  await patiently('kafka', () => worker.start(), {
    ...{ clock: systemClock, random: Math.random, log, signal, parts, where },
    check: 'that the group can be joined: KAFKA_CONSUMER_GROUP, and rights on it',
  })
  return {
    health: () => ({
      worker: worker.health(),
      ...Object.fromEntries(
        [...worker.partitions()].map(([partition, health]) => [`partition${partition}`, health]),
      ),
    }),
    async stop(endMs) {
      const unflushed = await worker.stop(endMs)
      await Promise.all([outlets.close(), lake.pings.close(), lake.trips.close()])
      return unflushed
    },
  }
}

/** Waits until the bucket of the snapshots answers: without it no partition can be opened. */
async function findSnapshots(
  { log, parts, signal }: ScaledWorkerOptions,
  bucket: S3Snapshots,
  { access, location }: Readonly<{ access: S3Access; location: string }>,
): Promise<void> {
  const where = access.endpoint === undefined ? location : new URL(access.endpoint).host
  parts.needed('s3', where)
  const clock = systemClock
  const objects = bucket.at(location)
  await patiently('s3', () => objects.get('none'), {
    ...{ clock, random: Math.random, log, signal, parts, where },
    check:
      'that an S3 server listens there with the bucket of ICEBERG_WAREHOUSE, and MINIO_ACCESS_KEY, _SECRET_KEY',
  })
}

/** Ends the process as any fault does: in order, with the reason in the log, and exit code 1. */
function fatal(error: OrreryError): void {
  queueMicrotask(() => {
    throw error
  })
}
