import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'

import { Checkpoint } from '../actors/kernel/checkpoint.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import { systemDisk } from '../actors/kernel/disk.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import { Intake } from '../actors/kernel/intake.ts'
import { Partition } from '../actors/kernel/partition.ts'
import { planRecovery } from '../actors/kernel/recover.ts'
import { Replay } from '../actors/kernel/replay.ts'
import { SegmentJournal } from '../actors/kernel/segment-journal.ts'
import { SqliteStateStore } from '../actors/kernel/sqlite-state-store.ts'
import { Sweep } from '../actors/kernel/sweep.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, PingsFact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import { sessionBehavior } from '../actors/session/behavior.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { SessionState } from '../actors/session/state.ts'
import { ensureBronzeView } from '../sinks/clickhouse/bronze-view.ts'
import { openChdb } from '../sinks/clickhouse/chdb-engine.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { ClickHouseHistory } from '../sinks/clickhouse/history.ts'
import { CLICKHOUSE_LIMITS, ClickHouseSink } from '../sinks/clickhouse/sink.ts'
import { bronzeLocation } from '../sinks/iceberg/bronze-table.ts'
import { ICEBERG_LIMITS } from '../sinks/iceberg/sink.ts'
import { WorkerIcebergSink } from '../sinks/iceberg/worker-sink.ts'
import { joinedHistory } from '../sinks/joined-history.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import { MemoryMetricsStore } from '../sinks/metrics/memory-store.ts'
import { MetricsSink } from '../sinks/metrics/sink.ts'
import { SinkActor } from '../sinks/sink-actor.ts'
import type { Config } from './settings.ts'
import { derivedTarget, receivedTarget } from './targets.ts'
import { Upkeep } from './upkeep.ts'

/** The one partition of the embedded profile. */
const PARTITION = 0
/** Committed pings that may wait for their turn: a second or two at full load. */
const BACKLOG_PINGS_MAX = 100_000
/** Pings taken between two looks at everything else: a tenth of a second's work. */
const PINGS_PER_TURN_MAX = 10_000
const RETRY_AFTER_MS = 1_000
/** A replay that takes longer goes on while senders are served. */
const REPLAY_ALONE_MS = 2_000

export type PipelineOptions = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  /** Hears every fact as it is made; of what a replay repeats, again. */
  listen: (fact: Fact) => void
  /** Why the process as a whole cannot take more pings now, or null. */
  overloaded?: () => string | null
  /** Called once the actors' states can be read, before anything is replayed. */
  prepare?: (parts: PipelineParts) => void
}>

/** What stands once a pipeline is open. */
export type PipelineParts = Readonly<{
  journal: SegmentJournal
  states: SqliteStateStore
  engine: ClickHouse
  directory: Directory<SessionState, Ping>
  partition: Partition<SessionState, Ping>
  replay: Replay<Ping>
  intake: Intake<Ping>
  bronze: SinkActor<PingsFact>
  silver: SinkActor<Fact>
  metrics: SinkActor<Fact>
  board: MetricsBoard
}>

/** From offers to the three stores, everything in this process and its data folder. */
export type Pipeline = PipelineParts &
  Readonly<{
    /** Resolves true when everything acknowledged so far is in the stores, false when that takes too long. */
    flush(stores: 'silver' | 'all', withinMs: number): Promise<boolean>
    /** Drains, flushes and closes; what could not be stored in time is named, and replayed by the next start. */
    stop(deadlineMs: number): Promise<readonly string[]>
  }>

/** Opens the stores, recovers the actors and goes on where the last run ended. */
export async function openPipeline(options: PipelineOptions): Promise<Pipeline> {
  const { config, log, telemetry } = options
  const stores = await openStores(options)
  const { journal, states, engine, bronze, silver, metrics } = stores
  const [received, ...derived] = [await bronze.open(), await silver.open(), await metrics.open()]
  const acknowledged = { received, derived: Math.min(...derived) }
  const plan = await planRecovery(states, acknowledged)

  const behavior = sessionBehavior({
    silentAfterMs: config.sessionSilentMs,
    overdueAfterMs: config.sessionOverdueMs,
  })
  const directory = new Directory(behavior, states, { clock: systemClock, telemetry })
  const shared = { behavior, directory, clock: systemClock, log, telemetry }
  const partition = new Partition<SessionState, Ping>(
    {
      ...shared,
      partition: PARTITION,
      idOf: (ping) => ping.sessionId,
      history: joinedHistory(new ClickHouseHistory(engine), silver),
      received: receivedTarget(bronze),
      derived: derivedTarget(silver, metrics, options.listen),
      limits: { turnsPerSliceMax: 500, mailboxMax: 10_000, awakeMax: config.actorsAwakeMax },
    },
    plan.replayFrom - 1,
  )
  const limits = {
    backlogMax: BACKLOG_PINGS_MAX,
    perTurnMax: PINGS_PER_TURN_MAX,
    retryAfterMs: RETRY_AFTER_MS,
  }
  const overloaded = options.overloaded ?? (() => null)
  const replay = new Replay({ journal, partition, frames: PINGS, clock: systemClock, log }, plan)
  telemetry
    .gauge('orrery_replay_messages', 'Messages that this start had to replay from the journal')
    .set(replay.total)
  telemetry
    .gauge('orrery_replay_behind', 'Messages on disk that are still to be replayed')
    .from(() => replay.behind)
  const ports = { journal, partition: replay, frames: PINGS, clock: systemClock, telemetry }
  const intake = new Intake({ ...ports, limits, overloaded })
  const parts = { ...stores, directory, partition, replay, intake }
  options.prepare?.(parts)

  let recovered = false
  const sweep = new Sweep({
    ...shared,
    store: states,
    // A timer's message goes to the end of the journal: it must not overtake what is still replayed.
    fire: (key, timer) => recovered && intake.fireTimer(key, timer, () => sweep.fired(key)),
    madeRoom: () => partition.wake(),
    limits: {
      awakeMax: config.actorsAwakeMax,
      idleMs: config.actorIdleMs,
      cellsPerStepMax: 5_000,
      everyMs: 1_000,
    },
  })
  const checkpoint = new Checkpoint({
    ...shared,
    store: states,
    handledThrough: () => partition.handledThrough,
    acknowledged: (offset) => untilAcknowledged([silver, metrics], offset),
  })
  const upkeep = new Upkeep({ ...parts, checkpoint, config, clock: systemClock, log })
  // A replay wakes actors too: with none put away it would stop at the bound for good.
  sweep.start()
  const replayed = replay.run().then(() => {
    recovered = true
  })
  await within(replayed, REPLAY_ALONE_MS)
  // From here on nobody waits for it: a failure is a fault of the process, which ends by it.
  void replayed.then()
  await ensureBronzeView(engine, bronzeTable(config))
  upkeep.start()
  return {
    ...parts,
    flush: (which, withinMs) => within(flush(parts, which), withinMs),
    stop: (deadlineMs) => stop({ ...parts, replayed, sweep, upkeep, log }, deadlineMs),
  }
}

/** Handles and stores what has been journaled until now; what comes meanwhile may be left out. */
async function flush(parts: PipelineParts, which: 'silver' | 'all'): Promise<void> {
  const { journal, partition, bronze, silver, metrics } = parts
  await partition.handled(journal.nextOffset - 1)
  const sinks = which === 'silver' ? [silver] : [bronze, silver, metrics]
  await Promise.all(sinks.map((sink) => sink.flush()))
}

/** Where the bronze table lies in the data folder. */
export function bronzeTable(config: Config): string {
  return bronzeLocation(join(config.dataDir, 'bronze'))
}

async function openStores({ config, log, telemetry }: PipelineOptions) {
  const at = (name: string): string => join(config.dataDir, name)
  await mkdir(at('bronze'), { recursive: true, mode: 0o700 })
  const disk = systemDisk
  const clock = systemClock
  const journal = await SegmentJournal.open({
    directory: at('journal'),
    partition: PARTITION,
    ...{ clock, log, telemetry, disk },
    segmentBytesMax: config.journalSegmentBytes,
    waitingBytesMax: config.journalWaitingBytesMax,
  })
  const states = await SqliteStateStore.open({ path: at('state.db'), log })
  const engine = await openEngine(config, log)
  const board = new MetricsBoard()
  const warehouse = await realpath(at('bronze'))
  const actorOf = <Row>(sink: ConstructorParameters<typeof SinkActor<Row>>[0]['sink']) =>
    new SinkActor<Row>({ sink, partition: PARTITION, clock, random: Math.random, log, telemetry })
  const bronze = actorOf<PingsFact>(
    new WorkerIcebergSink({
      ...{ warehouse, clock, log },
      limits: {
        ...ICEBERG_LIMITS,
        rowsMax: config.icebergBatchRows,
        ageMsMax: config.icebergBatchAgeMs,
      },
    }),
  )
  const silver = actorOf<Fact>(
    new ClickHouseSink(engine, {
      ...CLICKHOUSE_LIMITS,
      rowsMax: config.clickhouseBatchRows,
      ageMsMax: config.clickhouseBatchAgeMs,
    }),
  )
  const store = new MemoryMetricsStore(states)
  const metrics = actorOf<Fact>(new MetricsSink({ store, board, clock }))
  return { journal, states, engine, bronze, silver, metrics, board }
}

/** ClickHouse in this process; from then on its working directory is the data folder. */
export function openEngine(config: Config, log: Log): Promise<ClickHouse> {
  return openChdb({
    directory: join(config.dataDir, 'clickhouse'),
    database: config.clickhouseDatabase,
    memoryBytesMax: config.clickhouseMemoryBytesMax,
    workingDirectory: config.dataDir,
    log,
  })
}

function untilAcknowledged(sinks: readonly SinkActor<Fact>[], offset: number): Promise<void> {
  const one = (sink: SinkActor<Fact>): Promise<void> =>
    new Promise((resolve) => {
      if (sink.acknowledged >= offset) return resolve()
      const forget = sink.onAcknowledged((acknowledged) => {
        if (acknowledged < offset) return
        forget()
        resolve()
      })
    })
  return Promise.all(sinks.map(one)).then(() => {})
}

type StopParts = PipelineParts &
  Readonly<{
    replayed: Promise<void>
    sweep: Sweep<SessionState, Ping>
    upkeep: Upkeep
    log: Log
  }>

/** In order: nothing new, everything journaled handled, everything handled stored, and the states last. */
async function stop(parts: StopParts, deadlineMs: number): Promise<readonly string[]> {
  const { intake, replay, replayed, journal, partition, sweep, upkeep, states, engine } = parts
  const { bronze, silver, metrics } = parts
  const endMs = systemClock.monotonicMs() + deadlineMs
  const leftMs = (): number => Math.max(0, endMs - systemClock.monotonicMs())
  const unflushed: string[] = []
  const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const done = await within(work(), leftMs()).catch((cause: unknown) => {
      parts.log.error({ step: name, error: messageOf(cause) }, 'stop: a step failed')
      return false
    })
    if (!done) unflushed.push(name)
  }
  intake.stop()
  const isBehind = replay.stop()
  await step('replay', () => replayed)
  await step('journal', () => journal.close())
  // The last turns may wake actors: they too need others to be put away.
  await step('actors', () => partition.idle())
  await step('sweep', () => sweep.stop())
  const sinks = [bronze, silver, metrics] as const
  await Promise.all(sinks.map((sink) => step(sink.name, () => sink.flush())))
  // A checkpoint waits for the sinks: without them there is none, and the next start replays.
  if (unflushed.length === 0) await step('checkpoint', () => upkeep.finish())
  else upkeep.halt()
  // With turns left over: their facts would find the sinks closed.
  partition.halt()
  await Promise.all(sinks.map((sink) => sink.close(0)))
  await step('states', () => states.close())
  await step('clickhouse', () => engine.close())
  // What was handled is in a checkpoint; what comes after it is on disk.
  return isBehind ? [...unflushed, 'replay'] : unflushed
}

/** Whether the work was done in time; what it throws is thrown. */
async function within(work: Promise<unknown>, ms: number): Promise<boolean> {
  let cancel = (): void => {}
  const late = new Promise<boolean>((resolve) => {
    cancel = systemClock.after(ms, () => resolve(false))
  })
  const done = await Promise.race([work.then(() => true), late])
  cancel()
  return done
}
