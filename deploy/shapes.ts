import { hostname } from 'node:os'

import { systemClock } from '../actors/kernel/clock.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Log } from '../actors/kernel/telemetry.ts'
import type { HistoryPage, TripsPage } from '../actors/model/history.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { TripArrival } from '../actors/region/arrival.ts'
import { regionBehavior } from '../actors/region/behavior.ts'
import { TRIPS } from '../actors/region/frames.ts'
import type { RegionState } from '../actors/region/state.ts'
import { TideInlet } from '../actors/region/tide-inlet.ts'
import { sessionBehavior } from '../actors/session/behavior.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { ClickHouseHistory } from '../sinks/clickhouse/history.ts'
import { ClickHouseSink } from '../sinks/clickhouse/sink.ts'
import { ClickHouseTripHistory } from '../sinks/clickhouse/trip-history.ts'
import type { SharedIcebergSinks } from '../sinks/iceberg/shared-sink.ts'
import type { Warehouse } from '../sinks/iceberg/warehouse.ts'
import { WorkerIcebergSink } from '../sinks/iceberg/worker-sink.ts'
import { joinedHistory, joinedTripHistory } from '../sinks/joined-history.ts'
import type { MetricsBoard } from '../sinks/metrics/board.ts'
import { MemoryMetricsStore } from '../sinks/metrics/memory-store.ts'
import { MetricsSink } from '../sinks/metrics/sink.ts'
import type { WindowsSink } from '../sinks/windows/sink.ts'
import { bronzeLimits, silverLimits } from './batches.ts'
import type { Config } from './settings.ts'
import type { StreamShape } from './stream-core.ts'

/** Where the facts of a stream are written. */
export type StreamStores = Readonly<{
  config: Config
  log: Log
  engine: ClickHouse
  warehouse: string | Warehouse
  /** Sinks of many partitions over one thread a table; else each stream has its own. */
  bronze?: Readonly<{ pings: SharedIcebergSinks; trips: SharedIcebergSinks<'trips'> }>
  /** Which claim of the partition this is, where several workers may have it one after the other. */
  epoch?: number
  /** Names this installation in stores that others may write to as well. */
  installation?: string
}>

/** Pings of vehicles, and a session actor for each delivery. */
export function sessionsShape(
  stores: StreamStores,
  board: MetricsBoard,
): StreamShape<SessionState, Ping, Ping, HistoryPage> {
  const { config, log, engine, warehouse } = stores
  const clock = systemClock
  return {
    frames: PINGS,
    behavior: sessionBehavior({
      silentAfterMs: config.sessionSilentMs,
      overdueAfterMs: config.sessionOverdueMs,
    }),
    idOf: (ping) => ping.sessionId,
    sinks: async (states) => ({
      bronze:
        stores.bronze?.pings.sink() ??
        new WorkerIcebergSink({ ...{ warehouse, clock, log }, limits: bronzeLimits(config) }),
      silver: silverSink(stores),
      metrics: new MetricsSink({ store: new MemoryMetricsStore(states), board, clock }),
    }),
    history: (silver) => joinedHistory(new ClickHouseHistory(engine), silver),
    inlet: (partition) => ({ inlet: partition }),
    putAway: true,
  }
}

/** Trips, and a region actor for each region; where their windows are kept is told by `windows`. */
export function tripsShape(
  stores: StreamStores,
  windows: (states: StateStore) => WindowsSink,
): StreamShape<RegionState, Trip, TripArrival, TripsPage> {
  const { config, log, engine, warehouse } = stores
  const clock = systemClock
  return {
    frames: TRIPS,
    behavior: regionBehavior({ allowedLatenessMs: config.allowedLatenessMs }),
    idOf: ({ trip }) => String(trip.regionId),
    sinks: async (states) => {
      const bronze = { ...{ warehouse, clock, log }, table: 'trips' } as const
      return {
        bronze:
          stores.bronze?.trips.sink() ??
          new WorkerIcebergSink({ ...bronze, limits: bronzeLimits(config) }),
        silver: silverSink(stores),
        metrics: windows(states),
      }
    },
    history: (silver) => joinedTripHistory(new ClickHouseTripHistory(engine), silver),
    inlet: (partition, note) => {
      const inlet = new TideInlet(partition, note, config.watermarkDelayMs)
      return { inlet, note: (offset) => inlet.noteAt(offset) }
    },
    putAway: false,
  }
}

function silverSink({ engine, config, epoch, installation }: StreamStores): ClickHouseSink {
  return new ClickHouseSink(engine, silverLimits(config), systemClock, {
    ...(epoch === undefined ? {} : { epoch }),
    ...(installation === undefined ? {} : { installation }),
    holder: hostname(),
  })
}
