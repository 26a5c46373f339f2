import { afterEach, beforeEach, describe, expect, test } from 'bun:test'

import { rejection, signal } from '../conformance-bench.ts'
import { SinkError } from '../sink.ts'
import { COUNT_NAMES, type Counts, noCounts } from './counts.ts'
import type { MetricsChange, MetricsState, MetricsStore } from './store.ts'

/** One empty store, as a case gets it. */
export type MetricsStoreUnderTest = Readonly<{
  store: MetricsStore
  /** A new one over the same data, as after a kill. */
  reopen(): Promise<MetricsStore>
  cleanup(): Promise<void>
}>

/** A minute within every store's memory: the suite expires by change, stores may also by the clock. */
const MINUTE = Math.floor(Date.now() / 60_000)

const counts = (seed: number): Counts => {
  const made = noCounts()
  for (const [index, name] of COUNT_NAMES.entries()) made[name] = seed * 10 + index
  return made
}

function change(fenceFrom: number, fenceTo: number, options: Partial<MetricsChange> = {}) {
  return {
    partition: 0,
    fenceFrom,
    fenceTo,
    totals: counts(fenceTo),
    minutes: new Map([[MINUTE, counts(fenceTo)]]),
    expireBefore: MINUTE - 1_500,
    ...options,
  }
}

/** The suite that every store of metrics must pass, the one in memory and the one in Redis alike. */
export function describeMetricsStore(
  name: string,
  make: () => Promise<MetricsStoreUnderTest>,
): void {
  describe(`metrics store ${name}`, () => {
    let under: MetricsStoreUnderTest
    let store: MetricsStore
    beforeEach(async () => {
      under = await make()
      store = under.store
    })
    afterEach(() => under.cleanup())
    const load = async (partition = 0): Promise<MetricsState> => {
      const { offset, totals, minutes } = await store.load(partition, signal())
      return { offset, totals, minutes: new Map(minutes) }
    }
    const reopen = async (): Promise<void> => {
      store = await under.reopen()
    }

    test('knows nothing of a new partition', async () => {
      expect(await load()).toEqual({ offset: -1, totals: noCounts(), minutes: new Map() })
    })

    test('moves values and fence together, for good', async () => {
      expect(await store.apply(change(-1, 9), signal())).toBe(true)
      const expected = { offset: 9, totals: counts(9), minutes: new Map([[MINUTE, counts(9)]]) }
      expect(await load()).toEqual(expected)
      await reopen()
      expect(await load()).toEqual(expected)
    })

    test('takes no change that starts elsewhere than it stands', async () => {
      await store.apply(change(-1, 9), signal())
      const before = await load()
      for (const from of [-1, 4, 8, 10, 100]) {
        expect(await store.apply(change(from, 200), signal())).toBe(false)
      }
      expect(await load()).toEqual(before)
    })

    test('takes the same change once', async () => {
      expect(await store.apply(change(-1, 9), signal())).toBe(true)
      expect(await store.apply(change(-1, 9), signal())).toBe(false)
      expect((await load()).totals).toEqual(counts(9))
    })

    test('lets one of two writers through', async () => {
      const outcomes = await Promise.all([
        store.apply(change(-1, 9), signal()),
        store.apply(change(-1, 7), signal()),
      ])
      expect(outcomes.filter(Boolean)).toHaveLength(1)
      expect((await load()).offset).toBe(outcomes[0] ? 9 : 7)
    })

    test('sets values, leaving other minutes as they were', async () => {
      await store.apply(change(-1, 9), signal())
      const other = new Map([[MINUTE - 1, counts(3)]])
      await store.apply(change(9, 19, { minutes: other }), signal())
      await store.apply(change(19, 20, { minutes: new Map([[MINUTE, counts(1)]]) }), signal())
      const { minutes } = await load()
      expect(minutes).toEqual(
        new Map([
          [MINUTE, counts(1)],
          [MINUTE - 1, counts(3)],
        ]),
      )
    })

    test('moves the fence without any change', async () => {
      await store.apply(change(-1, 9), signal())
      const same = { totals: counts(9), minutes: new Map() }
      expect(await store.apply(change(9, 99, same), signal())).toBe(true)
      await reopen()
      expect(await load()).toMatchObject({ offset: 99, totals: counts(9) })
    })

    test('lets go of minutes that are over', async () => {
      const minutes = new Map([5, 4, 3, 2, 1, 0].map((ago) => [MINUTE - ago, counts(ago)]))
      await store.apply(change(-1, 9, { minutes }), signal())
      const rest = { minutes: new Map<number, Counts>(), expireBefore: MINUTE - 2 }
      await store.apply(change(9, 10, rest), signal())
      await reopen()
      const kept = [...(await load()).minutes.keys()].toSorted()
      expect(kept).toEqual([MINUTE - 2, MINUTE - 1, MINUTE])
    })

    test('holds two days of minutes, and changes among them', async () => {
      const at = (index: number): number => MINUTE - 1_400 + index
      const minutes = new Map(
        Array.from({ length: 2_800 }, (_, index) => [at(index), counts(index)]),
      )
      await store.apply(change(-1, 9, { minutes }), signal())
      await reopen()
      for (let step = 0; step < 20; step++) {
        minutes.set(at(step * 100), counts(step))
        const changed = new Map([[at(step * 100), counts(step)]])
        await store.apply(change(9 + step, 10 + step, { minutes: changed }), signal())
      }
      await reopen()
      expect((await load()).minutes).toEqual(minutes)
    })

    test('keeps partitions apart', async () => {
      await store.apply(change(-1, 9), signal())
      await store.apply(change(-1, 4, { partition: 1 }), signal())
      await reopen()
      expect([(await load(0)).offset, (await load(1)).offset]).toEqual([9, 4])
      expect((await load(1)).totals).toEqual(counts(4))
    })

    test('loses no digit of large numbers, nor a sign', async () => {
      const large = { ...noCounts(), distanceCm: Number.MAX_SAFE_INTEGER - 2, started: -1 }
      const offset = Number.MAX_SAFE_INTEGER - 1
      const wide = { totals: large, minutes: new Map([[MINUTE, large]]) }
      await store.apply(change(-1, offset, wide), signal())
      await reopen()
      expect(await load()).toEqual({ offset, totals: large, minutes: new Map([[MINUTE, large]]) })
      expect(await store.apply(change(offset - 1, offset + 1), signal())).toBe(false)
    })

    test('does nothing when its signal is aborted already', async () => {
      const error = await rejection(store.apply(change(-1, 9), AbortSignal.abort()))
      expect(error).toBeInstanceOf(SinkError)
      expect(error).toMatchObject({ retriable: true })
      expect((await load()).offset).toBe(-1)
    })
  })
}
