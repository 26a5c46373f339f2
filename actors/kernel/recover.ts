import { readCheckpoint, readFloor } from './checkpoint.ts'
import { OrreryError } from './errors.ts'
import { Replay, type ReplayOptions } from './replay.ts'
import type { StateStore } from './state-store.ts'

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
  const acknowledgedOnce = Math.max(checkpoint, readFloor(store))
  if (acknowledgedOnce > acknowledged.derived) {
    const message = `the stores hold facts up to offset ${acknowledged.derived}, but had acknowledged ${acknowledgedOnce}: a store was replaced or lost data`
    throw new OrreryError('store_behind', message)
  }
  await store.rewind(acknowledged.derived)
  const lowest = Math.min(checkpoint, acknowledged.received, acknowledged.derived)
  return { replayFrom: lowest + 1, checkpoint }
}

/** Replays the journal's tail to its end; how many messages that were. */
export function replay<Message>(
  options: ReplayOptions<Message>,
  plan: RecoveryPlan,
): Promise<number> {
  return new Replay(options, plan).run()
}
