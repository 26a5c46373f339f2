import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import type { EntryKind } from '../kernel/journal.ts'
import { silentLog } from '../kernel/telemetry.ts'
import { type KafkaServer, startKafka } from '../testing/servers.ts'
import { skipped } from '../testing/services.ts'
import { KafkaClient, type KafkaOptions } from './client.ts'
import type { KafkaEntry } from './entries.ts'
import { offsetOf } from './places.ts'
import { Proxy } from './proxy.ts'
import { appended, entryOf, newTopic, TestWorker, writerTo } from './testing.ts'
import type { KafkaWriter } from './writer.ts'

const MINUTE = 60_000

describe.skipIf(skipped(['kafka'], process.env))('over a broker', () => {
  let server: KafkaServer
  let proxy: Proxy
  let client: KafkaClient
  const closing: (() => Promise<unknown>)[] = []

  const clientOf = (more: Partial<KafkaOptions> = {}): Promise<KafkaClient> =>
    KafkaClient.open({ brokers: [...server.brokers], clientId: 'test', log: silentLog, ...more })

  beforeAll(async () => {
    // Everything goes through the proxy: a broker tells its clients one address.
    proxy = new Proxy(() => server.plan.port)
    await proxy.listen()
    server = await startKafka({ env: process.env, advertisedPort: proxy.port })
    client = await clientOf({ silenceMsMax: 2_000, requestMsMax: 1_500 })
  }, 2 * MINUTE)

  afterAll(async () => {
    for (const close of closing.reverse()) await close()
    await proxy.close()
    await server[Symbol.asyncDispose]()
  }, MINUTE)

  const opened = async (topic: string): Promise<KafkaWriter> => {
    const writer = await writerTo(client, topic)
    closing.push(() => writer.close(1_000))
    return writer
  }

  const joined = async (worker: TestWorker): Promise<TestWorker> => {
    closing.push(() => worker.assignments.stop())
    await worker.assignments.start()
    return worker
  }

  /** Appends one text after another, a few at a time, until told to stop; which ones were acknowledged. */
  function sending(writer: KafkaWriter, partitions = 1): () => Promise<string[]> {
    const acknowledged: string[] = []
    let sent = 0
    let open = 0
    let isStopped = false
    const { promise, resolve } = Promise.withResolvers<string[]>()
    const go = (): void => {
      while (!isStopped && open < 200) {
        const text = `m${sent++}`
        const entry = entryOf(text, sent % partitions)
        const isTaken = writer.append([entry], ({ ok }) => {
          open--
          if (ok) acknowledged.push(text)
          if (isStopped && open === 0) resolve(acknowledged)
          else setTimeout(go, 2)
        })
        if (!isTaken) return void setTimeout(go, 50)
        open++
      }
    }
    go()
    return () => {
      isStopped = true
      if (open === 0) resolve(acknowledged)
      return promise
    }
  }

  test(
    'an entry is read back as it was appended, and offsets rise',
    async () => {
      const topic = await newTopic(client)
      const writer = await opened(topic)
      const kinds: EntryKind[] = ['pings', 'dead_letter', 'timer', 'trips', 'retry', 'flush']
      const sources = ['van', '', 'Ολύμπια 🚚', 'k'.repeat(255), 'van/retry', ';;']
      const bytes = new Uint8Array([0, 255, 10, 13, 0])
      const payloads = ['{"a":1}', '', 'naïve 🚚', bytes, '{}\n{}', '']
      const entries = kinds.map((kind, n): KafkaEntry => {
        const named = { kind, source: sources[n] ?? '', key: n % 2 ? null : `k${n}`, partition: 0 }
        return { ...named, count: n + 1, receivedMs: n + 0.5, payload: payloads[n] ?? '' }
      })
      const outcomes = await Promise.all(entries.map((entry) => appended(writer, [entry])))
      expect(outcomes).toEqual(
        entries.map((_, n) => ({ ok: true, places: [{ partition: 0, offset: offsetOf(n) }] })),
      )
      const worker = await joined(new TestWorker(client, topic))
      await worker.until(() => worker.records.length === entries.length)
      expect(worker.records.map((one) => ({ ...one, payload: [...one.payload] }))).toEqual(
        entries.map(({ kind, source, count, receivedMs }, n) => {
          const payload = [...Buffer.from((payloads[n] ?? '') as string)]
          return { kind, source, count, receivedMs, offset: offsetOf(n), payload }
        }),
      )
      await worker.logs[0]?.caughtUp
    },
    MINUTE,
  )

  test(
    'answers that are lost: nothing acknowledged is missing, and repeats are dropped',
    async () => {
      const topic = await newTopic(client, 2)
      // Each lost answer ends a producer: without the writer's care kafkajs then loses what it sends next.
      const writer = await writerTo(await clientOf({ producerRetries: 1 }), topic)
      closing.push(() => writer.close(1_000))
      const stop = sending(writer, 2)
      for (let round = 0; round < 8; round++) {
        await Bun.sleep(150)
        proxy.line = 'swallow answers'
        await Bun.sleep(60)
        proxy.line = 'refuse'
        proxy.cut()
        await Bun.sleep(150)
        proxy.line = 'open'
      }
      const acknowledged = await stop()
      expect(acknowledged.length).toBeGreaterThan(100)
      const worker = await joined(new TestWorker(client, topic))
      await worker.until(() => worker.records.length >= acknowledged.length)
      expect(worker.texts.toSorted()).toEqual(acknowledged.toSorted())
      await Promise.all(worker.logs.map((log) => log.caughtUp))
      const repeats = worker.logs.reduce((sum, log) => sum + log.duplicates, 0)
      expect(repeats).toBeGreaterThan(0)
      for (const partition of [0, 1]) {
        const numbers = worker.texts.map((text) => Number(text.slice(1)))
        const own = numbers.filter((n) => (n + 1) % 2 === partition)
        expect(own).toEqual(own.toSorted((a, b) => a - b))
      }
    },
    MINUTE,
  )

  test(
    'a line that swallows everything is cut by the watchdog, and the same records go again',
    async () => {
      const topic = await newTopic(client)
      const writer = await opened(topic)
      await appended(writer, [entryOf('before')])
      proxy.line = 'swallow answers'
      const outcome = appended(writer, [entryOf('during')])
      await Bun.sleep(3_000)
      proxy.line = 'open'
      expect(await outcome).toMatchObject({ ok: true })
      await appended(writer, [entryOf('after')])
      const worker = await joined(new TestWorker(client, topic))
      await worker.until(() => worker.records.length >= 3)
      expect(worker.texts).toEqual(['before', 'during', 'after'])
    },
    MINUTE,
  )

  test(
    'kill -9 of the broker while it takes and gives: nothing acknowledged is missing or double',
    async () => {
      const topic = await newTopic(client)
      const writer = await opened(topic)
      const worker = await joined(new TestWorker(client, topic, begun()))
      const stop = sending(writer)
      for (let round = 0; round < 2; round++) {
        const seen = worker.records.length
        await worker.until(() => worker.records.length > seen + 500)
        await server.kill()
        await server.start()
      }
      const acknowledged = await stop()
      await worker.until(() => new Set(worker.texts).size >= acknowledged.length)
      expect(worker.texts).toEqual(acknowledged)
      expect(worker.failures).toEqual([])
    },
    3 * MINUTE,
  )

  test(
    'a broker that stands still for 12 seconds costs time and nothing else',
    async () => {
      const topic = await newTopic(client)
      const writer = await opened(topic)
      const worker = await joined(new TestWorker(client, topic, begun()))
      const stop = sending(writer)
      await worker.until(() => worker.records.length > 500)
      server.pause()
      await Bun.sleep(12_000)
      server.resume()
      const seen = worker.records.length
      await worker.until(() => worker.records.length > seen + 500)
      const acknowledged = await stop()
      await worker.until(() => new Set(worker.texts).size >= acknowledged.length)
      expect(worker.texts).toEqual(acknowledged)
      expect(worker.failures).toEqual([])
      for (const [, ending] of worker.ended) expect(ending).toBe('fenced')
    },
    3 * MINUTE,
  )

  test(
    'workers come and go: what stays is not touched, what moves goes on elsewhere, everything once',
    async () => {
      const topic = await newTopic(client, 6)
      const writer = await opened(topic)
      const groupId = crypto.randomUUID()
      const shared = begun()
      const first = await joined(new TestWorker(client, topic, { ...shared, groupId }))
      await first.until(() => first.assigned.length === 6)
      const stop = sending(writer, 6)
      const second = await joined(new TestWorker(await clientOf(), topic, { ...shared, groupId }))
      await second.until(() => second.assigned.length === 3 && second.records.length > 300)
      expect(first.ended.map(([, ending]) => ending)).toEqual(['revoked', 'revoked', 'revoked'])
      expect(first.ended.map(([partition]) => partition).toSorted()).toEqual(
        second.assigned.toSorted(),
      )
      const isHeld = first.logs.map((log) => first.assignments.holds(log))
      expect(isHeld.filter(Boolean)).toHaveLength(3)
      await second.assignments.stop()
      await first.until(() => first.assigned.length === 9)
      const seen = first.records.length
      await first.until(() => first.records.length > seen + 300)
      const acknowledged = await stop()
      const texts = (): string[] => [...first.texts, ...second.texts]
      await first.until(() => texts().length >= acknowledged.length)
      expect(texts().toSorted()).toEqual(acknowledged.toSorted())
      expect(first.ended).toHaveLength(3)
      expect(second.ended.map(([, ending]) => ending)).toEqual(['stopped', 'stopped', 'stopped'])
    },
    2 * MINUTE,
  )

  test(
    'who was cut off for longer than a session is fenced, and begins anew',
    async () => {
      const topic = await newTopic(client, 2)
      const writer = await opened(topic)
      const shared = { ...begun(), sessionMsMax: 6_000 }
      const worker = await joined(new TestWorker(client, topic, shared))
      await worker.until(() => worker.assigned.length === 2)
      const [log] = worker.logs
      if (!log) throw new Error('no log')
      expect(worker.assignments.holds(log)).toBe(true)
      proxy.line = 'refuse'
      proxy.cut()
      await Bun.sleep(8_000)
      expect(worker.assignments.holds(log)).toBe(false)
      proxy.line = 'open'
      await worker.until(() => worker.assigned.length === 4)
      expect(worker.ended.map(([, ending]) => ending)).toEqual(['fenced', 'fenced'])
      await appended(writer, [entryOf('a', 0), entryOf('b', 1)])
      await worker.until(() => worker.records.length === 2)
    },
    MINUTE,
  )

  test(
    'an offset that the topic has not stops that partition, and says what to do',
    async () => {
      for (const [from, code] of [
        [offsetOf(3), 'journal_trimmed'],
        [offsetOf(11), 'journal_behind'],
      ] as const) {
        const topic = await newTopic(client)
        const writer = await opened(topic)
        for (let n = 0; n < 10; n++) await appended(writer, [entryOf(`${n}`)])
        await client.asked(async (admin) => {
          const partitions = [{ partition: 0, offset: '5' }]
          // It does not look for the leader by itself.
          await admin.fetchTopicOffsets(topic)
          await admin.deleteTopicRecords({ topic, partitions })
        })
        const begin = { begin: () => ({ from, note: '' }) }
        const worker = await joined(new TestWorker(client, topic, begin))
        await worker.until(() => worker.failures.length > 0)
        expect(worker.failures.map((failure) => failure.code)).toEqual([code])
        expect(worker.failures[0]?.message).toContain('empty stores')
        expect(worker.records).toEqual([])
      }
    },
    MINUTE,
  )

  test(
    'records of the old gateway and of the old producer are taken, LZ4 and gzip too',
    async () => {
      const ping =
        '{"device_id": "d", "session_id": "s", "status": "en_route", "timestamp": "2026-09-21T03:59:21.422993", "current_lat": 5.0}'
      for (const compression of ['lz4', 'gzip', 'zstd', 'uncompressed']) {
        const settings = { 'compression.type': compression, 'retention.ms': '-1' }
        const topic = await newTopic(client, 1, settings)
        const { Kafka, logLevel } = client.library
        const theirs = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING })
        const producer = theirs.producer()
        await producer.connect()
        const timestamp = '1790000000000'
        const messages = Array.from({ length: 50 }, () => ({ key: 'd', value: ping, timestamp }))
        await producer.send({ topic, messages })
        await producer.disconnect()
        const worker = await joined(new TestWorker(client, topic))
        await worker.until(() => worker.records.length === 50)
        // It lacks fields, and so it is a dead letter, with all that was sent.
        for (const [n, record] of worker.records.entries()) {
          expect(record).toMatchObject({
            kind: 'dead_letter',
            offset: offsetOf(n),
            source: 'kafka',
          })
          expect(record.receivedMs).toBe(Number(timestamp))
          const { raw } = JSON.parse(new TextDecoder().decode(record.payload))
          expect(Buffer.from(raw, 'base64').toString()).toBe(ping)
        }
        await worker.assignments.stop()
      }
    },
    MINUTE,
  )

  test(
    'a codec that is not there ends the reading with a typed error, not in silence',
    async () => {
      const topic = await newTopic(client, 1, { 'compression.type': 'snappy' })
      const writer = await opened(topic)
      await appended(writer, [entryOf('x'.repeat(1_000))])
      const worker = await joined(new TestWorker(client, topic))
      await worker.until(() => worker.failures.length > 0)
      expect(worker.failures[0]?.code).toBe('kafka_crashed')
      expect(worker.failures[0]?.message).toContain('Snappy')
      expect(worker.ended.map(([, ending]) => ending)).toEqual(['fenced'])
    },
    MINUTE,
  )

  /** Each tenure goes on where the one before it was, as the stores would say. */
  function begun(): NonNullable<ConstructorParameters<typeof TestWorker>[2]> {
    const at = new Map<number, { from: number; note: string }>()
    return {
      begin: (partition) => at.get(partition) ?? { from: 0, note: '' },
      handed: (_, log) => {
        at.set(log.partition, { from: log.nextOffset, note: log.note() })
      },
    }
  }
})
