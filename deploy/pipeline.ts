import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { SessionState } from '../actors/session/state.ts'
import { BRONZE_TRIPS_VIEW, ensureBronzeView } from '../sinks/clickhouse/bronze-view.ts'
import { openChdb } from '../sinks/clickhouse/chdb-engine.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { bronzeLocation } from '../sinks/iceberg/bronze-table.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import type { Config } from './settings.ts'
import { sessionsShape } from './shapes.ts'
import { shutStdin } from './stdin.ts'
import { openStream, type Stream } from './stream.ts'
import { openTrips, type TripsStream } from './trips.ts'
import { within } from './within.ts'

/** The one partition of sessions in the embedded profile. */
const SESSIONS_PARTITION = 0
/** A replay that takes longer goes on while senders are served. */
const REPLAY_ALONE_MS = 2_000

export type PipelineOptions = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  /** Hears every fact as it is made; of what a replay repeats, again. */
  listen: (fact: Fact) => void
  /** Why the process as a whole cannot take more now, or null. */
  overloaded?: () => string | null
  /** Called once the actors' states can be read, before anything is replayed. */
  prepare?: (parts: PipelineParts) => void | Promise<void>
}>

/** What stands once a pipeline is open. */
export type PipelineParts = Readonly<{
  engine: ClickHouse
  sessions: Stream<SessionState, Ping>
  trips: TripsStream
  board: MetricsBoard
}>

/** From offers to the stores, everything in this process and its data folder. */
export type Pipeline = PipelineParts &
  Readonly<{
    /** Resolves true when everything acknowledged so far is in the stores, false when that takes too long. */
    flush(stores: 'silver' | 'all', withinMs: number): Promise<boolean>
    /** Drains, flushes and closes; what could not be stored in time is named, and replayed by the next start. */
    stop(deadlineMs: number): Promise<readonly string[]>
  }>

/** Opens the stores, recovers the actors and goes on where the last run ended. */
export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { config, log } = options
  await mkdir(join(config.dataDir, 'bronze'), { recursive: true, mode: 0o700 })
  const engine = await openEngine(config, log)
  const board = new MetricsBoard()
  const sessions = await openSessions(options, engine, board)
  const { telemetry, listen, overloaded = () => null } = options
  const trips = await openTrips({ config, log, telemetry, engine, listen, overloaded })
  const parts = { engine, sessions, trips, board }
  await options.prepare?.(parts)
  const replayed = Promise.all([sessions.run(), trips.run()])
  await within(replayed, REPLAY_ALONE_MS)
  // From here on nobody waits for it: a failure is a fault of the process, which ends by it.
  void replayed.then()
  await ensureBronzeViews(engine, config)
  return {
    ...parts,
    flush: (which, withinMs) =>
      within(Promise.all([sessions.flush(which), trips.flush(which)]), withinMs),
    async stop(deadlineMs) {
      const endMs = systemClock.monotonicMs() + deadlineMs
      const stopped = await Promise.all([sessions.stop(endMs), trips.stop(endMs)])
      const unflushed = stopped.flat()
      const leftMs = Math.max(0, endMs - systemClock.monotonicMs())
      const closed = await within(engine.close(), leftMs)
      return closed ? unflushed : [...unflushed, 'clickhouse']
    },
  }
}

async function openSessions(
  { config, log, telemetry, listen, overloaded = () => null }: PipelineOptions,
  engine: ClickHouse,
  board: MetricsBoard,
): Promise<Stream<SessionState, Ping>> {
  const warehouse = await realpath(join(config.dataDir, 'bronze'))
  return openStream({
    ...{ config, log, telemetry, listen, overloaded },
    partition: SESSIONS_PARTITION,
    journalDirectory: 'journal',
    statesPath: 'state.db',
    shape: sessionsShape({ config, log, engine, warehouse }, board),
  })
}

/** Lets SQL see the raw messages of both streams. */
export async function ensureBronzeViews(engine: ClickHouse, config: Config): Promise<void> {
  const warehouse = join(config.dataDir, 'bronze')
  await ensureBronzeView(engine, bronzeLocation(warehouse))
  await ensureBronzeView(engine, bronzeLocation(warehouse, 'trips'), BRONZE_TRIPS_VIEW)
}

/** ClickHouse in this process; from then on its working directory is the data folder, and standard input is shut. */
export function openEngine(config: Config, log: Log): Promise<ClickHouse> {
  shutStdin()
  return openChdb({
    directory: join(config.dataDir, 'clickhouse'),
    database: config.clickhouseDatabase,
    memoryBytesMax: config.clickhouseMemoryBytesMax,
    workingDirectory: config.dataDir,
    log,
  })
}
