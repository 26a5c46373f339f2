import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { KafkaClient } from '../actors/kafka/client.ts'
import { TestWorker } from '../actors/kafka/testing.ts'
import { systemClock } from '../actors/kernel/clock.ts'
import { deliveryOf } from '../actors/kernel/entries.ts'
import { silentLog } from '../actors/kernel/telemetry.ts'
import { PINGS } from '../actors/session/frames.ts'
import { type KafkaServer, startKafka } from '../actors/testing/servers.ts'
import { skipped } from '../actors/testing/services.ts'
import { ChaosProxy } from '../simulator/chaos/proxy.ts'
import { ServerUnderTest, TEST_KEY } from './testing.ts'

const MINUTE = 60_000
const WAIT_MS = 50
const PINGS_A_POST = 200
const ROUNDS = 6

const pingOf = (n: number): string =>
  JSON.stringify({
    ...{ device_id: 'd', vehicle_id: 'v', order_id: 'o', session_id: `s${n % 20}` },
    ...{ status: 'en_route', timestamp: '2026-09-21T03:59:21.422993' },
    ...{ start_lat: 1, start_lon: 2, end_lat: 3, end_lon: 4 },
    ...{ current_lat: n / 1_000_000, current_lon: 5 },
  })

async function post(server: ServerUnderTest, body: string): Promise<number> {
  const headers = { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/x-ndjson' }
  const answer = await fetch(`${server.url}/ingest`, { method: 'POST', headers, body })
  await answer.text()
  return answer.status
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo()))
    await new Promise<void>((resolve) => void systemClock.after(WAIT_MS, resolve))
}

describe.skipIf(skipped(['kafka'], process.env))('an edge before a core over Kafka', () => {
  const open: { dispose(): Promise<unknown> }[] = []
  let kafka: KafkaServer

  beforeAll(async () => {
    kafka = await startKafka({ env: process.env })
  }, 2 * MINUTE)

  afterAll(async () => {
    for (const one of open.reverse()) await one.dispose()
    await kafka?.[Symbol.asyncDispose]()
  }, MINUTE)

  async function started(settings: Readonly<Record<string, string>>): Promise<ServerUnderTest> {
    const server = new ServerUnderTest({ ROLES: 'gateway', ...settings })
    open.push(server)
    await server.start()
    return server
  }

  test.each(['single', 'frame'])(
    'goes on at another gateway when one is killed: each ping is read once, in %s records',
    async (form) => {
      const topic = `sessions-${form}`
      const scaled = {
        ...{ KAFKA_BOOTSTRAP_SERVERS: kafka.brokers.join(','), KAFKA_PARTITIONS: '4' },
        ...{ KAFKA_TOPIC: topic, KAFKA_TRIPS_TOPIC: `trips-${form}`, KAFKA_RECORD: form },
      }
      const gateways = [await started(scaled), await started(scaled)]
      let at = 0
      const portOf = (gateway: ServerUnderTest | undefined): number =>
        Number(new URL(gateway?.url ?? '').port)
      const line = await ChaosProxy.open({ target: () => portOf(gateways[at]), clock: systemClock })
      open.push({ dispose: () => line[Symbol.asyncDispose]() })
      const edge = await started({
        ...{
          UPSTREAM_URL: `ws://127.0.0.1:${line.port}`,
          UPSTREAM_KEY: TEST_KEY,
          EDGE_ID: 'depot',
        },
      })
      let sent = 0
      for (let round = 0; round < ROUNDS; round++) {
        for (let posts = 0; posts < 10; posts++) {
          const lines = Array.from({ length: PINGS_A_POST }, (_, n) => pingOf(sent + n))
          expect(await post(edge, lines.join('\n'))).toBe(200)
          sent += PINGS_A_POST
        }
        const gateway = gateways[at]
        at = 1 - at
        // Its answers are lost, what it has goes on to the broker, and the other one is told all of it again.
        if (round % 3 === 0) line.set('no answers')
        if (round % 3 === 1) await gateway?.end('SIGKILL')
        line.cut()
        line.set('open')
        if (round % 3 === 1) await gateway?.start()
      }
      await until(async () => {
        const { parts } = await (await fetch(`${edge.url}/health`)).json()
        return parts.upstream.pings === 0
      })
      const client = await KafkaClient.open({
        ...{ brokers: [...kafka.brokers], clientId: 'test', log: silentLog },
      })
      const worker = new TestWorker(client, topic)
      open.push({ dispose: () => worker.assignments.stop() })
      await worker.assignments.start()
      const numbers = (): number[] =>
        worker.records.flatMap((record) => {
          const delivery = deliveryOf(record, 0, PINGS)
          return delivery.kind === 'messages'
            ? delivery.messages.map(({ lat }) => Math.round(lat * 1_000_000))
            : []
        })
      await worker.until(() => worker.logs.length === 4)
      await Promise.all(worker.logs.map((log) => log.caughtUp))
      expect(numbers().toSorted((a, b) => a - b)).toEqual(Array.from({ length: sent }, (_, n) => n))
      expect(new Set(worker.records.map(({ source }) => source))).toEqual(
        new Set(['API_KEY@depot']),
      )
    },
    3 * MINUTE,
  )
})
