import { PackedIds } from './packed-ids.ts'

export type PastLimits = Readonly<{
  /** Minutes whose ids are held after their window is gone. */
  pastMinutesMax: number
  /** Ids in all of them; a minute that was looked up is held even when it alone has more. */
  pastIdsMax: number
}>

/**
 * Trip ids of minutes whose windows are gone: of those let go last, and of those looked up; the longest
 * unused leave first. A cache: what is in it changes no fact, only how often the past is asked for.
 */
export class PastMinutes {
  /**
   * Minutes since 1970. What is after this and neither here nor in a window has had no trip: a first trip
   * that is too late needs no look into the past.
   */
  knownAfter: number
  /** By minute; used last stands last. */
  readonly #minutes = new Map<number, PackedIds>()
  #ids = 0

  constructor(knownAfter = -Infinity) {
    this.knownAfter = knownAfter
  }

  /** Whether all ids of a minute without window are known, be it that there are none. */
  knows(minute: number): boolean {
    return minute > this.knownAfter || this.#minutes.has(minute)
  }

  /** The minute's ids; counts as a use. Null when there are none here. */
  use(minute: number): PackedIds | null {
    const ids = this.#minutes.get(minute)
    if (!ids) return null
    this.#minutes.delete(minute)
    this.#minutes.set(minute, ids)
    return ids
  }

  /** A trip came into a minute that is known. */
  add(minute: number, tripId: string, limits: PastLimits): void {
    const ids = this.#minutes.get(minute)
    if (!ids) return this.put(minute, [tripId], limits)
    ids.add(tripId)
    this.#ids++
  }

  /** Takes a minute in, and lets others go when that is more than the limits allow. */
  put(minute: number, tripIds: Iterable<string>, limits: PastLimits): void {
    const ids = new PackedIds(tripIds)
    this.#ids += ids.size - (this.#minutes.get(minute)?.size ?? 0)
    this.#minutes.delete(minute)
    this.#minutes.set(minute, ids)
    for (const [oldest, { size }] of this.#minutes) {
      const fits = this.#minutes.size <= limits.pastMinutesMax && this.#ids <= limits.pastIdsMax
      if (fits || oldest === minute) return
      this.#minutes.delete(oldest)
      this.#ids -= size
      this.forget(oldest)
    }
  }

  /** A minute's ids are not held, here or elsewhere. */
  forget(minute: number): void {
    this.knownAfter = Math.max(this.knownAfter, minute)
  }
}
