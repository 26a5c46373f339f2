import type { KafkaLog } from '../actors/kafka/log.ts'
import type { TimerMessage } from '../actors/kernel/behavior.ts'
import { type Checkpoint, raiseFloor } from '../actors/kernel/checkpoint.ts'
import { seededRandom } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { Partition } from '../actors/kernel/partition.ts'
import type { SharedStateStore } from '../actors/kernel/snapshots.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Fact, PingsFact } from '../actors/model/fact.ts'
import type { Ping } from '../actors/model/ping.ts'
import type { SessionState } from '../actors/session/state.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { CLICKHOUSE_LIMITS, ClickHouseSink } from '../sinks/clickhouse/sink.ts'
import type { IcebergSink } from '../sinks/iceberg/sink.ts'
import { MetricsBoard } from '../sinks/metrics/board.ts'
import { MemoryMetricsStore } from '../sinks/metrics/memory-store.ts'
import { METRICS_LIMITS, MetricsSink } from '../sinks/metrics/sink.ts'
import { SinkActor } from '../sinks/sink-actor.ts'
import type { Sink } from '../sinks/sink.ts'
import type { Node } from './scaled-world-node.ts'
import type { ScaledSeams, Standing } from './scaled-world-seams.ts'
import { partitionBronze, type Servers } from './scaled-world-stores.ts'
import type { Sinks } from './world-upkeep.ts'

/** `settled` is told the timer's offset when it is stored, or null when it is not and never will be. */
export type FireTimer = (
  key: string,
  timer: TimerMessage,
  settled: (offset: number | null) => void,
) => boolean

/** What a tenure of a partition stands on. */
export type StreamOptions = Readonly<{
  servers: Servers
  node: Node
  seams: ScaledSeams
  log: Log
  /** Tells the tenures of a run apart: each has random numbers of its own. */
  number: number
  journal: KafkaLog
  engine: ClickHouse
  bronze: IcebergSink
  fireTimer: FireTimer
  /** Hears that a store refuses us. */
  fenced: (message: string) => void
}>

/** The three sinks of a partition. */
export function makeSinks(
  options: StreamOptions,
  states: SharedStateStore,
  telemetry: Telemetry,
): Sinks {
  const { servers, node, log, journal, number, engine, bronze, fenced } = options
  const { clock } = node
  const { limits } = servers.plan.base
  const random = seededRandom(servers.plan.seed * 37 + number)
  const actorOf = <Row>(sink: Sink<Row>): SinkActor<Row> =>
    new SinkActor<Row>({
      ...{ sink, clock, random, log, telemetry, fenced },
      partition: journal.partition,
      bounds: {
        writeMsMax: 3_000,
        progressMsMax: limits.progressMs,
        openMsMax: 20_000,
        backoff: { firstMs: 20, longestMs: 2_000 },
        bufferRowsMax: sink.limits.rowsMax * limits.bufferFactor,
      },
    })
  const silver = new ClickHouseSink(
    engine,
    { ...CLICKHOUSE_LIMITS, rowsMax: limits.silverRowsMax, ageMsMax: limits.silverAgeMs },
    clock,
    { epoch: states.epoch, holder: node.name },
  )
  const metrics = new MetricsSink({
    store: new MemoryMetricsStore(states, limits.headMinutesMax),
    board: new MetricsBoard(),
    clock,
    limits: { ...METRICS_LIMITS, rowsMax: limits.silverRowsMax, ageMsMax: limits.metricsAgeMs },
  })
  return {
    bronze: actorOf<PingsFact>(partitionBronze(bronze)),
    silver: actorOf<Fact>(silver),
    metrics: actorOf<Fact>(metrics),
  }
}

type Kept = Readonly<{
  states: SharedStateStore
  sinks: Sinks
  checkpoint: Checkpoint<SessionState, Ping>
  partition: Partition<SessionState, Ping>
}>

/** Checkpoints, and a snapshot of each: as `deploy/partition-upkeep.ts`. */
export class Upkeep {
  readonly #options: StreamOptions
  readonly #kept: Kept
  #isHalted = false
  #publishedTo = -Infinity
  #cancel = (): void => {}
  #round: Promise<void> = Promise.resolve()

  constructor(options: StreamOptions, kept: Kept) {
    this.#options = options
    this.#kept = kept
  }

  start(): void {
    const { node, servers } = this.#options
    this.#cancel = node.clock.after(servers.plan.publishMs, () => {
      this.#round = this.#take().finally(() => {
        if (!this.#isHalted) this.start()
      })
    })
  }

  halt(): void {
    this.#isHalted = true
    this.#cancel()
  }

  async finish(): Promise<void> {
    this.halt()
    await this.#round
    await this.#kept.checkpoint.take()
    await this.#publish().catch((thrown: unknown) => {
      if (!isFenced(thrown)) throw thrown
    })
  }

  async #take(): Promise<void> {
    const { checkpoint, states } = this.#kept
    try {
      await raiseFloor(states, this.#standing.acknowledged)
      await checkpoint.take()
      if (!this.#isHalted) await this.#publish()
    } catch (thrown) {
      if (!isFenced(thrown)) return
      this.halt()
      this.#options.fenced(messageOf(thrown))
    }
  }

  async #publish(): Promise<void> {
    const { checkpoint, states, sinks } = this.#kept
    const { seams, journal, servers } = this.#options
    const { last } = checkpoint
    const bound = seams.bound(this.#standing.acknowledged, this.#standing)
    if (bound + last > this.#publishedTo) await states.publish(bound)
    this.#publishedTo = bound + last
    const needed = Math.min(last, sinks.bronze.acknowledged) + 1
    journal.trim(seams.trim(needed, this.#standing))
    servers.need(journal.partition, needed)
  }

  get #standing(): Standing {
    const { sinks, partition } = this.#kept
    const acknowledged = Math.min(sinks.silver.acknowledged, sinks.metrics.acknowledged)
    return { acknowledged, handled: partition.handledThrough }
  }
}

function isFenced(thrown: unknown): boolean {
  return thrown instanceof OrreryError && thrown.code === 'fenced'
}

/** Timers on their way through Kafka: each actor has one at most, and it is settled when it was handled. */
export class Timers {
  readonly #fire: FireTimer
  readonly #settled = new Map<string, () => void>()

  constructor(fire: FireTimer) {
    this.#fire = fire
  }

  fire(key: string, timer: TimerMessage, settled: () => void): boolean {
    this.#settled.set(key, settled)
    const isTaken = this.#fire(key, timer, (offset) => {
      if (offset === null) this.#end(key)
    })
    if (!isTaken) this.#settled.delete(key)
    return isTaken
  }

  #end(key: string): void {
    const settled = this.#settled.get(key)
    this.#settled.delete(key)
    settled?.()
  }

  answered<Timer extends Readonly<{ key: string; applied: (() => void) | null }>>(
    delivery: Timer,
  ): Timer {
    return { ...delivery, applied: () => this.#end(delivery.key) }
  }
}

/** A checkpoint's note: the log's part, and the inlet's. */
export function notesText(log: string, inlet: string): string {
  return `${encodeURIComponent(log)},${encodeURIComponent(inlet)}`
}

/** Both parts of a note. */
export function notesOf(note: string): Readonly<{ log: string; inlet: string }> {
  const [log = '', inlet = ''] = note.split(',').map(decodeURIComponent)
  return { log, inlet }
}
