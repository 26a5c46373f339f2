import { describe, expect, test } from 'bun:test'

import { seededRandom } from '../../actors/kernel/clock.ts'
import {
  encodeFrame,
  entriesOfFrame,
  type Forwarded,
  parseFrame,
  Pieces,
  piecesOf,
} from './frame.ts'

const ENTRIES: readonly Forwarded[] = [
  {
    kind: 'pings',
    offset: 7,
    count: 2,
    receivedMs: 1.5,
    source: 'van',
    payload: '{"a":1}\n{"a":2}',
  },
  { kind: 'dead_letter', offset: 9, count: 1, receivedMs: 2, source: 'Ολύμπια 🚚', payload: '' },
  {
    kind: 'flush',
    offset: 10,
    count: 1,
    receivedMs: 3,
    source: '',
    payload: new Uint8Array([0, 255]),
  },
]

test('a frame says what the journal of the edge has, to the byte', () => {
  const frame = parseFrame(encodeFrame('trips', 3, ENTRIES))
  expect(frame.header).toMatchObject({ stream: 'trips', turn: 3, first: 7, count: 4 })
  const read = entriesOfFrame(frame).map(({ payload, ...entry }) => ({
    ...entry,
    payload: Buffer.from(payload).toString('hex'),
  }))
  const expected = ENTRIES.map(({ payload, ...entry }) => ({
    ...entry,
    payload: Buffer.from(payload).toString('hex'),
  }))
  expect<unknown>(read).toEqual(expected)
})

test('what an edge has not is never sent', () => {
  const timer: Forwarded = { ...ENTRIES[1], kind: 'timer' } as Forwarded
  expect(() => encodeFrame('pings', 0, [timer])).toThrow('timer is nothing that an edge has')
})

test('a frame larger than a message comes in pieces, and together again', () => {
  const random = seededRandom(1)
  const payload = Uint8Array.from({ length: 10_000 }, () => Math.floor(random() * 256))
  const [first] = ENTRIES
  if (!first) return expect.unreachable()
  const frame = encodeFrame('pings', 0, [{ ...first, payload }])
  for (const messageBytesMax of [1_024, 4_096, frame.byteLength, frame.byteLength + 1]) {
    const pieces = new Pieces(100_000)
    const messages = [...piecesOf(frame, messageBytesMax)]
    expect(Math.max(...messages.map(({ byteLength }) => byteLength))).toBeLessThanOrEqual(
      messageBytesMax,
    )
    const whole = messages.map((message) => pieces.add(message))
    expect(whole.slice(0, -1).every((piece) => piece === null)).toBe(true)
    expect(Buffer.from(whole.at(-1) ?? []).equals(frame)).toBe(true)
  }
})

describe('what cannot be read is an error that says so', () => {
  const whole = encodeFrame('pings', 0, ENTRIES)
  const changed = (at: number, byte: number): Uint8Array => whole.with(at, byte)
  test.each([
    ['nothing', new Uint8Array()],
    ['another version', changed(0, 9)],
    ['another stream', changed(1, 9)],
    ['an offset that is none', changed(15, 255)],
    ['a claim to be huge', changed(23, 255)],
    ['a claim to be shorter', changed(20, 1)],
    ['another count', changed(16, 9)],
    ['damage', changed(30, (whole[30] ?? 0) ^ 255)],
    ['half of it', whole.slice(0, whole.byteLength - 10)],
  ])('%s', (_, bytes) => {
    expect(() => entriesOfFrame(parseFrame(bytes))).toThrow('a frame cannot be read')
  })

  test('and more pieces than a frame may have', () => {
    const pieces = new Pieces(100)
    const piece = new Uint8Array(60).fill(1)
    pieces.add(piece)
    expect(() => pieces.add(piece)).toThrow('too large')
  })
})
