import type { Behavior } from '../actors/kernel/behavior.ts'
import { Checkpoint, readNote } from '../actors/kernel/checkpoint.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import type { FrameKind } from '../actors/kernel/entries.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { Inlet } from '../actors/kernel/intake.ts'
import { Partition } from '../actors/kernel/partition.ts'
import { planRecovery, type RecoveryPlan } from '../actors/kernel/recover.ts'
import { Relays } from '../actors/kernel/relays.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import { Sweep } from '../actors/kernel/sweep.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, FrameFact } from '../actors/model/fact.ts'
import type { History, HistoryPage } from '../actors/model/history.ts'
import { SinkActor } from '../sinks/sink-actor.ts'
import type { Sink } from '../sinks/sink.ts'
import type { Config } from './settings.ts'
import { derivedTarget, receivedTarget } from './targets.ts'
import { within } from './within.ts'

/** Where a stream's messages go in, and what waits for them. */
export type StreamInlet<Message> = Inlet<Message> &
  Readonly<{ handled(offset: number): Promise<void> }>

/** The three places that a stream's facts end in. */
export type StreamSinks = Readonly<{
  bronze: Sink<FrameFact>
  silver: Sink<Fact>
  metrics: Sink<Fact>
}>

/** What makes a stream, wherever its journal is: its messages, its actors, its stores. */
export type StreamShape<State, Message, Arrival, Page> = Readonly<{
  frames: FrameKind<Message>
  behavior: Behavior<State, Arrival, Page>
  idOf: (arrival: Arrival) => string
  /** Made once the states can be read: some of them keep their marks there. */
  sinks: (states: StateStore) => Promise<StreamSinks>
  history: (silver: SinkActor<Fact>) => History<Page>
  /** What stands before the actors: how messages become what they take, and what a checkpoint must note of it. */
  inlet: (
    partition: Partition<State, Arrival, Page>,
    note: string,
  ) => Readonly<{ inlet: StreamInlet<Message>; note?: (offset: number) => string }>
  /** Actors that are idle, or too many, are put away and have timers; else all are awake, always. */
  putAway: boolean
}>

export type CoreOptions<State, Message, Arrival, Page> = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  partition: number
  shape: StreamShape<State, Message, Arrival, Page>
  states: StateStore
  /** What a store that has nothing is taken to have: the offset before the first there ever was. */
  nothing?: number
  /** The inlet's part of a checkpoint's note. */
  noteOf?: (note: string) => string
  listen: (fact: Fact) => void
  /** Hears that a store refuses this writer for good. */
  fenced?: (message: string) => void
  /** Actors that may be awake here, asked again and again; as configured when left out. */
  awakeMax?: () => number
  /** Ends the opening: stores that are away are waited for no longer. */
  signal?: AbortSignal
}>

/** Actors and sinks of one partition, ready to be handed its entries in order. */
export type StreamCore<State, Message, Arrival = Message, Page = HistoryPage> = Readonly<{
  states: StateStore
  directory: Directory<State, Arrival, Page>
  partition: Partition<State, Arrival, Page>
  plan: RecoveryPlan
  /** Where entries go in; it knows how far each edge gateway's are. */
  inlet: Relays<Message>
  note: (offset: number) => string
  bronze: SinkActor<FrameFact>
  silver: SinkActor<Fact>
  metrics: SinkActor<Fact>
  /** Puts actors away and fires their timers; null where all stay awake. */
  sweepBy(
    fire: (key: string, timer: Parameters<TimerFire>[1], settled: () => void) => boolean,
  ): Sweep<State, Arrival, Page> | null
  checkpointWith(note: (offset: number) => string): Checkpoint<State, Arrival, Page>
}>

type TimerFire = ConstructorParameters<typeof Sweep>[0]['fire']

/** Opens the sinks, drops what they do not have, and wakes who must be awake. What was opened is closed when it fails. */
export async function openCore<State, Message, Arrival, Page>(
  options: CoreOptions<State, Message, Arrival, Page>,
): Promise<StreamCore<State, Message, Arrival, Page>> {
  const { config, log, telemetry, shape, states, fenced, nothing = -1 } = options
  const { awakeMax = () => config.actorsAwakeMax } = options
  const clock = systemClock
  const sinks = await shape.sinks(states)
  const actorOf = <Row>(sink: Sink<Row>): SinkActor<Row> => {
    const around = { clock, random: Math.random, log, telemetry, ...(fenced ? { fenced } : {}) }
    return new SinkActor<Row>({ sink, partition: options.partition, ...around })
  }
  const [bronze, silver] = [actorOf(sinks.bronze), actorOf(sinks.silver)]
  const metrics = actorOf(sinks.metrics)
  const close = async (): Promise<void> => {
    await Promise.all([bronze, silver, metrics].map((sink) => sink.close(0)))
  }
  const giveUp = (): void => void close()
  options.signal?.addEventListener('abort', giveUp, { once: true })
  try {
    const opening = [bronze.open(), silver.open(), metrics.open()] as const
    const [received, ...derived] = await Promise.all(opening)
    const acknowledged = {
      received: Math.max(nothing, received),
      derived: Math.max(nothing, Math.min(...derived)),
    }
    const plan = await planRecovery(states, acknowledged)
    const directory = new Directory(shape.behavior, states, { clock, telemetry })
    const shared = { behavior: shape.behavior, directory, clock, log, telemetry }
    const partition = new Partition<State, Arrival, Page>(
      {
        ...shared,
        partition: options.partition,
        idOf: shape.idOf,
        history: shape.history(silver),
        received: receivedTarget(bronze),
        derived: derivedTarget(silver, metrics, options.listen),
        limits: {
          ...{ turnsPerSliceMax: 500, mailboxMax: 10_000 },
          get awakeMax() {
            return awakeMax()
          },
        },
      },
      plan.replayFrom - 1,
    )
    const { noteOf = (note: string) => note } = options
    const relays = Relays.before(noteOf(readNote(states)), (note) => shape.inlet(partition, note))
    // Who is never put away hears of every tide: nobody may be asleep.
    if (!shape.putAway)
      for (const stored of states.live()) directory.get(directory.idOf(stored.key))
    const note = (offset: number): string => relays.noteAt(offset)
    const around = { states, directory, partition, plan, inlet: relays, note }
    const parts = { ...around, bronze, silver, metrics }
    return {
      ...parts,
      sweepBy(fire) {
        if (!shape.putAway) return null
        const sweep: Sweep<State, Arrival, Page> = new Sweep<State, Arrival, Page>({
          ...shared,
          store: states,
          fire: (key, timer) => fire(key, timer, () => sweep.fired(key)),
          madeRoom: () => partition.wake(),
          limits: {
            get awakeMax() {
              return awakeMax()
            },
            idleMs: config.actorIdleMs,
            cellsPerStepMax: 5_000,
            everyMs: 1_000,
          },
        })
        return sweep
      },
      checkpointWith: (noted) =>
        new Checkpoint<State, Arrival, Page>({
          ...shared,
          note: noted,
          store: states,
          handledThrough: () => partition.handledThrough,
          acknowledged: (offset) => untilAcknowledged([silver, metrics], offset),
        }),
    }
  } catch (cause) {
    await close()
    throw cause
  } finally {
    options.signal?.removeEventListener('abort', giveUp)
  }
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

/** The steps of an orderly end, each within what is left of the time; names those that did not come to theirs. */
export class EndSteps {
  readonly unflushed: string[] = []
  readonly #endMs: number
  readonly #log: Log

  constructor(endMs: number, log: Log) {
    this.#endMs = endMs
    this.#log = log
  }

  async take(name: string, work: () => Promise<unknown>): Promise<void> {
    const leftMs = Math.max(0, this.#endMs - systemClock.monotonicMs())
    const done = await within(work(), leftMs).catch((cause: unknown) => {
      this.#log.error({ step: name, error: messageOf(cause) }, 'stop: a step failed')
      return false
    })
    if (!done) this.unflushed.push(name)
  }
}
