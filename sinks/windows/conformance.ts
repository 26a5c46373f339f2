import { afterEach, beforeEach, describe, expect, test } from 'bun:test'

import { type RegionWindow, WINDOW_SIZES_S } from '../../actors/model/window.ts'
import { rejection, signal } from '../conformance-bench.ts'
import { SinkError } from '../sink.ts'
import type { WindowStore } from './store.ts'
import { changeOf, EXAMPLE_MS, sampleTotals, sampleWindow } from './testing.ts'

/** One empty store, as a case gets it. */
export type WindowStoreUnderTest = Readonly<{
  store: WindowStore
  /** A new one over the same data, as after a kill. */
  reopen(): Promise<WindowStore>
  cleanup(): Promise<void>
}>

const MINUTE_MS = 60_000

/** The suite that every store of windows must pass, the one in memory and the one in Redis alike. */
export function describeWindowStore(name: string, make: () => Promise<WindowStoreUnderTest>): void {
  describe(`window store ${name}`, () => {
    let under: WindowStoreUnderTest
    let store: WindowStore
    beforeEach(async () => {
      under = await make()
      store = under.store
    })
    afterEach(async () => {
      await store.close()
      await under.cleanup()
    })
    const fence = (partition = 0): Promise<number> => store.fence(partition, signal())
    const reopen = async (...partitions: readonly number[]): Promise<void> => {
      await store.close()
      store = await under.reopen()
      for (const partition of partitions.length > 0 ? partitions : [0]) await fence(partition)
    }
    const put = (...windows: readonly RegionWindow[]): Promise<boolean> => {
      const regions = [...new Set(windows.map(({ regionId }) => regionId))]
      return fence().then((from) => {
        const totals = regions.map((regionId) => sampleTotals(regionId, from + 2))
        const change = changeOf(from, from + 1, { windows, totals, watermarkMs: EXAMPLE_MS })
        return store.apply(change, signal())
      })
    }
    const at = (minutes: number, regionId = 3, seed = 0): RegionWindow =>
      sampleWindow({ regionId, startMs: EXAMPLE_MS + minutes * MINUTE_MS }, seed)
    const range = (fromMinutes: number, toMinutes: number, limit = 1_000) =>
      store.range({
        ...{ regionId: 3, sizeS: 60, limit },
        fromMs: EXAMPLE_MS + fromMinutes * MINUTE_MS,
        toMs: EXAMPLE_MS + toMinutes * MINUTE_MS,
      })

    test('knows nothing of a new partition', async () => {
      expect(await fence()).toBe(-1)
      expect(await store.latest(3, 60)).toBeNull()
      expect(await store.latestOfAll(60)).toEqual([])
      expect(await store.atStart(60, EXAMPLE_MS)).toEqual([])
      expect(await range(-100, 100)).toEqual([])
      expect(await store.totals()).toEqual([])
      expect(await store.watermarkMs()).toBeNull()
    })

    test('moves values and fence together, for good', async () => {
      const totals = [sampleTotals(3, 7)]
      const values = { windows: [at(0)], totals, watermarkMs: EXAMPLE_MS - 300_001 }
      expect(await store.apply(changeOf(-1, 9, values), signal())).toBe(true)
      for (let life = 0; life < 2; life++) {
        expect(await fence()).toBe(9)
        expect(await store.latest(3, 60)).toEqual(at(0))
        expect(await store.totals()).toEqual(totals)
        expect(await store.watermarkMs()).toBe(EXAMPLE_MS - 300_001)
        await reopen()
      }
    })

    test('takes no change that starts elsewhere than it stands', async () => {
      await put(at(0))
      const other = { windows: [at(0, 3, 5)], totals: [sampleTotals(3, 99)], watermarkMs: 5 }
      for (const from of [-1, 1, 7, 100]) {
        expect(await store.apply(changeOf(from, 200, other), signal())).toBe(false)
      }
      expect(await fence()).toBe(0)
      expect(await store.latest(3, 60)).toEqual(at(0))
      expect(await store.totals()).toEqual([sampleTotals(3, 1)])
      expect(await store.watermarkMs()).toBe(EXAMPLE_MS)
    })

    test('takes the same change once', async () => {
      const change = changeOf(-1, 9, { windows: [at(0)] })
      expect(await store.apply(change, signal())).toBe(true)
      expect(await store.apply(change, signal())).toBe(false)
    })

    test('lets one of two writers through', async () => {
      const outcomes = await Promise.all([
        store.apply(changeOf(-1, 9, { windows: [at(0, 3, 9)] }), signal()),
        store.apply(changeOf(-1, 7, { windows: [at(0, 3, 7)] }), signal()),
      ])
      expect(outcomes.filter(Boolean)).toHaveLength(1)
      expect(await fence()).toBe(outcomes[0] ? 9 : 7)
    })

    test('puts a window in the place of the one of that region, size and start', async () => {
      await put(at(0), at(1))
      await put(at(0, 3, 8))
      await reopen()
      expect(await range(-9, 9)).toEqual([at(0, 3, 8), at(1)])
    })

    test('keeps sizes apart', async () => {
      const hour = Date.UTC(2025, 7, 17, 22)
      const all = WINDOW_SIZES_S.map((sizeS, seed) => sampleWindow({ sizeS, startMs: hour }, seed))
      await put(...all)
      await reopen()
      for (const window of all) {
        expect(await store.latest(3, window.sizeS)).toEqual(window)
        expect(await store.atStart(window.sizeS, hour)).toEqual([window])
      }
    })

    test('the latest is the newest by start, in whatever order they came', async () => {
      await put(at(5))
      await put(at(2), at(9, 4))
      expect(await store.latest(3, 60)).toEqual(at(5))
      await put(at(7), at(6), at(1, 12), at(3, 100))
      expect(await store.latest(3, 60)).toEqual(at(7))
      expect(await store.latestOfAll(60)).toEqual([at(7), at(9, 4), at(1, 12), at(3, 100)])
      expect(await store.latest(5, 60)).toBeNull()
      expect(await store.latest(3, 300)).toBeNull()
    })

    test('answers one start for all regions, those without it left out', async () => {
      await put(at(0, 20), at(0, 3), at(1, 7), at(0, 100))
      expect(await store.atStart(60, EXAMPLE_MS)).toEqual([at(0, 3), at(0, 20), at(0, 100)])
    })

    test('answers a range oldest first, both ends included, the newest when there are more', async () => {
      await put(...[4, 1, 3, 5, 2].map((minute) => at(minute)), at(3, 4))
      expect(await range(2, 4)).toEqual([at(2), at(3), at(4)])
      expect(await range(-50, 50)).toEqual([1, 2, 3, 4, 5].map((minute) => at(minute)))
      expect(await range(-50, 50, 2)).toEqual([at(4), at(5)])
      expect(await range(6, 50)).toEqual([])
      expect(await range(3, 2)).toEqual([])
      expect(await range(-50, 50, 0)).toEqual([])
      const all = { regionId: 3, sizeS: 60, fromMs: -Infinity, toMs: Infinity, limit: 9 } as const
      expect(await store.range(all)).toHaveLength(5)
    })

    test('moves the fence without any change, and keeps a watermark that nothing is said of', async () => {
      await put(at(0))
      expect(await store.apply(changeOf(0, 99), signal())).toBe(true)
      await reopen()
      expect(await fence()).toBe(99)
      expect(await store.watermarkMs()).toBe(EXAMPLE_MS)
      expect(await store.latest(3, 60)).toEqual(at(0))
    })

    test('keeps partitions apart, and their regions together', async () => {
      const of = (partition: number, regionId: number, watermarkMs: number) =>
        changeOf(-1, 10 + partition, {
          ...{ partition, watermarkMs, windows: [at(partition, regionId)] },
          totals: [sampleTotals(regionId, partition)],
        })
      await store.apply(of(1_001, 8, 5_000), signal())
      await store.apply(of(1_000, 9, 4_000), signal())
      await store.apply(changeOf(-1, 5, { partition: 1_002 }), signal())
      await reopen(1_000, 1_001, 1_002)
      expect([await fence(1_000), await fence(1_001), await fence(1_002)]).toEqual([
        1_010, 1_011, 5,
      ])
      expect((await store.latestOfAll(60)).map(({ regionId }) => regionId)).toEqual([8, 9])
      expect((await store.totals()).map(({ regionId }) => regionId)).toEqual([8, 9])
      expect(await store.watermarkMs()).toBe(4_000)
    })

    test('a change of thousands of windows is whole', async () => {
      const many = Array.from({ length: 9_000 }, (_, index) =>
        at(Math.floor(index / 100), 1 + (index % 100), index),
      )
      await put(...many)
      await reopen()
      expect(await store.latestOfAll(60)).toEqual(many.slice(-100))
      expect(await range(-9, 99)).toEqual(many.filter(({ regionId }) => regionId === 3))
    })

    test('loses no digit of any figure', async () => {
      const exact = sampleWindow({
        ...{ tripCount: 120_000, totalFare: 0.1 + 0.2, avgFare: 27.073658536585366 },
        ...{ totalDistance: 24_000_000.000000004, minDistance: 1e-7, maxDistance: 1e21 },
        ...{ avgDuration: 1 / 3, minFare: 0, maxFare: 1e7, lateCount: 3, revision: 12 },
      })
      const offset = Number.MAX_SAFE_INTEGER - 1
      await store.apply(changeOf(-1, offset, { windows: [exact] }), signal())
      await reopen()
      const [found] = await range(0, 0)
      expect(found).toEqual(exact)
      expect(await fence()).toBe(offset)
      expect(await store.apply(changeOf(offset - 1, offset + 1), signal())).toBe(false)
    })

    test('does nothing when its signal is aborted already', async () => {
      const change = changeOf(-1, 9, { windows: [at(0)] })
      const error = await rejection(store.apply(change, AbortSignal.abort()))
      expect(error).toBeInstanceOf(SinkError)
      expect(error).toMatchObject({ retriable: true })
      expect(await fence()).toBe(-1)
    })
  })
}
