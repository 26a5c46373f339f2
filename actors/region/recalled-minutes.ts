export type RecalledLimits = Readonly<{
  /** Minutes held after they were looked up. */
  recalledMinutesMax: number
  /** Ids in all of them; one minute is held even when it alone has more. */
  recalledIdsMax: number
}>

/**
 * Trip ids of minutes whose windows are gone, as looked up; the longest unused leave first. A cache: what is
 * in it changes no fact, only how often the past is asked for.
 */
export class RecalledMinutes {
  /** By minute since 1970; used last stands last. */
  readonly #minutes = new Map<number, Set<string>>()
  #ids = 0

  has(minute: number): boolean {
    return this.#minutes.has(minute)
  }

  /** The minute's ids; counts as a use. */
  use(minute: number): ReadonlySet<string> | null {
    const ids = this.#minutes.get(minute)
    if (!ids) return null
    this.#minutes.delete(minute)
    this.#minutes.set(minute, ids)
    return ids
  }

  /** A trip came into a minute that is held here; it stays complete. */
  add(minute: number, tripId: string): void {
    const ids = this.#minutes.get(minute)
    if (!ids) return
    ids.add(tripId)
    this.#ids++
  }

  /** Takes a minute in, and lets others go when that is more than the limits allow. */
  put(minute: number, tripIds: readonly string[], limits: RecalledLimits): void {
    this.#drop(minute)
    const ids = new Set(tripIds)
    this.#minutes.set(minute, ids)
    this.#ids += ids.size
    for (const other of this.#minutes.keys()) {
      const fits =
        this.#minutes.size <= limits.recalledMinutesMax && this.#ids <= limits.recalledIdsMax
      if (fits || other === minute) return
      this.#drop(other)
    }
  }

  #drop(minute: number): void {
    this.#ids -= this.#minutes.get(minute)?.size ?? 0
    this.#minutes.delete(minute)
  }
}
