import { describe, expect, test } from 'bun:test'

import fc from 'fast-check'

import { VirtualClock } from '../../actors/kernel/clock.ts'
import type { Fact, MovementFact, PingsFact, StatusFact } from '../../actors/model/fact.ts'
import { rejection, signal } from '../conformance-bench.ts'
import { describeSink } from '../conformance.ts'
import { MetricsBoard } from './board.ts'
import { COUNT_NAMES, minuteOf, noCounts } from './counts.ts'
import { MemoryMetricsStore } from './memory-store.ts'
import { MetricsSink } from './sink.ts'
import { Tally } from './tally.ts'
import { expand, NOON_MS, testFact, TestMarks } from './testing.ts'

const clock = new VirtualClock(NOON_MS)

function sinkOver(marks: TestMarks, board = new MetricsBoard(), headMinutesMax = 3): MetricsSink {
  return new MetricsSink({ store: new MemoryMetricsStore(marks, headMinutesMax), board, clock })
}

function tallyOf(facts: Iterable<Fact>): Tally {
  const tally = new Tally()
  for (const fact of facts) tally.add(fact)
  return tally
}

const batchOf = (rows: readonly Fact[], offsetFirst: number, offsetLast: number) => ({
  id: `0:${offsetFirst}-${offsetLast}`,
  ...{ partition: 0, offsetFirst, offsetLast, rows },
})

describeSink(
  'metrics',
  async () => {
    const marks = new TestMarks()
    return {
      sink: sinkOver(marks),
      reopen: async () => sinkOver(marks),
      readBack: async () => expand(await new MemoryMetricsStore(marks).load(0, signal())),
      rowsFor: (first, last, seed, text) =>
        Array.from({ length: last - first + 1 }, (_, at) => testFact(first + at, seed, text)),
      fingerprints: (fact) => expand(tallyOf([fact])),
      crashAt: (point) => {
        marks.faults.push(point === 'before a mark' ? 'before' : 'after')
      },
      cleanup: async () => {},
    }
  },
  { crashPoints: ['before a mark', 'after a mark'] },
)

const NAME = { partition: 0, offset: 0, part: 0, sessionId: 's' }
const MINUTE_MS = 60_000

const movement = (eventMs: number, distanceCm: number): MovementFact => ({
  ...{ ...NAME, kind: 'movement', movementId: 'm', status: 'en_route', lat: 38, lng: 23.7 },
  ...{ eventTimeUs: eventMs * 1_000 + 999, receivedMs: NOON_MS, distanceCm, speedKmh: null },
  ...{ headingDeg: null, travelledCm: 0, remainingCm: 0, late: false },
})

const pings = (receivedMs: number, count: number): PingsFact => ({
  ...{ ...NAME, kind: 'pings', count, receivedMs, source: 'key', payload: new Uint8Array() },
})

function status(
  reached: StatusFact['status'],
  eventMs: number,
  more: Partial<StatusFact> = {},
): StatusFact {
  return {
    ...{ ...NAME, kind: 'status', eventId: 'e', revision: 0, status: reached, from: null },
    ...{ eventTimeUs: eventMs * 1_000, receivedMs: NOON_MS, ...more },
  }
}

const header = (receivedMs: number, revision = 0): Fact => ({
  ...{ ...NAME, kind: 'header', revision, vehicleId: 'v', orderId: 'o', deviceId: 'd' },
  ...{ startLat: 38, startLng: 23.7, endLat: 38, endLng: 23.8, createdAtUs: 0, receivedMs },
})

// Times from a bit more than a day before noon to a day ahead, so that both edges are met.
const aroundMs = fc.integer({ min: -26 * 60, max: 26 * 60 }).map((ago) => NOON_MS + ago * MINUTE_MS)
const received = fc.integer({ min: -300, max: 0 }).map((ago) => NOON_MS + ago * MINUTE_MS)
const reached = fc.constantFrom('started', 'en_route', 'completed')

const someFacts: fc.Arbitrary<readonly Fact[]> = fc.oneof(
  fc.tuple(received, fc.integer({ min: 1, max: 50 })).map(([at, count]) => [pings(at, count)]),
  fc.tuple(aroundMs, fc.integer({ min: -900, max: 9_000 })).map(([at, cm]) => [movement(at, cm)]),
  received.map((at) => [header(at), header(at, 1)]),
  // A status and its revisions, each earlier than the one before.
  fc.tuple(reached, fc.uniqueArray(aroundMs, { minLength: 1, maxLength: 4 })).map(([to, times]) =>
    times
      .toSorted((a, b) => b - a)
      .map((atMs, revision, all) => {
        const before = all[revision - 1]
        const from = before === undefined ? {} : { revisedFromUs: before * 1_000 }
        return status(to, atMs, { revision, ...from })
      }),
  ),
)

/** Counted in the plainest way from all facts at once: what every run must come to. */
function fromScratch(facts: readonly Fact[], minute: number | null) {
  const sum = noCounts()
  const within = (ms: number): boolean => minute === null || Math.floor(ms / MINUTE_MS) === minute
  const last = new Map<number, StatusFact>()
  for (const fact of facts) {
    if (fact.kind === 'pings' && within(fact.receivedMs)) sum.pings += fact.count
    if (fact.kind === 'movement' && within(fact.eventTimeUs / 1_000)) {
      sum.distanceCm += fact.distanceCm
    }
    if (fact.kind === 'header' && fact.revision === 0 && within(fact.receivedMs)) sum.opened++
    if (fact.kind !== 'status') continue
    if (fact.revision === 0 && fact.status === 'completed' && within(fact.receivedMs)) {
      sum.finished++
    }
    const event = Number(fact.eventId)
    if ((last.get(event)?.revision ?? -1) < fact.revision) last.set(event, fact)
  }
  for (const { status: to, eventTimeUs } of last.values()) {
    if (within(eventTimeUs / 1_000)) sum[to === 'en_route' ? 'enRoute' : to]++
  }
  return sum
}

describe('counts', () => {
  test('equal a recomputation in any order, after any cuts, crashes and unknown outcomes', async () => {
    const story = fc.record({
      facts: fc.array(someFacts, { maxLength: 30 }),
      order: fc.infiniteStream(fc.nat()),
      cuts: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1 }),
      faults: fc.array(fc.constantFrom(null, null, 'before' as const, 'after' as const)),
      reopen: fc.array(fc.boolean(), { minLength: 1 }),
    })
    await fc.assert(
      fc.asyncProperty(story, async ({ facts: groups, order, cuts, faults, reopen }) => {
        const named = groups.flatMap((group, event) =>
          group.map((fact) => (fact.kind === 'status' ? { ...fact, eventId: `${event}` } : fact)),
        )
        const shuffled = named
          .map((fact) => ({ fact, at: order.next().value }))
          .toSorted((a, b) => a.at - b.at)
        const facts = shuffled.map(({ fact }, offset): Fact => ({ ...fact, offset }))
        const marks = new TestMarks()
        marks.faults.push(...faults)
        const board = new MetricsBoard()
        let sink = sinkOver(marks, board)
        let next = (await sink.open(0, signal())) + 1
        let cut = 0
        for (let round = 0; next < facts.length; round++) {
          expect(round).toBeLessThan(1_000)
          const last = Math.min(facts.length, next + (cuts[cut % cuts.length] ?? 1)) - 1
          const batch = batchOf(facts.slice(next, last + 1), next, last)
          const written = (await rejection(sink.write(batch, signal()))) === null
          if (written) next = last + 1
          if (written) cut++
          if (!reopen[round % reopen.length]) continue
          // As after a kill: whatever the store says it has, the rest comes again, cut in another way.
          sink = sinkOver(marks, board)
          next = (await sink.open(0, signal())) + 1
          cut++
        }
        const state = await new MemoryMetricsStore(marks).load(0, signal())
        expect(state.totals).toEqual(totalsOf(facts))
        for (
          let minute = minuteOf(NOON_MS) - 1_440;
          minute <= minuteOf(NOON_MS) + 1_440;
          minute++
        ) {
          const [is, should] = [state.minutes.get(minute), fromScratch(facts, minute)]
          if (is || COUNT_NAMES.some((name) => should[name] !== 0)) expect(is).toEqual(should)
        }
      }),
      { numRuns: 60 },
    )
  })

  const totalsOf = (facts: readonly Fact[]) => fromScratch(facts, null)

  test('of minutes that are over, or far ahead, are not kept', async () => {
    const marks = new TestMarks()
    const sink = sinkOver(marks)
    await sink.open(0, signal())
    const far = [-1_501, -1_500, 0, 1_500, 1_501].map((minutes, offset) => ({
      ...movement(NOON_MS + minutes * MINUTE_MS, 10),
      offset,
    }))
    await sink.write(batchOf(far, 0, 4), signal())
    const state = await new MemoryMetricsStore(marks).load(0, signal())
    expect([...state.minutes.keys()].map((minute) => minute - minuteOf(NOON_MS))).toEqual([
      -1_500, 0, 1_500,
    ])
    expect(state.totals.distanceCm).toBe(50)
  })
})

describe('a metrics sink', () => {
  test('counts a frame once, though its batch ended within it', async () => {
    const marks = new TestMarks()
    const sink = sinkOver(marks)
    await sink.open(0, signal())
    await sink.write(batchOf([pings(NOON_MS, 50)], 0, 10), signal())
    await sink.write(batchOf([{ ...movement(NOON_MS, 5), offset: 11 }], 11, 49), signal())
    const { totals } = await new MemoryMetricsStore(marks).load(0, signal())
    expect([totals.pings, totals.distanceCm]).toEqual([50, 5])
  })

  test('refuses a batch that leaves something out', async () => {
    const sink = sinkOver(new TestMarks())
    await sink.open(0, signal())
    const error = await rejection(sink.write(batchOf([], 5, 9), signal()))
    expect(error).toMatchObject({ retriable: false })
    expect(String(error)).toContain('does not follow -1')
  })

  test('looks again when another writer was first, and adds only what that one had not', async () => {
    const marks = new TestMarks()
    const store = new MemoryMetricsStore(marks)
    const made = () => new MetricsSink({ store, board: new MetricsBoard(), clock })
    const [ours, theirs] = [made(), made()]
    await ours.open(0, signal())
    await theirs.open(0, signal())
    const facts = Array.from({ length: 10 }, (_, offset) => ({ ...pings(NOON_MS, 1), offset }))
    await theirs.write(batchOf(facts.slice(0, 6), 0, 5), signal())
    await ours.write(batchOf(facts, 0, 9), signal())
    expect((await store.load(0, signal())).totals.pings).toBe(10)
  })
})
