import { systemClock } from '../kernel/clock.ts'
import type { OrreryError } from '../kernel/errors.ts'
import type { JournalRecord } from '../kernel/journal.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import type { KafkaClient } from './client.ts'
import type { KafkaEntry } from './entries.ts'
import { Assignments, type AssignmentsOptions } from './group.ts'
import type { KafkaLog } from './log.ts'
import type { Ending, Reading } from './reading.ts'
import type { WriteOutcome } from './send-queue.ts'
import { KafkaWriter, type KafkaWriterOptions } from './writer.ts'

/** One ping or what stands for it, for tests. */
export function entryOf(payload: string, partition = 0): KafkaEntry {
  const at = { kind: 'pings', count: 1, receivedMs: 1_790_000_000_123, source: 'van' } as const
  return { ...at, payload, partition, key: 'k' }
}

/** Appends and waits for the outcome. */
export function appended(
  writer: KafkaWriter,
  entries: readonly KafkaEntry[],
): Promise<WriteOutcome> {
  return new Promise((resolve, reject) => {
    if (!writer.append(entries, resolve)) reject(new Error(`refused: ${writer.refusing}`))
  })
}

/** A topic of a test's own. */
export async function newTopic(
  client: KafkaClient,
  numPartitions = 1,
  settings: Readonly<Record<string, string>> = {},
): Promise<string> {
  const topic = `t${crypto.randomUUID()}`
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  const asked = { topic, numPartitions, replicationFactor: 1, configEntries }
  await client.asked((admin) => admin.createTopics({ topics: [asked], waitForLeaders: true }))
  return topic
}

/** A writer under a name of its own. */
export function writerTo(
  client: KafkaClient,
  topic: string,
  more: Partial<KafkaWriterOptions> = {},
): Promise<KafkaWriter> {
  return KafkaWriter.open({
    source: client.producers(topic, 'zstd'),
    sender: crypto.randomUUID().replaceAll('-', ''),
    clock: systemClock,
    random: Math.random,
    log: silentLog,
    telemetry: new Telemetry(),
    ...more,
  })
}

/** A worker that keeps what it reads, by partition; each tenure begins where `from` says. */
export class TestWorker {
  readonly records: JournalRecord[] = []
  readonly assigned: number[] = []
  readonly ended: [partition: number, ending: Ending][] = []
  readonly failures: OrreryError[] = []
  readonly logs: KafkaLog[] = []
  readonly assignments: Assignments
  readonly #waiting = new Set<() => void>()

  constructor(
    client: KafkaClient,
    topic: string,
    {
      begin = () => ({ from: 'beginning', note: '' }),
      handed = () => {},
      ...more
    }: Partial<AssignmentsOptions> & {
      begin?: (partition: number) => Pick<Reading, 'from' | 'note'>
      handed?: (records: readonly JournalRecord[], log: KafkaLog) => void
    } = {},
  ) {
    this.assignments = new Assignments({
      client,
      groupId: `g${crypto.randomUUID()}`,
      subscriptions: [{ topic, kind: 'pings', partitionFirst: 0 }],
      clock: systemClock,
      log: silentLog,
      assigned: async (log) => {
        this.assigned.push(log.partition)
        this.logs.push(log)
        log.start({
          ...begin(log.partition),
          take: (records) => {
            this.records.push(...records)
            handed(records, log)
            this.#tell()
          },
          full: () => false,
        })
        this.#tell()
      },
      revoked: async (log, ending) => {
        this.ended.push([log.partition, ending])
        this.#tell()
      },
      fatal: (error) => {
        this.failures.push(error)
        this.#tell()
      },
      ...more,
    })
  }

  /** Texts in the order in which they came. */
  get texts(): string[] {
    return this.records.map(({ payload }) => new TextDecoder().decode(payload))
  }

  /** Resolves when something has happened after which it is so. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!isSo()) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
      look()
    })
  }

  #tell(): void {
    for (const look of [...this.#waiting]) look()
  }
}
