import { afterAll, beforeAll, expect, test } from 'bun:test'

import { seededRandom } from '../../actors/kernel/clock.ts'
import type { MovementFact } from '../../actors/model/fact.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import type { ClickHouse } from './engine.ts'
import { sampleMovement } from './fact-samples.ts'
import { ClickHouseHistory } from './history.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

const BASE_US = 1_790_000_000_000_000
const LIMITS = { fixesMax: 5, tiesMax: 100, requestsMax: 3 }
const facts: MovementFact[] = []
let engine: ClickHouse
let history: ClickHouseHistory

beforeAll(async () => {
  engine = await openTestClickHouse()
  history = new ClickHouseHistory(engine, LIMITS)
  const random = seededRandom(5)
  const add = (given: Partial<MovementFact>): number =>
    facts.push(
      sampleMovement({
        lat: random() * 180 - 90,
        lng: (random() - 0.5) * 10 ** (2 - Math.floor(random() * 12)),
        offset: facts.length,
        ...given,
      }),
    )
  // Twenty microseconds apart: several share a millisecond, which is all that the sort key knows.
  for (let at = 0; at < 60; at += 1) {
    add({ sessionId: "it's", eventTimeUs: BASE_US + ((at * 37) % 60) * 20 + 1 })
  }
  for (let at = 0; at < 8; at += 1) add({ sessionId: 'ties', eventTimeUs: BASE_US + 3, lat: at })
  add({ sessionId: 'ties', eventTimeUs: BASE_US + 2 })
  for (let at = 0; at < 30; at += 1) add({ sessionId: 'crowd', eventTimeUs: BASE_US + 5, lat: at })
  for (let at = 0; at < 3; at += 1) add({ sessionId: 'crowd', eventTimeUs: BASE_US + 6 + at })
  add({ sessionId: 'edge', eventTimeUs: 9_007_199_254_740_991 - 5_000, lat: -0, lng: 5e-324 })
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  await sink.write(batchOf(0, facts.length - 1, facts), signal())
})
afterAll(() => engine.close())

const request = (id: string, afterUs: number, beforeOffset = 1_000) => ({
  id,
  partition: 0,
  eventTimeUs: BASE_US + afterUs,
  beforeOffset,
})
const all = { storedThrough: 1_000 }
const fixOf = ({ eventTimeUs, status, lat, lng }: MovementFact) => ({
  eventTimeUs,
  status,
  lat,
  lng,
})

test('a page holds the nearest fixes on both sides, bit for bit, and says how far it is complete', async () => {
  const own = facts
    .filter((fact) => fact.sessionId === "it's")
    .sort((a, b) => a.eventTimeUs - b.eventTimeUs)
  for (const afterUs of [600, 601]) {
    const [page] = await history.load([request("it's", afterUs)], all)
    const before = own.filter((fact) => fact.eventTimeUs < BASE_US + afterUs).slice(-5)
    const at = own.filter((fact) => fact.eventTimeUs === BASE_US + afterUs)
    const after = own.filter((fact) => fact.eventTimeUs > BASE_US + afterUs).slice(0, 5)
    expect(at).toHaveLength(afterUs === 601 ? 1 : 0)
    expect(page?.fixes).toEqual([...before, ...at, ...after].map(fixOf))
    expect(page?.fromUs).toBe(before[0]?.eventTimeUs ?? 0)
    expect(page?.toUs).toBe(after.at(-1)?.eventTimeUs ?? 0)
  }
})

test('a page is open where the session’s life ends', async () => {
  const [early, unknown] = await history.load([request("it's", 0), request('nobody', 0)], all)
  expect(early?.fromUs).toBe(-Infinity)
  expect(early?.fixes).toHaveLength(5)
  expect(unknown).toEqual({ fixes: [], fromUs: -Infinity, toUs: Infinity })
})

test('only facts below the message, and up to what is stored for sure, are seen', async () => {
  const [below, stored, none, nothing] = await Promise.all([
    history.load([request("it's", 600, 10)], all),
    history.load([request("it's", 600)], { storedThrough: 6 }),
    history.load([request("it's", 600, 0)], all),
    history.load([request("it's", 600)], { storedThrough: -1 }),
  ])
  const offsets = (fixes: readonly { eventTimeUs: number }[] = []): number[] =>
    fixes.map((fix) => facts.findIndex((fact) => fact.eventTimeUs === fix.eventTimeUs))
  expect(offsets(below[0]?.fixes).every((offset) => offset < 10)).toBe(true)
  expect(below[0]?.fixes).toHaveLength(10)
  expect(offsets(stored[0]?.fixes).sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6])
  expect(none[0]?.fixes).toEqual([])
  expect(nothing[0]?.fixes).toEqual([])
})

test('another partition’s fixes are another session’s', async () => {
  const [page] = await history.load([{ ...request("it's", 600), partition: 1 }], all)
  expect(page?.fixes).toEqual([])
})

test('all fixes at the asked event time are there, and the neighbours of that time', async () => {
  const [page] = await history.load([request('ties', 3)], all)
  expect(page?.fixes.map((fix) => [fix.eventTimeUs - BASE_US, fix.lat])).toEqual([
    [2, expect.any(Number)],
    ...[0, 1, 2, 3, 4, 5, 6, 7].map((lat) => [3, lat]),
  ])
  expect([page?.fromUs, page?.toUs]).toEqual([-Infinity, Infinity])
})

test('where fixes of one event time are cut apart, the page ends short of it, with the nearest beside it', async () => {
  const [late, early] = await Promise.all([
    history.load([request('crowd', 7)], all),
    history.load([request('crowd', 1)], all),
  ])
  const seen = (page = late[0]) => page?.fixes.map((fix) => [fix.eventTimeUs - BASE_US, fix.status])
  // One at 6, 7 and 8, thirty at 5: the last in the order of fixes are the nearest from above.
  expect(
    seen()
      ?.slice(-3)
      .map(([time]) => time),
  ).toEqual([6, 7, 8])
  expect(late[0]?.fixes.slice(0, 4).map((fix) => fix.lat)).toEqual([26, 27, 28, 29])
  expect(late[0]?.fromUs).toBe(BASE_US + 6)
  expect(early[0]?.fixes.map((fix) => fix.lat)).toEqual([0, 1, 2, 3, 4])
  expect([early[0]?.fromUs, early[0]?.toUs]).toEqual([-Infinity, BASE_US + 4])
})

test('more fixes at one event time than are looked at end the looking, in one way always', async () => {
  const few = new ClickHouseHistory(engine, { ...LIMITS, tiesMax: 10 })
  const [page] = await few.load([request('crowd', 5)], all)
  expect(page?.fixes.slice(0, 10).map((fix) => fix.lat)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  expect(page?.fixes).toHaveLength(13)
})

test('more requests than one statement takes are answered in order', async () => {
  const asked = [600, 0, 1_300, 200, 900, 40, 777].flatMap((afterUs, at) => [
    request("it's", afterUs),
    request(['ties', 'crowd', 'edge', 'nobody'][at % 4] ?? '', afterUs % 9),
  ])
  const together = await history.load(asked, all)
  const alone = await Promise.all(asked.map((each) => history.load([each], all)))
  expect(together).toEqual(alone.flat())
})

test('times near the end of exact numbers, negative zero and the smallest number come back', async () => {
  const eventTimeUs = 9_007_199_254_740_991 - 5_000
  const [page] = await history.load([{ ...request('edge', 0), eventTimeUs }], all)
  expect(page?.fixes).toEqual([{ eventTimeUs, status: 'en_route', lat: -0, lng: 5e-324 }])
})

test('sessions are found by the table’s key', async () => {
  const plan = await engine.query(
    "EXPLAIN indexes = 1 SELECT event_time_us FROM session_movements WHERE session_id IN ('ties', 'edge')",
  )
  expect(plan.join('\n')).toMatch(/PrimaryKey\s+Keys:\s+session_id/)
})
