import { type CountName, minuteOf, noCounts, type OpenCounts, sumOf } from './counts.ts'
import { type MetricsState, MINUTES_READ } from './store.ts'

/** The figures of the whole system, as far as they are stored. Days are UTC, by event time. */
export type MetricsKpis = Readonly<{
  /** Sessions seen and not completed. */
  activeSessions: number
  sessions: number
  /** Sessions that ever reached each status. */
  started: number
  enRoute: number
  completed: number
  startedToday: number
  completedToday: number
  distanceKmToday: number
  distanceKm: number
  pings: number
  /** In the last whole minute. */
  pingsLastMinute: number
  refused: number
  silent: number
}>

/** One whole minute, for sparklines. */
export type MetricsPoint = Readonly<{
  minuteMs: number
  pings: number
  distanceKm: number
  started: number
  enRoute: number
  completed: number
  /** At the end of the minute, as known from what had been received by then. */
  activeSessions: number
}>

const CM_PER_KM = 100_000
const MINUTES_PER_DAY = 1_440

/** Answers from the counts of all partitions; each partition's are what its store has. */
export class MetricsBoard {
  readonly #partitions = new Map<number, MetricsState>()

  /** Shows a partition's counts from now on, as they change. */
  show(partition: number, state: MetricsState): void {
    this.#partitions.set(partition, state)
  }

  /** A partition that is another worker's now. */
  hide(partition: number): void {
    this.#partitions.delete(partition)
  }

  kpis(nowMs: number): MetricsKpis {
    const nowMinute = minuteOf(nowMs)
    const dayStart = nowMinute - (nowMinute % MINUTES_PER_DAY)
    const today = this.#sum(dayStart, dayStart + MINUTES_PER_DAY - 1)
    let totals: OpenCounts = noCounts()
    for (const state of this.#partitions.values()) totals = sumOf(totals, state.totals)
    return {
      activeSessions: totals.opened - totals.finished,
      sessions: totals.opened,
      started: totals.started,
      enRoute: totals.enRoute,
      completed: totals.completed,
      startedToday: today.started,
      completedToday: today.completed,
      distanceKmToday: today.distanceCm / CM_PER_KM,
      distanceKm: totals.distanceCm / CM_PER_KM,
      pings: totals.pings,
      pingsLastMinute: this.#sum(nowMinute - 1, nowMinute - 1).pings,
      refused: totals.refused,
      silent: totals.silent,
    }
  }

  /** The last whole minutes, oldest first, without gaps; at most a day. */
  series(nowMs: number, count = 60): readonly MetricsPoint[] {
    const nowMinute = minuteOf(nowMs)
    const first = nowMinute - Math.min(count, MINUTES_READ)
    const points: MetricsPoint[] = []
    let { activeSessions } = this.kpis(nowMs)
    activeSessions -= this.#net(nowMinute)
    for (let minute = nowMinute - 1; minute >= first; minute--) {
      const counts = this.#sum(minute, minute)
      const { pings, started, enRoute, completed } = counts
      points.push({
        ...{ minuteMs: minute * 60_000, pings, distanceKm: counts.distanceCm / CM_PER_KM },
        ...{ started, enRoute, completed, activeSessions },
      })
      activeSessions -= counts.opened - counts.finished
    }
    return points.reverse()
  }

  #net(minute: number): number {
    const { opened, finished } = this.#sum(minute, Infinity)
    return opened - finished
  }

  #sum(first: number, last: number): Readonly<Record<CountName, number>> {
    let sum = noCounts()
    for (const { minutes } of this.#partitions.values()) {
      if (first === last) {
        sum = sumOf(sum, minutes.get(first) ?? noCounts())
        continue
      }
      for (const [minute, counts] of minutes) {
        if (minute >= first && minute <= last) sum = sumOf(sum, counts)
      }
    }
    return sum
  }
}
