import { Feed } from '../actors/feed/feed.ts'
import type { FeedFigures } from '../actors/feed/figures.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { Directory } from '../actors/kernel/directory.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Histogram, Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import { feedSessionOf, type SessionState } from '../actors/session/state.ts'
import type { MetricsBoard } from '../sinks/metrics/board.ts'
import { RecentCounts } from './recent-counts.ts'

/** What the figures are read from; known once the pipeline stands. */
export type LiveSources = Readonly<{
  directory: Directory<SessionState, Ping>
  states: StateStore
  board: MetricsBoard
  accepted: () => number
  /** Wall clock up to which everything received is in every store. */
  completeUpToMs: () => number
  /** Null where nobody is acknowledged: the gateway may be another process. */
  ackMs: Histogram | null
  queryableMs: Histogram
}>

export const VEHICLES_MAX = 200_000
/** One tick makes one delta: short beside the half second in which a position must be on the map. */
export const TICK_MS = 150
/** Seconds over which rates and percentiles are taken. */
const RECENT_S = 5

/** The facts of sessions as a feed: what stood before them, and the figures beside them. */
export class LiveFacts {
  readonly feed: Feed
  readonly #clock: Clock
  readonly #log: Log
  #sources: LiveSources | null = null
  #ackMs: RecentCounts | null = null
  #queryableMs: RecentCounts | null = null
  #acceptedAt: number[] = []

  constructor(epoch: string, { clock, telemetry, log }: LiveWorld) {
    this.#clock = clock
    this.#log = log
    this.feed = new Feed({
      epoch,
      nowMs: clock.nowMs(),
      limits: {
        vehiclesMax: VEHICLES_MAX,
        completedStayMs: 30_000,
        silentStayMs: 3_600_000,
        deltasMax: 400,
        positionsMax: 100_000,
      },
    })
    telemetry
      .gauge('orrery_map_vehicles', 'Vehicles on the live map')
      .from(() => this.feed.vehicles)
  }

  /** Puts the sessions under way on the map, before the journal's tail is replayed. */
  restore(sources: LiveSources): void {
    this.#sources = sources
    this.#ackMs = sources.ackMs && new RecentCounts(sources.ackMs, RECENT_S)
    this.#queryableMs = new RecentCounts(sources.queryableMs, RECENT_S)
    for (const stored of sources.states.live()) {
      // Reading on would only delay the start: there is no room for more.
      if (this.feed.vehicles >= VEHICLES_MAX) break
      try {
        this.#restore(sources.directory.idOf(stored.key), sources.directory.decode(stored))
      } catch (thrown) {
        // One session that cannot be shown must not keep all others from the map.
        this.#log.error({ actor: stored.key, error: messageOf(thrown) }, 'not on the map')
      }
    }
  }

  accept(fact: Fact): void {
    if (this.feed.accept(fact) || fact.kind !== 'movement') return
    // It had left the map as silent and is heard again.
    const cell = this.#sources?.directory.peek(fact.sessionId)
    if (cell) this.#restore(fact.sessionId, cell.state)
  }

  /** To be asked once a second; null before it was restored. */
  figures(): FeedFigures | null {
    const sources = this.#sources
    if (!sources) return null
    const kpis = sources.board.kpis(this.#clock.nowMs())
    this.#acceptedAt = [...this.#acceptedAt.slice(-RECENT_S), sources.accepted()]
    const [oldest = 0] = this.#acceptedAt
    const spanS = Math.max(1, this.#acceptedAt.length - 1)
    const { sumKmh, count } = this.feed.speeds
    return {
      activeSessions: kpis.activeSessions,
      silentSessions: this.feed.silentCount,
      completedToday: kpis.completedToday,
      distanceKmToday: kpis.distanceKmToday,
      pingsPerSecond: ((this.#acceptedAt.at(-1) ?? 0) - oldest) / spanS,
      ...{ speedSumKmh: sumKmh, speedCount: count },
      ackCounts: this.#ackMs?.next() ?? [],
      queryableCounts: this.#queryableMs?.next() ?? [],
      completeUpToMs: sources.completeUpToMs(),
    }
  }

  #restore(sessionId: string, state: SessionState): void {
    const session = feedSessionOf(state)
    if (session && !session.completed) this.feed.restore(sessionId, session)
  }
}

export type LiveWorld = Readonly<{ clock: Clock; telemetry: Telemetry; log: Log }>
