import { expect, test } from 'bun:test'

import fc from 'fast-check'

import type { WindowsFact } from '../model/fact.ts'
import { SNAPSHOT_WINDOWS_MAX } from '../model/live-regions.ts'
import type { RegionWindow } from '../model/window.ts'
import { RegionsFeed } from './regions-feed.ts'

const MINUTE_MS = 60_000
const LIMITS = { windowsPerTickMax: 1_000, deltasMax: 5, windowsMax: 1_000 }

function feedOf(limits: Partial<typeof LIMITS> = {}): RegionsFeed {
  return new RegionsFeed({
    epoch: 'e',
    partitions: [1_000, 1_001],
    limits: { ...LIMITS, ...limits },
  })
}

function windowOf(
  minute: number,
  tripCount: number,
  more: Partial<RegionWindow> = {},
): RegionWindow {
  return {
    ...{ regionId: 1, sizeS: 60, startMs: minute * MINUTE_MS, tripCount },
    ...{ totalFare: 1, avgFare: 1, minFare: 1, maxFare: 1 },
    ...{ totalDistance: 1, minDistance: 1, maxDistance: 1 },
    ...{ avgDuration: 60, minDuration: 60, maxDuration: 60, p50Duration: 60, p95Duration: 60 },
    ...{ lateCount: 0, final: false, revision: 0, ...more },
  }
}

function factOf(windows: readonly RegionWindow[], more: Partial<WindowsFact> = {}): WindowsFact {
  const regionId = windows[0]?.regionId ?? 1
  const totals = { regionId, trips: 9, duplicates: 0, late: 0, tooLate: 0, newestMs: 0 }
  return {
    ...{ kind: 'windows', partition: 1_000, offset: 1, part: 1 + regionId, regionId, windows },
    ...{ lateMarks: [], totals, watermarkMs: 0, receivedMs: 0, ...more },
  }
}

const counts = (windows: readonly RegionWindow[]): (readonly [number, number])[] =>
  windows.map(({ startMs, tripCount }) => [startMs / MINUTE_MS, tripCount])

test('one tick says each changed window once, as it last stood', () => {
  const feed = feedOf()
  feed.accept(factOf([windowOf(1, 1), windowOf(2, 1)], { watermarkMs: 5 }))
  feed.accept(factOf([windowOf(1, 2)], { watermarkMs: 8 }))
  const next = feed.tick(77)
  expect(next?.seq).toBe(1)
  expect(next?.delta.nowMs).toBe(77)
  expect(next?.delta.watermarkMs).toBe(8)
  expect(next?.delta.regions.map(({ regionId }) => regionId)).toEqual([1])
  expect(counts(next?.delta.windows ?? [])).toEqual([
    [1, 2],
    [2, 1],
  ])
  expect(feed.tick(78)).toBeNull()
})

test('figures only grow: a fact that is read again takes nothing back', () => {
  const feed = feedOf()
  feed.accept(factOf([windowOf(1, 3, { final: true })], { watermarkMs: 9 }))
  const totals = { regionId: 1, trips: 2, duplicates: 0, late: 0, tooLate: 0, newestMs: 0 }
  feed.accept(factOf([windowOf(1, 2)], { watermarkMs: 4, totals }))
  feed.accept(factOf([windowOf(1, 3)], { watermarkMs: 4, totals }))
  const { windows, watermarkMs, regions } = feed.snapshot(0)
  expect(windows).toEqual([windowOf(1, 3, { final: true })])
  expect(watermarkMs).toBe(9)
  expect(regions[0]?.trips).toBe(9)
})

test('the watermark shown is that of the slowest partition which has had a trip', () => {
  const feed = feedOf()
  expect(feed.watermarkMs).toBeNull()
  feed.accept(factOf([], { watermarkMs: 50 }))
  expect(feed.watermarkMs).toBe(50)
  feed.accept(factOf([], { partition: 1_001, watermarkMs: 20 }))
  expect(feed.watermarkMs).toBe(20)
})

test('after a restart it stands where the store stood, and has nothing to say', () => {
  const feed = feedOf()
  const totals = [{ regionId: 4, trips: 1, duplicates: 0, late: 0, tooLate: 0, newestMs: 7 }]
  feed.restore({ totals, windows: [windowOf(3, 1, { regionId: 4 })], watermarkMs: 11 })
  expect(feed.tick(1)).toBeNull()
  expect(feed.snapshot(1)).toEqual({
    ...{ nowMs: 1, watermarkMs: 11, regions: totals },
    windows: [windowOf(3, 1, { regionId: 4 })],
  })
  // The other partition has said nothing since: it still stands where it stood.
  feed.accept(factOf([], { watermarkMs: 90 }))
  expect(feed.watermarkMs).toBe(11)
})

test('a tick says only so many windows, and the next ticks the rest', () => {
  const feed = feedOf({ windowsPerTickMax: 2 })
  feed.accept(factOf([1, 2, 3, 4, 5].map((minute) => windowOf(minute, 1))))
  feed.accept(factOf([windowOf(4, 2)]))
  const said = [feed.tick(1), feed.tick(2), feed.tick(3)].map((next) =>
    counts(next?.delta.windows ?? []),
  )
  expect(said).toEqual([
    [
      [1, 1],
      [2, 1],
    ],
    [
      [3, 1],
      [4, 2],
    ],
    [[5, 1]],
  ])
  expect(feed.tick(4)).toBeNull()
})

test('the newest windows of each region and size are held, and nobody is told of others', () => {
  const feed = feedOf()
  const minutes = Array.from({ length: SNAPSHOT_WINDOWS_MAX + 5 }, (_, minute) => minute)
  feed.accept(factOf(minutes.map((minute) => windowOf(minute, 1))))
  feed.accept(factOf([windowOf(0, 4)]))
  feed.accept(factOf([windowOf(0, 1, { sizeS: 300 })]))
  expect(feed.windows).toBe(SNAPSHOT_WINDOWS_MAX + 1)
  expect(counts(feed.tick(0)?.delta.windows ?? [])).toEqual([
    ...minutes.slice(5).map((minute): [number, number] => [minute, 1]),
    [0, 1],
  ])
})

test('when nobody watches no delta is made, and who comes back takes a snapshot', () => {
  const feed = feedOf()
  feed.accept(factOf([windowOf(1, 1)]))
  feed.tick(1)
  feed.accept(factOf([windowOf(2, 1)]))
  expect(feed.tick(2, false)).toBeNull()
  expect(feed.seq).toBe(2)
  expect(feed.since(1)).toBeNull()
  expect(feed.since(2)).toEqual([])
})

test('what came while nobody watched is in the snapshot, and who stands before it cannot go on', () => {
  const feed = feedOf()
  feed.accept(factOf([windowOf(1, 1)]))
  feed.tick(1)
  const before = feed.seq
  feed.accept(factOf([windowOf(2, 1)]), false)
  expect(feed.since(before)).toBeNull()
  const from = feed.seq
  expect(counts(feed.snapshot(2).windows)).toEqual([
    [1, 1],
    [2, 1],
  ])
  feed.accept(factOf([windowOf(3, 1)]))
  expect(feed.tick(3)?.seq).toBe(from + 1)
  expect(feed.since(from)).toHaveLength(1)
})

test('what is held for those who come back is bounded by windows too', () => {
  const feed = feedOf({ windowsMax: 3 })
  for (const minute of [1, 2, 3, 4]) {
    feed.accept(factOf([windowOf(minute, 1), windowOf(minute + 10, 1)]))
    feed.tick(minute)
  }
  expect(feed.since(2)).toBeNull()
  expect(feed.since(3)).toHaveLength(1)
})

test('a snapshot and what was said after it give what is held now, wherever it was cut', () => {
  const change = fc.record({
    minute: fc.nat({ max: SNAPSHOT_WINDOWS_MAX + 20 }),
    tripCount: fc.integer({ min: 1, max: 5 }),
    regionId: fc.integer({ min: 1, max: 2 }),
    ticks: fc.boolean(),
  })
  const changes = fc.array(change, { maxLength: 200 })
  fc.assert(
    fc.property(changes, fc.nat({ max: 200 }), (all, cut) => {
      const feed = feedOf({ windowsPerTickMax: 3, deltasMax: 1_000 })
      const seen = new Map<string, RegionWindow>()
      const see = (windows: readonly RegionWindow[]): void => {
        for (const one of windows) seen.set(`${one.regionId} ${one.startMs}`, one)
      }
      let from = -1
      const look = (): void => {
        from = feed.seq
        see(feed.snapshot(0).windows)
      }
      for (const [index, { minute, tripCount, regionId, ticks }] of all.entries()) {
        if (index === cut) look()
        // Until somebody looks nobody need be told.
        feed.accept(factOf([windowOf(minute, tripCount, { regionId })]), index >= cut || ticks)
        if (ticks) feed.tick(index)
      }
      if (from === -1) look()
      while (feed.tick(0)) continue
      const missed = feed.since(from)
      expect(missed).not.toBeNull()
      for (const { delta } of missed ?? []) see(delta.windows)
      for (const held of feed.snapshot(0).windows) {
        expect(seen.get(`${held.regionId} ${held.startMs}`)).toEqual(held)
      }
    }),
  )
})
