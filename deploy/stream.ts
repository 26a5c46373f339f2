import { join } from 'node:path'

import { systemClock } from '../actors/kernel/clock.ts'
import type { Directory } from '../actors/kernel/directory.ts'
import { systemDisk } from '../actors/kernel/disk.ts'
import { Intake } from '../actors/kernel/intake.ts'
import type { Partition } from '../actors/kernel/partition.ts'
import type { Relays } from '../actors/kernel/relays.ts'
import { Replay } from '../actors/kernel/replay.ts'
import { SegmentJournal } from '../actors/kernel/segment-journal.ts'
import { SqliteStateStore } from '../actors/kernel/sqlite-state-store.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, FrameFact } from '../actors/model/fact.ts'
import type { HistoryPage } from '../actors/model/history.ts'
import type { SinkActor } from '../sinks/sink-actor.ts'
import type { Config } from './settings.ts'
import { EndSteps, openCore, type StreamCore, type StreamShape } from './stream-core.ts'
import { Upkeep } from './upkeep.ts'

/** Committed messages that may wait for their turn: a second or two at full load. */
const BACKLOG_MAX = 100_000
/** Messages taken between two looks at everything else: a tenth of a second's work. */
const PER_TURN_MAX = 10_000
const RETRY_AFTER_MS = 1_000

/** What an embedded stream is opened with. */
export type StreamOptions<State, Message, Arrival, Page> = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  partition: number
  /** Folder of its journal, and file of its actors' states. */
  journalDirectory: string
  statesPath: string
  shape: StreamShape<State, Message, Arrival, Page>
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
  /** How far each edge gateway's messages are in the journal; right once it was replayed. */
  relays: Relays<Message>
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
  const { config, log, telemetry, shape, overloaded } = options
  const { journal, states } = await openFiles(options)
  const core = await openCore({ ...options, states })
  const { partition, inlet, plan, silver, metrics, bronze, directory } = core
  const { frames } = shape
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

  let recovered = false
  // A timer's message goes to the end of the journal: it must not overtake what is still replayed.
  const sweep = core.sweepBy(
    (key, timer, settled) => recovered && intake.fireTimer(key, timer, settled),
  )
  const checkpoint = core.checkpointWith(core.note)
  const around = { journal, states, directory, partition, replay, intake, relays: inlet }
  const parts = { ...around, bronze, silver, metrics }
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
    stop: (endMs) => stop({ ...parts, core, replayed, sweep, upkeep, log }, endMs),
  }
}

async function openFiles<State, Message, Arrival, Page>({
  config,
  log,
  telemetry,
  partition,
  journalDirectory,
  statesPath,
}: StreamOptions<State, Message, Arrival, Page>) {
  const journal = await SegmentJournal.open({
    directory: join(config.dataDir, journalDirectory),
    partition,
    ...{ clock: systemClock, log, telemetry, disk: systemDisk },
    segmentBytesMax: config.journalSegmentBytes,
    waitingBytesMax: config.journalWaitingBytesMax,
  })
  const states = await SqliteStateStore.open({ path: join(config.dataDir, statesPath), log })
  return { journal, states }
}

type StopParts = Readonly<{
  journal: SegmentJournal
  states: SqliteStateStore
  core: Pick<StreamCore<never, never>, 'bronze' | 'silver' | 'metrics'>
  partition: Readonly<{ idle(): Promise<void>; halt(): void }>
  replay: Readonly<{ stop(): boolean }>
  intake: Readonly<{ stop(): void }>
  replayed: Promise<unknown>
  sweep: Readonly<{ stop(): Promise<void> }> | null
  upkeep: Readonly<{ finish(): Promise<void>; halt(): void }>
  log: Log
}>

/** In order: nothing new, everything journaled handled, everything handled stored, and the states last. */
async function stop(parts: StopParts, endMs: number): Promise<readonly string[]> {
  const { intake, replay, replayed, journal, partition, sweep, upkeep, states, core } = parts
  const steps = new EndSteps(endMs, parts.log)
  intake.stop()
  const isBehind = replay.stop()
  await steps.take('replay', () => replayed)
  await steps.take('journal', () => journal.close())
  // The last turns may wake actors: they too need others to be put away.
  await steps.take('actors', () => partition.idle())
  await steps.take('sweep', async () => sweep?.stop())
  const sinks = [core.bronze, core.silver, core.metrics] as const
  await Promise.all(sinks.map((sink) => steps.take(sink.name, () => sink.flush())))
  // A checkpoint waits for the sinks: without them there is none, and the next start replays.
  if (steps.unflushed.length === 0) await steps.take('checkpoint', () => upkeep.finish())
  else upkeep.halt()
  // With turns left over: their facts would find the sinks closed.
  partition.halt()
  await Promise.all(sinks.map((sink) => sink.close(0)))
  await steps.take('states', () => states.close())
  // What was handled is in a checkpoint; what comes after it is on disk.
  return isBehind ? [...steps.unflushed, 'replay'] : steps.unflushed
}
