import { expect, test } from 'bun:test'

import type { Behavior } from '../kernel/behavior.ts'
import { VirtualClock } from '../kernel/clock.ts'
import type { FactTarget } from '../kernel/delivery.ts'
import { Directory } from '../kernel/directory.ts'
import { deliveryOf } from '../kernel/entries.ts'
import { Intake } from '../kernel/intake.ts'
import type { Journal } from '../kernel/journal.ts'
import { MemoryJournal } from '../kernel/memory-journal.ts'
import { MemoryStateStore } from '../kernel/memory-state-store.ts'
import { Partition } from '../kernel/partition.ts'
import { silentLog, Telemetry } from '../kernel/telemetry.ts'
import type { DeadLetter, DeadLetterFact, Fact, Retry } from '../model/fact.ts'
import type { Offer, OfferOutcome } from '../model/offer.ts'
import { parsePing, type Ping } from '../model/ping.ts'
import { sessionBehavior } from './behavior.ts'
import { PINGS } from './frames.ts'
import type { SessionState } from './state.ts'

const MS = Date.UTC(2026, 10, 21)
const LETTER = { partition: 0, offset: 0, part: 0 }

const wire = (n: number, session = 's1') => ({
  device_id: 'd',
  vehicle_id: 'v',
  session_id: session,
  order_id: 'o',
  status: 'en_route',
  timestamp: new Date(MS + n * 1_000).toISOString(),
  start_lat: 37.9,
  start_lon: 23.7,
  end_lat: 38,
  end_lon: 23.8,
  current_lat: 37.9 + n / 1_000,
  current_lon: 23.7,
  route_name: `Route ${n}`,
})

const letter: DeadLetter = {
  ...{ code: 'invalid_ping', path: 'status', expected: '', received: '', message: 'no status' },
  ...{ raw: new Uint8Array([123]), truncated: false, receivedMs: MS, source: 'depot/retry' },
}

function collecting(): FactTarget & { facts: Fact[] } {
  const facts: Fact[] = []
  return { facts, full: false, accept: (fact) => facts.push(fact), advance() {}, onRoom() {} }
}

const session = sessionBehavior({ silentAfterMs: 600_000, overdueAfterMs: 600_000 })

/** A process over a journal; `poison` are sessions at whose pings the behavior throws. */
function start(journal: Journal, clock: VirtualClock, poison: readonly string[] = []) {
  const behavior: Behavior<SessionState, Ping> = {
    ...session,
    receive(state, ping, turn) {
      if (poison.includes(ping.orderId)) throw new Error('a bug')
      return session.receive(state, ping, turn)
    },
  }
  const telemetry = new Telemetry()
  const received = collecting()
  const derived = collecting()
  const partition = new Partition<SessionState, Ping>(
    {
      ...{ partition: 0, behavior, clock, log: silentLog, telemetry, received, derived },
      idOf: (ping) => ping.sessionId,
      directory: new Directory(behavior, new MemoryStateStore()),
      history: { load: async () => [] },
      limits: { turnsPerSliceMax: 2, mailboxMax: 100, awakeMax: 100 },
    },
    -1,
  )
  const limits = { backlogMax: 1_000, retryAfterMs: 1 }
  const intake = new Intake({ journal, partition, frames: PINGS, clock, telemetry, limits })
  const offer = async (
    wires: readonly object[],
    more: Partial<Offer> = {},
    payload = wires.map((each) => JSON.stringify(each)).join('\n'),
  ): Promise<OfferOutcome> => {
    const pings = wires.flatMap((each) => {
      const parsed = parsePing(each, MS)
      return parsed.ok ? [parsed.ping] : []
    })
    const base = { source: 'depot', receivedMs: MS, deadLetters: [], countDuplicates: false }
    const outcome = new Promise<OfferOutcome>((resolve) =>
      intake.offer({ ...base, payload, messages: pings, ...more }, resolve),
    )
    await clock.advanceMs(10)
    return outcome
  }
  return { partition, received, derived, offer }
}

const retryOf = (outcome: Retry['outcome'], pings: number): Retry => ({
  letter: LETTER,
  outcome,
  pings,
  refused: outcome === 'accepted' ? 0 : 1,
  ...{ code: '', path: '', message: '' },
})

const named = (facts: readonly Fact[]): string[] =>
  facts.map(({ kind, offset, part }) => `${offset}.${part} ${kind}`)

test('a retry and its pings are one entry, and a replay says of it what the first run said', async () => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  const live = start(journal, clock)
  const source = 'depot/retry'
  expect(
    await live.offer([wire(1), wire(2), wire(3)], { source, retry: retryOf('accepted', 3) }),
  ).toMatchObject({ ok: true })
  await live.offer([], { source, retry: { ...retryOf('refused', 0), message: 'still no status' } })
  await live.offer([wire(4)], { source: 'depot' })
  expect(named(live.derived.facts).filter((name) => !/header|status/.test(name))).toEqual([
    '0.0 pings',
    '0.2 movement',
    '1.0 movement',
    '2.0 movement',
    '3.0 retry',
    '4.0 retry',
    '5.0 pings',
    '5.0 movement',
  ])
  expect(live.received.facts).toMatchObject([{ source, count: 3 }, { count: 1 }])
  expect(live.derived.facts.filter(({ kind }) => kind === 'retry')).toMatchObject([
    { letter: LETTER, outcome: 'accepted', pings: 3, source, receivedMs: MS },
    { outcome: 'refused', message: 'still no status' },
  ])

  const again = start(journal, clock)
  for await (const record of journal.read(0)) again.partition.enqueue(deliveryOf(record, 0, PINGS))
  await clock.advanceMs(10)
  expect(named(again.derived.facts)).toEqual(named(live.derived.facts))
  expect(again.derived.facts.filter(({ kind }) => kind !== 'pings')).toEqual(
    live.derived.facts.filter(({ kind }) => kind !== 'pings'),
  )
})

test('pings that came once before are repeats when their letter is retried', async () => {
  const clock = new VirtualClock()
  const { derived, offer } = start(new MemoryJournal({ partition: 0, clock }), clock)
  await offer([wire(1)])
  await offer([wire(1)], { retry: retryOf('accepted', 1) })
  expect(derived.facts.filter(({ kind }) => kind === 'movement')).toHaveLength(1)
})

test('what is refused of a retry is on disk before the retry says that it is done', async () => {
  const clock = new VirtualClock()
  const journal = new MemoryJournal({ partition: 0, clock })
  const { derived, offer } = start(journal, clock)
  await offer([wire(1)], { deadLetters: [letter], retry: retryOf('partial', 1) })
  const kinds: string[] = []
  for await (const { kind } of journal.read(0)) kinds.push(kind)
  expect(kinds).toEqual(['dead_letter', 'retry'])
  expect(derived.facts.map(({ kind }) => kind)).toContain('retry')
  await journal.close()
  expect(
    await offer([wire(2)], { deadLetters: [letter], retry: retryOf('partial', 1) }),
  ).toMatchObject({ ok: false })
})

test('a message that the actor gave up keeps the ping as its sender wrote it, whatever frame it came in', async () => {
  const bad = { ...wire(2), order_id: 'poison', extra: { note: 'Ζωή' } }
  const good = [wire(1), wire(3)]
  const frames: readonly (readonly [readonly object[], string])[] = [
    [[bad], JSON.stringify(bad, null, 2)],
    [[good[0] ?? {}, bad, good[1] ?? {}], JSON.stringify([good[0], bad, good[1]])],
    [[good[0] ?? {}, bad], `${JSON.stringify(good[0])}\n${JSON.stringify(bad)}\n`],
  ]
  for (const [wires, payload] of frames) {
    const clock = new VirtualClock()
    const journal = new MemoryJournal({ partition: 0, clock })
    const { derived, offer } = start(journal, clock, ['poison'])
    await offer(wires, {}, payload)
    await offer([wire(4)])
    const poisoned = derived.facts.filter(
      (fact): fact is DeadLetterFact => fact.kind === 'dead_letter',
    )
    expect(poisoned).toMatchObject([{ code: 'poison', source: 'depot', truncated: false }])
    const raw = new TextDecoder().decode(poisoned[0]?.raw)
    expect(JSON.parse(raw)).toEqual(bad)
    // Its session goes on, before and after.
    expect(derived.facts.filter(({ kind }) => kind === 'movement')).toHaveLength(wires.length)

    const fixed = start(journal, clock)
    await fixed.offer([JSON.parse(raw)], { retry: retryOf('accepted', 1) })
    expect(fixed.derived.facts.filter(({ kind }) => kind === 'movement')).toHaveLength(1)
  }
})
