import type { PartitionAssigner } from 'kafkajs'

import { STAMP_HEADER } from '../actors/kafka/stamp.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { SimBroker, StoredRecord } from './scaled-world-broker.ts'
import { GroupError, type Joined, type SimGroup } from './scaled-world-group.ts'
import type { Net, Node } from './scaled-world-node.ts'

const HEARTBEAT_MS = 1_000
const FETCH_MS = 20
const RETRY_MS = 100
/** kafkajs gives a join up after so many tries, crashes, and starts anew. */
const TRIES_MAX = 5
const RESTART_MS = 300

type Listener = (event: Readonly<{ payload: unknown }>) => void
type EachBatch = (payload: unknown) => Promise<void>
type Place = Readonly<{ partition: number }>

/** A consumer as `Assignments` uses the one of kafkajs: it joins, hears of the group, fetches, and forgets where it was. */
export class SimConsumer {
  readonly events = {
    GROUP_JOIN: 'consumer.group_join',
    HEARTBEAT: 'consumer.heartbeat',
    CRASH: 'consumer.crash',
    START_BATCH_PROCESS: 'consumer.start_batch_process',
  }
  readonly #about: ConsumerOptions
  readonly #listeners = new Map<string, Listener[]>()
  readonly #paused = new Set<number>()
  #positions = new Map<number, number>()
  #memberId: string | null = null
  #generation = -1
  #isRunning = false
  #eachBatch: EachBatch = () => Promise.resolve()
  readonly #assigner: ReturnType<PartitionAssigner>

  constructor(about: ConsumerOptions) {
    this.#about = about
    const { assigner, group } = about
    this.#assigner = assigner({ cluster: group.cluster } as Parameters<PartitionAssigner>[0])
  }

  on(event: string, listener: Listener): void {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener])
  }

  connect(): Promise<void> {
    return this.#ask('group.connect', () => {})
  }

  async subscribe(): Promise<void> {}

  async run({ eachBatch }: Readonly<{ eachBatch: EachBatch }>): Promise<void> {
    this.#eachBatch = eachBatch
    this.#isRunning = true
    await this.#join()
    if (!this.#isRunning) return
    this.#beat()
    this.#fetch()
  }

  async disconnect(): Promise<void> {
    const memberId = this.#memberId
    this.#isRunning = false
    if (memberId === null) return
    await this.#ask('group.leave', () => this.#about.group.leave(memberId))
  }

  seek({ partition, offset }: Place & Readonly<{ offset: string }>): void {
    if (this.#positions.has(partition)) this.#positions.set(partition, Number(offset))
  }

  pause(places: readonly Readonly<{ partitions: readonly number[] }>[]): void {
    for (const partition of places.flatMap(({ partitions }) => partitions)) {
      this.#paused.add(partition)
    }
  }

  resume(places: readonly Readonly<{ partitions: readonly number[] }>[]): void {
    for (const partition of places.flatMap(({ partitions }) => partitions)) {
      this.#paused.delete(partition)
    }
  }

  async #join(): Promise<void> {
    const { group, broker } = this.#about
    for (let tries = 1; this.#isRunning; tries++) {
      try {
        const { metadata } = this.#assigner.protocol({ topics: [broker.topic] })
        const memberId = this.#memberId
        const effect = (): Promise<Joined> => group.join(memberId, this.#assigner, metadata)
        const joined = await this.#ask('group.join', effect)
        if (!this.#isRunning) return
        return this.#joined(joined)
      } catch (thrown) {
        if (thrown instanceof GroupError && thrown.type === 'UNKNOWN_MEMBER_ID') {
          this.#memberId = null
        } else if (tries % TRIES_MAX === 0) this.#crash(thrown)
        await this.#wait(tries % TRIES_MAX === 0 ? RESTART_MS : RETRY_MS)
      }
    }
  }

  #joined({ memberId, generation, partitions }: Joined): void {
    const { broker } = this.#about
    this.#memberId = memberId
    this.#generation = generation
    // Nothing was ever committed: it begins anew, unless it is told otherwise.
    this.#positions = new Map(partitions.map((one) => [one, broker.at(one).low]))
    this.#paused.clear()
    this.#emit('GROUP_JOIN', { memberId, memberAssignment: { [broker.topic]: partitions } })
  }

  /** kafkajs leaves no member behind when it crashes. */
  #crash(thrown: unknown): void {
    this.#memberId = null
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    this.#emit('CRASH', { restart: true, error })
  }

  async #beat(): Promise<void> {
    while (this.#isRunning) {
      await this.#wait(HEARTBEAT_MS)
      if (this.#isRunning) await this.#heartbeat()
    }
  }

  async #heartbeat(): Promise<void> {
    const [memberId, generation] = [this.#memberId, this.#generation]
    if (memberId === null) return
    try {
      await this.#ask('group.heartbeat', () => this.#about.group.heartbeat(memberId, generation))
      this.#emit('HEARTBEAT', { groupGenerationId: String(generation), memberId })
    } catch (thrown) {
      // A heartbeat that is lost is followed by the next.
      if (!(thrown instanceof GroupError)) return
      if (thrown.type === 'UNKNOWN_MEMBER_ID') this.#memberId = null
      await this.#join()
    }
  }

  async #fetch(): Promise<void> {
    while (this.#isRunning) {
      await this.#wait(FETCH_MS)
      for (const partition of [...this.#positions.keys()]) {
        if (!this.#paused.has(partition)) await this.#fetchOf(partition)
      }
    }
  }

  async #fetchOf(partition: number): Promise<void> {
    const { broker, net, node, fetchRecordsMax } = this.#about
    const position = this.#positions.get(partition)
    const generation = this.#generation
    if (position === undefined || broker.at(partition).high <= position) return
    const read = (): Readonly<{ some: readonly StoredRecord[]; high: number }> => ({
      some: broker.at(partition).from(position, fetchRecordsMax),
      high: broker.at(partition).high,
    })
    const request = { port: 'kafka', name: 'kafka.fetch', effect: read, failure } as const
    const found = await net.call(node, request).catch(() => null)
    // The group has met meanwhile, or it was sent elsewhere: what came is dropped.
    const isStale = this.#generation !== generation || this.#positions.get(partition) !== position
    const last = found?.some.at(-1)?.kafkaOffset
    if (!found || last === undefined || isStale || !this.#isRunning) return
    await this.#eachBatch({
      batch: {
        topic: broker.topic,
        partition,
        messages: found.some.map(incoming),
        highWatermark: String(found.high),
        lastOffset: () => String(last),
      },
      resolveOffset: (offset: string) => {
        if (this.#positions.get(partition) === position) {
          this.#positions.set(partition, Number(offset) + 1)
        }
      },
      heartbeat: async () => {},
    })
  }

  #emit(event: keyof SimConsumer['events'], payload: unknown): void {
    for (const listener of this.#listeners.get(this.events[event]) ?? []) listener({ payload })
  }

  #ask<T>(name: string, effect: () => T | Promise<T>): Promise<T> {
    const { net, node } = this.#about
    return net.call(node, { port: 'group', name, effect, failure })
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#about.node.clock.after(ms, resolve))
  }
}

export type ConsumerOptions = Readonly<{
  node: Node
  net: Net
  broker: SimBroker
  group: SimGroup
  assigner: PartitionAssigner
  fetchRecordsMax: number
}>

function incoming({ kafkaOffset, record }: StoredRecord): unknown {
  const { value, stamp, timestampMs } = record
  const headers = { [STAMP_HEADER]: Buffer.from(stamp) }
  return { offset: String(kafkaOffset), timestamp: String(timestampMs), value, headers }
}

function failure(message: string): Error {
  return new OrreryError('kafka', message, { retriable: true })
}
