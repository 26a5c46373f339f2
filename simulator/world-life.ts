import { Checkpoint } from '../actors/kernel/checkpoint.ts'
import { seededRandom, type VirtualClock } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import { Intake } from '../actors/kernel/intake.ts'
import { Partition } from '../actors/kernel/partition.ts'
import { planRecovery } from '../actors/kernel/recover.ts'
import { Replay } from '../actors/kernel/replay.ts'
import { SegmentJournal } from '../actors/kernel/segment-journal.ts'
import { Sweep } from '../actors/kernel/sweep.ts'
import { type Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, PingsFact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { SessionState } from '../actors/session/state.ts'
import { ClickHouseHistory } from '../sinks/clickhouse/history.ts'
import { CLICKHOUSE_LIMITS, ClickHouseSink } from '../sinks/clickhouse/sink.ts'
import { FolderCatalog } from '../sinks/iceberg/folder-catalog.ts'
import { ICEBERG_LIMITS, IcebergSink } from '../sinks/iceberg/sink.ts'
import { joinedHistory } from '../sinks/joined-history.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import { MemoryMetricsStore } from '../sinks/metrics/memory-store.ts'
import { METRICS_LIMITS, MetricsSink } from '../sinks/metrics/sink.ts'
import { settleWithin } from '../sinks/retry.ts'
import { SinkActor } from '../sinks/sink-actor.ts'
import type { Sink } from '../sinks/sink.ts'
import { simBehavior } from './world-behavior.ts'
import type { Gate, Mortal } from './world-gate.ts'
import type { Machine } from './world-machine.ts'
import { SimMap } from './world-map.ts'
import type { Plan } from './world-plan.ts'
import type { Seams } from './world-seams.ts'
import { silverEngine } from './world-silver.ts'
import { mortalCatalog, mortalDisk, mortalStates, mortalStorage } from './world-stores.ts'
import {
  derivedTarget,
  receivedTarget,
  SimUpkeep,
  type Sinks,
  untilAcknowledged,
} from './world-upkeep.ts'

/** What one life of the process stands on. */
export type LifeOptions = Readonly<{
  clock: VirtualClock
  machine: Machine
  plan: Plan
  gate: Gate
  mortal: Mortal
  seams: Seams
  log: Log
  /** Tells the lives of a run apart: each has random numbers of its own. */
  number: number
}>

/** One life of the process: everything from offers to the three stores, joined as the real one is. */
export type Life = Readonly<{
  mortal: Mortal
  intake: Intake<Ping>
  partition: Partition<SessionState, Ping>
  directory: Directory<SessionState, Ping>
  journal: SegmentJournal
  sinks: Sinks
  map: SimMap
  sweep: Sweep<SessionState, Ping>
  upkeep: SimUpkeep
  checkpoint: Checkpoint<SessionState, Ping>
  telemetry: Telemetry
  replay: Replay<Ping>
  replayed: Promise<void>
}>

/** Where the bronze table is. */
export const BRONZE_LOCATION = 'memory://warehouse/default/raw_delivery_data'
export const JOURNAL_DIRECTORY = '/data/journal'

/** Opens the stores, recovers the actors and goes on where the last life ended. */
export async function openLife(options: LifeOptions): Promise<Life> {
  const { machine, plan, mortal, seams, log, gate, number } = options
  const { clock } = mortal
  const { limits } = plan
  const telemetry = new Telemetry()
  const states = seams.states(mortalStates(machine.states, gate, mortal))
  const segments = await openJournal(options, telemetry)
  const journal = seams.journal(segments)
  const engine = seams.engine(silverEngine(machine.silver, gate, mortal))
  const sinks = makeSinks(options, { engine, states, telemetry })
  const received = await sinks.bronze.open()
  const derived = [await sinks.silver.open(), await sinks.metrics.open()]
  const recovery = await planRecovery(states, { received, derived: Math.min(...derived) })

  const behavior = seams.behavior(simBehavior(plan, number))
  const directory = new Directory<SessionState, Ping>(behavior, states)
  const map = new SimMap({ clock, directory, states })
  const shared = { behavior, directory, clock, log, telemetry }
  const stored = new ClickHouseHistory(engine, {
    fixesMax: limits.historyFixesMax,
    tiesMax: 1_000,
    requestsMax: 4,
  })
  const targets = seams.targets({
    received: receivedTarget(sinks),
    derived: derivedTarget(sinks, (fact) => map.accept(fact)),
  })
  const partition = new Partition<SessionState, Ping>(
    {
      ...shared,
      ...targets,
      partition: 0,
      idOf: (ping) => ping.sessionId,
      history: seams.history(joinedHistory(stored, sinks.silver)),
      limits,
    },
    recovery.replayFrom - 1,
  )
  const replay = new Replay<Ping>(
    {
      ...{ journal, partition, frames: PINGS, clock, log },
      limits: { aheadMax: limits.replayAheadMax, heldMax: limits.replayHeldMax },
    },
    recovery,
  )
  const intake = new Intake<Ping>({
    ...{ journal, frames: PINGS, clock, telemetry },
    partition: replay,
    limits: { backlogMax: limits.backlogMax, retryAfterMs: 300 },
  })
  map.restore()
  let recovered = false
  const isRecovered = (): boolean => recovered
  const sweep = makeSweep(options, { shared, states, intake, partition, isRecovered })
  const checkpoint = new Checkpoint<SessionState, Ping>({
    ...shared,
    store: states,
    handledThrough: () => partition.handledThrough,
    acknowledged: seams.acknowledged((offset) => untilAcknowledged(sinks, offset)),
  })
  sweep.start()
  const replayed = replay.run().then(() => {
    recovered = true
  })
  // A replay that goes on for longer than that is not waited for: senders are served meanwhile.
  await settleWithin(clock, limits.replayAloneMs, replayed)
  const everyMs = limits.checkpointMs
  const upkeep = new SimUpkeep({ clock, sinks, states, journal, checkpoint, everyMs })
  upkeep.start()
  map.start()
  const parts = { mortal, intake, partition, replay, replayed, directory, journal: segments }
  return { ...parts, sinks, map, sweep, upkeep, checkpoint, telemetry }
}

async function openJournal(options: LifeOptions, telemetry: Telemetry): Promise<SegmentJournal> {
  const { machine, plan, mortal, seams, log, number } = options
  const disk = seams.disk(mortalDisk(machine.disk, mortal))
  await seams.beforeOpen(disk)
  const { segmentBytesMax, waitingBytesMax, groupBytesMax } = plan.limits
  return SegmentJournal.open({
    ...{ disk, log, telemetry, segmentBytesMax, waitingBytesMax, groupBytesMax },
    directory: JOURNAL_DIRECTORY,
    partition: 0,
    clock: mortal.clock,
    reserveBytes: 1_000,
    random: seededRandom(plan.seed * 31 + number),
  })
}

type SinkPorts = Readonly<{
  engine: ConstructorParameters<typeof ClickHouseSink>[0]
  states: ConstructorParameters<typeof MemoryMetricsStore>[0]
  telemetry: Telemetry
}>

function makeSinks(options: LifeOptions, { engine, states, telemetry }: SinkPorts): Sinks {
  const { plan, mortal, seams, log, number } = options
  const { clock } = mortal
  const { limits } = plan
  const random = seededRandom(plan.seed * 37 + number)
  const actorOf = <Row>(sink: Sink<Row>): SinkActor<Row> =>
    new SinkActor<Row>({
      ...{ sink, clock, random, log, telemetry },
      partition: 0,
      bounds: {
        writeMsMax: 3_000,
        progressMsMax: limits.progressMs,
        openMsMax: 20_000,
        backoff: { firstMs: 20, longestMs: 2_000 },
        bufferRowsMax: sink.limits.rowsMax * limits.bufferFactor,
      },
    })
  const silver = new ClickHouseSink(
    engine,
    { ...CLICKHOUSE_LIMITS, rowsMax: limits.silverRowsMax, ageMsMax: limits.silverAgeMs },
    clock,
  )
  const store = seams.metricsStore(new MemoryMetricsStore(states, limits.headMinutesMax))
  const metrics = new MetricsSink({
    ...{ store, clock },
    board: new MetricsBoard(),
    limits: { ...METRICS_LIMITS, rowsMax: limits.silverRowsMax, ageMsMax: limits.metricsAgeMs },
  })
  return {
    bronze: actorOf<PingsFact>(seams.bronzeSink(bronzeSink(options))),
    silver: actorOf<Fact>(seams.silverSink(silver)),
    metrics: actorOf<Fact>(seams.metricsSink(metrics)),
  }
}

function bronzeSink({ machine, plan, gate, mortal, seams, log, number }: LifeOptions): IcebergSink {
  const { clock } = mortal
  const { limits, rates } = plan
  const location = BRONZE_LOCATION
  const storage = mortalStorage(machine.bronze, gate, mortal)
  const folder = new FolderCatalog({ location, storage, clock, log })
  const rival = new FolderCatalog({ location, storage: machine.bronze, clock, log })
  const about = { gate, mortal, rival, rivalRate: rates.catalog.fail }
  return new IcebergSink({
    ...{ storage, location, clock, log },
    catalog: seams.catalog(mortalCatalog(folder, about)),
    random: seededRandom(plan.seed * 41 + number),
    limits: { ...ICEBERG_LIMITS, rowsMax: limits.bronzeRowsMax, ageMsMax: limits.bronzeAgeMs },
    policy: {
      manifestsMax: 6,
      entriesPerManifest: 12,
      snapshotsMin: 2,
      snapshotAgeMsMin: 3_000,
      snapshotsMax: 6,
      graceMs: 5_000,
      orphanAgeMsMin: 30_000,
      orphanAgeMsMax: 86_400_000,
    },
  })
}

type SweepPorts = Readonly<{
  shared: Readonly<{
    behavior: ReturnType<typeof simBehavior>
    directory: Directory<SessionState, Ping>
    clock: Mortal['clock']
    log: Log
    telemetry: Telemetry
  }>
  states: ConstructorParameters<typeof Directory>[1]
  intake: Intake<Ping>
  partition: Partition<SessionState, Ping>
  isRecovered: () => boolean
}>

function makeSweep({ plan }: LifeOptions, ports: SweepPorts): Sweep<SessionState, Ping> {
  const { shared, states, intake, partition, isRecovered } = ports
  const { awakeMax, idleMs, sweepMs } = plan.limits
  const sweep: Sweep<SessionState, Ping> = new Sweep<SessionState, Ping>({
    ...shared,
    store: states,
    fire: (key, timer) => isRecovered() && intake.fireTimer(key, timer, () => sweep.fired(key)),
    madeRoom: () => partition.wake(),
    limits: { awakeMax, idleMs, cellsPerStepMax: 5, everyMs: sweepMs },
  })
  return sweep
}
