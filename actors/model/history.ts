/** A fix that a session has had. */
export type Fix = Readonly<{ eventTimeUs: number; status: string; lat: number; lng: number }>

/** Asks for a session's fixes around an event time, as they stood before a message. */
export type HistoryRequest = Readonly<{
  sessionId: string
  partition: number
  eventTimeUs: number
  /** Only facts of messages below this offset: a replay then sees what the first run saw. */
  beforeOffset: number
}>

/**
 * A stretch of a session's fixes, in any order. It is complete from `fromUs` to `toUs` inclusive
 * (−Infinity and Infinity where the session's life ends within it).
 */
export type HistoryPage = Readonly<{ fixes: readonly Fix[]; fromUs: number; toUs: number }>

/** Where fixes are found that an actor no longer holds: in the store, and among the facts on their way to it. */
export interface History {
  load(requests: readonly HistoryRequest[]): Promise<readonly HistoryPage[]>
}
