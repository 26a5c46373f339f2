import { describe, expect, test } from 'bun:test'

import { KAFKA_OFFSET_MAX, kafkaOffsetOf, offsetOf, PLACES_MAX } from './places.ts'
import { parseStamp, type Stamp, stampText } from './stamp.ts'

const STAMP: Stamp = {
  kind: 'pings',
  count: 50,
  receivedMs: 1_790_000_000_123,
  sender: 'k3x9q2',
  sequence: 1041,
  source: 'van',
}

describe('a stamp', () => {
  test('comes back from its text, whatever the source is called', () => {
    for (const source of ['van', '', ';;', 'a;b;', 'Ολύμπια 🚚', 'van/retry']) {
      for (const receivedMs of [0, 0.5, STAMP.receivedMs]) {
        const stamp = { ...STAMP, source, receivedMs }
        expect(parseStamp(stampText(stamp))).toEqual(stamp)
      }
    }
  })

  test('of somebody else is none', () => {
    for (const text of [
      '',
      'hello',
      '1;pings;x;0;s;0;',
      '1;pings;0;0;s;0;',
      '1;pings;1025;0;s;0;',
    ]) {
      expect(parseStamp(text)).toBeNull()
    }
  })

  test('of a newer version stops whoever reads it', () => {
    expect(() => parseStamp('2;pings;1;0;s;0;')).toThrow('a newer Orrery')
    expect(() => parseStamp('1;parcels;1;0;s;0;')).toThrow('a newer Orrery')
  })
})

describe('an offset', () => {
  test('leads back to its record, at any place and however long the log is', () => {
    for (const kafkaOffset of [0, 1, 2 ** 33, Math.floor(KAFKA_OFFSET_MAX)]) {
      for (const place of [0, 1, PLACES_MAX - 1]) {
        const offset = offsetOf(kafkaOffset, place)
        expect(Number.isSafeInteger(offset)).toBe(true)
        expect(kafkaOffsetOf(offset)).toBe(kafkaOffset)
      }
    }
  })
})
