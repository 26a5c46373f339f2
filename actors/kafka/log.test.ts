import { describe, expect, test } from 'bun:test'

import { VirtualClock } from '../kernel/clock.ts'
import { deliveryOf } from '../kernel/entries.ts'
import type { OrreryError } from '../kernel/errors.ts'
import type { JournalRecord } from '../kernel/journal.ts'
import { parseAccepted } from '../model/ping.ts'
import { KafkaLog } from './log.ts'
import { kafkaOffsetOf, offsetOf } from './places.ts'
import type { IncomingRecord, Reading } from './reading.ts'
import { stampText } from './stamp.ts'

const PING = {
  device_id: 'd',
  vehicle_id: 'v',
  session_id: 's',
  order_id: 'o',
  status: 'en_route',
  timestamp: '2026-09-21T03:59:21.422993',
  start_lat: 1,
  start_lon: 2,
  end_lat: 3,
  end_lon: 4,
  current_lat: 2,
  current_lon: 3,
}

/** A log over a partition that a test holds in memory. */
class Bench {
  readonly clock = new VirtualClock()
  readonly calls: string[] = []
  readonly records: JournalRecord[] = []
  readonly failures: OrreryError[] = []
  isFull = false
  low: number
  high: number
  readonly log: KafkaLog

  constructor(low: number, high: number) {
    this.low = low
    this.high = high
    this.log = new KafkaLog({
      topic: 'sessions',
      kafkaPartition: 0,
      partition: 0,
      kind: 'pings',
      marks: { low, high },
      fetching: {
        seek: (to) => void this.calls.push(`seek ${to}`),
        pause: () => void this.calls.push('pause'),
        resume: () => void this.calls.push('resume'),
        marks: async () => ({ low: this.low, high: this.high }),
      },
      clock: this.clock,
      failed: (error) => void this.failures.push(error),
    })
  }

  start(from: number | 'beginning', note = ''): this {
    const take: Reading['take'] = (records) => void this.records.push(...records)
    this.log.start({ from, note, take, full: () => this.isFull })
    return this
  }

  async deliver(records: readonly IncomingRecord[], more: { last?: number; high?: number } = {}) {
    const last = more.last ?? Number(records.at(-1)?.offset)
    await this.log.deliver({ records, last, high: more.high ?? last + 1 })
  }

  get taken(): string[] {
    return this.records.map(({ offset, payload }) => {
      return `${kafkaOffsetOf(offset)} ${new TextDecoder().decode(payload)}`
    })
  }
}

function record(
  kafkaOffset: number,
  sequence = kafkaOffset,
  given: { sender?: string; count?: number; text?: string } = {},
): IncomingRecord {
  const { sender = 'w', count = 1, text = `r${sequence}` } = given
  const at = { kind: 'pings', receivedMs: 5, source: 'van' } as const
  const stamp = stampText({ ...at, count, sender, sequence })
  return {
    offset: String(kafkaOffset),
    timestamp: '5',
    value: Buffer.from(text),
    headers: { orrery: Buffer.from(stamp) },
  }
}

function foreign(kafkaOffset: number, value: string | null): IncomingRecord {
  const bytes = value === null ? null : Buffer.from(value)
  return { offset: String(kafkaOffset), timestamp: '1790000000000', value: bytes }
}

describe('a log', () => {
  test('hands on what comes in order, at offsets that rise and lead back, whatever is left out', async () => {
    const bench = new Bench(0, 100).start('beginning')
    await bench.deliver([record(0), record(1), record(3)])
    await bench.deliver([record(7), record(9)], { last: 11 })
    bench.log.passed(14)
    await bench.deliver([record(15)])
    expect(bench.taken).toEqual(['0 r0', '1 r1', '3 r3', '7 r7', '9 r9', '15 r15'])
    expect(bench.log.nextOffset).toBe(offsetOf(15) + 1)
    expect(bench.log.position).toBe(16)
    expect(bench.failures).toEqual([])
  })

  test('begins with the record that an offset is within, and passes over one that was taken in whole', async () => {
    for (const [place, first] of [
      [0, 'r5'],
      [3, 'r5'],
      [10, 'r6'],
    ] as const) {
      const bench = new Bench(0, 7).start(offsetOf(5, place))
      expect(bench.calls).toContain('seek 5')
      expect(bench.log.nextOffset).toBe(offsetOf(5, place))
      await bench.deliver([record(5, 5, { count: 10 }), record(6)])
      expect(bench.taken[0]).toBe(`${first === 'r5' ? 5 : 6} ${first}`)
      await bench.log.caughtUp
    }
  })

  test('drops what was sent again, after a restart anywhere too', async () => {
    const log = [0, 1, 2, 1, 2, 3, 2, 3, 4].map((sequence, at) => record(at, sequence))
    const whole = new Bench(0, 9).start('beginning')
    await whole.deliver(log)
    expect(whole.taken).toEqual(['0 r0', '1 r1', '2 r2', '5 r3', '8 r4'])
    expect(whole.log.duplicates).toBe(4)
    for (let from = 0; from <= 9; from++) {
      for (let noted = from; noted <= 9; noted++) {
        const before = new Bench(0, 9).start('beginning')
        if (noted > 0) await before.deliver(log.slice(0, noted))
        const after = new Bench(0, 9).start(offsetOf(from), before.log.note())
        if (from < 9) await after.deliver(log.slice(from))
        expect(after.taken).toEqual(whole.taken.filter((text) => Number(text[0]) >= from))
      }
    }
  })

  test('what another program wrote is a ping, or a dead letter with its bytes', async () => {
    const bench = new Bench(0, 5).start('beginning')
    const good = JSON.stringify(PING, null, 1)
    await bench.deliver([
      foreign(0, good),
      foreign(1, good.replace('"current_lat": 2', '"current_lat": NaN')),
      foreign(2, good.replace('en_route', 'lost')),
      foreign(3, null),
      { ...foreign(4, good), headers: { orrery: 'something else' } },
    ])
    const frames = { kind: 'pings', parse: parseAccepted } as const
    const deliveries = bench.records.map((one) => deliveryOf(one, 0, frames))
    expect(deliveries.map(({ kind }) => kind)).toEqual([
      ...(['messages', 'fact', 'fact', 'fact', 'messages'] as const),
    ])
    expect(deliveries[0]).toMatchObject({
      receivedMs: 1_790_000_000_000,
      messages: [{ sessionId: 's', lat: 2 }],
      frame: { source: 'kafka', offset: 0 },
    })
    expect(deliveries[2]).toMatchObject({
      fact: { code: 'invalid_ping', path: 'status', offset: offsetOf(2), source: 'kafka' },
    })
    expect(deliveries[3]).toMatchObject({ fact: { code: 'invalid_json' } })
  })

  test('stands still while there is no room, and goes on when there is', async () => {
    const bench = new Bench(0, 100).start('beginning')
    bench.calls.length = 0
    bench.isFull = true
    await bench.deliver([record(0)])
    await bench.clock.advanceMs(500)
    expect(bench.calls).toEqual(['pause'])
    expect(bench.log.isPaused).toBe(true)
    bench.isFull = false
    await bench.clock.advanceMs(50)
    expect(bench.calls).toEqual(['pause', 'resume'])
    bench.log.end('stopped')
    expect(bench.clock.waiting).toBe(0)
  })

  test('hands nothing on once it has ended', async () => {
    const bench = new Bench(0, 100).start('beginning')
    bench.log.end('fenced')
    await bench.deliver([record(0)])
    expect(bench.records).toEqual([])
    expect(bench.log.ending).toBe('fenced')
  })
})

describe('a log never jumps', () => {
  const codeOf = (start: () => unknown): string => {
    try {
      start()
      return 'none'
    } catch (thrown) {
      return (thrown as OrreryError).code
    }
  }

  test('what a store needs must be there when reading begins', () => {
    expect(codeOf(() => new Bench(10, 20).start(offsetOf(9)))).toBe('journal_trimmed')
    expect(codeOf(() => new Bench(10, 20).start(offsetOf(8, 1)))).toBe('journal_trimmed')
    expect(codeOf(() => new Bench(10, 20).start(offsetOf(21)))).toBe('journal_behind')
    expect(codeOf(() => new Bench(10, 20).start(offsetOf(10)))).toBe('none')
    expect(codeOf(() => new Bench(10, 20).start(offsetOf(20)))).toBe('none')
    expect(codeOf(() => new Bench(10, 20).start('beginning'))).toBe('none')
    // All was read, and then let go.
    expect(codeOf(() => new Bench(20, 20).start(offsetOf(19, 1)))).toBe('none')
  })

  test('a log that lost its end is found out by what was noted', async () => {
    const before = new Bench(0, 10).start('beginning')
    await before.deliver([record(8), record(9)])
    const note = before.log.note()
    expect(codeOf(() => new Bench(0, 10).start(0, note))).toBe('none')
    expect(codeOf(() => new Bench(0, 9).start(0, note))).toBe('journal_behind')
  })

  test('what its owner before has read meanwhile is no lost end, once the log was looked at again', async () => {
    const owner = new Bench(0, 10).start('beginning')
    await owner.deliver([record(30)])
    const note = owner.log.note()
    const bench = new Bench(0, 10)
    bench.high = 31
    await bench.log.refresh()
    bench.start(offsetOf(31), note)
    await bench.deliver([record(31, 30), record(32, 31)])
    expect(bench.taken).toEqual(['32 r31'])
    expect(bench.failures).toEqual([])
  })

  test('what is let go while it waits to be read is a failure, and a gap that compaction made is none', async () => {
    const bench = new Bench(0, 100).start('beginning')
    await bench.deliver([record(0)])
    await bench.deliver([record(5)], { high: 100 })
    expect(bench.failures).toEqual([])
    bench.low = 50
    await bench.deliver([record(50)], { high: 100 })
    expect(bench.failures.map(({ code }) => code)).toEqual(['journal_trimmed'])
    await bench.deliver([record(51)])
    expect(bench.taken).toEqual(['0 r0', '5 r5'])
    expect(bench.calls.at(-1)).toBe('pause')
  })

  test('a topic that was made anew under it is a failure', async () => {
    const bench = new Bench(0, 10).start(offsetOf(10))
    await bench.deliver([record(0)], { high: 1 })
    expect(bench.failures.map(({ code }) => code)).toEqual(['journal_behind'])
  })

  test('a record of a newer version ends the reading', async () => {
    const bench = new Bench(0, 10).start('beginning')
    await bench.deliver([{ ...record(0), headers: { orrery: '2;pings;1;0;w;0;' } }])
    expect(bench.failures.map(({ code }) => code)).toEqual(['journal_newer'])
  })

  test('whoever cannot take a record ends the reading, and the process goes on', async () => {
    const bench = new Bench(0, 10)
    const take = (): void => {
      throw new Error('no')
    }
    bench.log.start({ from: 'beginning', note: '', take, full: () => false })
    await bench.deliver([record(0)])
    expect(bench.failures.map(({ code }) => code)).toEqual(['journal_unreadable'])
  })
})
