import { readCheckpoint } from '../kernel/checkpoint.ts'
import type { Clock } from '../kernel/clock.ts'
import { OrreryError } from '../kernel/errors.ts'
import type { Journal } from '../kernel/journal.ts'
import type { Partition } from '../kernel/partition.ts'
import type { StateStore } from '../kernel/state-store.ts'
import type { Log } from '../kernel/telemetry.ts'
import type { Ping } from '../model/ping.ts'
import { deliveryOf } from './entries.ts'

/** Messages handed over before the replay waits for the actors and the sinks behind them. */
const AHEAD_MAX = 50_000

/** How far each store has it: the highest offset up to which everything is there, −1 for nothing. */
export type Acknowledged = Readonly<{
  /** Bronze: frames as received. */
  received: number
  /** The lowest of the sinks that take what actors derive. */
  derived: number
}>

/** Where a replay begins, and from where on the actors take part. */
export type RecoveryPlan = Readonly<{
  replayFrom: number
  /** Messages up to here are in the actors' stored states, and their facts in every sink. */
  checkpoint: number
}>

/**
 * Decides what a start has to replay. States newer than the lowest acknowledged offset are dropped
 * first: they would swallow the facts between it and themselves.
 */
export async function planRecovery(
  store: StateStore,
  acknowledged: Acknowledged,
): Promise<RecoveryPlan> {
  const checkpoint = readCheckpoint(store)
  if (checkpoint > acknowledged.derived) {
    const message = `the stores hold facts up to offset ${acknowledged.derived}, but had acknowledged ${checkpoint}: a store was replaced or lost data`
    throw new OrreryError('store_behind', message)
  }
  await store.rewind(acknowledged.derived)
  const lowest = Math.min(checkpoint, acknowledged.received, acknowledged.derived)
  return { replayFrom: lowest + 1, checkpoint }
}

/** Hands the journal's tail to the partition, as fast as the sinks take it; how many messages that were. */
export async function replay(
  options: Readonly<{
    journal: Journal
    partition: Partition<unknown, Ping>
    clock: Clock
    log: Log
    progress?: (done: number, total: number) => void
  }>,
  plan: RecoveryPlan,
): Promise<number> {
  const { journal, partition, clock, log, progress } = options
  const total = journal.nextOffset - plan.replayFrom
  if (total < 0) {
    // Offsets would be given out again, and the stores would take new pings for old ones.
    const message = `the journal ends before offset ${journal.nextOffset}, but the stores hold ${plan.replayFrom - 1}: it was replaced or lost its end`
    throw new OrreryError('journal_behind', message)
  }
  if (total === 0) return 0
  if (plan.replayFrom < journal.firstOffset) {
    const message = `the journal begins at offset ${journal.firstOffset}, but a store still needs ${plan.replayFrom}`
    throw new OrreryError('journal_gap', message)
  }
  const startedMs = clock.monotonicMs()
  log.info({ from: plan.replayFrom, messages: total }, 'replaying the journal')
  let done = 0
  for await (const record of journal.read(plan.replayFrom)) {
    const end = record.offset + record.count - 1
    // A record may begin before the place to start from: sinks and states know what they have.
    partition.enqueue(deliveryOf(record, journal.partition, end <= plan.checkpoint))
    done += record.count
    if (partition.backlog < AHEAD_MAX) continue
    await partition.idle()
    progress?.(done, total)
  }
  await partition.idle()
  const tookMs = Math.round(clock.monotonicMs() - startedMs)
  log.info({ messages: done, tookMs }, 'journal replayed')
  return done
}
