import { describe, expect, test } from 'bun:test'

import { frameValues } from '../model/frame.ts'
import { entriesOf, type EntriesOptions, messageTexts } from './entries.ts'
import { partitionOf } from './partitioner.ts'

type Message = Readonly<{ id: string }>

const OPTIONS: EntriesOptions<Message> = {
  kind: 'pings',
  keyOf: ({ id }) => id,
  partitionOf: (key) => partitionOf(key, 4),
  form: 'single',
}

const MESSAGES = Array.from({ length: 30 }, (_, n) => ({ id: `s${n % 7}`, n }))

function sent(payload: string): Parameters<typeof entriesOf<Message>>[0] {
  return { payload, messages: MESSAGES, source: 'van', receivedMs: 5 }
}

describe('texts of a frame', () => {
  test('are cut out as they were written: arrays, lines, one alone', () => {
    const items = [
      '{"a":1.0}',
      '{ "b" : "],}{\\"[" }',
      '[1,[2,{"c":"\\\\"}]]',
      '"x,y"',
      '12345678901234567890.10',
    ]
    expect(messageTexts(`[${items.join(',')}]`, 5)).toEqual(items)
    expect(messageTexts(` [\n${items.join(' ,\n ')}\n]\n`, 5)).toEqual(items)
    expect(messageTexts(new TextEncoder().encode(`${items.join('\n')}\n`), 5)).toEqual(items)
    expect(messageTexts('{"a":1.0}\n', 1)).toEqual(['{"a":1.0}'])
    expect(messageTexts('[{"a":1.0}]', 1)).toEqual(['{"a":1.0}'])
    expect(messageTexts('{\n "a": 1.0\n}', 1)).toEqual(['{  "a": 1.0 }'])
    expect(messageTexts('[]', 0)).toEqual([])
  })
})

describe('entries', () => {
  test('single: a record a message, keyed, in their order', () => {
    const entries = entriesOf(sent(JSON.stringify(MESSAGES)), OPTIONS)
    expect(entries.map(({ payload }) => JSON.parse(String(payload)))).toEqual(MESSAGES)
    expect(entries.map(({ key }) => key)).toEqual(MESSAGES.map(({ id }) => id))
    for (const { key, partition } of entries) expect(partition).toBe(partitionOf(key ?? '', 4))
  })

  test('frame: the messages of a partition in one record, in their order, within its bounds', () => {
    const options = { ...OPTIONS, form: 'frame', frameBytesMax: 60 } as const
    const entries = entriesOf(sent(MESSAGES.map((one) => JSON.stringify(one)).join('\n')), options)
    for (const partition of [0, 1, 2, 3]) {
      const values = entries
        .filter((entry) => entry.partition === partition)
        .flatMap(({ payload, count }) => frameValues(payload, count) ?? [])
      expect(values).toEqual(MESSAGES.filter(({ id }) => partitionOf(id, 4) === partition))
    }
    for (const { payload } of entries) expect(payload.length).toBeLessThanOrEqual(60)
  })

  test('a frame has no more messages than a record has places', () => {
    const messages = Array.from({ length: 3_000 }, () => ({ id: 'one' }))
    const payload = JSON.stringify(messages)
    const entries = entriesOf({ ...sent(payload), messages }, { ...OPTIONS, form: 'frame' })
    expect(entries.map(({ count }) => count)).toEqual([1_023, 1_023, 954])
  })
})

describe('a partition', () => {
  test('is the one that Java and librdkafka put a key into', () => {
    // From the test vectors of Kafka's own Utils.murmur2 and of zlib.
    const cases: readonly [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ]
    for (const [key, hash] of cases) {
      expect(partitionOf(key, 1_000)).toBe((hash & 0x7fffffff) % 1_000)
    }
    expect(partitionOf('123456789', 1_000, 'crc32')).toBe(0xcbf43926 % 1_000)
  })
})
