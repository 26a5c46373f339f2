import { nanoid } from 'nanoid'

import { Feed } from '../actors/feed/feed.ts'
import type { SequencedDelta } from '../actors/feed/ring.ts'
import type { Clock } from '../actors/kernel/clock.ts'
import type { Directory } from '../actors/kernel/directory.ts'
import { messageOf } from '../actors/kernel/errors.ts'
import type { StateStore } from '../actors/kernel/state-store.ts'
import type { Histogram, Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact } from '../actors/model/fact.ts'
import type { LiveKpi, LiveSnapshot } from '../actors/model/live.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { SessionState } from '../actors/session/state.ts'
import { feedSessionOf } from '../actors/session/state.ts'
import type { LiveFeed } from '../gateway/ports.ts'
import type { MetricsBoard } from '../sinks/metrics/board.ts'
import { RecentQuantile } from './recent-quantile.ts'
import { isWatched } from './watching.ts'

type Listener = Parameters<LiveFeed['subscribe']>[0]

/** What the figures are read from; known once the pipeline stands. */
export type LiveSources = Readonly<{
  directory: Directory<SessionState, Ping>
  states: StateStore
  board: MetricsBoard
  accepted: () => number
  /** Wall clock up to which everything received is in every store. */
  completeUpToMs: () => number
  ackMs: Histogram
  queryableMs: Histogram
}>

const VEHICLES_MAX = 200_000
/** One tick makes one delta: short beside the half second in which a position must be on the map. */
const TICK_MS = 150
const KPI_MS = 1_000
/** A viewer that was cut off finds the deltas it missed for so long. */
const COME_BACK_MS = 60_000
/** Seconds over which rates and percentiles are taken. */
const RECENT_S = 5

/** The live map's feed joined to the facts, with its ticks and figures. */
export class Live implements LiveFeed {
  readonly #feed: Feed
  readonly #clock: Clock
  readonly #log: Log
  readonly #listeners = new Set<Listener>()
  #sources: LiveSources | null = null
  #ackP95: RecentQuantile | null = null
  #queryableP95: RecentQuantile | null = null
  #acceptedAt: number[] = []
  /** When somebody last watched. */
  #watchedMs = -Infinity
  #cancels: (() => void)[] = []

  constructor(clock: Clock, telemetry: Telemetry, log: Log) {
    this.#clock = clock
    this.#log = log
    this.#feed = new Feed({
      epoch: nanoid(10),
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
      .from(() => this.#feed.vehicles)
  }

  get epoch(): string {
    return this.#feed.epoch
  }

  get seq(): number {
    return this.#feed.seq
  }

  snapshot(): LiveSnapshot {
    return this.#feed.snapshot(this.#clock.nowMs())
  }

  since(seq: number): readonly SequencedDelta[] | null {
    return this.#feed.since(seq)
  }

  subscribe(on: Listener): () => void {
    this.#listeners.add(on)
    return () => this.#listeners.delete(on)
  }

  /** Puts the sessions under way on the map, before the journal's tail is replayed. */
  restore(sources: LiveSources): void {
    this.#sources = sources
    this.#ackP95 = new RecentQuantile(sources.ackMs, 0.95, RECENT_S)
    this.#queryableP95 = new RecentQuantile(sources.queryableMs, 0.95, RECENT_S)
    for (const stored of sources.states.live()) {
      // Reading on would only delay the start: there is no room for more.
      if (this.#feed.vehicles >= VEHICLES_MAX) break
      try {
        this.#restore(sources.directory.idOf(stored.key), sources.directory.decode(stored))
      } catch (thrown) {
        // One session that cannot be shown must not keep all others from the map.
        this.#log.error({ actor: stored.key, error: messageOf(thrown) }, 'not on the map')
      }
    }
  }

  accept(fact: Fact): void {
    if (this.#feed.accept(fact) || fact.kind !== 'movement') return
    // It had left the map as silent and is heard again.
    const cell = this.#sources?.directory.peek(fact.sessionId)
    if (cell) this.#restore(fact.sessionId, cell.state)
  }

  start(): void {
    this.#repeat(TICK_MS, () => {
      const nowMs = this.#clock.monotonicMs()
      if (isWatched(this.#listeners)) this.#watchedMs = nowMs
      const watched = nowMs - this.#watchedMs < COME_BACK_MS
      const delta = this.#feed.tick(this.#clock.nowMs(), watched)
      if (delta) for (const listener of this.#listeners) listener.delta(delta)
    })
    this.#repeat(KPI_MS, () => {
      const kpi = this.#kpi()
      if (kpi) for (const listener of this.#listeners) listener.kpi(kpi)
    })
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
  }

  #restore(sessionId: string, state: SessionState): void {
    const session = feedSessionOf(state)
    if (session && !session.completed) this.#feed.restore(sessionId, session)
  }

  #kpi(): LiveKpi | null {
    const sources = this.#sources
    if (!sources) return null
    const nowMs = this.#clock.nowMs()
    const kpis = sources.board.kpis(nowMs)
    this.#acceptedAt = [...this.#acceptedAt.slice(-RECENT_S), sources.accepted()]
    const [oldest = 0] = this.#acceptedAt
    const spanS = Math.max(1, this.#acceptedAt.length - 1)
    return {
      nowMs,
      activeSessions: kpis.activeSessions,
      silentSessions: this.#feed.silentCount,
      completedToday: kpis.completedToday,
      pingsPerSecond: Math.round(((this.#acceptedAt.at(-1) ?? 0) - oldest) / spanS),
      ackP95Ms: this.#ackP95?.next() ?? 0,
      queryableP95Ms: this.#queryableP95?.next() ?? null,
      meanSpeedKmh: this.#feed.meanSpeedKmh,
      distanceKmToday: kpis.distanceKmToday,
      completeUpToMs: sources.completeUpToMs(),
    }
  }

  #repeat(everyMs: number, call: () => void): void {
    const index = this.#cancels.length
    const next = (): void => {
      this.#cancels[index] = this.#clock.after(everyMs, () => {
        next()
        call()
      })
    }
    next()
  }
}
