import { Assignments } from '../actors/kafka/group.ts'
import type { KafkaLog } from '../actors/kafka/log.ts'
import type { Ending } from '../actors/kafka/reading.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import type { Log, Telemetry } from '../actors/kernel/telemetry.ts'
import { TRIPS_PARTITION_FIRST } from '../actors/model/fact.ts'
import type { PartHealth } from '../gateway/ports.ts'
import { pause } from '../sinks/retry.ts'
import { SinkFenced } from '../sinks/sink.ts'
import { patiently } from './patience.ts'

/** A partition with its actors, as the worker sees it. */
export interface WorkedPartition {
  /** Begins to read; what is wrong with the log is told to its owner. */
  start(): void
  /** How it stands: as the worst of its stores. */
  health(): PartHealth
  /** Messages read that are not handled. */
  readonly backlog: number
  /** Handles and stores what was read, and closes; names what could not be stored. */
  handOver(endMs: number): Promise<readonly string[]>
  /** Closes without writing anything more. */
  abandon(): Promise<void>
}

export type WorkerOptions = Readonly<{
  client: ConstructorParameters<typeof Assignments>[0]['client']
  groupId: string
  topics: Readonly<{ sessions: string; trips: string }>
  log: Log
  telemetry: Telemetry
  /** Opens a partition that is ours. `fenced` hears that a store refuses us, once or more. */
  open: (journal: KafkaLog, fenced: (message: string) => void) => Promise<WorkedPartition>
  /** Nothing goes on without a person. */
  fatal: (error: OrreryError) => void
}>

/** A worker that is not heard of for so long has lost its partitions. */
const SESSION_MS_MAX = 6_000
/** How long a partition that moves away may take to store what it has read. */
const HAND_OVER_MS_MAX = 8_000
const REFUSED_PAUSE_MS = { first: 200, longest: 10_000 }
/** A partition that was not refused for so long begins with short pauses again. */
const REFUSED_FORGOTTEN_MS = 60_000

type Held = {
  readonly journal: KafkaLog
  partition: WorkedPartition | null
  /** A store refuses us: it is opened anew. */
  isRefused: boolean
}
type Refusals = { count: number; lastMs: number }

/** Runs the partitions that Kafka gives to this process, each opened, handed over, and opened anew when it must. */
export class Worker {
  readonly #options: WorkerOptions
  readonly #assignments: Assignments
  readonly #held = new Map<KafkaLog, Held>()
  readonly #refusals = new Map<number, Refusals>()
  #stopMs = HAND_OVER_MS_MAX
  readonly #unflushed: string[] = []

  constructor(options: WorkerOptions) {
    this.#options = options
    const { client, groupId, topics, log, fatal, telemetry } = options
    this.#assignments = new Assignments({
      ...{ client, groupId, clock: systemClock, log, fatal },
      subscriptions: [
        { topic: topics.sessions, kind: 'pings', partitionFirst: 0 },
        { topic: topics.trips, kind: 'trips', partitionFirst: TRIPS_PARTITION_FIRST },
      ],
      sessionMsMax: SESSION_MS_MAX,
      revokeMsMax: HAND_OVER_MS_MAX + 2_000,
      assigned: (journal) => this.#assigned(journal),
      revoked: (journal, ending) => this.#revoked(journal, ending),
    })
    telemetry
      .gauge('orrery_partitions', 'Partitions that this worker has')
      .from(() => this.#held.size)
  }

  /** Joins the group. Rejects while Kafka is away. */
  start(): Promise<void> {
    return this.#assignments.start()
  }

  /** Hands every partition over and leaves the group; names what could not be stored in time. */
  async stop(endMs: number): Promise<readonly string[]> {
    this.#stopMs = Math.max(0, endMs - systemClock.monotonicMs())
    await this.#assignments.stop()
    return this.#unflushed
  }

  health(): PartHealth {
    const parts = [...this.#held.values()]
    const opening = parts.filter(({ partition }) => partition === null).length
    const behind = parts.reduce((sum, { journal }) => sum + journal.behind, 0)
    const detail = `${parts.length} partitions, ${behind} records to read`
    if (opening === 0) return { status: 'healthy', detail }
    return { status: 'degraded', detail: `${detail}, ${opening} being opened` }
  }

  /** How each partition stands, by its number. */
  partitions(): ReadonlyMap<number, PartHealth> {
    const held = [...this.#held.values()].sort((a, b) => a.journal.partition - b.journal.partition)
    return new Map(
      held.map(({ journal, partition }) => [
        journal.partition,
        partition?.health() ?? { status: 'degraded', detail: 'being opened' },
      ]),
    )
  }

  async #assigned(journal: KafkaLog): Promise<void> {
    const { log, open } = this.#options
    const held: Held = { journal, partition: null, isRefused: false }
    this.#held.set(journal, held)
    const refused = (message: string): void => this.#refused(held, message)
    const name = `partition ${journal.kafkaPartition} of ${journal.topic}`
    try {
      await this.#paused(journal)
      const partition = await patiently(name, () => open(journal, refused), {
        ...{ clock: systemClock, random: Math.random, log, signal: journal.signal },
        where: 'its stores',
        check: 'what the other lines say of them',
      })
      held.partition = partition
      // From here on `revoked` closes it. Nobody waits for the log to be read to its end.
      if (journal.ending === null && !held.isRefused) partition.start()
    } catch (thrown) {
      if (journal.ending !== null) return void this.#held.delete(journal)
      // Claimed by another one meanwhile: whether it is still ours, the group will say.
      if (isFenced(thrown)) return refused(messageOf(thrown))
      this.#held.delete(journal)
      throw thrown
    }
  }

  /** Who was refused again and again comes ever slower. */
  async #paused({ partition, signal }: KafkaLog): Promise<void> {
    const refusals = this.#refusals.get(partition)
    if (!refusals) return
    const { first, longest } = REFUSED_PAUSE_MS
    const pauseMs = Math.min(longest, first * 2 ** (refusals.count - 1))
    await pause(systemClock, pauseMs, signal)
  }

  #refused(held: Held, message: string): void {
    if (held.isRefused || held.journal.ending !== null) return
    held.isRefused = true
    const { log } = this.#options
    const { journal } = held
    const nowMs = systemClock.monotonicMs()
    const before = this.#refusals.get(journal.partition)
    const isRecent = before !== undefined && nowMs - before.lastMs < REFUSED_FORGOTTEN_MS
    const count = isRecent ? before.count + 1 : 1
    this.#refusals.set(journal.partition, { count, lastMs: nowMs })
    const { partition } = journal
    log.warn({ partition, error: message, count }, 'a store refuses this worker: opened anew')
    void this.#assignments.reopen(journal).catch((thrown: unknown) => {
      log.error({ partition, error: messageOf(thrown) }, 'a partition cannot be opened anew')
    })
  }

  async #revoked(journal: KafkaLog, ending: Ending): Promise<void> {
    const held = this.#held.get(journal)
    this.#held.delete(journal)
    const partition = held?.partition
    if (!partition) return
    if (ending === 'fenced' || held?.isRefused) return partition.abandon()
    const endMs = systemClock.monotonicMs() + Math.min(HAND_OVER_MS_MAX, this.#stopMs)
    const unflushed = await partition.handOver(endMs)
    for (const part of unflushed) this.#unflushed.push(`${part} of partition ${journal.partition}`)
    const { log } = this.#options
    log.info({ partition: journal.partition, ending, unflushed }, 'partition handed over')
  }
}

function isFenced(thrown: unknown): boolean {
  return thrown instanceof SinkFenced || (thrown instanceof OrreryError && thrown.code === 'fenced')
}
