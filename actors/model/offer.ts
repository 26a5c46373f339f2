import type { DeadLetter, Retry } from './fact.ts'
import type { Ping } from './ping.ts'

/** One message of a sender, checked: pings to accept, and what was refused. */
export type Offer = Readonly<{
  /** Name of the key it came with. */
  source: string
  receivedMs: number
  /** JSON text of exactly `pings`, as received: an object, an array or NDJSON. */
  payload: Uint8Array | string
  pings: readonly Ping[]
  deadLetters: readonly DeadLetter[]
  /** Wait until the actors have seen it, and count repeats; slower. */
  countDuplicates: boolean
  /** It is a dead letter, read again: the pings and what came of it are journaled as one entry, after `deadLetters`. */
  retry?: Retry
}>

/** What became of an offer: on disk (and counted), or not taken at all. */
export type OfferOutcome = Readonly<{ ok: true; duplicates: number | null }> | NotTaken

/** Why nothing of an offer was kept, and when it may come again. */
export type NotTaken = Readonly<{
  ok: false
  code: 'busy' | 'disk_full' | 'unavailable'
  message: string
  retryAfterMs: number
}>

/** The way in. `done` is called exactly once, possibly at once. */
export interface Ingest {
  offer(offer: Offer, done: (outcome: OfferOutcome) => void): void
  /** What any offer would be told now, or null: asked before a message is read, which costs more than a refusal. */
  refusal?(): NotTaken | null
}
