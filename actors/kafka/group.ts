import type { Consumer, ConsumerCrashEvent, EachBatchPayload } from 'kafkajs'

import type { Clock } from '../kernel/clock.ts'
import { messageOf, OrreryError } from '../kernel/errors.ts'
import type { Log } from '../kernel/telemetry.ts'
import { stickyAssigner } from './assigner-protocol.ts'
import type { KafkaClient } from './client.ts'
import { isHopeless } from './hopeless.ts'
import type { KafkaLog } from './log.ts'
import { Pause } from './pause.ts'
import type { Ending } from './reading.ts'
import { keyOf, Tenure } from './tenure.ts'

/** A topic that workers share among them. */
export type Subscription = Readonly<{
  topic: string
  /** What records without a stamp hold. */
  kind: 'pings' | 'trips'
  /** Number of its partition 0 in the names of facts. */
  partitionFirst: number
}>

export type AssignmentsOptions = Readonly<{
  client: KafkaClient
  groupId: string
  subscriptions: readonly Subscription[]
  clock: Clock
  log: Log
  /**
   * A partition is ours: open its stores, then `start` its log. The one before it, on this worker, has ended. What it
   * throws is told to `fatal`.
   */
  assigned: (log: KafkaLog) => Promise<void>
  /**
   * It is not ours any more: stop its actors, flush, close. When it was `fenced`, another worker has had it meanwhile:
   * nothing of it may be written, and the stores refuse it.
   */
  revoked: (log: KafkaLog, ending: Ending) => Promise<void>
  /** Nothing goes on without a person, or without a new start of the process. */
  fatal: (error: OrreryError) => void
  /** A worker that is not heard of for so long has lost its partitions; default 10 s. */
  sessionMsMax?: number
  /** A revocation that takes longer is left behind; default 30 s. */
  revokeMsMax?: number
}>

const SESSION_MS_MAX = 10_000
const REVOKE_MS_MAX = 30_000
const RESTART_MS_AT_FIRST = 250
const RESTART_MS_MAX = 5_000
const FETCHING = {
  heartbeatInterval: 1_000,
  maxWaitTimeInMs: 200,
  // Of compressed bytes: zstd makes twenty times as many of them.
  maxBytes: 4 * 1024 * 1024,
  maxBytesPerPartition: 1024 * 1024,
  allowAutoTopicCreation: false,
}

/**
 * The partitions that Kafka gives to this worker, each with its log. Kafka says who has what, and the stores, fenced,
 * refuse whoever has not heard of it yet.
 */
export class Assignments {
  readonly #options: AssignmentsOptions
  readonly #tenures = new Map<string, Tenure>()
  /** Ends of tenures that are over, by partition: the next one waits for it. */
  readonly #endings = new Map<string, Promise<void>>()
  #consumer: Consumer | null = null
  readonly #pause: Pause
  #memberId: string | null = null
  #generation = -1
  /** Tries to join since it was last in the group. */
  #joins = 0
  #heardMs = -Infinity
  /** Who waits for the group's next word; one a partition at most. */
  readonly #awaited: (() => void)[] = []
  #stopping: Promise<void> | null = null

  constructor(options: AssignmentsOptions) {
    this.#options = options
    this.#pause = new Pause(options.clock)
  }

  /** Joins the group; partitions are assigned from then on. Rejects when Kafka is not there. */
  async start(): Promise<void> {
    const consumer = this.#newConsumer()
    this.#consumer = consumer
    const topics = this.#options.subscriptions.map(({ topic }) => topic)
    try {
      await consumer.connect()
      // From the beginning, so that a jump that nobody asked for goes back, where it is seen.
      await consumer.subscribe({ topics, fromBeginning: true })
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: (payload) => this.#eachBatch(consumer, payload),
      })
    } catch (cause) {
      void consumer.disconnect().catch(() => {})
      throw new OrreryError('kafka', `kafka: ${messageOf(cause)}`, { retriable: true, cause })
    }
  }

  #newConsumer(): Consumer {
    const { client, groupId, sessionMsMax = SESSION_MS_MAX } = this.#options
    const assigner = stickyAssigner(client.library, {
      joining: () => this.#joins++,
      owned: () => ({ generation: this.#generation, owned: this.#owned() }),
    })
    const timing = { sessionTimeout: sessionMsMax, rebalanceTimeout: 2 * sessionMsMax }
    const consumer = client.consumer({
      groupId,
      partitionAssigners: [assigner],
      ...timing,
      ...FETCHING,
    })
    const { GROUP_JOIN, HEARTBEAT, CRASH, START_BATCH_PROCESS } = consumer.events
    // In the same tick: what is fetched after it would begin at the wrong place.
    consumer.on(GROUP_JOIN, ({ payload }) => this.#joined(consumer, payload))
    consumer.on(HEARTBEAT, ({ payload: { groupGenerationId } }) => {
      this.#generation = Number(groupGenerationId)
      this.#heard()
    })
    consumer.on(CRASH, ({ payload }) => this.#crashed(payload))
    consumer.on(START_BATCH_PROCESS, ({ payload }) => {
      if (payload.batchSize > 0) return
      this.#tenure(payload)?.log?.passed(Number(payload.lastOffset))
    })
    return consumer
  }

  /** Is this partition's log ours, as far as can be known without asking? A process that stood still for long says no. */
  holds(log: KafkaLog): boolean {
    const { clock, sessionMsMax = SESSION_MS_MAX } = this.#options
    const isHeard = clock.monotonicMs() - this.#heardMs < sessionMsMax
    return isHeard && log.ending === null && this.#tenure(log)?.log === log
  }

  /**
   * Ends a partition whose stores refuse this worker, and begins it anew if the group, asked again, still says that it
   * is ours: without that a worker that was away would claim what another one has by now.
   */
  async reopen(log: KafkaLog): Promise<void> {
    await new Promise<void>((resolve) => this.#awaited.push(resolve))
    const tenure = this.#tenure(log)
    const consumer = this.#consumer
    const subscription = this.#options.subscriptions.find(({ topic }) => topic === log.topic)
    if (this.#stopping || tenure?.log !== log || !consumer || !subscription) return
    this.#end(tenure, 'fenced')
    this.#begin(consumer, subscription, log.kafkaPartition)
  }

  #heard(): void {
    this.#heardMs = this.#options.clock.monotonicMs()
    for (const resolve of this.#awaited.splice(0)) resolve()
  }

  /** Logs that are ours now. */
  get logs(): readonly KafkaLog[] {
    return [...this.#tenures.values()].flatMap(({ log }) => log ?? [])
  }

  /** Ends every partition as a revocation does, then leaves the group: whoever gets them finds everything flushed. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  async #stop(): Promise<void> {
    this.#pause.end()
    for (const tenure of this.#tenures.values()) this.#end(tenure, 'stopped')
    await Promise.all(this.#endings.values())
    await this.#consumer?.disconnect().catch((thrown: unknown) => {
      this.#options.log.warn({ error: messageOf(thrown) }, 'the group was not left in order')
    })
  }

  #joined(
    consumer: Consumer,
    payload: Readonly<{ memberId: string; memberAssignment: Readonly<Record<string, number[]>> }>,
  ): void {
    const { log } = this.#options
    const { memberId, memberAssignment } = payload
    // In a generation that it was not in, another worker may have had its partitions, and written.
    const isContinuous = memberId === this.#memberId && this.#joins === 1
    this.#joins = 0
    this.#memberId = memberId
    this.#heard()
    const given = new Set<string>()
    for (const [topic, partitions] of Object.entries(memberAssignment)) {
      for (const partition of partitions) given.add(keyOf({ topic, partition }))
    }
    let kept = 0
    for (const [key, tenure] of this.#tenures) {
      if (isContinuous && given.has(key)) {
        kept++
        tenure.rejoined()
      } else {
        this.#end(tenure, isContinuous ? 'revoked' : 'fenced')
      }
    }
    log.info({ memberId, isContinuous, kept, assigned: given.size }, 'joined the group')
    if (this.#stopping) return
    for (const subscription of this.#options.subscriptions) {
      for (const partition of memberAssignment[subscription.topic] ?? []) {
        this.#begin(consumer, subscription, partition)
      }
    }
  }

  #begin(consumer: Consumer, subscription: Subscription, partition: number): void {
    const { topic } = subscription
    const key = keyOf({ topic, partition })
    if (this.#tenures.has(key)) return
    const { client, clock, log, assigned, revoked, fatal } = this.#options
    const tenure = new Tenure({
      subscription,
      partition,
      consumer,
      marks: () => client.marksOf(topic, partition),
      clock,
      log,
      assigned,
      revoked,
      fatal,
      revokeMsMax: this.#options.revokeMsMax ?? REVOKE_MS_MAX,
    })
    this.#tenures.set(key, tenure)
    tenure.begin(this.#endings.get(key) ?? Promise.resolve())
  }

  #end(tenure: Tenure, ending: Ending): void {
    const key = keyOf(tenure)
    if (this.#tenures.get(key) === tenure) this.#tenures.delete(key)
    const ended = tenure.end(ending)
    this.#endings.set(key, ended)
    void ended.then(() => {
      if (this.#endings.get(key) === ended) this.#endings.delete(key)
    })
  }

  async #eachBatch(
    consumer: Consumer,
    { batch, resolveOffset, heartbeat }: EachBatchPayload,
  ): Promise<void> {
    const { topic, partition } = batch
    // Without it the same batch would come again and again, at once.
    const hush = (): void => consumer.pause([{ topic, partitions: [partition] }])
    const tenure = this.#tenure(batch)
    // Not ours any more, or not yet: it is fetched again from the right place.
    if (!tenure?.log?.isReading) return hush()
    const last = batch.lastOffset()
    const high = Number(batch.highWatermark)
    await tenure.log.deliver({ records: batch.messages, last: Number(last), high })
    if (!tenure.log.isReading) return hush()
    resolveOffset(last)
    await heartbeat()
  }

  /** It has left the group, and others have its partitions. */
  #crashed({ restart, error }: ConsumerCrashEvent['payload']): void {
    const { log, fatal } = this.#options
    log.warn({ error: messageOf(error), restart }, 'the kafka consumer crashed')
    this.#memberId = null
    for (const tenure of this.#tenures.values()) this.#end(tenure, 'fenced')
    if (restart || this.#stopping) return
    if (!isHopeless(error)) return void this.#startAgain()
    const message = `reading from kafka has ended: ${messageOf(error)}`
    fatal(new OrreryError('kafka_crashed', message, { cause: error }))
  }

  /** kafkajs gives up on a connection that was cut at the wrong moment; we do not. */
  async #startAgain(): Promise<void> {
    const { log } = this.#options
    for (let pauseMs = RESTART_MS_AT_FIRST; ; pauseMs = Math.min(pauseMs * 2, RESTART_MS_MAX)) {
      await this.#pause.wait(pauseMs)
      if (this.#stopping) return
      try {
        await this.start()
        if (this.#stopping) await this.#consumer?.disconnect()
        return
      } catch (thrown) {
        log.warn({ error: messageOf(thrown) }, 'the group cannot be joined yet')
      }
    }
  }

  #tenure(of: Parameters<typeof keyOf>[0]): Tenure | undefined {
    return this.#tenures.get(keyOf(of))
  }

  #owned(): Record<string, number[]> {
    const owned: Record<string, number[]> = {}
    for (const { topic, partition } of this.#tenures.values()) {
      ;(owned[topic] ??= []).push(partition)
    }
    return owned
  }
}
