import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { systemClock } from '../kernel/clock.ts'
import { deliveryOf } from '../kernel/entries.ts'
import { type Log, silentLog, Telemetry } from '../kernel/telemetry.ts'
import { parseAccepted, type Ping } from '../model/ping.ts'
import { parseAcceptedTrip } from '../model/trip.ts'
import { type KafkaServer, startKafka } from '../testing/servers.ts'
import { skipped } from '../testing/services.ts'
import { KafkaClient } from './client.ts'
import { KafkaIntake, type KafkaIntakeOptions } from './intake.ts'
import { newTopic, TestWorker, writerTo } from './testing.ts'
import { ensureTopics } from './topics.ts'

const MINUTE = 60_000
const PINGS = { kind: 'pings', parse: parseAccepted } as const

/** A ping as PacketPulse's simulator sends it, numbered by its latitude. */
function pingJson(n: number, session = `s${n % 10}`): string {
  const at = { start_lat: 1.5, start_lon: 2.5, end_lat: 3.5, end_lon: 4.5 }
  const ids = { device_id: 'd', vehicle_id: 'v', session_id: session, order_id: 'o' }
  const now = { current_lat: n / 1_000_000, current_lon: 5.5 }
  const timestamp = '2026-09-21T03:59:21.422993'
  return JSON.stringify({ ...ids, status: 'en_route', timestamp, ...at, ...now })
}

const numberOf = ({ lat }: Ping): number => Math.round(lat * 1_000_000)
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)
const countTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

describe.skipIf(skipped(['kafka'], process.env))('over a broker', () => {
  let server: KafkaServer
  let client: KafkaClient
  const closing: (() => Promise<unknown>)[] = []

  beforeAll(async () => {
    server = await startKafka({ env: process.env })
    const waits = { silenceMsMax: 2_000, requestMsMax: 1_500 }
    const brokers = [...server.brokers]
    client = await KafkaClient.open({ brokers, clientId: 'test', log: silentLog, ...waits })
  }, 2 * MINUTE)

  afterAll(async () => {
    for (const close of closing.reverse()) await close()
    await server[Symbol.asyncDispose]()
  }, MINUTE)

  async function opened(
    topic: string,
    more: Partial<KafkaIntakeOptions<Ping>> = {},
  ): Promise<KafkaIntake<Ping>> {
    const writer = await writerTo(client, topic)
    closing.push(() => writer.close(1_000))
    return new KafkaIntake<Ping>({
      ...{ clock: systemClock, log: silentLog, telemetry: new Telemetry(), writer, frames: PINGS },
      ...{ keyOf: ({ sessionId }) => sessionId, form: 'single', limits: { retryAfterMs: 50 } },
      ...more,
    })
  }

  async function reading(topic: string): Promise<TestWorker> {
    const worker = new TestWorker(client, topic)
    closing.push(() => worker.assignments.stop())
    await worker.assignments.start()
    return worker
  }

  function offer(intake: KafkaIntake<Ping>, numbers: readonly number[]): Promise<boolean> {
    const texts = numbers.map((n) => pingJson(n))
    const messages = texts.map((text) => parseAccepted(JSON.parse(text)))
    const at = { source: 'van', receivedMs: Date.now(), deadLetters: [], countDuplicates: false }
    return new Promise((resolve) => {
      intake.offer({ ...at, messages, payload: texts.join('\n') }, ({ ok }) => resolve(ok))
    })
  }

  const read = (worker: TestWorker): number[] =>
    worker.records.flatMap((record) => {
      const delivery = deliveryOf(record, 0, PINGS)
      return delivery.kind === 'messages' ? delivery.messages.map(numberOf) : []
    })

  /** Offers ten by ten, some at a time, each again until it is taken; ends with how many were. */
  async function sending(
    intake: KafkaIntake<Ping>,
    isOver: () => boolean,
    taken: () => void,
  ): Promise<number[]> {
    const answered: number[] = []
    let next = 0
    const sender = async (): Promise<void> => {
      while (!isOver()) {
        const numbers = countTo(10).map((n) => next * 10 + n)
        next++
        while (!(await offer(intake, numbers))) {
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        answered.push(...numbers)
        taken()
      }
    }
    await Promise.all(countTo(20).map(sender))
    return answered
  }

  for (const form of ['single', 'frame'] as const) {
    test(
      `${form} records: killed and held up, the broker has all that was answered, once`,
      async () => {
        const topic = await newTopic(client, 3)
        const intake = await opened(topic, { form })
        let rounds = 0
        let offers = 0
        let resume = (): void => {}
        const more = (count: number): Promise<void> =>
          new Promise((resolve) => {
            const from = offers
            resume = () => offers >= from + count && resolve()
          })
        const sent = sending(
          intake,
          () => rounds === 3,
          () => {
            offers++
            resume()
          },
        )
        for (; rounds < 2; rounds++) {
          await more(100)
          if (rounds === 0) {
            await server.kill()
            await server.start()
          } else {
            server.pause()
            await new Promise((resolve) => setTimeout(resolve, 4_000))
            server.resume()
          }
        }
        await more(100)
        rounds++
        const answered = await sent
        const worker = await reading(topic)
        await worker.until(() => worker.logs.length === 3 && read(worker).length >= answered.length)
        await Promise.all(worker.logs.map((log) => log.caughtUp))
        expect(answered.length).toBeGreaterThan(3_000)
        expect(sorted(read(worker))).toEqual(sorted(answered))
        await worker.assignments.stop()
      },
      2 * MINUTE,
    )
  }

  test(
    'another consumer of single records finds PacketPulse’s JSON under the key',
    async () => {
      const topic = await newTopic(client, 2)
      const intake = await opened(topic)
      expect(await offer(intake, countTo(100))).toBe(true)
      const consumer = client.consumer({ groupId: crypto.randomUUID() })
      closing.push(() => consumer.disconnect())
      await consumer.connect()
      await consumer.subscribe({ topic, fromBeginning: true })
      const found: [key: string, value: string][] = []
      await new Promise<void>((resolve) => {
        void consumer.run({
          eachMessage: async ({ message: { key, value } }) => {
            found.push([String(key), String(value)])
            if (found.length === 100) resolve()
          },
        })
      })
      for (const [key, value] of found) expect(JSON.parse(value).session_id).toBe(key)
      expect(found.map(([, value]) => value).toSorted()).toEqual(
        countTo(100)
          .map((n) => pingJson(n))
          .toSorted(),
      )
    },
    MINUTE,
  )

  test(
    'what the old gateway and the old producer write is taken beside ours',
    async () => {
      const theirs = client.library
      const kafka = new theirs.Kafka({
        brokers: [...server.brokers],
        logLevel: theirs.logLevel.NOTHING,
      })
      const producer = kafka.producer()
      closing.push(() => producer.disconnect())
      await producer.connect()

      const topic = await newTopic(client, 1)
      const intake = await opened(topic)
      await offer(intake, [1])
      // Python's separators and floats, twelve keys; the key is the device's.
      const value = pingJson(2).replaceAll(',', ', ').replaceAll('":', '": ').replace('1.5', '1.0')
      await producer.send({ topic, messages: [{ key: 'd', value }] })
      await offer(intake, [3])
      const worker = await reading(topic)
      await worker.until(() => worker.records.length === 3)
      expect(read(worker)).toEqual([1, 2, 3])
      expect(worker.records.map(({ source }) => source)).toEqual(['van', 'kafka', 'van'])

      const trips = await newTopic(client, 1)
      const trip =
        '{"trip_id": "trip_000002", "region_id": 4, "event_time": "2025-08-17T06:00:00+00:00Z", "fare": 13.39, "duration": 825, "distance": 4.6}'
      await producer.send({ topic: trips, messages: [{ key: '4', value: trip }] })
      const subscriptions = [{ topic: trips, kind: 'trips', partitionFirst: 1_000 }] as const
      const tripsWorker = new TestWorker(client, trips, { subscriptions })
      closing.push(() => tripsWorker.assignments.stop())
      await tripsWorker.assignments.start()
      await tripsWorker.until(() => tripsWorker.records.length === 1)
      const [record] = tripsWorker.records
      const frames = { kind: 'trips', parse: parseAcceptedTrip } as const
      expect(record && deliveryOf(record, 1_000, frames)).toMatchObject({
        kind: 'messages',
        messages: [{ tripId: 'trip_000002', regionId: 4, fareUsd: 13.39 }],
      })
    },
    MINUTE,
  )

  describe('topics', () => {
    const said: [level: string, fields: object][] = []
    const log: Log = {
      debug: () => {},
      info: () => {},
      warn: (fields) => void said.push(['warn', fields]),
      error: (fields) => void said.push(['error', fields]),
    }
    const world = { log, clock: systemClock }
    const plan = () => ({ topic: `t${crypto.randomUUID()}`, partitions: 3, replication: 1 })

    test(
      'that are not there are made, by many at once',
      async () => {
        said.length = 0
        const plans = [plan(), plan()]
        const all = await Promise.all(countTo(4).map(() => ensureTopics(client, plans, world)))
        for (const states of all) expect(states.map(({ partitions }) => partitions)).toEqual([3, 3])
        expect(all.flat().filter(({ created }) => created)).toHaveLength(2)
        expect(said).toEqual([])
        const topic = plans[0]?.topic ?? ''
        const [first] = await settingsOf(topic)
        expect(first).toMatchObject({
          'message.timestamp.type': 'LogAppendTime',
          'cleanup.policy': 'delete',
          'retention.ms': '604800000',
        })
        const writer = await writerTo(client, topic)
        expect(writer.partitions).toBe(3)
        await writer.close(1_000)
      },
      MINUTE,
    )

    test(
      'that are there and would lose messages are left as they are, and said loudly',
      async () => {
        said.length = 0
        const topic = await newTopic(client, 2, {
          'cleanup.policy': 'compact',
          'retention.ms': '60000',
        })
        const states = await ensureTopics(client, [{ ...plan(), topic }], world)
        expect(states).toEqual([{ topic, partitions: 2, created: false }])
        expect(said.map(([level]) => level)).toEqual(['error', 'warn', 'warn'])
        for (const [, fields] of said) {
          expect(fields).toMatchObject({ topic, todo: expect.stringContaining('--alter') })
        }
        const [settings] = await settingsOf(topic)
        expect(settings).toMatchObject({ 'cleanup.policy': 'compact' })
      },
      MINUTE,
    )

    test('with more replicas than brokers are an error that says what to set', async () => {
      const asked = ensureTopics(client, [{ ...plan(), replication: 3 }], world)
      await expect(asked).rejects.toMatchObject({
        code: 'kafka_topic',
        message: expect.stringContaining('KAFKA_REPLICATION'),
      })
    })

    async function settingsOf(topic: string) {
      const { resources } = await client.asked((admin) =>
        admin.describeConfigs({
          includeSynonyms: false,
          resources: [{ type: client.library.ConfigResourceTypes.TOPIC, name: topic }],
        }),
      )
      return resources.map(({ configEntries }) =>
        Object.fromEntries(configEntries.map((one) => [one.configName, one.configValue])),
      )
    }
  })
})
