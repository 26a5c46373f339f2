import { describe, expect, test } from 'bun:test'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import { jsonLog, Telemetry } from '../../actors/kernel/telemetry.ts'
import type { Ingest, NotTaken, Offer, OfferOutcome } from '../../actors/model/offer.ts'
import { PINGS, TRIPS } from '../item-kind.ts'
import { GATEWAY_DEFAULTS } from '../options.ts'
import { CoreConnection, RELAY_LIMITS } from './core-connection.ts'
import { Edges } from './edges.ts'
import { encodeFrame, type Forwarded, piecesOf } from './frame.ts'
import { RelayHints, type RelayPositions } from './positions.ts'
import { type CoreWord, type Hello, parseCoreWord } from './protocol.ts'

const STREAMS = {
  pings: { first: 0, next: 100, acknowledged: 0 },
  trips: { first: 0, next: 0, acknowledged: 0 },
}
const HELLO: Hello = {
  ...{ type: 'hello', version: 1, edge: 'depot', identity: 'folder-1', run: 'run-1' },
  streams: STREAMS,
}
const BUSY: NotTaken = { ok: false, code: 'busy', message: 'too much', retryAfterMs: 70 }

/** What a core knows of its edges, exactly. */
class Known implements RelayPositions {
  readonly exact = true
  ready = true
  full = false
  readonly places = new Map<string, number>()

  next(sender: string): number | null {
    return this.places.get(sender) ?? null
  }

  reached(sender: string, next: number): void {
    this.places.set(sender, next)
  }
}

/** A core in virtual time, and whoever connects to it. */
function core(positions: RelayPositions = new Known()) {
  const clock = new VirtualClock()
  const logged: string[] = []
  const log = jsonLog(
    'info',
    (line) => logged.push(line),
    () => clock.nowMs(),
  )
  const telemetry = new Telemetry()
  const offers: Offer[] = []
  const answers: ((outcome: OfferOutcome) => void)[] = []
  const held = { isHeld: false, refusal: null as NotTaken | null }
  const ingest: Ingest = {
    refusal: () => held.refusal,
    offer(offer, done) {
      offers.push(offer)
      if (held.isHeld) answers.push(done)
      else clock.soon(() => done({ ok: true, duplicates: null }))
    },
  }
  const counter = (name: string) => telemetry.counter(name, '')
  const edges = new Edges(clock)
  const around = {
    ...{ edges, clock, log, options: GATEWAY_DEFAULTS, limits: RELAY_LIMITS },
    pings: { stream: 'pings', kind: PINGS, ingest, positions } as const,
    trips: {
      stream: 'trips',
      kind: TRIPS,
      ingest: { offer: () => {} },
      positions: new RelayHints(),
    } as const,
    counters: { messages: counter('m'), repeats: counter('r'), refused: counter('x') },
  }
  const connect = (answersPings = true) => {
    const words: CoreWord[] = []
    const ended: string[] = []
    const connection: CoreConnection = new CoreConnection(
      {
        sendText: (text) => words.push(parseCoreWord(text)),
        ping() {
          if (answersPings) clock.after(10, () => connection.heard())
          return 0
        },
        close: (_, reason) => void ended.push(reason),
        terminate: () => void ended.push('terminated'),
      },
      around,
    )
    return {
      connection,
      words,
      ended,
      say: (word: unknown) => connection.receive(JSON.stringify(word)),
    }
  }
  const greeted = async (hello: Partial<Hello> = {}, answersPings = true) => {
    const edge = connect(answersPings)
    edge.say({ ...HELLO, ...hello })
    await clock.advanceMs(5)
    return edge
  }
  return { clock, logged, offers, answers, held, around, connect, greeted }
}

const ping = (n: number): string =>
  JSON.stringify({
    ...{ device_id: 'd', vehicle_id: 'v', order_id: `o${n}`, session_id: 's', status: 'en_route' },
    ...{
      timestamp: '2026-09-21T12:00:00Z',
      start_lat: 38,
      start_lon: 23,
      end_lat: 39,
      end_lon: 24,
    },
    ...{ current_lat: 38, current_lon: 23 },
  })

/** Entries of one ping each, of offsets from the first on. */
function frame(first: number, count: number, turn = 0): Uint8Array {
  const entries = Array.from({ length: count }, (_, n): Forwarded => ({
    ...{ kind: 'pings', offset: first + n, count: 1, receivedMs: 1_789_999_000_000 + n },
    ...{ source: 'van', payload: ping(first + n) },
  }))
  return encodeFrame('pings', turn, entries)
}

const sent = (bytes: Uint8Array): Uint8Array => piecesOf(bytes, 1_000_000).next().value ?? bytes
const sequences = (offers: readonly Offer[]) => offers.map(({ relay }) => relay?.sequence)
const last = (words: readonly CoreWord[]) => words.at(-1)

describe('a greeting', () => {
  test('is answered with the place to go on from', async () => {
    const known = new Known()
    known.reached('depot.folder-1', 42)
    const { greeted } = core(known)
    const { words } = await greeted()
    expect(words).toMatchObject([
      { type: 'welcome', streams: { pings: { resume: 42 }, trips: { resume: 0 } } },
    ])
  })

  test('of another version is refused in words that tell what to do', async () => {
    const { greeted } = core()
    const { words, ended } = await greeted({ version: 2 })
    expect(words).toMatchObject([{ type: 'refused', reason: 'version' }])
    expect(ended).toEqual(['version'])
  })

  test('waits until the journal was read, and for room to remember one more folder', async () => {
    const known = new Known()
    const { greeted } = core(known)
    known.ready = false
    expect((await greeted()).words).toMatchObject([{ reason: 'not_ready', retry_after_ms: 1_000 }])
    known.ready = true
    known.full = true
    expect((await greeted()).words).toMatchObject([{ reason: 'too_many' }])
    known.reached('depot.folder-1', 1)
    expect((await greeted()).words).toMatchObject([{ type: 'welcome' }])
  })

  test('of a folder that is an older copy of itself is refused: its new messages would pass for repeats', async () => {
    const known = new Known()
    known.reached('depot.folder-1', 101)
    const { greeted } = core(known)
    expect((await greeted()).words).toMatchObject([{ type: 'refused', reason: 'ahead' }])
  })

  test('to a core that has lost everything begins with what the edge still has, and says what is gone', async () => {
    const { greeted, logged } = core()
    const streams = { ...STREAMS, pings: { first: 60, next: 100, acknowledged: 90 } }
    expect((await greeted({ streams })).words).toMatchObject([
      { streams: { pings: { resume: 60 } } },
    ])
    expect(logged.join()).toContain('neither here nor there')
  })

  test('where readers drop repeats goes on from what was acknowledged, or further where that is known', async () => {
    const hints = new RelayHints()
    const { greeted } = core(hints)
    const streams = { ...STREAMS, pings: { first: 60, next: 100, acknowledged: 90 } }
    const first = await greeted({ streams })
    expect(first.words).toMatchObject([{ streams: { pings: { resume: 90 } } }])
    first.connection.closed()
    hints.reached('depot.folder-1', 95)
    expect((await greeted({ streams })).words).toMatchObject([
      { streams: { pings: { resume: 95 } } },
    ])
  })
})

describe('a second gateway with the same id', () => {
  test.each([
    ['another folder', { identity: 'folder-2', run: 'run-2' }],
    ['a copy of the folder', { run: 'run-2' }],
  ])('with %s is refused while the first one answers', async (_, other) => {
    const { greeted, clock } = core()
    const first = await greeted()
    const second = await greeted(other)
    await clock.advanceMs(4_000)
    expect(second.words).toMatchObject([{ type: 'refused', reason: 'in_use' }])
    expect(first.ended).toEqual([])
    first.connection.receive(sent(frame(0, 1)))
    await clock.advanceMs(10)
    expect(last(first.words)).toEqual({ type: 'ack', stream: 'pings', next: 1 })
  })

  test('takes the place of one that does not answer any more', async () => {
    const { greeted, clock } = core()
    const first = await greeted({}, false)
    const second = await greeted({ run: 'run-2' })
    await clock.advanceMs(4_000)
    expect(second.words).toMatchObject([{ type: 'welcome' }])
    expect(first.ended[0]).toBe('did not answer')
  })

  test('is no second one when it is the same process over a new line: it goes on at once, behind what is on its way', async () => {
    const known = new Known()
    const { greeted, clock, held, answers, offers } = core(known)
    const first = await greeted()
    held.isHeld = true
    first.connection.receive(sent(frame(0, 3)))
    await clock.advanceMs(5)
    const second = await greeted()
    expect(second.words).toEqual([])
    for (const answer of answers) answer({ ok: true, duplicates: null })
    await clock.advanceMs(5)
    expect(second.words).toMatchObject([{ type: 'welcome', streams: { pings: { resume: 3 } } }])
    first.connection.receive(sent(frame(3, 1)))
    await clock.advanceMs(5)
    expect(sequences(offers)).toEqual([0, 1, 2])
  })
})

describe('a stream', () => {
  test('keeps time and source of each entry, and says whose it is', async () => {
    const { greeted, clock, offers } = core()
    const { connection, words } = await greeted()
    connection.receive(sent(frame(0, 2)))
    await clock.advanceMs(10)
    expect(offers).toMatchObject([
      {
        source: 'van@depot',
        receivedMs: 1_789_999_000_000,
        relay: { sender: 'depot.folder-1', sequence: 0 },
      },
      { source: 'van@depot', receivedMs: 1_789_999_000_001, relay: { sequence: 1 } },
    ])
    expect(last(words)).toEqual({ type: 'ack', stream: 'pings', next: 2 })
  })

  test('leaves out what comes again, in whole or in part, and acknowledges it', async () => {
    const { greeted, clock, offers } = core()
    const { connection, words } = await greeted()
    connection.receive(sent(frame(0, 5)))
    connection.receive(sent(frame(0, 5)))
    connection.receive(sent(frame(3, 4)))
    await clock.advanceMs(10)
    expect(sequences(offers)).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(last(words)).toEqual({ type: 'ack', stream: 'pings', next: 7 })
  })

  test('with a gap asks for what is missing', async () => {
    const { greeted, clock, offers } = core()
    const { connection, words } = await greeted()
    connection.receive(sent(frame(2, 2)))
    await clock.advanceMs(10)
    expect(last(words)).toMatchObject({ type: 'busy', next: 0, turn: 1, retry_after_ms: 0 })
    connection.receive(sent(frame(0, 4, 1)))
    await clock.advanceMs(10)
    expect(sequences(offers)).toEqual([0, 1, 2, 3])
  })

  test('after a refusal takes nothing of what was sent behind it, until the edge comes again from there', async () => {
    const { greeted, clock, held, offers } = core()
    const { connection, words } = await greeted()
    connection.receive(sent(frame(0, 2)))
    await clock.advanceMs(10)
    held.refusal = BUSY
    connection.receive(sent(frame(2, 2)))
    connection.receive(sent(frame(4, 2)))
    await clock.advanceMs(10)
    expect(last(words)).toMatchObject({ type: 'busy', next: 2, turn: 1, retry_after_ms: 70 })
    held.refusal = null
    connection.receive(sent(frame(6, 2)))
    await clock.advanceMs(10)
    connection.receive(sent(frame(2, 6, 1)))
    await clock.advanceMs(10)
    expect(sequences(offers)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
    expect(last(words)).toEqual({ type: 'ack', stream: 'pings', next: 8 })
  })

  test('acknowledges nothing behind what the journal refused late', async () => {
    const { greeted, clock, held, answers } = core()
    const { connection, words } = await greeted()
    held.isHeld = true
    connection.receive(sent(frame(0, 3)))
    await clock.advanceMs(10)
    answers[0]?.({ ok: true, duplicates: null })
    answers[1]?.(BUSY)
    await clock.advanceMs(10)
    expect(last(words)).toEqual({ type: 'ack', stream: 'pings', next: 1 })
    answers[2]?.(BUSY)
    await clock.advanceMs(10)
    expect(last(words)).toMatchObject({ type: 'busy', next: 1 })
  })

  test('keeps what its core would refuse of a sender as dead letters', async () => {
    const { greeted, clock, offers } = core()
    const { connection } = await greeted()
    const entry: Forwarded = {
      ...{ kind: 'pings', offset: 0, count: 2, receivedMs: 1_789_999_000_000, source: 'van' },
      payload: `${ping(0)}\n{"no":"ping"}`,
    }
    connection.receive(sent(encodeFrame('pings', 0, [entry])))
    await clock.advanceMs(10)
    expect(offers).toMatchObject([
      { deadLetters: [{ code: 'invalid_ping', source: 'van@depot' }], relay: { sequence: 1 } },
    ])
    expect(offers[0]?.messages).toHaveLength(1)
  })
})

describe('an edge that does not keep to the protocol', () => {
  const wrong: readonly (readonly [string, Uint8Array | string])[] = [
    ['a frame before the greeting was answered', sent(frame(0, 1))],
    ['no word', 'hello'],
    ['a frame of nothing', new Uint8Array([0, 1, 2])],
    ['a frame that is damaged', sent(frame(0, 3).with(40, 255).with(41, 255))],
  ]
  test.each(wrong)('is sent away for %s', async (what, data) => {
    const { greeted, connect, clock, offers } = core()
    const edge = what.startsWith('a frame before') ? connect() : await greeted()
    edge.connection.receive(data)
    await clock.advanceMs(10)
    expect(last(edge.words)).toMatchObject({ type: 'refused', reason: 'bad_word' })
    expect(offers).toEqual([])
  })

  test('and one that says nothing is cut', async () => {
    const { greeted, clock } = core()
    const { ended } = await greeted()
    await clock.advanceMs(30_000)
    expect(ended).toEqual(['terminated'])
  })
})
