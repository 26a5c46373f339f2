import { describe, expect, test } from 'bun:test'

import type { Feed } from '../actors/feed/feed.ts'
import { seededRandom } from '../actors/kernel/clock.ts'
import type { Fact, WindowsFact } from '../actors/model/fact.ts'
import type { LiveFeed, RegionsFeed } from '../gateway/ports.ts'
import { newRegionsFeed } from './live-regions.ts'
import {
  completedFact,
  headerFact,
  movementFact,
  shownOf,
  TestRegionsViewer,
  TestViewer,
  truthFeed,
  windowsFact,
  windowsOf,
} from './live-testing.ts'

/** A feed as viewers see it, and where facts go in, whatever lies between. */
export type FeedRig<Port, Taken extends Fact> = AsyncDisposable &
  Readonly<{
    feed: Port
    /** Number of partitions that facts may name. */
    partitions: number
    accept(fact: Taken): void
    /** Lets time pass until it holds; throws when it does not. */
    until(holds: () => boolean): Promise<void>
    /** Lets so much time pass for who makes the deltas. */
    passMs(ms: number): Promise<void>
    nowMs(): number
  }>

/** A scenario: facts go into the rig and into a feed that holds the truth. */
export class Scene {
  readonly truth: Feed
  readonly #rig: FeedRig<LiveFeed, Fact>
  readonly #random = seededRandom(7)
  #atMs: number

  constructor(rig: FeedRig<LiveFeed, Fact>) {
    this.#rig = rig
    this.truth = truthFeed(rig.nowMs())
    this.#atMs = rig.nowMs()
  }

  tell(fact: Fact): void {
    this.truth.accept(fact)
    this.#rig.accept(fact)
  }

  begin(session: number): void {
    this.tell(headerFact(`s${session}`, this.#partitionOf(session)))
  }

  move(session: number): void {
    const partition = this.#partitionOf(session)
    const random = this.#random
    this.tell(movementFact(`s${session}`, { partition, atMs: ++this.#atMs, random }))
  }

  complete(session: number): void {
    this.tell(completedFact(`s${session}`, this.#partitionOf(session)))
  }

  /** Resolves when a viewer sees what is true. */
  async seenBy(viewer: Pick<TestViewer, 'shown'>): Promise<void> {
    // What is gone is gone with the tick.
    const shown = (): object => {
      this.truth.tick(this.#rig.nowMs())
      return shownOf(this.truth.snapshot(0))
    }
    await this.#rig.until(() => Bun.deepEquals(viewer.shown(), shown()))
    expect(viewer.shown()).toEqual(shownOf(this.truth.snapshot(0)))
  }

  #partitionOf(session: number): number {
    return session % this.#rig.partitions
  }
}

/** What every feed of the live map must do. */
export function describeLiveFeed(name: string, make: () => Promise<FeedRig<LiveFeed, Fact>>): void {
  describe(`live feed: ${name}`, () => {
    test('snapshot and deltas give what is true, whenever one joins, and each delta comes once', async () => {
      await using rig = await make()
      const scene = new Scene(rig)
      const viewers = [new TestViewer(rig.feed)]
      for (let round = 0; round < 12; round++) {
        for (let session = round * 5; session < round * 5 + 5; session++) scene.begin(session)
        for (let session = 0; session < round * 5; session += 1 + (round % 3)) scene.move(session)
        await rig.passMs(200)
        if (round % 4 === 2) viewers.push(new TestViewer(rig.feed))
        if (round % 3 === 1) await scene.seenBy(viewers[0] ?? new TestViewer(rig.feed))
      }
      for (const viewer of viewers) await scene.seenBy(viewer)
      expect(viewers).toHaveLength(4)
      expect(viewers[0]?.deltas).toBeGreaterThan(3)
      for (const viewer of viewers) expect(viewer.snapshots).toBe(1)
    })

    test('who comes back with an id gets what it missed, and nothing twice', async () => {
      await using rig = await make()
      const scene = new Scene(rig)
      const [stayed, left] = [new TestViewer(rig.feed), new TestViewer(rig.feed)]
      for (let session = 0; session < 6; session++) scene.begin(session)
      await scene.seenBy(left)
      left.leave()
      const before = left.deltas
      for (let session = 0; session < 6; session++) {
        scene.move(session)
        await scene.seenBy(stayed)
      }
      left.join()
      await scene.seenBy(left)
      expect(left.snapshots).toBe(1)
      expect(left.deltas - before).toBeGreaterThanOrEqual(6)
    })

    test('an id that is too old, or of nobody, leads to a snapshot', async () => {
      await using rig = await make()
      const scene = new Scene(rig)
      const viewer = new TestViewer(rig.feed)
      scene.begin(0)
      await scene.seenBy(viewer)
      expect(rig.feed.since(rig.feed.seq)).toEqual([])
      expect(rig.feed.since(rig.feed.seq + 1)).toBeNull()
      expect(rig.feed.since(-1)).toBeNull()
      viewer.leave()
      // A minute later nobody holds deltas for it.
      await rig.passMs(1_000)
      const back = new TestViewer(rig.feed)
      for (let session = 1; session < 40; session++) scene.begin(session)
      await scene.seenBy(back)
      viewer.join()
      await scene.seenBy(viewer)
    })

    test('what is completed stays a while and leaves every viewer', async () => {
      await using rig = await make()
      const scene = new Scene(rig)
      const viewer = new TestViewer(rig.feed)
      for (let session = 0; session < 6; session++) scene.begin(session)
      scene.complete(1)
      scene.complete(4)
      await scene.seenBy(viewer)
      expect(Object.keys(viewer.shown())).toHaveLength(6)
      await rig.passMs(30_500)
      await scene.seenBy(viewer)
      expect(Object.keys(viewer.shown()).toSorted()).toEqual(['s0', 's2', 's3', 's5'])
    })

    test('figures of all partitions are told', async () => {
      await using rig = await make()
      const scene = new Scene(rig)
      const viewer = new TestViewer(rig.feed)
      for (let session = 0; session < 6; session++) scene.begin(session)
      for (let session = 0; session < 6; session++) scene.move(session)
      await scene.seenBy(viewer)
      const { sumKmh, count } = scene.truth.speeds
      const isTold = (): boolean =>
        Math.abs((viewer.kpi?.meanSpeedKmh ?? -1) - sumKmh / count) < 0.001
      await rig.until(isTold)
      expect(viewer.kpi).toMatchObject({ silentSessions: 0, queryableP95Ms: null })
    })
  })
}

/** What every feed of the regions must do. */
export function describeRegionsFeed(
  name: string,
  make: () => Promise<FeedRig<RegionsFeed, WindowsFact>>,
): void {
  describe(`regions feed: ${name}`, () => {
    const scene = (rig: FeedRig<RegionsFeed, WindowsFact>) => {
      const all = Array.from({ length: rig.partitions }, (_, at) => 1_000 + at)
      const truth = newRegionsFeed('truth', all)
      return {
        trips(regionId: number, minute: number, trips: number): void {
          const partition = 1_000 + (regionId % rig.partitions)
          const fact = windowsFact(regionId, { minute, trips, partition })
          truth.accept(fact)
          rig.accept(fact)
        },
        async seenBy(viewer: TestRegionsViewer): Promise<void> {
          const shown = (): object => windowsOf(truth.snapshot(0))
          await rig.until(() => Bun.deepEquals(viewer.shown(), shown()))
          expect(viewer.shown()).toEqual(windowsOf(truth.snapshot(0)))
        },
      }
    }

    test('snapshot and deltas give what is true, whenever one joins', async () => {
      await using rig = await make()
      const { trips, seenBy } = scene(rig)
      const viewers = [new TestRegionsViewer(rig.feed)]
      for (let minute = 1; minute < 12; minute++) {
        for (let regionId = 1; regionId < 9; regionId++) trips(regionId, minute, 1 + (minute % 3))
        trips(3, 1, minute)
        await rig.passMs(260)
        if (minute % 5 === 2) viewers.push(new TestRegionsViewer(rig.feed))
        if (minute % 3 === 1) await seenBy(viewers[0] ?? new TestRegionsViewer(rig.feed))
      }
      for (const viewer of viewers) await seenBy(viewer)
      expect(viewers[0]?.deltas).toBeGreaterThan(1)
    })

    test('who comes back with an id goes on', async () => {
      await using rig = await make()
      const { trips, seenBy } = scene(rig)
      const [stayed, left] = [new TestRegionsViewer(rig.feed), new TestRegionsViewer(rig.feed)]
      trips(1, 1, 1)
      await seenBy(left)
      left.leave()
      for (let regionId = 1; regionId < 5; regionId++) {
        trips(regionId, 2, 3)
        await seenBy(stayed)
      }
      left.join()
      await seenBy(left)
    })
  })
}
