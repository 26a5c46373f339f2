import type { Consumer } from 'kafkajs'

import type { Clock } from '../kernel/clock.ts'
import { messageOf, OrreryError } from '../kernel/errors.ts'
import type { Log } from '../kernel/telemetry.ts'
import { KafkaLog } from './log.ts'
import { Pause } from './pause.ts'
import type { Ending, Fetching, Marks } from './reading.ts'

export type TenureOptions = Readonly<{
  subscription: Readonly<{ topic: string; kind: 'pings' | 'trips'; partitionFirst: number }>
  partition: number
  consumer: Pick<Consumer, 'seek' | 'pause' | 'resume'>
  marks: () => Promise<Marks>
  clock: Clock
  log: Log
  assigned: (log: KafkaLog) => Promise<void>
  revoked: (log: KafkaLog, ending: Ending) => Promise<void>
  fatal: (error: OrreryError) => void
  revokeMsMax: number
}>

const PAUSE_MS_AT_FIRST = 50
const PAUSE_MS_MAX = 1_000

/** A partition for as long as this worker has it without a break. */
export class Tenure implements Fetching {
  readonly topic: string
  readonly partition: number
  readonly #options: TenureOptions
  #log: KafkaLog | null = null
  #ending: Ending | null = null
  #begun: Promise<void> = Promise.resolve()
  readonly #pause: Pause

  constructor(options: TenureOptions) {
    this.#options = options
    this.topic = options.subscription.topic
    this.partition = options.partition
    this.#pause = new Pause(options.clock)
  }

  /** Null until the broker has said what the partition holds. */
  get log(): KafkaLog | null {
    return this.#log
  }

  /** Nothing is fetched until the log is started, and that not before `previous` has ended. */
  begin(previous: Promise<void>): void {
    this.pause()
    this.#begun = previous
      .then(() => this.#open())
      .catch((thrown: unknown) => {
        if (this.#ending) return
        const isTyped = thrown instanceof OrreryError
        this.#options.fatal(
          isTyped ? thrown : new OrreryError('assign', messageOf(thrown), { cause: thrown }),
        )
      })
  }

  /** The group has met again, and the partition has stayed: kafkajs has forgotten where it was. */
  rejoined(): void {
    const log = this.#log
    if (log?.isReading) this.seek(log.position)
    if (!log || log.isPaused) this.pause()
  }

  /** Resolves when it was flushed and closed, or has had its time. */
  end(ending: Ending): Promise<void> {
    this.#ending = ending
    this.#log?.end(ending)
    this.#pause.end()
    const { clock, log, revokeMsMax, revoked } = this.#options
    const { promise: late, resolve } = Promise.withResolvers<'late'>()
    const cancel = clock.after(revokeMsMax, () => resolve('late'))
    const where = { topic: this.topic, partition: this.partition, ending }
    const work = this.#begun
      .then(() => (this.#log ? revoked(this.#log, ending) : undefined))
      .catch((thrown: unknown) => {
        log.error({ ...where, error: messageOf(thrown) }, 'a partition was not closed in order')
      })
    return Promise.race([work, late]).then((how) => {
      cancel()
      if (how === 'late') log.error(where, 'a partition takes too long to close: it is left behind')
    })
  }

  async #open(): Promise<void> {
    const { subscription, clock, assigned, fatal } = this.#options
    const marks = await this.marks()
    if (!marks || this.#ending) return
    const log = new KafkaLog({
      topic: this.topic,
      kafkaPartition: this.partition,
      partition: subscription.partitionFirst + this.partition,
      kind: subscription.kind,
      marks,
      fetching: this,
      clock,
      failed: fatal,
    })
    this.#log = log
    await assigned(log)
  }

  /** Asked until it is answered: a broker that is away now comes back. Null when it is not wanted any more. */
  async marks(): Promise<Marks | null> {
    const { marks, log } = this.#options
    for (let pauseMs = PAUSE_MS_AT_FIRST; !this.#ending; pauseMs *= 2) {
      try {
        return await marks()
      } catch (thrown) {
        const where = { topic: this.topic, partition: this.partition }
        log.warn({ ...where, error: messageOf(thrown) }, 'what a partition holds is not known yet')
      }
      await this.#pause.wait(Math.min(pauseMs, PAUSE_MS_MAX))
    }
    return null
  }

  seek(kafkaOffset: number): void {
    const { topic, partition } = this
    this.#quietly(() =>
      this.#options.consumer.seek({ topic, partition, offset: String(kafkaOffset) }),
    )
  }

  pause(): void {
    const { topic, partition } = this
    this.#quietly(() => this.#options.consumer.pause([{ topic, partitions: [partition] }]))
  }

  resume(): void {
    const { topic, partition } = this
    this.#quietly(() => this.#options.consumer.resume([{ topic, partitions: [partition] }]))
  }

  /** Between a crash of the consumer and its next start there is nothing to steer: it asks when it has joined. */
  #quietly(steer: () => void): void {
    try {
      steer()
    } catch (thrown) {
      this.#options.log.debug({ error: messageOf(thrown) }, 'the consumer does not run')
    }
  }
}

/** Names a partition among those of all topics. */
export function keyOf(
  of: Readonly<{ topic: string } & ({ kafkaPartition: number } | { partition: number })>,
): string {
  return `${of.topic} ${'kafkaPartition' in of ? of.kafkaPartition : of.partition}`
}
