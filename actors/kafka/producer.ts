/** A record as it goes to the broker. */
export type OutgoingRecord = Readonly<{
  partition: number
  key: string | null
  value: Buffer
  /** Text of its one header. */
  stamp: string
  /** Milliseconds since 1970 UTC. */
  timestampMs: number
}>

/** Where the records of one partition went, as the broker says: the first of them, and the others right behind it. */
export type ProducedRange = Readonly<{ partition: number; kafkaOffset: number }>

/**
 * A producer of one topic. It is used up by its first failure: kafkajs then counts its sequences wrong, and the
 * broker would take new records for old ones and answer that all is well.
 */
export interface Producer {
  /** Resolves when all in-sync replicas have every record. */
  send(records: readonly OutgoingRecord[]): Promise<readonly ProducedRange[]>
  close(): Promise<void>
}

/** What a writer needs of a Kafka client. */
export interface ProducerSource {
  readonly topic: string
  /** Partitions of the topic, asked of the broker. */
  partitions(): Promise<number>
  open(): Promise<Producer>
}

/** Code of the error that `send` throws when the broker takes no batch as large as this one. */
export const TOO_LARGE = 'kafka_too_large'
