import { afterAll, beforeAll, describe, expect, test } from 'bun:test'

import { seededRandom } from '../../actors/kernel/clock.ts'
import type { Fact, MovementFact, StatusFact } from '../../actors/model/fact.ts'
import { STATUSES } from '../../actors/model/ping.ts'
import { CITY_GRID, RegionMap } from '../../actors/model/region-map.ts'
import type { WindowSizeS } from '../../actors/model/window.ts'
import { batchOf, signal } from '../conformance-bench.ts'
import { DELIVERY_LIMITS, DeliveryHistory, type DeliveryWindow } from './deliveries.ts'
import type { ClickHouse } from './engine.ts'
import { sampleMovement } from './fact-samples.ts'
import type { RegionGround } from './region-ground.ts'
import { ClickHouseSink } from './sink.ts'
import { openTestClickHouse } from './testing.ts'

const START_MS = 1_790_000_000_000 - (1_790_000_000_000 % 3_600_000)
const END_MS = START_MS + 4 * 3_600_000
const { north, south, west, east } = CITY_GRID
/** Offsets of what revises. */
const REVISED_FROM = 100_000
const movements: MovementFact[] = []
const statuses: StatusFact[] = []
let engine: ClickHouse

/** A square with a hole, one that lies over it, and two pieces of one region. */
const POLYGONS = RegionMap.parse(
  JSON.stringify({
    type: 'FeatureCollection',
    features: [
      polygonOf(7, [square(23.6, 37.9, 0.12), square(23.63, 37.93, 0.05)]),
      polygonOf(9, [square(23.65, 37.95, 0.12)]),
      {
        type: 'Feature',
        properties: { region_id: 40 },
        geometry: {
          type: 'MultiPolygon',
          coordinates: [[square(23.8, 37.9, 0.03)], [square(23.8, 38, 0.05)]],
        },
      },
    ],
  }),
)

function square(lng: number, lat: number, side: number): number[][] {
  const [right, top] = [lng + side, lat + side]
  return [
    [lng, lat],
    [right, lat],
    [right, top],
    [lng, top],
    [lng, lat],
  ]
}

function polygonOf(regionId: number, coordinates: number[][][]): object {
  return {
    type: 'Feature',
    properties: { region_id: regionId },
    geometry: { type: 'Polygon', coordinates },
  }
}

beforeAll(async () => {
  engine = await openTestClickHouse()
  const random = seededRandom(4)
  for (let session = 0; session < 60; session += 1) {
    const sessionId = `session ${session}`
    let eventTimeUs = START_MS * 1_000 + Math.floor(random() * 2 * 3_600_000_000)
    for (let at = 0; at < 12; at += 1) {
      eventTimeUs += Math.floor(random() * 600_000_000)
      const status = STATUSES[at === 0 ? 0 : at === 11 ? 2 : 1] ?? 'started'
      // A tenth beyond the edges; some exactly on the lines of the grid.
      const onLine = Math.floor(random() * 11) / 10
      const lat = south + (north - south) * (at % 4 === 0 ? onLine : random() * 1.2 - 0.1)
      const lng = west + (east - west) * (at % 5 === 0 ? onLine : random() * 1.2 - 0.1)
      const distanceCm = Math.floor(random() * 100_000) - 1_000
      const speedKmh = at === 0 || session % 10 === 0 ? null : Math.floor(random() * 400) / 4
      const offset = movements.length
      const fix = { sessionId, offset, status, lat, lng, eventTimeUs, distanceCm, speedKmh }
      movements.push(sampleMovement({ ...fix, receivedMs: Math.ceil(eventTimeUs / 1_000) + 500 }))
      if (status === 'en_route') continue
      statuses.push(statusOf(sessionId, offset, status, eventTimeUs))
      if (session % 3 > 0) continue
      // An earlier one that came later, elsewhere and within the same minute now and then: it revises.
      const earlierUs = eventTimeUs - Math.floor(random() * 100_000_000)
      const moved = { ...fix, lat: lat + 0.03, lng: lng - 0.02, eventTimeUs: earlierUs }
      const later = REVISED_FROM + movements.length
      movements.push(
        sampleMovement({ ...moved, offset: later, receivedMs: earlierUs / 1_000 + 900_000 }),
      )
      statuses.push({ ...statusOf(sessionId, later, status, earlierUs), revision: 1 })
    }
  }
  // Two fixes at the moment of one status: the session is where its order of fixes has it first.
  const eventTimeUs = START_MS * 1_000 + 5
  for (const [lat, lng] of [
    [38, 23.8],
    [37.9, 23.65],
  ] as const) {
    const offset = movements.length
    movements.push(
      sampleMovement({ sessionId: 'both', offset, status: 'started', lat, lng, eventTimeUs }),
    )
  }
  statuses.push(statusOf('both', movements.length - 2, 'started', eventTimeUs))
  const sink = new ClickHouseSink(engine)
  await sink.open(0, signal())
  const facts: Fact[] = [...movements, ...statuses].sort((a, b) => a.offset - b.offset)
  // In two batches: rows of one key within a batch are one row at once, whatever is asked.
  const [first, second] = [
    facts.filter(({ offset }) => offset < REVISED_FROM),
    facts.filter(({ offset }) => offset >= REVISED_FROM),
  ]
  await sink.write(batchOf(0, REVISED_FROM - 1, first), signal())
  await sink.write(batchOf(REVISED_FROM, 2 * REVISED_FROM, second), signal())
})
afterAll(() => engine.close())

function statusOf(
  sessionId: string,
  offset: number,
  status: StatusFact['status'],
  eventTimeUs: number,
): StatusFact {
  const name = { partition: 0, offset, part: 1 }
  const eventId = `${sessionId} ${status}`
  const rest = { revision: 0, from: null, eventTimeUs, receivedMs: START_MS }
  return { ...name, kind: 'status', sessionId, eventId, status, ...rest }
}

/** The same by hand, over all windows. */
function byHand(map: RegionMap, sizeS: WindowSizeS): DeliveryWindow[] {
  const sizeMs = sizeS * 1_000
  const windows = new Map<string, MovementFact[]>()
  const keyOf = ({ eventTimeUs, lat, lng }: MovementFact): string | null => {
    const regionId = map.regionOf(lat, lng)
    return regionId === null
      ? null
      : `${Math.floor(eventTimeUs / 1_000 / sizeMs) * sizeMs} ${regionId}`
  }
  for (const movement of movements) {
    const key = keyOf(movement)
    if (key !== null) windows.set(key, [...(windows.get(key) ?? []), movement])
  }
  const turned: string[] = []
  for (const { sessionId, status } of statuses.filter(({ revision }) => revision === 0)) {
    const told = movements
      .filter((movement) => movement.sessionId === sessionId && movement.status === status)
      .sort((a, b) => a.eventTimeUs - b.eventTimeUs || a.lat - b.lat || a.lng - b.lng)[0]
    const key = told && keyOf(told)
    if (key) turned.push(`${key} ${status}`)
  }
  const newestMs = Math.max(...movements.map(({ eventTimeUs }) => Math.floor(eventTimeUs / 1_000)))
  return [...windows]
    .map(([key, inside]): DeliveryWindow => {
      const [startMs = 0, regionId = 0] = key.split(' ').map(Number)
      const speeds = inside.flatMap(({ speedKmh }) => speedKmh ?? [])
      return {
        regionId,
        sizeS,
        startMs,
        active: new Set(inside.map(({ sessionId }) => sessionId)).size,
        started: turned.filter((each) => each === `${key} started`).length,
        completed: turned.filter((each) => each === `${key} completed`).length,
        meanSpeedKmh:
          speeds.length === 0 ? null : speeds.reduce((sum, each) => sum + each, 0) / speeds.length,
        distanceKm: inside.reduce((sum, { distanceCm }) => sum + distanceCm, 0) / 100_000,
        final: startMs + sizeMs <= newestMs - 300_000,
      }
    })
    .sort((a, b) => a.startMs - b.startMs || a.regionId - b.regionId)
}

const rangeOf = (ground: RegionGround, sizeS: WindowSizeS, given: object = {}) =>
  new DeliveryHistory(engine, ground).range({
    ...{ sizeS, fromMs: START_MS, toMs: END_MS },
    ...given,
  })

describe('deliveries by region', () => {
  test('are those of a grid, for every window size, as the map itself places each position', async () => {
    const map = RegionMap.ofGrid()
    for (const sizeS of [60, 300, 900, 3_600] as const) {
      const expected = byHand(map, sizeS)
      expect(await rangeOf(map, sizeS)).toEqual(expected)
      expect(expected.length).toBeGreaterThan(100)
      expect(new Set(expected.map(({ final }) => final)).size).toBe(2)
    }
    const hours = byHand(map, 3_600)
    expect(hours.some(({ started }) => started > 0)).toBe(true)
    expect(hours.some(({ completed }) => completed > 0)).toBe(true)
    expect(hours.some(({ meanSpeedKmh }) => meanSpeedKmh === null)).toBe(true)
  })

  test('are those of polygons: holes are outside, and the lowest region has what two would have', async () => {
    if (!POLYGONS.ok) throw new Error(POLYGONS.reason)
    const expected = byHand(POLYGONS.map, 900)
    expect(new Set(expected.map(({ regionId }) => regionId))).toEqual(new Set([7, 9, 40]))
    expect(await rangeOf(POLYGONS.map, 900)).toEqual(expected)
  })

  test('of a range are the windows that begin in it, of one region when asked, the newest when there are more', async () => {
    const map = RegionMap.ofGrid()
    const all = byHand(map, 900)
    const [fromMs, toMs] = [START_MS + 1, START_MS + 5_400_000]
    const inRange = all.filter(({ startMs }) => startMs >= fromMs && startMs <= toMs)
    expect(inRange.length).toBeLessThan(all.length)
    expect(await rangeOf(map, 900, { fromMs, toMs })).toEqual(inRange)
    expect(await rangeOf(map, 900, { fromMs, toMs, limit: 7 })).toEqual(inRange.slice(-7))
    const regionId = inRange[3]?.regionId ?? 0
    const ofOne = inRange.filter((each) => each.regionId === regionId)
    expect(await rangeOf(map, 900, { fromMs, toMs, regionId })).toEqual(ofOne)
    expect(await rangeOf(map, 900, { fromMs: toMs, toMs: fromMs })).toEqual([])
  })

  test('of a range with too many windows are those of the newest', async () => {
    const map = RegionMap.ofGrid()
    const limits = { ...DELIVERY_LIMITS, windowsMax: 3 }
    const few = new DeliveryHistory(engine, map, limits)
    const range = { sizeS: 900, fromMs: 0, toMs: START_MS + 5_400_000, limit: 10_000 } as const
    const expected = byHand(map, 900).filter(
      ({ startMs }) => startMs > START_MS + 2_700_000 && startMs <= START_MS + 5_400_000,
    )
    expect(await few.range(range)).toEqual(expected)
  })

  test('a map of as many corners as a file may have is asked with', async () => {
    const round = (regionId: number) => ({
      regionId,
      name: `Region ${regionId}`,
      polygons: [
        [
          Array.from({ length: 1_000 }, (_, at) => {
            const turn = (at / 999) * 2 * Math.PI
            return [23.7 + Math.cos(turn) / (10 * regionId), 38 + Math.sin(turn) / 10] as const
          }),
        ],
      ],
    })
    const regions = Array.from({ length: 100 }, (_, at) => round(at + 1))
    const rows = await rangeOf({ grid: null, regions }, 3_600)
    expect(rows.length).toBeGreaterThan(0)
    expect(await rangeOf({ grid: null, regions: [] }, 3_600)).toEqual([])
  })

  test('a vehicle whose clock is ahead makes no window final', async () => {
    const own = await openTestClickHouse()
    const sink = new ClickHouseSink(own)
    await sink.open(0, signal())
    const at = (minute: number, receivedMinute = minute) => ({
      eventTimeUs: (START_MS + minute * 60_000) * 1_000,
      receivedMs: START_MS + receivedMinute * 60_000,
      ...{ lat: 38, lng: 23.7 },
    })
    const finals = async (): Promise<boolean[]> => {
      const history = new DeliveryHistory(own, RegionMap.ofGrid())
      const range = { sizeS: 60, fromMs: START_MS, toMs: START_MS, limit: 10 } as const
      return (await history.range(range)).map(({ final }) => final)
    }
    const rows = [
      sampleMovement({ offset: 0, ...at(0) }),
      sampleMovement({ offset: 1, ...at(900, 5) }),
    ]
    await sink.write(batchOf(0, 1, rows), signal())
    expect(await finals()).toEqual([false])
    await sink.write(batchOf(2, 2, [sampleMovement({ offset: 2, ...at(6) })]), signal())
    expect(await finals()).toEqual([true])
    await own.close()
  })
})
