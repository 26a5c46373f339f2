import net from 'node:net'
import tls from 'node:tls'

import type {
  Admin,
  Consumer,
  ConsumerConfig,
  ISocketFactoryArgs,
  Kafka,
  KafkaConfig,
  Producer as KafkaProducer,
} from 'kafkajs'

import { messageOf, OrreryError } from '../kernel/errors.ts'
import type { Log } from '../kernel/telemetry.ts'
import { lz4Decompress } from './lz4.ts'
import {
  type OutgoingRecord,
  type ProducedRange,
  type Producer,
  type ProducerSource,
  TOO_LARGE,
} from './producer.ts'
import type { Marks } from './reading.ts'
import { STAMP_HEADER } from './stamp.ts'

export type Compression = 'none' | 'gzip' | 'zstd'

export type KafkaOptions = Readonly<{
  /** `host:port` of some brokers; the others are learned from them. */
  brokers: readonly string[]
  clientId: string
  log: Log
  ssl?: KafkaConfig['ssl']
  sasl?: KafkaConfig['sasl']
  /** A connection that has been asked and says nothing for so long is cut; default 15 s. */
  silenceMsMax?: number
  requestMsMax?: number
  connectMsMax?: number
  /** Tries before a producer is given up for a new one, 1 at least; default 12, which is about eight seconds. */
  producerRetries?: number
}>

type Library = typeof import('kafkajs')

const PRODUCER_RETRIES = 12
const RETRY = { initialRetryTime: 20, maxRetryTime: 1_000 }
const TOO_LARGE_TYPES: readonly string[] = ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']

/** A Kafka cluster, with the settings that survive its outages. Nothing of it is loaded before it is opened. */
export class KafkaClient {
  readonly #library: Library
  /** Gives up, so that a new producer can begin. */
  readonly #impatient: Kafka
  /** Never gives up. */
  readonly #patient: Kafka

  private constructor(library: Library, options: KafkaOptions) {
    this.#library = library
    const { brokers, clientId, ssl, sasl, log } = options
    const shared: KafkaConfig = {
      brokers: [...brokers],
      clientId,
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl }),
      requestTimeout: options.requestMsMax ?? 5_000,
      connectionTimeout: options.connectMsMax ?? 2_000,
      socketFactory: watchdog(options.silenceMsMax ?? 15_000),
      logLevel: library.logLevel.WARN,
      // What matters of it is said by those who call: here it would be a line for each try.
      logCreator:
        () =>
        ({ namespace, log: { message, error } }) =>
          log.debug({ from: namespace, error }, message),
    }
    this.#impatient = new library.Kafka({
      ...shared,
      retry: { ...RETRY, retries: options.producerRetries ?? PRODUCER_RETRIES },
    })
    this.#patient = new library.Kafka({ ...shared, retry: { ...RETRY, retries: 1e6 } })
  }

  static async open(options: KafkaOptions): Promise<KafkaClient> {
    const library = await import('kafkajs')
    const { CompressionCodecs, CompressionTypes } = library
    CompressionCodecs[CompressionTypes.ZSTD] = () => ({
      compress: async ({ buffer }: { buffer: Buffer }) =>
        Bun.zstdCompressSync(buffer, { level: 1 }),
      decompress: async (bytes: Buffer) => Buffer.from(Bun.zstdDecompressSync(bytes)),
    })
    CompressionCodecs[CompressionTypes.LZ4] = () => ({
      compress: async () => {
        throw new OrreryError('kafka', 'LZ4 is read and not written')
      },
      decompress: async (bytes: Buffer) => lz4Decompress(bytes),
    })
    return new KafkaClient(library, options)
  }

  /** What kafkajs exports, for who has its client. */
  get library(): Library {
    return this.#library
  }

  consumer(config: ConsumerConfig): Consumer {
    return this.#patient.consumer(config)
  }

  /** Asks something that is not part of the stream, on a connection of its own. */
  async asked<Answer>(ask: (admin: Admin) => Promise<Answer>): Promise<Answer> {
    const admin = this.#impatient.admin()
    try {
      await admin.connect()
      return await ask(admin)
    } catch (cause) {
      throw new OrreryError('kafka', `kafka: ${messageOf(cause)}`, { retriable: true, cause })
    } finally {
      await admin.disconnect().catch(() => {})
    }
  }

  /** What a partition holds now. */
  async marksOf(topic: string, partition: number): Promise<Marks> {
    const all = await this.asked((admin) => admin.fetchTopicOffsets(topic))
    const found = all.find((one) => one.partition === partition)
    if (found) return { low: Number(found.low), high: Number(found.high) }
    const message = `topic ${topic} has no partition ${partition}`
    throw new OrreryError('kafka', message, { retriable: true })
  }

  producers(topic: string, compression: Compression): ProducerSource {
    return {
      topic,
      partitions: async () => {
        const { topics } = await this.asked((admin) =>
          admin.fetchTopicMetadata({ topics: [topic] }),
        )
        return topics[0]?.partitions.length ?? 0
      },
      open: () => this.#producer(topic, compression),
    }
  }

  async #producer(topic: string, compression: Compression): Promise<Producer> {
    const { CompressionTypes } = this.#library
    const types = {
      none: CompressionTypes.None,
      gzip: CompressionTypes.GZIP,
      zstd: CompressionTypes.ZSTD,
    } as const
    const settings = { idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false }
    const producer = this.#impatient.producer(settings)
    try {
      await producer.connect()
    } catch (cause) {
      void producer.disconnect().catch(() => {})
      throw sendError(cause)
    }
    return {
      send: (records) => send(producer, { topic, compression: types[compression], records }),
      close: () => producer.disconnect(),
    }
  }
}

async function send(
  producer: KafkaProducer,
  {
    topic,
    compression,
    records,
  }: Readonly<{ topic: string; compression: number; records: readonly OutgoingRecord[] }>,
): Promise<readonly ProducedRange[]> {
  const messages = records.map(({ partition, key, value, stamp, timestampMs }) => ({
    partition,
    key,
    value,
    headers: { [STAMP_HEADER]: stamp },
    timestamp: String(timestampMs),
  }))
  try {
    const answers = await producer.send({ topic, acks: -1, compression, messages })
    // A range without an offset is one of which the broker does not know any more where it is.
    return answers
      .filter(({ errorCode, baseOffset }) => errorCode === 0 && Number(baseOffset ?? -1) >= 0)
      .map(({ partition, baseOffset }) => ({ partition, kafkaOffset: Number(baseOffset) }))
  } catch (cause) {
    throw sendError(cause)
  }
}

function sendError(cause: unknown): OrreryError {
  const isTooLarge = TOO_LARGE_TYPES.includes(kafkaTypeOf(cause))
  const code = isTooLarge ? TOO_LARGE : 'kafka'
  return new OrreryError(code, messageOf(cause), { retriable: !isTooLarge, cause })
}

/** The broker's own word for an error, wherever kafkajs has wrapped it; of several the first. */
export function kafkaTypeOf(thrown: unknown): string {
  let at = thrown
  for (let depth = 0; at instanceof Error && depth < 5; depth++) {
    const type: unknown = Reflect.get(at, 'type')
    if (typeof type === 'string') return type
    const several: unknown = Reflect.get(at, 'errors')
    at = Array.isArray(several) ? several[0] : at.cause
  }
  return ''
}

/** Sockets that are cut when nothing comes back: kafkajs would ask a dead connection for ever. */
function watchdog(silenceMsMax: number): (args: ISocketFactoryArgs) => net.Socket {
  return ({ host, port, ssl, onConnect }) => {
    const socket = ssl
      ? tls.connect(
          { host, port, ...(net.isIP(host) ? {} : { servername: host }), ...ssl },
          onConnect,
        )
      : net.connect({ host, port }, onConnect)
    let askedAtMs = 0
    const write = socket.write.bind(socket)
    socket.write = (...given: unknown[]): boolean => {
      askedAtMs ||= performance.now()
      return Reflect.apply(write, socket, given)
    }
    socket.on('data', () => {
      askedAtMs = 0
    })
    const timer = setInterval(
      () => {
        if (askedAtMs > 0 && performance.now() - askedAtMs > silenceMsMax) socket.destroy()
      },
      Math.min(1_000, silenceMsMax / 4),
    )
    timer.unref()
    socket.on('close', () => clearInterval(timer))
    return socket
  }
}
