import type { DeadLetter, Retry } from './fact.ts'
import type { Ping } from './ping.ts'
import type { Trip } from './trip.ts'

/**
 * Which part of a sender's own count an offer is, where the sender counts: an edge gateway forwards what it has on disk, and
 * whatever of it comes again is taken once.
 */
export type RelayStamp = Readonly<{
  /** An edge gateway's id and the identity of its data folder: never given twice. At most 128 letters, digits and ._- */
  sender: string
  /**
   * The sender's own offset of the last message in the offer. Of n messages the one at `index` has `sequence − n + 1 + index`;
   * a dead letter or a flush has `sequence` itself. One sender's offers come in rising order.
   */
  sequence: number
}>

/** What a sender sent at once, checked: messages (pings, trips) to accept, and what was refused. */
export type Offer<Message = Ping> = Readonly<{
  /** Name of the key it came with. */
  source: string
  receivedMs: number
  /** JSON text of exactly `messages`, as received: an object, an array or NDJSON. */
  payload: Uint8Array | string
  messages: readonly Message[]
  deadLetters: readonly DeadLetter[]
  /** Wait until the actors have seen it, and count repeats; slower. */
  countDuplicates: boolean
  /** It is a dead letter, read again: the messages and what came of it are journaled as one entry, after `deadLetters`. */
  retry?: Retry
  /** It was forwarded by an edge gateway: kept with it, so that a repeat is known. */
  relay?: RelayStamp
}>

/** The way in for trips. */
export interface TripsIngest extends Ingest<Trip> {
  /** Closes what is open: a message of the journal like any other, answered when it is on disk and handled. */
  flush(
    source: string,
    receivedMs: number,
    done: (outcome: OfferOutcome) => void,
    relay?: RelayStamp,
  ): void
}

/** What became of an offer: on disk (and counted; `late` where messages can be), or not taken at all. */
export type OfferOutcome =
  Readonly<{ ok: true; duplicates: number | null; late?: number }> | NotTaken

/** Why nothing of an offer was kept, and when it may come again. */
export type NotTaken = Readonly<{
  ok: false
  code: 'busy' | 'disk_full' | 'unavailable'
  message: string
  retryAfterMs: number
}>

/** The way in. `done` is called exactly once, possibly at once. */
export interface Ingest<Message = Ping> {
  offer(offer: Offer<Message>, done: (outcome: OfferOutcome) => void): void
  /** What any offer would be told now, or null: asked before a message is read, which costs more than a refusal. */
  refusal?(): NotTaken | null
}
