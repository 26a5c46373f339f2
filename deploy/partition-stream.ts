import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

import { nanoid } from 'nanoid'

import type { KafkaLog } from '../actors/kafka/log.ts'
import type { TimerMessage } from '../actors/kernel/behavior.ts'
import { beginAt, readBeginning, readNote } from '../actors/kernel/checkpoint.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { deliveryOf } from '../actors/kernel/entries.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { JournalRecord } from '../actors/kernel/journal.ts'
import { openSharedStates } from '../actors/kernel/shared-states.ts'
import type { SharedStateStore, SnapshotObjects } from '../actors/kernel/snapshots.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { HistoryPage } from '../actors/model/history.ts'
import { PartitionUpkeep } from './partition-upkeep.ts'
import type { Config } from './settings.ts'
import { EndSteps, openCore, type StreamCore, type StreamShape } from './stream-core.ts'

/** Messages handed over that no actor has handled yet, beyond which reading stands still. */
const BACKLOG_MAX = 20_000
const SINKS = ['bronze', 'silver', 'metrics'] as const

export type PartitionStreamOptions<State, Message, Arrival, Page> = Readonly<{
  config: Config
  log: Log
  telemetry: Telemetry
  /** The partition as Kafka gave it to us; not started yet. */
  journal: KafkaLog
  /** Where its snapshots are. */
  objects: SnapshotObjects
  /** Its actors and stores, for this claim of it. */
  shapeOf: (epoch: number) => StreamShape<State, Message, Arrival, Page>
  /** Appends a due timer to this partition; false when it cannot be taken now. */
  fireTimer: FireTimer
  /** Actors that may be awake in this partition now. */
  awakeMax: () => number
  listen: (fact: Fact) => void
  /** Hears that a store refuses us: somebody else has, or had, the partition. */
  fenced: (message: string) => void
}>

/** `settled` is told the timer's offset when it is stored, or null when it is not and never will be. */
export type FireTimer = (
  key: string,
  timer: TimerMessage,
  settled: (offset: number | null) => void,
) => boolean

/** One partition of Kafka with its actors, for as long as it is ours. */
export type PartitionStream<State, Message, Arrival = Message, Page = HistoryPage> = Readonly<{
  journal: KafkaLog
  states: SharedStateStore
  core: StreamCore<State, Message, Arrival, Page>
  /** Reads on where the stores stand; resolves when what was there at the assignment has been read. */
  start(): Promise<void>
  /** Handles and stores everything read, makes a snapshot of it, and closes: the next owner has nothing to replay. */
  handOver(endMs: number): Promise<readonly string[]>
  /** Closes without writing anything more. */
  abandon(): Promise<void>
}>

/** What is left there by a process that was killed is of no use: the next claim brings it from the snapshot. */
export async function clearScratch(config: Config): Promise<void> {
  await rm(scratchFolder(config), { recursive: true, force: true })
  await mkdir(scratchFolder(config), { recursive: true, mode: 0o700 })
}

function scratchFolder({ dataDir }: Config): string {
  return join(dataDir, 'partitions')
}

/** Claims a partition, brings its actors' states here, and opens its stores. */
export async function openPartitionStream<State, Message, Arrival, Page>(
  options: PartitionStreamOptions<State, Message, Arrival, Page>,
): Promise<PartitionStream<State, Message, Arrival, Page>> {
  const { config, log, journal, objects, telemetry } = options
  const clock = systemClock
  const startedMs = clock.monotonicMs()
  // Its own: a tenure that takes too long to end may still be there when the partition comes back.
  const path = join(scratchFolder(config), `${journal.partition}-${nanoid(8)}.db`)
  const states = await openSharedStates({
    ...{ objects, path, log, clock, telemetry },
    signal: journal.signal,
  })
  const closeStates = async (): Promise<void> => {
    await states.close().catch((thrown: unknown) => {
      log.warn({ partition: journal.partition, error: messageOf(thrown) }, 'states not closed')
    })
    for (const end of ['', '-wal', '-shm']) await rm(`${path}${end}`, { force: true })
  }
  try {
    // Its owner before may have read on until our claim.
    await journal.refresh()
    const beginning = await beginningOf(states, journal)
    const shape = options.shapeOf(states.epoch)
    const { partition } = journal
    const noted = readNote(states)
    const refused = Promise.withResolvers<void>()
    const fenced = (message: string): void => {
      refused.resolve()
      options.fenced(message)
    }
    const core = await openCore({
      ...{ config, log, telemetry, partition, shape, states, listen: options.listen },
      awakeMax: options.awakeMax,
      nothing: beginning - 1,
      noteOf: (note) => notesOf(note).inlet,
      fenced,
      signal: journal.signal,
    })
    const tookMs = Math.round(clock.monotonicMs() - startedMs)
    const { epoch } = states
    log.info({ partition, epoch, ...core.plan, tookMs }, 'partition opened')
    const opened = { states, core, shape, closeStates, note: notesOf(noted).log }
    return joined({ ...options, ...opened, fenced, refused: refused.promise })
  } catch (cause) {
    await closeStates()
    throw cause
  }
}

/** Where the partition began when it was first seen: a topic may have let go of its beginning before. */
async function beginningOf(states: SharedStateStore, journal: KafkaLog): Promise<number> {
  const known = readBeginning(states)
  if (known !== null) return known
  await beginAt(states, journal.firstOffset)
  // A crash before the first snapshot must find the same beginning.
  await states.publish(journal.firstOffset - 1)
  return journal.firstOffset
}

type Joined<State, Message, Arrival, Page> = PartitionStreamOptions<State, Message, Arrival, Page> &
  Readonly<{
    states: SharedStateStore
    core: StreamCore<State, Message, Arrival, Page>
    shape: StreamShape<State, Message, Arrival, Page>
    closeStates: () => Promise<void>
    /** Resolves when a store has refused us. */
    refused: Promise<void>
    /** What the log's newest checkpoint noted of repeats. */
    note: string
  }>

function joined<State, Message, Arrival, Page>(
  parts: Joined<State, Message, Arrival, Page>,
): PartitionStream<State, Message, Arrival, Page> {
  const { config, log, journal, states, core, shape } = parts
  const { partition, inlet, plan } = core
  const timers = new Timers(parts.fireTimer)
  let caughtUp = false
  const sweep = core.sweepBy((key, timer, settled) => caughtUp && timers.fire(key, timer, settled))
  const upkeep = new PartitionUpkeep({
    ...{ config, log, clock: systemClock, journal, states, core, fenced: parts.fenced },
    checkpoint: core.checkpointWith((offset) => notesText(journal.note(), core.note(offset))),
  })
  const take = (records: readonly JournalRecord[]): void => {
    for (const record of records) {
      // Of what every store of derived facts has, only the frames may be wanted.
      const skipActors = record.offset + record.count - 1 <= plan.checkpoint
      const delivery = deliveryOf(record, journal.partition, shape.frames, skipActors)
      inlet.enqueue(delivery.kind === 'timer' ? timers.answered(delivery) : delivery)
    }
  }
  const close = async (): Promise<void> => {
    partition.halt()
    await Promise.all(SINKS.map((name) => core[name].close(0)))
    await parts.closeStates()
  }
  return {
    journal,
    states,
    core,
    async start() {
      sweep?.start()
      upkeep.start()
      const full = (): boolean => inlet.backlog >= BACKLOG_MAX
      journal.start({ from: plan.replayFrom, note: parts.note, take, full })
      await journal.caughtUp
      caughtUp = true
    },
    async handOver(endMs) {
      const steps = new EndSteps(endMs, log)
      const flushed = async (): Promise<void> => {
        await steps.take('actors', () => partition.idle())
        await steps.take('sweep', async () => sweep?.stop())
        await Promise.all(SINKS.map((name) => steps.take(name, () => core[name].flush())))
        if (steps.unflushed.length === 0) await steps.take('snapshot', () => upkeep.finish())
      }
      // Kafka does not wait for us: once the next owner has claimed the partition, it replays what we have not stored.
      const isOvertaken = await Promise.race([
        flushed().then(() => false),
        parts.refused.then(() => true),
      ])
      upkeep.halt()
      await close()
      return isOvertaken ? [] : steps.unflushed
    },
    async abandon() {
      upkeep.halt()
      const stopped = sweep?.stop()
      await close()
      await stopped
    },
  }
}

/** Timers that are on their way through Kafka: each actor has one at most, and it is settled when it was handled. */
class Timers {
  readonly #fire: FireTimer
  readonly #settled = new Map<string, () => void>()

  constructor(fire: FireTimer) {
    this.#fire = fire
  }

  fire(key: string, timer: TimerMessage, settled: () => void): boolean {
    this.#settled.set(key, settled)
    const isTaken = this.#fire(key, timer, (offset) => {
      // What is stored comes back by the log; what is not will never come.
      if (offset === null) this.#end(key)
    })
    if (!isTaken) this.#settled.delete(key)
    return isTaken
  }

  #end(key: string): void {
    const settled = this.#settled.get(key)
    this.#settled.delete(key)
    settled?.()
  }

  answered<Timer extends Readonly<{ key: string; applied: (() => void) | null }>>(
    delivery: Timer,
  ): Timer {
    return { ...delivery, applied: () => this.#end(delivery.key) }
  }
}

/** A checkpoint's note has two parts, the log's and the inlet's, and no space in it. */
function notesText(log: string, inlet: string): string {
  return `${encodeURIComponent(log)},${encodeURIComponent(inlet)}`
}

function notesOf(note: string): Readonly<{ log: string; inlet: string }> {
  const [log = '', inlet = ''] = note.split(',').map(decodeURIComponent)
  return { log, inlet }
}
