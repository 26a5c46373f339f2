import { join } from 'node:path'

import type { Behavior } from '../actors/kernel/behavior.ts'
import { Checkpoint, readNote } from '../actors/kernel/checkpoint.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import { systemDisk } from '../actors/kernel/disk.ts'
import type { FrameKind } from '../actors/kernel/entries.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import { type Inlet, Intake } from '../actors/kernel/intake.ts'
import { Partition } from '../actors/kernel/partition.ts'
import { planRecovery } from '../actors/kernel/recover.ts'
import { Replay } from '../actors/kernel/replay.ts'
import { SegmentJournal } from '../actors/kernel/segment-journal.ts'
import { SqliteStateStore } from '../actors/kernel/sqlite-state-store.ts'
import { Sweep } from '../actors/kernel/sweep.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, FrameFact } from '../actors/model/fact.ts'
import type { History, HistoryPage } from '../actors/model/history.ts'
import { SinkActor } from '../sinks/sink-actor.ts'
import type { Sink } from '../sinks/sink.ts'
import type { Config } from './settings.ts'
import { derivedTarget, receivedTarget } from './targets.ts'
import { Upkeep } from './upkeep.ts'
import { within } from './within.ts'

/** Committed messages that may wait for their turn: a second or two at full load. */
const BACKLOG_MAX = 100_000
/** Messages taken between two looks at everything else: a tenth of a second's work. */
const PER_TURN_MAX = 10_000
const RETRY_AFTER_MS = 1_000

/** Where a stream's messages go in, and what waits for them. */
export type StreamInlet<Message> = Inlet<Message> &
  Readonly<{ handled(offset: number): Promise<void> }>

/** The three places that a stream's facts end in. */
export type StreamSinks = Readonly<{
  bronze: Sink<FrameFact>
  silver: Sink<Fact>
  metrics: Sink<Fact>
}>

/** What makes a stream: its messages, its actors, its stores. */
export type StreamOptions<State, Message, Arrival, Page> = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  partition: number
  /** Folder of its journal, and file of its actors' states. */
  journalDirectory: string
  statesPath: string
  frames: FrameKind<Message>
  behavior: Behavior<State, Arrival, Page>
  idOf: (arrival: Arrival) => string
  /** Made once the states can be read: some of them keep their marks there. */
  sinks: (states: SqliteStateStore) => Promise<StreamSinks>
  history: (silver: SinkActor<Fact>) => History<Page>
  /** What stands before the actors: how messages become what they take, and what a checkpoint must note of it. */
  inlet: (
    partition: Partition<State, Arrival, Page>,
    note: string,
  ) => Readonly<{ inlet: StreamInlet<Message>; note?: (offset: number) => string }>
  /** Actors that are idle, or too many, are put away and have timers; else all are awake, always. */
  putAway: boolean
  listen: (fact: Fact) => void
  overloaded: () => string | null
}>

/** A stream that is open. */
export type Stream<State, Message, Arrival = Message, Page = HistoryPage> = Readonly<{
  journal: SegmentJournal
  states: SqliteStateStore
  directory: Directory<State, Arrival, Page>
  partition: Pick<
    Partition<State, Arrival, Page>,
    'backlog' | 'handledThrough' | 'handled' | 'idle' | 'halt'
  >
  replay: Replay<Message>
  intake: Intake<Message>
  bronze: SinkActor<FrameFact>
  silver: SinkActor<Fact>
  metrics: SinkActor<Fact>
  /** Replays the journal's tail and keeps the stream in order from then on; resolves when it has caught up. */
  run(): Promise<void>
  /** Handles and stores what has been journaled until now; what comes meanwhile may be left out. */
  flush(stores: 'silver' | 'all'): Promise<void>
  /** Drains, flushes and closes by `endMs` of the monotonic clock; names what could not be stored. */
  stop(endMs: number): Promise<readonly string[]>
}>

/** Opens a stream's journal, states and sinks, and plans what a replay has to do; `run` begins it. */
export async function openStream<State, Message, Arrival, Page>(
  options: StreamOptions<State, Message, Arrival, Page>,
): Promise<Stream<State, Message, Arrival, Page>> {
  const { config, log, telemetry, behavior } = options
  const stores = await openStores(options)
  const { journal, states, bronze, silver, metrics } = stores
  const [received, ...derived] = [await bronze.open(), await silver.open(), await metrics.open()]
  const acknowledged = { received, derived: Math.min(...derived) }
  const plan = await planRecovery(states, acknowledged)
  const directory = new Directory(behavior, states, { clock: systemClock, telemetry })
  const shared = { behavior, directory, clock: systemClock, log, telemetry }
  const partition = new Partition<State, Arrival, Page>(
    {
      ...shared,
      partition: options.partition,
      idOf: options.idOf,
      history: options.history(silver),
      received: receivedTarget(bronze),
      derived: derivedTarget(silver, metrics, options.listen),
      limits: { turnsPerSliceMax: 500, mailboxMax: 10_000, awakeMax: config.actorsAwakeMax },
    },
    plan.replayFrom - 1,
  )
  const { inlet, note } = options.inlet(partition, readNote(states))
  const { frames, overloaded } = options
  const replay = new Replay<Message>(
    { journal, partition: inlet, frames, clock: systemClock, log },
    plan,
  )
  telemetry
    .gauge('orrery_replay_messages', 'Messages that this start had to replay from the journal')
    .set(replay.total)
  telemetry
    .gauge('orrery_replay_behind', 'Messages on disk that are still to be replayed')
    .from(() => replay.behind)
  const limits = {
    backlogMax: BACKLOG_MAX,
    perTurnMax: PER_TURN_MAX,
    retryAfterMs: RETRY_AFTER_MS,
  }
  const ports = { journal, partition: replay, frames, clock: systemClock, telemetry }
  const intake = new Intake<Message>({ ...ports, limits, overloaded })
  // Who is never put away hears of every tide: nobody may be asleep.
  if (!options.putAway)
    for (const stored of states.live()) directory.get(directory.idOf(stored.key))

  let recovered = false
  const sweep = options.putAway
    ? new Sweep<State, Arrival, Page>({
        ...shared,
        store: states,
        // A timer's message goes to the end of the journal: it must not overtake what is still replayed.
        fire: (key, timer) => recovered && intake.fireTimer(key, timer, () => sweep?.fired(key)),
        madeRoom: () => partition.wake(),
        limits: {
          awakeMax: config.actorsAwakeMax,
          idleMs: config.actorIdleMs,
          cellsPerStepMax: 5_000,
          everyMs: 1_000,
        },
      })
    : null
  const checkpoint = new Checkpoint<State, Arrival, Page>({
    ...shared,
    ...(note ? { note } : {}),
    store: states,
    handledThrough: () => partition.handledThrough,
    acknowledged: (offset) => untilAcknowledged([silver, metrics], offset),
  })
  const parts = { ...stores, directory, partition, replay, intake }
  const upkeep = new Upkeep({ ...parts, checkpoint, config, clock: systemClock, log })
  let replayed: Promise<unknown> = Promise.resolve()
  return {
    ...parts,
    async run() {
      // A replay wakes actors too: with none put away it would stop at the bound for good.
      sweep?.start()
      replayed = replay.run().then(() => {
        recovered = true
      })
      upkeep.start()
      await replayed
    },
    async flush(which) {
      await partition.handled(journal.nextOffset - 1)
      const sinks = which === 'silver' ? [silver] : [bronze, silver, metrics]
      await Promise.all(sinks.map((sink) => sink.flush()))
    },
    stop: (endMs) => stop({ ...parts, replayed, sweep, upkeep, log }, endMs),
  }
}

async function openStores<State, Message, Arrival, Page>({
  config,
  log,
  telemetry,
  partition,
  ...options
}: StreamOptions<State, Message, Arrival, Page>) {
  const clock = systemClock
  const journal = await SegmentJournal.open({
    directory: join(config.dataDir, options.journalDirectory),
    partition,
    ...{ clock, log, telemetry, disk: systemDisk },
    segmentBytesMax: config.journalSegmentBytes,
    waitingBytesMax: config.journalWaitingBytesMax,
  })
  const states = await SqliteStateStore.open({
    path: join(config.dataDir, options.statesPath),
    log,
  })
  const sinks = await options.sinks(states)
  const actorOf = <Row>(sink: Sink<Row>): SinkActor<Row> =>
    new SinkActor<Row>({ sink, partition, clock, random: Math.random, log, telemetry })
  const [bronze, silver] = [actorOf(sinks.bronze), actorOf(sinks.silver)]
  return { journal, states, bronze, silver, metrics: actorOf(sinks.metrics) }
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

type StopParts = Readonly<{
  journal: SegmentJournal
  states: SqliteStateStore
  partition: Readonly<{ idle(): Promise<void>; halt(): void }>
  replay: Readonly<{ stop(): boolean }>
  intake: Readonly<{ stop(): void }>
  bronze: SinkActor<FrameFact>
  silver: SinkActor<Fact>
  metrics: SinkActor<Fact>
  replayed: Promise<unknown>
  sweep: Readonly<{ stop(): Promise<void> }> | null
  upkeep: Readonly<{ finish(): Promise<void>; halt(): void }>
  log: Log
}>

/** In order: nothing new, everything journaled handled, everything handled stored, and the states last. */
async function stop(parts: StopParts, endMs: number): Promise<readonly string[]> {
  const { intake, replay, replayed, journal, partition, sweep, upkeep, states } = parts
  const { bronze, silver, metrics } = parts
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
  await step('sweep', async () => sweep?.stop())
  const sinks = [bronze, silver, metrics] as const
  await Promise.all(sinks.map((sink) => step(sink.name, () => sink.flush())))
  // A checkpoint waits for the sinks: without them there is none, and the next start replays.
  if (unflushed.length === 0) await step('checkpoint', () => upkeep.finish())
  else upkeep.halt()
  // With turns left over: their facts would find the sinks closed.
  partition.halt()
  await Promise.all(sinks.map((sink) => sink.close(0)))
  await step('states', () => states.close())
  // What was handled is in a checkpoint; what comes after it is on disk.
  return isBehind ? [...unflushed, 'replay'] : unflushed
}
