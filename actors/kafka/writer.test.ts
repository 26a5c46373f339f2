import { describe, expect, test } from 'bun:test'

import { seededRandom, systemClock, VirtualClock } from '../kernel/clock.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import type { KafkaEntry } from './entries.ts'
import { type Fault, MemoryBroker } from './memory-broker.ts'
import { offsetOf } from './places.ts'
import type { WriteOutcome } from './send-queue.ts'
import { parseStamp } from './stamp.ts'
import { KafkaWriter, type KafkaWriterOptions } from './writer.ts'

function entry(payload: string, partition = 0): KafkaEntry {
  const at = { kind: 'pings', count: 1, receivedMs: 5, source: 'van' } as const
  return { ...at, payload, partition, key: 'k' }
}

async function opened(
  broker: MemoryBroker,
  more: Partial<KafkaWriterOptions> = {},
): Promise<KafkaWriter> {
  return KafkaWriter.open({
    source: broker,
    sender: 'w1',
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    telemetry: new Telemetry(),
    lingerMs: 0,
    ...more,
  })
}

function appended(writer: KafkaWriter, entries: readonly KafkaEntry[]): Promise<WriteOutcome> {
  return new Promise((resolve, reject) => {
    if (!writer.append(entries, resolve)) reject(new Error(`refused: ${writer.refusing}`))
  })
}

describe('a writer', () => {
  test('tells each sender where its entries went, in the order of appends, never during one', async () => {
    const broker = new MemoryBroker()
    const writer = await opened(broker)
    const told: number[] = []
    const outcomes = await Promise.all(
      Array.from({ length: 500 }, (_, n) => {
        const outcome = appended(writer, [entry(`${n}`, n % 4), entry(`${n}b`, (n + 1) % 4)])
        void outcome.then(() => told.push(n))
        return outcome
      }),
    )
    expect(told).toEqual(Array.from({ length: 500 }, (_, n) => n))
    for (const [n, outcome] of outcomes.entries()) {
      expect(outcome.ok).toBe(true)
      const places = outcome.ok ? outcome.places : []
      const texts = places.map(({ partition, offset }) =>
        broker.log[partition]?.[offset / offsetOf(1)]?.value.toString(),
      )
      expect(texts).toEqual([`${n}`, `${n}b`])
    }
    expect(broker.sends).toBeLessThan(10)
  })

  test('whatever is lost on the way, each record is kept once and in order, and every sender told', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = seededRandom(seed)
      const broker = new MemoryBroker()
      const faults: Fault[] = ['lost request', 'lost answer', 'half an answer', null, null]
      broker.faults = Array.from({ length: 20 }, () => faults[Math.floor(random() * 5)] ?? null)
      const writer = await opened(broker, { random: () => 0, partitionBytesMax: 400 })
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, (_, n) => appended(writer, [entry(`${n}`, n % 3)])),
      )
      expect(outcomes.filter(({ ok }) => !ok)).toEqual([])
      for (const partition of [0, 1, 2]) {
        const expected = Array.from({ length: 200 }, (_, n) => n).filter((n) => n % 3 === partition)
        expect(broker.kept(partition)).toEqual(expected.map(String))
      }
      await writer.close(1_000)
    }
  })

  test('a broker that says nothing is left for a new producer', async () => {
    const broker = new MemoryBroker()
    broker.faults = ['silence']
    const clock = new VirtualClock()
    const writer = await opened(broker, { clock, sendMsMax: 5_000 })
    const outcome = appended(writer, [entry('one')])
    await clock.advanceMs(6_000)
    expect(await outcome).toEqual({ ok: true, places: [{ partition: 0, offset: 0 }] })
    expect(broker.opened).toBe(2)
  })

  test('failing for long it says so, and takes appends again after a success', async () => {
    const broker = new MemoryBroker()
    broker.faults = Array.from({ length: 20 }, () => 'lost request')
    const clock = new VirtualClock()
    const writer = await opened(broker, { clock, failedAfterMs: 3_000, random: () => 1 })
    const outcome = appended(writer, [entry('one')])
    await clock.advanceMs(5_000)
    expect(writer.refusing).toBe('failed')
    expect(writer.append([entry('no')], () => expect.unreachable())).toBe(false)
    await clock.advanceMs(60_000)
    expect(await outcome).toMatchObject({ ok: true })
    expect(writer.refusing).toBeNull()
  })

  test('beyond the bound on waiting bytes it says busy, and takes entries again later', async () => {
    const writer = await opened(new MemoryBroker(), { waitingBytesMax: 64 * 1024 })
    const told: Promise<WriteOutcome>[] = []
    while (writer.refusing === null) told.push(appended(writer, [entry('x'.repeat(1_000))]))
    expect(writer.refusing).toBe('busy')
    expect(writer.append([entry('no')], () => expect.unreachable())).toBe(false)
    await Promise.all(told)
    expect(writer.refusing).toBeNull()
    expect(writer.bytesWaiting).toBe(0)
  })

  test('batches shrink to what the topic takes, and a record that is too large costs itself alone', async () => {
    const broker = new MemoryBroker()
    broker.recordBytesMax = 4_000
    broker.batchBytesMax = 20_000
    const writer = await opened(broker, { random: () => 0 })
    const sizes = [...Array.from({ length: 60 }, () => 1_000), 5_000, 2_000, 3_000]
    const outcomes = await Promise.all(
      sizes.map((size) => appended(writer, [entry('x'.repeat(size))])),
    )
    expect(outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.reason))).toEqual(
      sizes.map((size) => (size > 4_000 ? 'too_large' : 'ok')),
    )
    expect(broker.kept(0).map((text) => text.length)).toEqual(sizes.filter((n) => n <= 4_000))
    const huge = entry('x'.repeat(1_000_000))
    expect(await appended(writer, [huge])).toMatchObject({ ok: false, reason: 'too_large' })
  })

  test('closing sends what was appended and refuses the rest', async () => {
    const broker = new MemoryBroker()
    const writer = await opened(broker)
    const outcomes = Array.from({ length: 10 }, (_, n) => appended(writer, [entry(`${n}`)]))
    const closing = writer.close(1_000)
    expect(writer.refusing).toBe('closed')
    expect(writer.append([entry('no')], () => expect.unreachable())).toBe(false)
    expect(await closing).toBe(true)
    expect((await Promise.all(outcomes)).every(({ ok }) => ok)).toBe(true)
    expect(broker.kept(0)).toHaveLength(10)
  })

  test('closing ends within its time though nobody answers, and says so', async () => {
    const broker = new MemoryBroker()
    broker.faults = ['silence', 'silence', 'silence']
    const clock = new VirtualClock()
    const writer = await opened(broker, { clock })
    const outcome = appended(writer, [entry('one')])
    const closing = writer.close(500)
    await clock.advanceMs(3_000)
    expect(await closing).toBe(false)
    expect(await outcome).toMatchObject({ ok: false, reason: 'closed' })
    expect(clock.waiting).toBe(0)
  })

  test('bytes that the sender changes after an append are kept as they were', async () => {
    const broker = new MemoryBroker()
    const writer = await opened(broker)
    const payload = new TextEncoder().encode('as it was')
    const outcome = appended(writer, [{ ...entry(''), payload }])
    payload.fill(0)
    await outcome
    expect(broker.kept(0)).toEqual(['as it was'])
  })

  test('a record is dated when it is written: retention would let go of what an edge received long ago', async () => {
    const broker = new MemoryBroker()
    const clock = new VirtualClock(1_790_000_000_000)
    const writer = await opened(broker, { clock })
    const outcome = appended(writer, [{ ...entry('old'), receivedMs: 1_700_000_000_000 }])
    await clock.advanceMs(10)
    await outcome
    const [record] = broker.log[0] ?? []
    expect(record?.timestampMs).toBe(1_790_000_000_000)
    expect(parseStamp(record?.stamp ?? '')?.receivedMs).toBe(1_700_000_000_000)
  })

  test('a partition that the topic has not, and an entry that takes no place, are faults', async () => {
    const writer = await opened(new MemoryBroker())
    for (const wrong of [
      entry('x', 4),
      entry('x', -1),
      entry('x', 0.5),
      { ...entry('x'), count: 0 },
    ]) {
      expect(() => writer.append([wrong], () => {})).toThrow()
    }
    expect(writer.bytesWaiting).toBe(0)
  })
})
