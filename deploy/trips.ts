import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import { type Fact, TRIPS_PARTITION_FIRST } from '../actors/model/fact.ts'
import type { TripsPage } from '../actors/model/history.ts'
import type { Trip } from '../actors/model/trip.ts'
import type { TripArrival } from '../actors/region/arrival.ts'
import type { RegionState } from '../actors/region/state.ts'
import { WindowsCopy } from '../sinks/windows/copy.ts'
import { MemoryWindowStore } from '../sinks/windows/memory-store.ts'
import { RedisWindowStore } from '../sinks/windows/redis-store.ts'
import { WindowsSink } from '../sinks/windows/sink.ts'
import type { Config } from './settings.ts'
import { tripsShape } from './shapes.ts'
import type { LocalStores } from './stores.ts'
import { openStream, type Stream } from './stream.ts'

/** The one partition of trips in the embedded profile. */
export const TRIPS_PARTITION = TRIPS_PARTITION_FIRST

export type TripsOptions = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  stores: LocalStores
  /** Hears every fact of trips as it is made; of what a replay repeats, again. */
  listen: (fact: Fact) => void
  overloaded: () => string | null
}>

/** The stream of trips, and the windows that it serves. */
export type TripsStream = Stream<RegionState, Trip, TripArrival, TripsPage> &
  Readonly<{
    windows: MemoryWindowStore
    /** Why Redis is behind, or null. */
    redisTrouble: () => string | null
  }>

/** Opens the trips' journal, region actors and stores, beside those of the sessions. */
export async function openTrips(options: TripsOptions): Promise<TripsStream> {
  const { config, log, stores, listen, overloaded } = options
  const clock = systemClock
  await mkdir(join(config.dataDir, 'trips'), { recursive: true, mode: 0o700 })
  const telemetry = options.telemetry.labelled({ stream: 'trips' })
  const held: { windows?: MemoryWindowStore; sink?: WindowsSink; redis?: RedisWindowStore } = {}
  const stream = await openStream<RegionState, Trip, TripArrival, TripsPage>({
    ...{ config, log, telemetry, listen, overloaded },
    partition: TRIPS_PARTITION,
    journalDirectory: join('trips', 'journal'),
    statesPath: join('trips', 'state.db'),
    shape: tripsShape({ config, log, ...stores }, (states) => {
      held.windows = new MemoryWindowStore(states, { clock, ttlMs: config.windowsTtlS * 1_000 })
      if (config.redisUrl !== '') held.redis = openRedis(config)
      held.sink = windowsSink(held.windows, held.redis, log)
      return held.sink
    }),
  })
  const { windows, sink } = held
  if (!windows || !sink) throw new TypeError('a stream opens its sinks')
  return {
    ...stream,
    windows,
    redisTrouble: () => sink.trouble,
    async stop(endMs) {
      const unflushed = await stream.stop(endMs)
      await held.redis?.close()
      return unflushed
    },
  }
}

function openRedis({ redisUrl: url, windowsTtlS }: Config): RedisWindowStore {
  return new RedisWindowStore({ url, clock: systemClock, ttlMs: windowsTtlS * 1_000 })
}

/** Windows are kept here, durably, and copied to Redis where there is one. */
function windowsSink(
  ledger: MemoryWindowStore,
  redis: RedisWindowStore | undefined,
  log: Log,
): WindowsSink {
  const clock = systemClock
  if (!redis) return new WindowsSink({ store: ledger, clock })
  const copy = new WindowsCopy({ ledger, store: redis, clock, log })
  return new WindowsSink({ store: ledger, copy, clock })
}
