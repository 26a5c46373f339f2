import type { DeadLetterFact, Fact, FrameFact, RetryFact } from '../model/fact.ts'
import type { RelayStamp } from '../model/offer.ts'
import type { Tide, TimerMessage } from './behavior.ts'

/** Hears how many of an entry's messages were exact repeats, and how many were late. */
export type Applied = (duplicates: number, late: number) => void

/** Where facts go. `advance(offset)`: every fact of messages up to `offset` has been handed over. */
export interface FactTarget {
  readonly full: boolean
  accept(fact: Fact): void
  advance(offset: number): void
  /** Calls when `full` turns false again. */
  onRoom(call: () => void): void
}

/** One committed entry of the journal, ready for the actors. */
export type Delivery<Message> = Readonly<{
  offset: number
  count: number
  receivedMs: number
  /** The place it has at the edge gateway that forwarded it. */
  relay?: RelayStamp
}> &
  (
    | Readonly<{
        kind: 'messages'
        messages: readonly Message[]
        frame: FrameFact
        /** The dead letter that these messages are from: said after the last of them, at an offset of its own. */
        retry?: RetryFact
        /** How far the stream has come with them, where that means something: told after the last of them. */
        tide?: Tide
        /** Told when every message was handled. */
        applied: Applied | null
      }>
    | Readonly<{ kind: 'fact'; fact: DeadLetterFact | RetryFact }>
    | Readonly<{
        kind: 'tide'
        /** Null when only the offset counts. */
        tide: Tide | null
        /** Told when every actor has heard of it. */
        applied: (() => void) | null
      }>
    | Readonly<{
        kind: 'timer'
        key: string
        timer: TimerMessage
        /** Told when it was handled. */
        applied: (() => void) | null
      }>
  )
