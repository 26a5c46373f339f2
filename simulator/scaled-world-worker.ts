import { Assignments, type AssignmentsOptions } from '../actors/kafka/group.ts'
import { KafkaIntake } from '../actors/kafka/intake.ts'
import type { KafkaLog } from '../actors/kafka/log.ts'
import type { Ending } from '../actors/kafka/reading.ts'
import { KafkaWriter } from '../actors/kafka/writer.ts'
import { type Random, seededRandom } from '../actors/kernel/clock.ts'
import { messageOf, OrreryError } from '../actors/kernel/errors.ts'
import { type Log, Telemetry } from '../actors/kernel/telemetry.ts'
import type { Ping } from '../actors/model/ping.ts'
import { PINGS } from '../actors/session/frames.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import type { IcebergSink } from '../sinks/iceberg/sink.ts'
import { pause, retry } from '../sinks/retry.ts'
import { SinkFenced } from '../sinks/sink.ts'
import { SimConsumer } from './scaled-world-consumer.ts'
import { PROTOCOL } from './scaled-world-group.ts'
import type { Node } from './scaled-world-node.ts'
import { SESSION_MS } from './scaled-world-plan.ts'
import type { ScaledSeams } from './scaled-world-seams.ts'
import { serverEngine } from './scaled-world-silver.ts'
import { nodeBronze, type Servers } from './scaled-world-stores.ts'
import { openStream, type Stream } from './scaled-world-stream.ts'

export type NodeOptions = Readonly<{
  servers: Servers
  node: Node
  seams: ScaledSeams
  log: Log
  /** Tells the lives of a run apart. */
  number: number
  /** The process ends by itself: nothing goes on without a person. */
  fatal: (error: OrreryError) => void
}>

const HAND_OVER_MS_MAX = 8_000
const PATIENCE = { firstMs: 250, longestMs: 10_000 }
const REFUSED_PAUSE_MS = { first: 200, longest: 10_000 }
const REFUSED_FORGOTTEN_MS = 60_000
const STREAMS_OF_A_LIFE_MAX = 1_000

type Held = { readonly journal: KafkaLog; stream: Stream | null; isRefused: boolean }

/** The topic as one process writes to it; rejects when the broker does not answer. */
export async function openIntake(options: NodeOptions): Promise<KafkaIntake<Ping>> {
  const { servers, node, seams, log, number } = options
  const { plan, broker } = servers
  const { clock } = node
  const telemetry = new Telemetry()
  const random = seededRandom(plan.seed * 53 + number)
  const open = (): Promise<KafkaWriter> =>
    KafkaWriter.open({
      source: seams.source(broker.source(node)),
      sender: `sender${number}`,
      ...{ clock, random, log, telemetry },
      waitingBytesMax: plan.base.limits.waitingBytesMax,
      sendMsMax: 6_000,
    })
  return new KafkaIntake<Ping>({
    writer: await patiently(open, options, random),
    ...{ frames: PINGS, keyOf: (ping: Ping) => ping.sessionId, form: plan.form },
    ...{ clock, log, telemetry },
    limits: { retryAfterMs: 300 },
  })
}

/** Opens what may be away, again and again. */
function patiently<T>(
  open: () => Promise<T>,
  { node }: NodeOptions,
  random: Random,
  signal = new AbortController().signal,
): Promise<T> {
  const judge = (thrown: unknown): 'again' | 'stop' =>
    !signal.aborted && thrown instanceof OrreryError && thrown.retriable ? 'again' : 'stop'
  const pace = { clock: node.clock, random, backoff: PATIENCE, deadlineMs: null, signal, judge }
  return retry(open, pace)
}

/** One worker process: the partitions that the group gives to it, joined as `deploy/worker.ts` does it. */
export class SimWorker {
  readonly node: Node
  readonly #options: NodeOptions
  readonly #held = new Map<KafkaLog, Held>()
  readonly #refusals = new Map<number, { count: number; lastMs: number }>()
  readonly #random: Random
  readonly #engine: ClickHouse
  readonly #bronze: IcebergSink
  readonly #assignments: Assignments
  #intake: KafkaIntake<Ping> | null = null
  #streams = 0
  isStopping = false

  constructor(options: NodeOptions) {
    const { servers, node, seams, log, fatal, number } = options
    const { broker, net } = servers
    this.node = node
    this.#options = options
    this.#random = seededRandom(servers.plan.seed * 59 + number)
    this.#engine = seams.engine(serverEngine(servers.silver, { net, node }))
    this.#bronze = nodeBronze(servers, { node, seams, number })
    this.#assignments = new Assignments({
      client: simClient(options),
      ...{ groupId: 'simulated', clock: node.clock, log, fatal },
      subscriptions: [{ topic: broker.topic, kind: 'pings', partitionFirst: 0 }],
      sessionMsMax: SESSION_MS,
      revokeMsMax: HAND_OVER_MS_MAX + 2_000,
      assigned: (journal) => this.#assigned(journal),
      revoked: (journal, ending) => this.#revoked(journal, ending),
    })
  }

  /** The partitions at work here. */
  get streams(): readonly Stream[] {
    return [...this.#held.values()].flatMap(({ stream }) => stream ?? [])
  }

  async start(): Promise<void> {
    this.#intake = await openIntake(this.#options)
    if (this.isStopping) return
    await patiently(() => this.#assignments.start(), this.#options, this.#random)
  }

  /** Hands every partition over and leaves the group. */
  async stop(): Promise<void> {
    this.isStopping = true
    await this.#assignments.stop()
  }

  async #assigned(journal: KafkaLog): Promise<void> {
    const held: Held = { journal, stream: null, isRefused: false }
    this.#held.set(journal, held)
    try {
      await this.#paused(journal)
      const open = (): Promise<Stream> => this.#open(held)
      const stream = await patiently(open, this.#options, this.#random, journal.signal)
      held.stream = stream
      if (journal.ending === null && !held.isRefused) stream.start()
    } catch (thrown) {
      if (journal.ending !== null) return void this.#held.delete(journal)
      if (isFenced(thrown)) return this.#refused(held, messageOf(thrown))
      this.#held.delete(journal)
      throw thrown
    }
  }

  #open(held: Held): Promise<Stream> {
    const { servers, node, seams, log, number } = this.#options
    const { journal } = held
    return openStream({
      ...{ servers, node, seams, log, journal },
      number: number * STREAMS_OF_A_LIFE_MAX + this.#streams++,
      engine: this.#engine,
      bronze: this.#bronze,
      fireTimer: (key, timer, settled) =>
        this.#intake?.fireTimer(journal.kafkaPartition, key, timer, settled) ?? false,
      fenced: (message) => this.#refused(held, message),
    })
  }

  async #paused({ partition, signal }: KafkaLog): Promise<void> {
    const refusals = this.#refusals.get(partition)
    if (!refusals) return
    const { first, longest } = REFUSED_PAUSE_MS
    const pauseMs = Math.min(longest, first * 2 ** (refusals.count - 1))
    await pause(this.node.clock, pauseMs, signal)
  }

  #refused(held: Held, message: string): void {
    if (held.isRefused || held.journal.ending !== null) return
    held.isRefused = true
    const { partition } = held.journal
    const nowMs = this.node.clock.monotonicMs()
    const before = this.#refusals.get(partition)
    const isRecent = before !== undefined && nowMs - before.lastMs < REFUSED_FORGOTTEN_MS
    this.#refusals.set(partition, { count: isRecent ? before.count + 1 : 1, lastMs: nowMs })
    this.#note('refused', `partition ${partition}: ${message}`)
    void this.#assignments.reopen(held.journal).catch(() => {})
  }

  async #revoked(journal: KafkaLog, ending: Ending): Promise<void> {
    const held = this.#held.get(journal)
    this.#held.delete(journal)
    const stream = held?.stream
    if (!stream) return
    if (ending === 'fenced' || held?.isRefused) {
      this.#note('abandoned', `partition ${journal.partition}`)
      return stream.abandon()
    }
    const unflushed = await stream.handOver(this.node.clock.monotonicMs() + HAND_OVER_MS_MAX)
    this.#note('handed over', `partition ${journal.partition} ${unflushed.join()}`)
  }

  #note(what: string, detail: string): void {
    this.#options.servers.net.chronicle.note(what, `${this.node.name}: ${detail}`)
  }
}

function isFenced(thrown: unknown): boolean {
  return thrown instanceof SinkFenced || (thrown instanceof OrreryError && thrown.code === 'fenced')
}

/** What `Assignments` needs of a Kafka client, of a broker in virtual time. */
function simClient({ servers, node }: NodeOptions): AssignmentsOptions['client'] {
  const { broker, group, net, plan } = servers
  const { fetchRecordsMax } = plan
  const client = {
    library: { AssignerProtocol: PROTOCOL },
    marksOf: (_: string, partition: number) => broker.marks(node, partition),
    consumer: ({ partitionAssigners: [assigner] }: Config) => {
      if (!assigner) throw new TypeError('a group has an assigner')
      return new SimConsumer({ node, net, broker, group, assigner, fetchRecordsMax })
    },
  }
  return client as unknown as AssignmentsOptions['client']
}

type Config = Readonly<{
  partitionAssigners: readonly ConstructorParameters<typeof SimConsumer>[0]['assigner'][]
}>
