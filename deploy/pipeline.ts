import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import type { Waiting } from './patience.ts'
import type { Config } from './settings.ts'
import { sessionsShape } from './shapes.ts'
import { ensureBronzeViews, type LocalStores, openLocalStores } from './stores.ts'
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
  /** With what a store that is away is waited for. */
  waiting?: Waiting
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
  const stores = await openLocalStores(config, log, options.waiting)
  const { engine } = stores
  const board = new MetricsBoard()
  const sessions = await openSessions(options, stores, board)
  const { telemetry, listen, overloaded = () => null } = options
  const trips = await openTrips({ config, log, telemetry, stores, listen, overloaded })
  refuseOthersTables('journal', sessions)
  refuseOthersTables(join('trips', 'journal'), trips)
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
  stores: LocalStores,
  board: MetricsBoard,
): Promise<Stream<SessionState, Ping>> {
  return openStream({
    ...{ config, log, telemetry, listen, overloaded },
    partition: SESSIONS_PARTITION,
    journalDirectory: 'journal',
    statesPath: 'state.db',
    shape: sessionsShape({ config, log, ...stores }, board),
  })
}

/**
 * Stores hear of a message when it is on disk: whoever has more than the journal was written from another one, and would
 * leave out what comes under the same offsets. A warehouse on S3 outlives a data folder.
 */
function refuseOthersTables(
  name: string,
  {
    journal,
    bronze,
    silver,
  }: Readonly<{
    journal: Readonly<{ nextOffset: number }>
    bronze: Readonly<{ name: string; acknowledged: number }>
    silver: Readonly<{ name: string; acknowledged: number }>
  }>,
): void {
  for (const sink of [bronze, silver]) {
    if (sink.acknowledged < journal.nextOffset) continue
    const message =
      `${sink.name} has messages up to offset ${sink.acknowledged}, but DATA_DIR/${name} ends before ${journal.nextOffset}: ` +
      'they are of another data folder; set DATA_DIR to that one, or another ICEBERG_WAREHOUSE or CLICKHOUSE_DATABASE'
    throw new OrreryError('store_ahead', message)
  }
}
