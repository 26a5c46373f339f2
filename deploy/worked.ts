import type { KafkaLog } from '../actors/kafka/log.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import type { SnapshotObjects } from '../actors/kernel/snapshots.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { HistoryPage, TripsPage } from '../actors/model/history.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { TripArrival } from '../actors/region/arrival.ts'
import type { RegionState } from '../actors/region/state.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import type { Warehouse } from '../sinks/iceberg/warehouse.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import { WindowsCopy } from '../sinks/windows/copy.ts'
import { MemoryWindowStore } from '../sinks/windows/memory-store.ts'
import { RedisWindowStore } from '../sinks/windows/redis-store.ts'
import { WindowsSink } from '../sinks/windows/sink.ts'
import { showCounts } from './counts.ts'
import type { KafkaJournal } from './kafka-journal.ts'
import { type FireTimer, openPartitionStream, type PartitionStream } from './partition-stream.ts'
import type { Config } from './settings.ts'
import { sessionsShape, type StreamStores, tripsShape } from './shapes.ts'
import type { WorkedPartition } from './worker.ts'

/** What a partition shows of itself while it is ours; nothing waits for it. */
export type Outlet = Readonly<{
  accept(fact: Fact): void
  start(): void
  close(): Promise<void>
}>

/** What the partitions of a worker share. */
export type WorkedOptions = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  engine: ClickHouse
  warehouse: Warehouse
  bronze: NonNullable<StreamStores['bronze']>
  /** Names this installation among all that write to the same stores. */
  installation: string
  journal: KafkaJournal
  objectsOf: (log: KafkaLog) => SnapshotObjects
  /** Partitions of sessions that this worker has. */
  held: { sessions: number }
  outlets: Readonly<{
    sessions(
      of: Readonly<{ stream: PartitionStream<SessionState, Ping>; board: MetricsBoard }>,
    ): Outlet
    trips(
      of: Readonly<{
        stream: PartitionStream<RegionState, Trip, TripArrival, TripsPage>
        windows: MemoryWindowStore
      }>,
    ): Promise<Outlet>
  }>
}>

type Fenced = (message: string) => void

/** Partitions of sessions share what a worker may hold awake; few enough actors each make no sense. */
const AWAKE_MIN = 1_000

/** A partition of sessions: claimed, with its states, its stores and what it shows on the map. */
export async function openSessionsPartition(
  options: WorkedOptions,
  log: KafkaLog,
  fenced: Fenced,
): Promise<WorkedPartition> {
  const board = new MetricsBoard()
  const shown: { outlet?: Outlet } = {}
  const stream = await openPartitionStream<SessionState, Ping, Ping, HistoryPage>({
    ...around(options, log, fenced),
    shapeOf: (epoch) => sessionsShape(storesOf(options, epoch), board),
    fireTimer: timersBy(options.journal.sessions, log),
    listen: (fact) => shown.outlet?.accept(fact),
  })
  shown.outlet = options.outlets.sessions({ stream, board })
  showCounts(options.telemetry.labelled({ partition: String(log.partition) }), board)
  options.held.sessions++
  const hidden = async (): Promise<void> => {
    options.held.sessions--
    // Another worker counts it then.
    board.hide(log.partition)
  }
  return worked(stream, shown.outlet, 'sessions', hidden)
}

/** A partition of trips: its regions, their windows, and the copy of them in Redis. */
export async function openTripsPartition(
  options: WorkedOptions,
  log: KafkaLog,
  fenced: Fenced,
): Promise<WorkedPartition> {
  const clock = systemClock
  const { config } = options
  const ttlMs = config.windowsTtlS * 1_000
  const held: { windows?: MemoryWindowStore } = {}
  const shown: { outlet?: Outlet } = {}
  const redis = new RedisWindowStore({ url: config.redisUrl, clock, ttlMs })
  try {
    const stream = await openPartitionStream<RegionState, Trip, TripArrival, TripsPage>({
      ...around(options, log, fenced),
      telemetry: options.telemetry.labelled({ stream: 'trips', partition: String(log.partition) }),
      shapeOf: (epoch) =>
        tripsShape(storesOf(options, epoch), (states) => {
          const windows = new MemoryWindowStore(states, { clock, ttlMs })
          held.windows = windows
          const claim = { owner: options.installation, epoch }
          const around = { clock, log: options.log, claim }
          const copy = new WindowsCopy({ ledger: windows, store: redis, ...around })
          return new WindowsSink({ store: windows, copy, clock })
        }),
      fireTimer: timersBy(options.journal.trips, log),
      listen: (fact) => shown.outlet?.accept(fact),
    })
    const { windows } = held
    if (!windows) throw new TypeError('a stream opens its sinks')
    const outlet = await options.outlets.trips({ stream, windows }).catch(async (cause) => {
      await stream.abandon()
      throw cause
    })
    shown.outlet = outlet
    return worked(stream, outlet, 'regions', () => redis.close())
  } catch (cause) {
    await redis.close()
    throw cause
  }
}

function around(options: WorkedOptions, journal: KafkaLog, fenced: Fenced) {
  const { config, log, telemetry, objectsOf } = options
  return {
    ...{ config, log, journal, fenced },
    awakeMax: () => {
      const share = Math.floor(config.actorsAwakeMax / Math.max(1, options.held.sessions))
      return Math.max(AWAKE_MIN, share)
    },
    telemetry: telemetry.labelled({ partition: String(journal.partition) }),
    objects: objectsOf(journal),
  }
}

function storesOf(options: WorkedOptions, epoch: number): StreamStores {
  const { config, log, engine, warehouse, bronze, installation } = options
  return { config, log, engine, warehouse, bronze, epoch, installation }
}

function timersBy(
  intake: Readonly<{ fireTimer(partition: number, ...rest: Parameters<FireTimer>): boolean }>,
  log: KafkaLog,
): FireTimer {
  return (key, timer, settled) => intake.fireTimer(log.kafkaPartition, key, timer, settled)
}

function worked<State, Message, Arrival, Page>(
  stream: PartitionStream<State, Message, Arrival, Page>,
  outlet: Outlet,
  actors: string,
  closed: () => Promise<void> = async () => {},
): WorkedPartition {
  const { core, journal } = stream
  return {
    get backlog() {
      return core.inlet.backlog
    },
    start() {
      outlet.start()
      void stream.start()
    },
    health() {
      const sinks = [core.bronze, core.silver, core.metrics].map((sink) => ({
        name: sink.name,
        ...sink.health(),
      }))
      const read = `${journal.behind} records to read, ${core.inlet.backlog} to handle`
      const detail = `${core.directory.awake} ${actors} awake, ${read}`
      const worst =
        sinks.find(({ status }) => status === 'unhealthy') ??
        sinks.find(({ status }) => status === 'degraded')
      if (!worst) return { status: 'healthy', detail }
      return { status: worst.status, detail: `${detail}; ${worst.name}: ${worst.detail}` }
    },
    async handOver(endMs) {
      const unflushed = await stream.handOver(endMs)
      await Promise.all([outlet.close(), closed()])
      return unflushed
    },
    async abandon() {
      await stream.abandon()
      await Promise.all([outlet.close(), closed()])
    },
  }
}
