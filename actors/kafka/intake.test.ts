import { describe, expect, test } from 'bun:test'

import { seededRandom, systemClock, VirtualClock } from '../kernel/clock.ts'
import { deliveryOf } from '../kernel/entries.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import type { DeadLetter } from '../model/fact.ts'
import type { Offer, OfferOutcome } from '../model/offer.ts'
import { KafkaIntake, type KafkaIntakeOptions } from './intake.ts'
import { type Fault, MemoryBroker } from './memory-broker.ts'
import { offsetOf } from './places.ts'
import { parseStamp } from './stamp.ts'
import { KafkaWriter, type KafkaWriterOptions } from './writer.ts'

type Message = Readonly<{ key: string; n: number }>

const parse = (value: unknown): Message => value as Message
const FRAMES = { kind: 'pings', parse } as const

async function opened(
  broker: MemoryBroker,
  more: Partial<KafkaIntakeOptions<Message>> = {},
  writerMore: Partial<KafkaWriterOptions> = {},
) {
  const telemetry = new Telemetry()
  const shared = { clock: systemClock, log: silentLog, telemetry }
  const writer = await KafkaWriter.open({
    ...{ ...shared, source: broker, sender: 'w1', random: seededRandom(1), lingerMs: 0 },
    ...writerMore,
  })
  const intake = new KafkaIntake<Message>({
    ...{ ...shared, writer, frames: FRAMES, keyOf: ({ key }) => key, form: 'single' },
    limits: { retryAfterMs: 1_000 },
    ...more,
  })
  return { intake, writer, telemetry }
}

const messagesOf = (numbers: readonly number[], keys = 7): Message[] =>
  numbers.map((n) => ({ key: `s${n % keys}`, n }))

function offerOf(messages: readonly Message[], more: Partial<Offer<Message>> = {}): Offer<Message> {
  return {
    ...{ source: 'van', receivedMs: 5, messages, deadLetters: [], countDuplicates: false },
    payload: messages.map((message) => JSON.stringify(message)).join('\n'),
    ...more,
  }
}

const letter = (text: string): DeadLetter => ({
  ...{ code: 'invalid_ping', path: 'a', expected: 'b', received: 'c', message: 'd' },
  ...{ raw: Buffer.from(text), truncated: false, receivedMs: 5, source: 'van' },
})

const offered = (intake: KafkaIntake<Message>, offer: Offer<Message>): Promise<OfferOutcome> =>
  new Promise((resolve) => intake.offer(offer, resolve))

/** What actors of a partition are handed, repeats left out. */
function deliveries(broker: MemoryBroker, partition: number) {
  return broker.keptRecords(partition).map(({ value, stamp, offset }) => {
    const parsed = parseStamp(stamp)
    if (!parsed) throw new Error(`no stamp: ${stamp}`)
    const payload = new Uint8Array(value)
    return deliveryOf({ ...parsed, payload, offset: offsetOf(offset) }, partition, FRAMES)
  })
}

function numbersIn(broker: MemoryBroker): number[] {
  return broker.log.flatMap((_, partition) =>
    deliveries(broker, partition).flatMap((one) =>
      one.kind === 'messages' ? one.messages.map(({ n }) => n) : [],
    ),
  )
}

const countTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)
const sorted = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b)

describe('an offer', () => {
  for (const form of ['single', 'frame'] as const) {
    test(`in ${form} records is answered when all of it is stored, whatever is lost on the way`, async () => {
      const broker = new MemoryBroker()
      const faults: Fault[] = ['lost answer', 'lost request', null, 'half an answer']
      broker.faults = Array.from({ length: 12 }, (_, n) => faults[n % 4] ?? null)
      const { intake, telemetry } = await opened(broker, { form }, { random: () => 0 })
      const answered: boolean[] = []
      await Promise.all(
        countTo(40).map(async (at) => {
          const numbers = countTo(20).map((n) => at * 20 + n)
          const outcome = await offered(intake, offerOf(messagesOf(numbers)))
          expect(outcome).toEqual({ ok: true, duplicates: null })
          const stored = new Set(numbersIn(broker))
          answered.push(numbers.every((n) => stored.has(n)))
        }),
      )
      expect(answered).toEqual(countTo(40).map(() => true))
      expect(sorted(numbersIn(broker))).toEqual(countTo(800))
      expect(intake.acceptedCount).toBe(800)
      expect(telemetry.histogram('orrery_ack_ms', '').count).toBe(800)
    })
  }

  test('goes to the partition of its key, each message as it was written', async () => {
    const broker = new MemoryBroker()
    const { intake, writer } = await opened(broker)
    const payload = '{"key":"s1", "n":1.50}\n{"key":"s2","n":2}'
    const messages = [
      { key: 's1', n: 1.5 },
      { key: 's2', n: 2 },
    ]
    await offered(intake, offerOf(messages, { payload }))
    const [first] = broker.log[writer.partitionOf('s1')] ?? []
    expect([first?.key, first?.value.toString()]).toEqual(['s1', '{"key":"s1", "n":1.50}'])
  })

  test('asked to count its repeats says that it does not know them', async () => {
    const { intake } = await opened(new MemoryBroker())
    const offer = offerOf(messagesOf([1]), { countDuplicates: true })
    expect(await offered(intake, offer)).toEqual({ ok: true, duplicates: null })
    expect(await offered(intake, offerOf([], { payload: '' }))).toMatchObject({ ok: true })
  })

  test('with refused parts has them stored with it, letters first, over all partitions', async () => {
    const broker = new MemoryBroker()
    const { intake, telemetry } = await opened(broker)
    for (const n of countTo(8)) {
      const offer = offerOf(messagesOf([n]), { deadLetters: [letter(`bad ${n}`)] })
      expect(await offered(intake, offer)).toMatchObject({ ok: true })
    }
    const letters = broker.log.map(
      (_, partition) => deliveries(broker, partition).filter((one) => one.kind === 'fact').length,
    )
    expect(letters).toEqual([2, 2, 2, 2])
    expect(numbersIn(broker)).toHaveLength(8)
    expect(telemetry.counter('orrery_pings_refused_total', '').value).toBe(8)
  })
})

describe('without room', () => {
  test('an offer is told busy, then unavailable, and nothing of it is kept', async () => {
    const broker = new MemoryBroker()
    broker.faults = countTo(50).map(() => 'lost request')
    const clock = new VirtualClock()
    const limits = { waitingBytesMax: 2_000, failedAfterMs: 3_000, random: () => 1 }
    const { intake, telemetry } = await opened(broker, { clock }, { clock, ...limits })
    const first = offered(intake, offerOf(messagesOf(countTo(30))))
    const refused = await offered(intake, offerOf(messagesOf([99]), { deadLetters: [letter('x')] }))
    expect(refused).toMatchObject({ ok: false, code: 'busy' })
    await clock.advanceMs(5_000)
    expect(intake.refusal()).toMatchObject({
      code: 'unavailable',
      message: 'kafka does not answer',
    })
    await clock.advanceMs(120_000)
    expect(await first).toMatchObject({ ok: true })
    expect(intake.refusal()).toBeNull()
    expect(sorted(numbersIn(broker))).toEqual(countTo(30))
    expect(telemetry.counter('orrery_pings_busy_total', '').value).toBe(1)
  })

  test('senders are told different times to come again', async () => {
    const { intake } = await opened(new MemoryBroker(), { overloaded: () => 'no memory' })
    const waits = countTo(50).map(() => intake.refusal()?.retryAfterMs ?? 0)
    expect(new Set(waits).size).toBeGreaterThan(40)
    expect([Math.min(...waits) >= 500, Math.max(...waits) <= 1_500]).toEqual([true, true])
  })

  test('a turn takes so many messages, and the next one as many again', async () => {
    const clock = new VirtualClock()
    const limits = { retryAfterMs: 1_000, perTurnMax: 10 }
    const { intake } = await opened(new MemoryBroker(), { clock, limits }, { clock })
    intake.offer(offerOf(messagesOf(countTo(10))), () => {})
    expect(intake.refusal()).toMatchObject({ code: 'busy' })
    await clock.advanceMs(1)
    expect(intake.refusal()).toBeNull()
  })

  test('a record that the topic does not take is told to its sender, who keeps it', async () => {
    const broker = new MemoryBroker()
    broker.recordBytesMax = 100
    const { intake } = await opened(broker, {}, { random: () => 0 })
    const offer = offerOf([{ key: 'k'.repeat(200), n: 1 }])
    const outcome = await offered(intake, offer)
    expect(outcome).toMatchObject({ ok: false, code: 'unavailable' })
    expect(outcome.ok ? '' : outcome.message).toContain('max.message.bytes')
  })

  test('stopped, it answers what was offered and takes nothing more', async () => {
    const { intake } = await opened(new MemoryBroker())
    const before = offered(intake, offerOf(messagesOf([1])))
    intake.stop()
    expect(await offered(intake, offerOf(messagesOf([2])))).toMatchObject({ code: 'unavailable' })
    expect(await before).toMatchObject({ ok: true })
    expect(
      intake.fireTimer(0, 'session:s1', { timer: 'silence', dueMs: 1, basisMs: 0 }, () => {}),
    ).toBe(false)
  })
})

describe('what is no message', () => {
  test('a flush is in every partition before it is answered', async () => {
    const broker = new MemoryBroker()
    broker.faults = ['half an answer', 'lost answer']
    const { intake } = await opened(broker, {}, { random: () => 0 })
    const outcome = await new Promise((resolve) => intake.flush('van', 5, resolve))
    expect(outcome).toEqual({ ok: true, duplicates: null })
    const kinds = broker.log.map((_, partition) =>
      deliveries(broker, partition).map(({ kind }) => kind),
    )
    expect(kinds).toEqual([['tide'], ['tide'], ['tide'], ['tide']])
  })

  test('a timer goes into its own partition, and is told where it stands', async () => {
    const broker = new MemoryBroker()
    const { intake } = await opened(broker)
    const timer = { timer: 'silence', dueMs: 7, basisMs: 0 }
    const offset = await new Promise<number | null>((resolve) => {
      expect(intake.fireTimer(2, 'session:s1', timer, resolve)).toBe(true)
    })
    expect(offset).toBe(0)
    expect(deliveries(broker, 2)).toMatchObject([{ kind: 'timer', key: 'session:s1', timer }])
  })

  test('a retry stores its pings and new letters first, and the mark when they are there', async () => {
    const broker = new MemoryBroker()
    const { intake } = await opened(broker, {}, { random: () => 0 })
    const name = { partition: 0, offset: 17, part: 0 }
    const refusal = { code: '', path: '', message: '' }
    const retry = { letter: name, outcome: 'partial', pings: 3, refused: 1, ...refusal } as const
    const offer = offerOf(messagesOf([1, 2, 3]), { deadLetters: [letter('still bad')], retry })
    let isMarked = false
    broker.sent = (records) => {
      const kinds = records.map(({ stamp }) => parseStamp(stamp)?.kind)
      if (!kinds.includes('retry')) return
      isMarked = true
      expect(kinds).toEqual(['retry'])
      expect(sorted(numbersIn(broker))).toEqual([1, 2, 3])
    }
    expect(await offered(intake, offer)).toEqual({ ok: true, duplicates: null })
    expect(isMarked).toBe(true)
    const facts = broker.log.flatMap((_, partition) =>
      deliveries(broker, partition).flatMap((one) => (one.kind === 'fact' ? [one.fact] : [])),
    )
    expect(facts.map(({ kind }) => kind).toSorted()).toEqual(['dead_letter', 'retry'])
    expect(facts.find(({ kind }) => kind === 'retry')).toMatchObject(retry)
  })
})

describe('what an edge gateway forwards', () => {
  const relayed = (from: number, to: number, letters: readonly DeadLetter[] = []) => {
    const numbers = countTo(to - from + 1 - letters.length).map((n) => from + letters.length + n)
    const relay = { sender: 'edge-1.k3x9', sequence: to }
    return offerOf(messagesOf(numbers), { relay, deadLetters: letters })
  }

  /** Sends 0 to 499 by two gateways at random, hearing of some of it only. */
  async function forwarded(
    form: 'single' | 'frame',
    cut: (from: number, random: () => number) => number,
  ): Promise<MemoryBroker> {
    const random = seededRandom(7)
    const broker = new MemoryBroker()
    const first = await opened(broker, { form }, { sender: 'w1' })
    const second = await opened(broker, { form }, { sender: 'w2' })
    let acknowledged = 0
    while (acknowledged < 500) {
      const { intake } = random() < 0.5 ? first : second
      let from = acknowledged
      let isHeard = true
      while (from < 500 && random() < 0.8) {
        const to = Math.min(499, cut(from, random))
        expect(await offered(intake, relayed(from, to))).toMatchObject({ ok: true })
        from = to + 1
        // From here on the line is cut, and the edge will send it again.
        isHeard &&= random() < 0.7
        if (isHeard) acknowledged = from
      }
    }
    const written = broker.log.flat().length
    expect(written).toBeGreaterThan(broker.log.flatMap((_, n) => broker.kept(n)).length)
    return broker
  }

  for (const form of ['single', 'frame'] as const) {
    test(`is taken once in ${form} records, by whichever gateway`, async () => {
      const broker = await forwarded(form, (from) => from + 9)
      expect(sorted(numbersIn(broker))).toEqual(countTo(500))
    })

    test(`and cut differently the second time in ${form} records, nothing is missing`, async () => {
      const cut = (from: number, random: () => number) => from + Math.floor(random() * 40)
      const numbers = sorted(numbersIn(await forwarded(form, cut)))
      expect([...new Set(numbers)]).toEqual(countTo(500))
      // A frame with something new in it is kept whole: what it repeats is the session actor's to drop.
      if (form === 'single') expect(numbers).toHaveLength(500)
    })
  }

  test('refused in part is taken once too, letters and messages', async () => {
    const broker = new MemoryBroker()
    const { intake } = await opened(broker)
    for (const from of [0, 10, 0, 10, 20]) {
      await offered(intake, relayed(from, from + 9, [letter(`a${from}`), letter(`b${from}`)]))
    }
    const letters = broker.log.flatMap((_, partition) =>
      deliveries(broker, partition).filter(({ kind }) => kind === 'fact'),
    )
    expect(letters).toHaveLength(6)
    expect(numbersIn(broker)).toHaveLength(24)
  })

  test('flushes once in each partition, whenever it says so again', async () => {
    const broker = new MemoryBroker()
    const { intake } = await opened(broker)
    for (const sequence of [30, 30, 31]) {
      const relay = { sender: 'edge-1.k3x9', sequence }
      await new Promise((resolve) => intake.flush('edge', 5, resolve, relay))
    }
    expect(broker.log.map((_, partition) => deliveries(broker, partition).length)).toEqual([
      ...[2, 2, 2, 2],
    ])
  })
})
