/** Shortest and longest duration of a trip, seconds. */
export const DURATION_MIN_S = 60
export const DURATION_MAX_S = 7_200

/** Up to so many durations are a sorted list: two bytes each instead of 30 KB a window. */
const SORTED_MAX = 1_024
/** A shift this long is cheaper as one copy. */
const COPY_MIN = 24

const FINE = 7_168
const TENS_AT = FINE
const HUNDREDS_AT = TENS_AT + (FINE >> 4)
const COUNTERS = HUNDREDS_AT + (FINE >> 8)

/**
 * The durations of a window's trips, counted, with any rank exact. Few are a sorted list. Many are
 * counters, one a second, with sums over 16 and 256 of them: an addition is three increments and a rank
 * at most 60 looks, at any number of trips.
 */
export class Durations {
  count = 0
  /** Seconds, all together. */
  sum = 0
  #sorted = new Uint16Array(8)
  #counters: Uint32Array | null = null

  /** Adds `times` trips of one duration, a whole number of seconds from DURATION_MIN_S to DURATION_MAX_S. */
  add(durationS: number, times = 1): void {
    if (!this.#counters && this.count + times > SORTED_MAX) this.#counters = this.#counted()
    if (this.#counters) countIn(this.#counters, durationS, times)
    else for (let time = 0; time < times; time++) this.#insert(durationS, this.count + time)
    this.count += times
    this.sum += durationS * times
  }

  /** The `rank`-th shortest, from 1 to `count`. */
  at(rank: number): number {
    if (!this.#counters) return this.#sorted[rank - 1] ?? 0
    const counters = this.#counters
    let rest = rank
    let place = HUNDREDS_AT
    for (; rest > (counters[place] ?? Infinity); place++) rest -= counters[place] ?? 0
    place = TENS_AT + ((place - HUNDREDS_AT) << 4)
    for (; rest > (counters[place] ?? Infinity); place++) rest -= counters[place] ?? 0
    place = (place - TENS_AT) << 4
    for (; rest > (counters[place] ?? Infinity); place++) rest -= counters[place] ?? 0
    return DURATION_MIN_S + place
  }

  /** Each distinct duration and how often it is there, shortest first. */
  forEach(visit: (durationS: number, times: number) => void): void {
    if (this.#counters) {
      for (let place = 0; place < FINE; place++) {
        const times = this.#counters[place] ?? 0
        if (times > 0) visit(DURATION_MIN_S + place, times)
      }
      return
    }
    for (let index = 0; index < this.count;) {
      const durationS = this.#sorted[index] ?? 0
      let end = index + 1
      while (end < this.count && this.#sorted[end] === durationS) end++
      visit(durationS, end - index)
      index = end
    }
  }

  #insert(durationS: number, count: number): void {
    let sorted = this.#sorted
    if (count === sorted.length) {
      sorted = new Uint16Array(count * 2)
      sorted.set(this.#sorted)
      this.#sorted = sorted
    }
    let low = 0
    let high = count
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((sorted[middle] ?? 0) <= durationS) low = middle + 1
      else high = middle
    }
    if (count - low >= COPY_MIN) sorted.copyWithin(low + 1, low, count)
    else for (let index = count; index > low; index--) sorted[index] = sorted[index - 1] ?? 0
    sorted[low] = durationS
  }

  #counted(): Uint32Array {
    const counters = new Uint32Array(COUNTERS)
    this.forEach((durationS, times) => countIn(counters, durationS, times))
    this.#sorted = new Uint16Array(0)
    return counters
  }
}

function countIn(counters: Uint32Array, durationS: number, times: number): void {
  const place = durationS - DURATION_MIN_S
  const tens = TENS_AT + (place >> 4)
  const hundreds = HUNDREDS_AT + (place >> 8)
  counters[place] = (counters[place] ?? 0) + times
  counters[tens] = (counters[tens] ?? 0) + times
  counters[hundreds] = (counters[hundreds] ?? 0) + times
}
