import { afterAll, beforeAll, describe, expect, test } from 'bun:test'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { systemClock } from '../kernel/clock.ts'
import type { EntryKind, JournalRecord } from '../kernel/journal.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import { kafkaLibrary, KafkaServer } from './broker.ts'
import { KafkaClient } from './client.ts'
import type { KafkaEntry } from './entries.ts'
import { Assignments } from './group.ts'
import type { Ending, KafkaLog } from './log.ts'
import { offsetOf } from './places.ts'
import type { WriteOutcome } from './send-queue.ts'
import { KafkaWriter } from './writer.ts'

const services = process.env.ORRERY_SERVICES_DIR ?? join(homedir(), '.cache', 'orrery', 'services')
const library = kafkaLibrary(services)
if (!library) console.warn(`SKIPPED: no Kafka below ${services}: its tests did not run`)

const MINUTE = 60_000

describe.skipIf(!library)('over a broker', () => {
  let server: KafkaServer
  let client: KafkaClient
  let topics = 0
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    server = new KafkaServer(library ?? '')
    await server.start()
    client = await KafkaClient.open({ brokers: [server.address], clientId: 't', log: silentLog })
  }, 2 * MINUTE)

  afterAll(async () => {
    for (const close of closing.reverse()) await close()
    await server.dispose()
  }, MINUTE)

  async function newTopic(numPartitions = 1): Promise<string> {
    const topic = `t${topics++}`
    await client.asked((admin) =>
      admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1 }] }),
    )
    return topic
  }

  async function writerTo(topic: string): Promise<KafkaWriter> {
    const writer = await KafkaWriter.open({
      source: client.producers(topic, 'zstd'),
      sender: crypto.randomUUID().replaceAll('-', ''),
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      telemetry: new Telemetry(),
    })
    closing.push(() => writer.close(1_000))
    return writer
  }

  test(
    'an entry is read back as it was appended, and offsets rise',
    async () => {
      const topic = await newTopic()
      const writer = await writerTo(topic)
      const kinds: EntryKind[] = ['pings', 'dead_letter', 'timer', 'trips', 'retry', 'flush']
      const sources = ['van', '', 'Ολύμπια 🚚', 'k'.repeat(255), 'van/retry', ';;']
      const payloads = [
        '{"a":1}',
        '',
        'naïve 🚚',
        new Uint8Array([0, 255, 10, 13, 0]),
        '{}\n{}',
        '',
      ]
      const entries = kinds.map((kind, n): KafkaEntry => ({
        kind,
        source: sources[n] ?? '',
        count: n + 1,
        receivedMs: n + 0.5,
        payload: payloads[n] ?? '',
        partition: 0,
        key: n % 2 ? null : `k${n}`,
      }))
      const outcomes = await Promise.all(entries.map((entry) => appended(writer, [entry])))
      expect(outcomes).toEqual(
        entries.map((_, n) => ({ ok: true, places: [{ partition: 0, offset: offsetOf(n) }] })),
      )
      const reader = await readerOf(client, topic)
      closing.push(() => reader.assignments.stop())
      await reader.until((records) => records.length === entries.length)
      expect(reader.records.map((record) => ({ ...record, payload: [...record.payload] }))).toEqual(
        entries.map(({ partition: _p, key: _k, payload, ...rest }, n) => ({
          ...rest,
          offset: offsetOf(n),
          payload: [...Buffer.from(payload as string)],
        })),
      )
    },
    MINUTE,
  )
})

function appended(writer: KafkaWriter, entries: readonly KafkaEntry[]): Promise<WriteOutcome> {
  return new Promise((resolve, reject) => {
    if (!writer.append(entries, resolve)) reject(new Error(`refused: ${writer.refusing}`))
  })
}

type Reader = Readonly<{
  records: JournalRecord[]
  assignments: Assignments
  endings: [KafkaLog, Ending][]
  until(isEnough: (records: readonly JournalRecord[]) => boolean): Promise<void>
}>

async function readerOf(client: KafkaClient, topic: string): Promise<Reader> {
  const records: JournalRecord[] = []
  const endings: [KafkaLog, Ending][] = []
  let told = (): void => {}
  const assignments = new Assignments({
    client,
    groupId: `g${crypto.randomUUID()}`,
    subscriptions: [{ topic, kind: 'pings', partitionFirst: 0 }],
    clock: systemClock,
    log: silentLog,
    assigned: async (log) =>
      log.start({
        from: 'beginning',
        note: '',
        take: (taken) => {
          records.push(...taken)
          told()
        },
        full: () => false,
      }),
    revoked: async (log, ending) => void endings.push([log, ending]),
    fatal: (error) => console.error(error),
  })
  await assignments.start()
  const until: Reader['until'] = (isEnough) =>
    new Promise((resolve) => {
      told = () => {
        if (isEnough(records)) resolve()
      }
      told()
    })
  return { records, assignments, endings, until }
}
