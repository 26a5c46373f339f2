import { expect, test } from 'bun:test'

import type { Fact, MovementFact, TripFact } from '../actors/model/fact.ts'
import type { HistoryPage, TripsPage } from '../actors/model/history.ts'
import { joinedHistory, joinedTripHistory } from './joined-history.ts'

const movement = (offset: number, eventTimeUs: number, sessionId = 's'): MovementFact => ({
  kind: 'movement',
  partition: 0,
  offset,
  part: 0,
  sessionId,
  movementId: '',
  status: 'en_route',
  lat: 38,
  lng: 23,
  eventTimeUs,
  receivedMs: 0,
  distanceCm: 0,
  speedKmh: null,
  headingDeg: null,
  travelledCm: 0,
  remainingCm: 0,
  late: false,
})
const fixAt = (eventTimeUs: number) => ({ eventTimeUs, status: 'en_route', lat: 38, lng: 23 })
const request = { id: 's', partition: 0, eventTimeUs: 50, beforeOffset: 10 }

async function timesOf(
  page: HistoryPage,
  facts: readonly Fact[],
  acknowledged = 5,
): Promise<number[]> {
  let asked = -2
  const stored = {
    load: async (_: unknown, { storedThrough }: { storedThrough: number }) => {
      asked = storedThrough
      return [page]
    },
  }
  const [joined] = await joinedHistory(stored, { acknowledged, unacknowledged: () => facts }).load([
    request,
  ])
  expect(asked).toBe(acknowledged)
  return joined?.fixes.map((fix) => fix.eventTimeUs).sort((a, b) => a - b) ?? []
}

const WHOLE: HistoryPage = { fixes: [fixAt(1)], fromUs: -Infinity, toUs: Infinity }

test('the stored past and the facts on their way make one past', async () => {
  expect(await timesOf(WHOLE, [movement(6, 40), movement(7, 60)])).toEqual([1, 40, 60])
})

test('what is stored already is not taken twice', async () => {
  expect(await timesOf(WHOLE, [movement(5, 1), movement(6, 40)])).toEqual([1, 40])
})

test('nothing of the message itself, of a later one or of another session is seen', async () => {
  const facts = [movement(10, 40), movement(11, 41), movement(6, 42, 'other')]
  expect(await timesOf(WHOLE, facts)).toEqual([1])
})

test('a page takes in what lies within its reach, up to a neighbour beyond its range', async () => {
  const page: HistoryPage = { fixes: [fixAt(20), fixAt(90)], fromUs: 20, toUs: 60 }
  expect(await timesOf(page, [movement(6, 10), movement(7, 70), movement(8, 95)])).toEqual([
    20, 70, 90,
  ])
})

const trip = (offset: number, minute: number, regionId = 3): TripFact => ({
  kind: 'trip',
  partition: 1_000,
  offset,
  part: 0,
  trip: {
    tripId: `trip ${offset}`,
    regionId,
    eventTimeUs: minute * 60_000_000 + (offset % 2 === 0 ? 0 : 59_999_999),
    fareUsd: 1,
    durationS: 60,
    distanceKm: 1,
    extras: null,
  },
  late: false,
  counted: true,
  receivedMs: 0,
})

test('a region’s minute has the stored trips and those on their way, below the message that asks', async () => {
  const ask = (regionId: number, minute: number, beforeOffset: number) => ({
    id: String(regionId),
    partition: 1_000,
    eventTimeUs: minute * 60_000_000 + 5,
    beforeOffset,
  })
  const requests = [ask(3, 9, 20), ask(4, 9, 20), ask(3, 9, 13), ask(3, 8, 20)]
  const stored = {
    load: async (asked: readonly unknown[], { storedThrough }: { storedThrough: number }) => {
      expect(storedThrough).toBe(10)
      return asked.map((_, at): TripsPage => ({ minuteMs: 540_000, tripIds: [`stored ${at}`] }))
    },
  }
  const facts: Fact[] = [
    // The store has this one: it was written after the cut was taken.
    trip(10, 9),
    trip(11, 9),
    trip(12, 9),
    trip(13, 9),
    trip(14, 9, 4),
    trip(15, 10),
    movement(16, 9 * 60_000_000),
    // The message itself, and a later one.
    trip(20, 9),
    trip(21, 9),
  ]
  const joined = joinedTripHistory(stored, { acknowledged: 10, unacknowledged: () => facts })
  expect((await joined.load(requests)).map(({ tripIds }) => tripIds)).toEqual([
    ['stored 0', 'trip 11', 'trip 12', 'trip 13'],
    ['stored 1', 'trip 14'],
    ['stored 2', 'trip 11', 'trip 12'],
    ['stored 3'],
  ])
})
