/** A fix that a session has had. */
export type Fix = Readonly<{ eventTimeUs: number; status: string; lat: number; lng: number }>

/** Asks for an actor's past around an event time, as it stood before a message. */
export type HistoryRequest = Readonly<{
  /** The actor's id: of a session, or of a region. */
  id: string
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

/** The trips of a region in one minute of event time, all of them: their ids. */
export type TripsPage = Readonly<{ minuteMs: number; tripIds: readonly string[] }>

/**
 * Where an actor's past is found that it no longer holds: in the store, and among the facts on their way to
 * it. A request for a region's past is answered with the minute that holds its event time.
 */
export interface History<Page = HistoryPage> {
  load(requests: readonly HistoryRequest[]): Promise<readonly Page[]>
}
