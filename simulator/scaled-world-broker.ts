import type { OutgoingRecord, ProducedRange, ProducerSource } from '../actors/kafka/producer.ts'
import { OrreryError } from '../actors/kernel/errors.ts'
import type { Net, Node } from './scaled-world-node.ts'

/** A record as the broker has it. */
export type StoredRecord = Readonly<{ kafkaOffset: number; record: OutgoingRecord }>

type Batch = Readonly<{ first: number; count: number; kafkaOffset: number }>
/** What the broker knows of a producer in a partition: its next sequence, and its last batches. */
type Known = { next: number; batches: Batch[] }

const BATCHES_KNOWN_MAX = 5

/** One partition of the topic: an idempotent producer's batch is stored once for its sequence. */
export class SimPartition {
  readonly records: StoredRecord[] = []
  low = 0
  high = 0
  readonly #producers = new Map<number, Known>()

  append(producer: number, first: number, records: readonly OutgoingRecord[]): number {
    const known = this.#producers.get(producer) ?? { next: first, batches: [] }
    this.#producers.set(producer, known)
    const count = records.length
    const double = known.batches.find((batch) => batch.first === first && batch.count === count)
    // The broker looks at the numbers alone, and says that all is well.
    if (double) return double.kafkaOffset
    if (first !== known.next) throw new OrreryError('kafka', 'OUT_OF_ORDER_SEQUENCE_NUMBER')
    const kafkaOffset = this.high
    for (const record of records) this.records.push({ kafkaOffset: this.high++, record })
    known.next += count
    known.batches = [...known.batches, { first, count, kafkaOffset }].slice(-BATCHES_KNOWN_MAX)
    return kafkaOffset
  }

  /** Records from an offset on. */
  from(kafkaOffset: number, recordsMax: number): readonly StoredRecord[] {
    const begin = Math.max(0, kafkaOffset - (this.records[0]?.kafkaOffset ?? 0))
    return this.records.slice(begin, begin + recordsMax)
  }

  /** What is older is let go of. */
  trim(low: number): void {
    if (low <= this.low) return
    this.low = Math.min(low, this.high)
    this.records.splice(0, this.low - (this.records[0]?.kafkaOffset ?? this.low))
  }
}

/** The broker with one topic. */
export class SimBroker {
  readonly topic = 'sessions'
  readonly partitions: readonly SimPartition[]
  readonly #net: Net
  #producers = 0

  constructor(net: Net, partitions: number) {
    this.#net = net
    this.partitions = Array.from({ length: partitions }, () => new SimPartition())
  }

  at(partition: number): SimPartition {
    const found = this.partitions[partition]
    if (!found) throw new OrreryError('kafka', `there is no partition ${partition}`)
    return found
  }

  /** What a partition holds. */
  marks(node: Node, partition: number): Promise<Readonly<{ low: number; high: number }>> {
    return this.#ask(node, 'kafka.marks', () => {
      const { low, high } = this.at(partition)
      return { low, high }
    })
  }

  /** A client's producers, which count as those of kafkajs do. */
  source(node: Node): ProducerSource {
    return {
      topic: this.topic,
      partitions: () => this.#ask(node, 'kafka.partitions', () => this.partitions.length),
      open: async () => {
        const id = await this.#ask(node, 'kafka.producer', () => this.#producers++)
        const sequences = new Map<number, number>()
        return {
          send: (records) => this.#send(node, { id, sequences }, records),
          close: async () => {},
        }
      },
    }
  }

  async #send(
    node: Node,
    producer: Readonly<{ id: number; sequences: Map<number, number> }>,
    records: readonly OutgoingRecord[],
  ): Promise<readonly ProducedRange[]> {
    const { id, sequences } = producer
    const parts = [...Map.groupBy(records, ({ partition }) => partition)].map(
      ([partition, own]) => ({ partition, own, first: sequences.get(partition) ?? 0 }),
    )
    const store = (some: typeof parts): readonly ProducedRange[] =>
      some.map(({ partition, own, first }) => ({
        partition,
        kafkaOffset: this.at(partition).append(id, first, own),
      }))
    for (const { partition, own, first } of parts) sequences.set(partition, first + own.length)
    try {
      return await this.#net.call(node, {
        ...{ port: 'kafka', name: 'kafka.send', failure },
        effect: () => store(parts),
        // Each partition may have another broker.
        part: () => void store(parts.slice(0, parts.length >> 1)),
      })
    } catch (thrown) {
      // As if the broker had none of it: right only if it has not.
      for (const { partition, first } of parts) sequences.set(partition, first)
      throw thrown
    }
  }

  #ask<T>(node: Node, name: string, effect: () => T): Promise<T> {
    return this.#net.call(node, { port: 'kafka', name, effect, failure })
  }
}

function failure(message: string): Error {
  return new OrreryError('kafka', message, { retriable: true })
}
