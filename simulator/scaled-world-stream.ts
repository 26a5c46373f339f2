import type { KafkaLog } from '../actors/kafka/log.ts'
import { beginAt, Checkpoint, readBeginning, readNote } from '../actors/kernel/checkpoint.ts'
import { seededRandom } from '../actors/kernel/clock.ts'
import { Directory } from '../actors/kernel/directory.ts'
import { deliveryOf } from '../actors/kernel/entries.ts'
import type { JournalRecord } from '../actors/kernel/journal.ts'
import { Partition } from '../actors/kernel/partition.ts'
import { planRecovery } from '../actors/kernel/recover.ts'
import { Relays } from '../actors/kernel/relays.ts'
import { openSharedStates } from '../actors/kernel/shared-states.ts'
import type { SharedStateStore } from '../actors/kernel/snapshots.ts'
import { Sweep } from '../actors/kernel/sweep.ts'
import { Telemetry } from '../actors/kernel/telemetry.ts'
import type { Ping } from '../actors/model/ping.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { SessionState } from '../actors/session/state.ts'
import { ClickHouseHistory } from '../sinks/clickhouse/history.ts'
import { joinedHistory } from '../sinks/joined-history.ts'
import { settleWithin } from '../sinks/retry.ts'
import { nodeThreads } from './scaled-world-states.ts'
import { nodeObjects } from './scaled-world-stores.ts'
import {
  makeSinks,
  notesOf,
  notesText,
  type StreamOptions,
  Timers,
  Upkeep,
} from './scaled-world-tenure.ts'
import { simBehavior } from './world-behavior.ts'
import { derivedTarget, receivedTarget, type Sinks, untilAcknowledged } from './world-upkeep.ts'

/** One partition with its actors, for as long as it is ours: joined as `deploy/partition-stream.ts` does it. */
export type Stream = Readonly<{
  journal: KafkaLog
  states: SharedStateStore
  sinks: Sinks
  partition: Partition<SessionState, Ping>
  start(): void
  handOver(endMs: number): Promise<readonly string[]>
  abandon(): Promise<void>
}>

/** Claims a partition, brings its states here, and opens its stores. */
export async function openStream(options: StreamOptions): Promise<Stream> {
  const { servers, node, seams, log, journal, number } = options
  const { clock } = node
  const { scratch, plan } = servers
  const path = scratch.path()
  const random = seededRandom(plan.seed * 43 + number)
  // Before the claim: what the snapshot names must not go while it is brought here.
  const leave = servers.hold(node, journal)
  const open = openSharedStates({
    ...{ path, log, clock, random },
    objects: seams.objects(nodeObjects(servers, node, journal.partition)),
    signal: journal.signal,
    threads: nodeThreads(node, path),
    bounds: { triesMax: 6, partBytes: 2_000 },
  })
  open.catch(leave)
  const states = seams.states(await open)
  const closeStates = async (): Promise<void> => {
    leave()
    await states.close().catch(() => {})
    scratch.remove(path)
  }
  try {
    // Its owner before may have read on until our claim.
    await seams.refresh(() => journal.refresh())()
    const beginning = readBeginning(states) ?? (await beginStates(states, journal))
    const noted = notesOf(readNote(states))
    return await join(options, { states, beginning, noted, closeStates })
  } catch (cause) {
    await closeStates()
    throw cause
  }
}

/** A crash before the first snapshot must find the same beginning. */
async function beginStates(states: SharedStateStore, journal: KafkaLog): Promise<number> {
  await beginAt(states, journal.firstOffset)
  await states.publish(journal.firstOffset - 1)
  return journal.firstOffset
}

type Opened = Readonly<{
  states: SharedStateStore
  beginning: number
  noted: Readonly<{ log: string; inlet: string }>
  closeStates: () => Promise<void>
}>

async function join(options: StreamOptions, opened: Opened): Promise<Stream> {
  const { servers, node, seams, log, journal, number, engine, fireTimer } = options
  const { states, beginning, noted } = opened
  const { base } = servers.plan
  const { limits } = base
  const { clock } = node
  const telemetry = new Telemetry()
  const refused = Promise.withResolvers<void>()
  const fenced = (message: string): void => {
    refused.resolve()
    options.fenced(message)
  }
  const sinks = makeSinks({ ...options, fenced }, states, telemetry)
  const all = [sinks.bronze, sinks.silver, sinks.metrics] as const
  try {
    const [received, ...derived] = [
      await sinks.bronze.open(),
      await sinks.silver.open(),
      await sinks.metrics.open(),
    ]
    const nothing = beginning - 1
    const plan = seams.plan(
      await planRecovery(states, {
        received: Math.max(nothing, received),
        derived: Math.max(nothing, Math.min(...derived)),
      }),
    )
    const behavior = simBehavior(base, number)
    const directory = new Directory<SessionState, Ping>(behavior, states, { clock, telemetry })
    const shared = { behavior, directory, clock, log, telemetry }
    const { historyFixesMax: fixesMax } = limits
    const stored = new ClickHouseHistory(engine, { fixesMax, tiesMax: 1_000, requestsMax: 4 })
    const partition = new Partition<SessionState, Ping>(
      {
        ...shared,
        partition: journal.partition,
        idOf: (ping) => ping.sessionId,
        history: joinedHistory(stored, sinks.silver),
        received: receivedTarget(sinks),
        derived: derivedTarget(sinks, () => {}),
        limits,
      },
      plan.replayFrom - 1,
    )
    const inlet = Relays.before<Ping>(noted.inlet, () => ({ inlet: partition }))
    const timers = new Timers(fireTimer)
    let caughtUp = false
    const sweep: Sweep<SessionState, Ping> = new Sweep<SessionState, Ping>({
      ...shared,
      store: states,
      fire: (key, timer) => caughtUp && timers.fire(key, timer, () => sweep.fired(key)),
      madeRoom: () => partition.wake(),
      limits: {
        awakeMax: limits.awakeMax,
        idleMs: limits.idleMs,
        cellsPerStepMax: 5,
        everyMs: limits.sweepMs,
      },
    })
    const wait = seams.acknowledged((offset) => untilAcknowledged(sinks, offset))
    const checkpoint = new Checkpoint<SessionState, Ping>({
      ...shared,
      store: states,
      note: (offset) => notesText(journal.note(), inlet.noteAt(offset)),
      handledThrough: () => partition.handledThrough,
      acknowledged: wait,
    })
    const upkeep = new Upkeep({ ...options, fenced }, { states, sinks, checkpoint, partition })
    const take = (records: readonly JournalRecord[]): void => {
      for (const record of records) {
        const skipActors = record.offset + record.count - 1 <= plan.checkpoint
        const delivery = deliveryOf(record, journal.partition, PINGS, skipActors)
        inlet.enqueue(delivery.kind === 'timer' ? timers.answered(delivery) : delivery)
      }
    }
    const close = async (): Promise<void> => {
      partition.halt()
      await Promise.all(all.map((sink) => sink.close(0)))
      await opened.closeStates()
    }
    return {
      ...{ journal, states, sinks, partition },
      start() {
        sweep.start()
        upkeep.start()
        const full = (): boolean => inlet.backlog >= limits.backlogMax
        journal.start({ from: plan.replayFrom, note: seams.note(noted.log), take, full })
        void journal.caughtUp.then(() => {
          caughtUp = true
        })
      },
      async handOver(endMs) {
        const unflushed: string[] = []
        const step = async (name: string, work: () => Promise<unknown>): Promise<void> => {
          let isDone = false
          const done = work().then(
            () => void (isDone = true),
            () => {},
          )
          await settleWithin(clock, Math.max(0, endMs - clock.monotonicMs()), done)
          if (!isDone) unflushed.push(name)
        }
        const flushed = async (): Promise<void> => {
          await step('actors', () => partition.idle())
          await step('sweep', () => sweep.stop())
          await Promise.all(all.map((sink) => step(sink.name, () => sink.flush())))
          if (unflushed.length === 0) await step('snapshot', () => upkeep.finish())
        }
        // Once the next owner has claimed the partition, it replays what is not stored.
        await Promise.race([flushed(), refused.promise])
        upkeep.halt()
        await close()
        return unflushed
      },
      async abandon() {
        upkeep.halt()
        const stopped = sweep.stop()
        await close()
        await stopped
      },
    }
  } catch (cause) {
    await Promise.all(all.map((sink) => sink.close(0)))
    throw cause
  }
}
