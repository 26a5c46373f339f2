import type { Clock, Random } from '../kernel/clock.ts'
import { assert, messageOf, OrreryError } from '../kernel/errors.ts'
import type { Log, Telemetry } from '../kernel/telemetry.ts'
import type { KafkaEntry } from './entries.ts'
import { type Partitioning, partitionOf } from './partitioner.ts'
import { PLACES_MAX } from './places.ts'
import { type ProducedRange, type Producer, type ProducerSource, TOO_LARGE } from './producer.ts'
import { type Sending, SendQueue, type WriteOutcome } from './send-queue.ts'

export type KafkaWriterOptions = Readonly<{
  source: ProducerSource
  /** Names this writer among all that ever were: a new one for each start. Letters and digits. */
  sender: string
  clock: Clock
  random: Random
  log: Log
  telemetry: Telemetry
  partitioning?: Partitioning
  /** Bytes appended and not yet acknowledged at which appends are refused as busy; default 32 MiB. */
  waitingBytesMax?: number
  /** Bytes of one partition sent at once: below the broker's limit of 1 MiB; default 900,000. */
  partitionBytesMax?: number
  /** Bytes sent at once; default 8 MiB. */
  batchBytesMax?: number
  /** How long the first append of a batch waits for others; default 3 ms. */
  lingerMs?: number
  /** A batch without an answer for so long is sent again by a new producer; default 60 s. */
  sendMsMax?: number
  /** Failing for so long, it says `failed` and not `busy`; default 10 s. */
  failedAfterMs?: number
}>

const MIB = 1024 * 1024
const DEFAULTS = {
  partitioning: 'murmur2' as Partitioning,
  waitingBytesMax: 32 * MIB,
  partitionBytesMax: 900_000,
  batchBytesMax: 8 * MIB,
  lingerMs: 3,
  sendMsMax: 60_000,
  failedAfterMs: 10_000,
} satisfies Partial<KafkaWriterOptions>
const PAUSE_MS_AT_FIRST = 20
const PAUSE_MS_MAX = 1_000
const CLOSE_MS_MAX = 1_000
/** A topic that takes no batch as small as this one gets its records one by one. */
const PARTITION_BYTES_MIN = 16 * 1024

/**
 * Appends entries to a topic. One batch is on its way at a time, and none overtakes it: after a failure nobody knows
 * what the broker has, so the same records go again, by a new producer and with the same stamps, and whoever reads
 * them drops the repeats (SPEC.md W1–W6).
 */
export class KafkaWriter {
  /** Of the topic, when the writer was opened: an entry for another one is a fault, and never sent. */
  readonly partitions: number
  readonly #options: Required<KafkaWriterOptions>
  readonly #queue: SendQueue
  #producer: Producer | null
  #running: Promise<void> | null = null
  #isWoken = false
  #cancelWake = (): void => {}
  #closing: Promise<boolean> | null = null
  #givenUp = false
  #stopWaiting = (): void => {}
  /** When it first failed since the last success. */
  #failingSinceMs: number | null = null
  #partitionBytesMax: number
  readonly #statistics

  private constructor(
    options: Required<KafkaWriterOptions>,
    { partitions, producer }: Readonly<{ partitions: number; producer: Producer }>,
  ) {
    this.#options = options
    this.partitions = partitions
    this.#producer = producer
    this.#queue = new SendQueue(options.sender, () => options.clock.nowMs())
    this.#partitionBytesMax = options.partitionBytesMax
    const telemetry = options.telemetry.labelled({ topic: options.source.topic })
    this.#statistics = {
      sends: telemetry.counter('orrery_kafka_sends_total', 'Batches that the broker has'),
      records: telemetry.counter('orrery_kafka_records_total', 'Records that the broker has'),
      failures: telemetry.counter(
        'orrery_kafka_send_failures_total',
        'Sends of unknown outcome, repeated by a new producer',
      ),
      sendMs: telemetry.histogram('orrery_kafka_send_ms', 'Milliseconds until the broker has it'),
    }
    telemetry
      .gauge('orrery_kafka_waiting_bytes', 'Bytes appended that the broker has not acknowledged')
      .from(() => this.#queue.bytes)
  }

  /** Asks the broker how many partitions there are, and connects; rejects when it is not there. */
  static async open(given: KafkaWriterOptions): Promise<KafkaWriter> {
    const options = { ...DEFAULTS, ...given }
    assert(/^\w{1,40}$/.test(options.sender), 'a sender is named by letters and digits')
    const partitions = await options.source.partitions()
    const producer = await options.source.open()
    return new KafkaWriter(options, { partitions, producer })
  }

  get bytesWaiting(): number {
    return this.#queue.bytes
  }

  /** Why appends are refused now, or null. */
  get refusing(): 'busy' | 'failed' | 'closed' | null {
    if (this.#closing) return 'closed'
    const { clock, failedAfterMs, waitingBytesMax } = this.#options
    const sinceMs = this.#failingSinceMs
    if (sinceMs !== null && clock.monotonicMs() - sinceMs >= failedAfterMs) return 'failed'
    return this.#queue.bytes >= waitingBytesMax ? 'busy' : null
  }

  /** Where a key's messages go. */
  partitionOf(key: string): number {
    return partitionOf(key, this.partitions, this.#options.partitioning)
  }

  /**
   * Takes entries that belong together, all or none; false when there is no room. `done` is called once, in the order
   * of appends and never during one, when every one of them is stored.
   */
  append(entries: readonly KafkaEntry[], done: (outcome: WriteOutcome) => void): boolean {
    if (this.refusing !== null) return false
    assert(entries.length > 0, 'an append has an entry at least')
    for (const { partition, count } of entries) {
      // The client drops what is for a partition that is not there, and says that all is well.
      const isThere = Number.isInteger(partition) && partition >= 0 && partition < this.partitions
      assert(isThere, `the topic has ${this.partitions} partitions, and none is ${partition}`)
      assert(count >= 1 && count <= PLACES_MAX, `a record has 1 to ${PLACES_MAX} places`)
    }
    this.#queue.add(entries, done)
    if (!this.#running) this.#wake()
    return true
  }

  /** Sends what was appended, for at most so long; refuses the rest. True when everything is stored. */
  close(withinMs: number): Promise<boolean> {
    this.#closing ??= this.#close(withinMs)
    return this.#closing
  }

  async #close(withinMs: number): Promise<boolean> {
    const cancel = this.#options.clock.after(withinMs, () => {
      this.#givenUp = true
      this.#stopWaiting()
    })
    this.#cancelWake()
    while (this.#running || this.#queue.size > 0) await (this.#running ?? this.#run())
    cancel()
    await this.#discard(this.#producer)
    return !this.#givenUp
  }

  #wake(): void {
    if (this.#isWoken || this.#closing) return
    this.#isWoken = true
    const { clock, lingerMs } = this.#options
    this.#cancelWake = clock.after(lingerMs, () => {
      this.#isWoken = false
      if (!this.#running) void this.#run()
    })
  }

  #run(): Promise<void> {
    this.#running = this.#sendAll().finally(() => {
      this.#running = null
      if (this.#queue.size > 0) this.#wake()
    })
    return this.#running
  }

  async #sendAll(): Promise<void> {
    let pauseMs = PAUSE_MS_AT_FIRST
    while (this.#queue.size > 0) {
      const batch = this.#queue.take(this.#limits)
      if (this.#givenUp) {
        this.#fail(batch, 'closed', 'closed before the broker had answered')
        continue
      }
      if (batch.some(({ bytes }) => bytes > this.#options.partitionBytesMax)) {
        this.#fail(batch, 'too_large', 'more bytes than a record may have')
        continue
      }
      try {
        const ranges = await this.#send(batch)
        this.#failingSinceMs = null
        pauseMs = PAUSE_MS_AT_FIRST
        this.#queue.settle(batch, ranges, this.#tell)
      } catch (thrown) {
        await this.#failed(batch, thrown)
        if (!this.#givenUp) await this.#pause(pauseMs * this.#options.random())
        pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)
      }
    }
  }

  get #limits(): Parameters<SendQueue['take']>[0] {
    const partitionBytesMax = this.#partitionBytesMax
    const isOneByOne = partitionBytesMax < PARTITION_BYTES_MIN
    return { partitionBytesMax, bytesMax: isOneByOne ? 1 : this.#options.batchBytesMax }
  }

  async #send(batch: readonly Sending[]): Promise<readonly ProducedRange[]> {
    const { clock, source } = this.#options
    const startedMs = clock.monotonicMs()
    this.#producer ??= await this.#within(source.open(), (late) => void this.#discard(late))
    const ranges = await this.#within(this.#producer.send(batch.map(({ record }) => record)))
    const answered = new Set(ranges.map(({ partition }) => partition))
    for (const { record } of batch) {
      if (answered.has(record.partition)) continue
      throw new OrreryError('kafka', `the broker has not answered for ${record.partition}`)
    }
    const { sends, records, sendMs } = this.#statistics
    sends.add()
    records.add(batch.length)
    sendMs.observe(clock.monotonicMs() - startedMs)
    return ranges
  }

  /** Nobody knows what of it is stored: it goes again. */
  async #failed(batch: readonly Sending[], thrown: unknown): Promise<void> {
    const { log, clock, source } = this.#options
    const error = messageOf(thrown)
    log.warn({ topic: source.topic, records: batch.length, error }, 'a send to kafka failed')
    this.#statistics.failures.add()
    const used = this.#producer
    this.#producer = null
    void this.#discard(used)
    if (thrown instanceof OrreryError && thrown.code === TOO_LARGE) {
      if (batch.length === 1) {
        this.#partitionBytesMax = Math.max(this.#partitionBytesMax, 2 * PARTITION_BYTES_MIN)
        return this.#fail(batch, 'too_large', 'the broker takes no record as large as this one')
      }
      this.#partitionBytesMax = Math.ceil(this.#partitionBytesMax / 2)
    } else {
      this.#failingSinceMs ??= clock.monotonicMs()
    }
    this.#queue.putBack(batch)
  }

  #fail(batch: readonly Sending[], reason: 'too_large' | 'closed', message: string): void {
    this.#queue.fail(batch, { ok: false, reason, message }, this.#tell)
  }

  readonly #tell = (done: (outcome: WriteOutcome) => void, outcome: WriteOutcome): void => {
    try {
      done(outcome)
    } catch (thrown) {
      this.#options.log.error({ error: messageOf(thrown) }, 'a callback of the writer threw')
    }
  }

  /** Rejects when it takes too long, or when the writer gives up. */
  async #within<Value>(work: Promise<Value>, tooLate?: (value: Value) => void): Promise<Value> {
    const { clock, sendMsMax } = this.#options
    let isLate = false
    void work.then(
      (value) => isLate && tooLate?.(value),
      () => {},
    )
    const { promise, reject } = Promise.withResolvers<never>()
    const stop = (): void => reject(new OrreryError('kafka', 'no answer from the broker'))
    const cancel = clock.after(sendMsMax, stop)
    this.#stopWaiting = stop
    try {
      return await Promise.race([work, promise])
    } catch (thrown) {
      isLate = true
      throw thrown
    } finally {
      cancel()
      this.#stopWaiting = () => {}
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#options.clock.after(ms, resolve)
      this.#stopWaiting = () => {
        cancel()
        resolve()
      }
    })
  }

  /** Waits for it a while; a connection that nobody answers on is left to its own timeout. */
  async #discard(producer: Producer | null): Promise<void> {
    if (!producer) return
    const closed = producer.close().catch((thrown: unknown) => {
      this.#options.log.debug({ error: messageOf(thrown) }, 'a kafka producer does not close')
    })
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#options.clock.after(CLOSE_MS_MAX, resolve)
    await Promise.race([closed, promise]).finally(cancel)
  }
}
