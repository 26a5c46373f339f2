import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'

import { type Clock, systemClock } from '../actors/kernel/clock.ts'
import { startRedis } from '../actors/testing/servers.ts'
import { skipped } from '../actors/testing/services.ts'
import { Scene } from './live-conformance.ts'
import { passUntil, RemoteRig } from './live-rigs.ts'
import { headerFact, TestViewer } from './live-testing.ts'

// Two of them wait out a time-out of the connection, on a machine that may be busy.
setDefaultTimeout(30_000)

describe.skipIf(skipped(['redis'], process.env))('the live feed over Redis', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  beforeAll(async () => {
    redis = await startRedis({ env: process.env })
  })
  afterAll(() => redis[Symbol.asyncDispose]())
  const send = async (command: string, ...args: readonly string[]): Promise<unknown> => {
    const client = new Bun.RedisClient(redis.url)
    try {
      const answer: unknown = await client.send(command, [...args])
      return answer
    } finally {
      client.close()
    }
  }
  beforeEach(() => send('FLUSHALL'))

  const begun = async (options: Readonly<{ clock?: Clock }> = {}) => {
    const rig = await new RemoteRig(redis.url, options).start()
    const scene = new Scene(rig)
    const viewer = new TestViewer(rig.feed)
    for (let session = 0; session < 9; session++) scene.begin(session)
    await scene.seenBy(viewer)
    return { rig, scene, viewer }
  }

  test('a Redis that has forgotten everything is written anew, and viewers notice nothing', async () => {
    const { rig, scene, viewer } = await begun()
    await using _ = rig
    for (let round = 0; round < 3; round++) {
      await send('FLUSHALL')
      for (let session = 0; session < 9; session++) scene.move(session)
      scene.begin(100 + round)
      await scene.seenBy(viewer)
    }
    expect(viewer.snapshots).toBe(1)
  })

  test('a Redis that dies holds nobody up, and what it missed is there when it is back', async () => {
    const { rig, scene, viewer } = await begun()
    await using _ = rig
    await redis.kill()
    for (let session = 0; session < 9; session++) scene.move(session)
    await rig.until(() => rig.feed.trouble() !== null)
    await rig.until(() => rig.workers.every(({ trouble }) => trouble !== null))
    scene.begin(50)
    await rig.passMs(2_000)
    expect(Object.keys(viewer.shown())).toHaveLength(9)
    await redis.start()
    scene.move(50)
    await scene.seenBy(viewer)
    await rig.until(() => rig.feed.trouble() === null)
    expect(rig.feed.trouble()).toBeNull()
    expect(viewer.snapshots).toBe(1)
  })

  test('a Redis that answers nothing for a while holds nobody up', async () => {
    const { rig, scene, viewer } = await begun()
    await using _ = rig
    redis.pause()
    try {
      for (let session = 0; session < 9; session++) scene.move(session)
      await rig.until(() => rig.feed.trouble() !== null)
      expect(rig.feed.trouble()).toContain('no answer')
    } finally {
      redis.resume()
    }
    await scene.seenBy(viewer)
    expect(viewer.snapshots).toBe(1)
  })

  test('when a partition moves, its new owner is shown and the old one is refused', async () => {
    const { rig, scene, viewer } = await begun()
    await using _ = rig
    const [zombie] = rig.workers
    const owner = rig.worker(0, 2)
    rig.workers[0] = owner
    // It restored what its predecessor had, under handles of its own, and lost one that was gone meanwhile.
    for (const session of [6, 0, 3]) owner.accept(headerFact(`s${session}`, 0))
    scene.move(3)
    await scene.seenBy(viewer)
    zombie?.accept(headerFact('shown-by-a-zombie', 0))
    for (let session = 0; session < 9; session++) {
      scene.move(session)
      await rig.passMs(200)
    }
    await scene.seenBy(viewer)
    await rig.until(() => zombie?.trouble !== null)
    expect(zombie?.trouble).toBe('another worker has this partition')
    // Also when Redis knows nothing of fences any more: who comes later counts.
    await send('FLUSHALL')
    for (let round = 0; round < 10; round++) {
      scene.move(0)
      zombie?.accept(headerFact(`again-by-a-zombie-${round}`, 0))
      await rig.passMs(300)
    }
    await scene.seenBy(viewer)
    await scene.seenBy(new TestViewer(rig.feed))
    expect(viewer.snapshots).toBe(1)
  })

  test('without anybody who watches no deltas are written, and who comes sees all within a second', async () => {
    const { rig, scene } = await begun()
    await using _ = rig
    await rig.feed.stop()
    await send('DEL', 'orrery:live:watchers')
    let left = -1
    const look = async (): Promise<void> => {
      const keys = [0, 1, 2].map((partition) => `orrery:live:${partition}:snapshot`)
      left = Number(await send('EXISTS', ...keys))
    }
    for (let tries = 0; tries < 200 && left !== 0; tries++) {
      await rig.passMs(100)
      await look()
    }
    expect(left).toBe(0)
    const before = await send('XLEN', 'orrery:live:0')
    for (let session = 0; session < 9; session++) scene.move(session)
    await rig.passMs(1_000)
    expect(await send('XLEN', 'orrery:live:0')).toBe(before)
    const next = new RemoteRig(redis.url)
    try {
      next.feed.start()
      const startMs = rig.clock.monotonicMs()
      const isThere = (): boolean => next.feed.partitions.shown === 3
      await passUntil(rig.clock, isThere)
      expect(rig.clock.monotonicMs() - startMs).toBeLessThan(5_000)
      await scene.seenBy(new TestViewer(next.feed))
    } finally {
      await next[Symbol.asyncDispose]()
    }
  })

  test('a reader whose next entries are gone takes a snapshot', async () => {
    const { rig, scene, viewer } = await begun()
    await using _ = rig
    for (let round = 0; round < 5; round++) {
      // While it is cut off, more is written and trimmed than it could follow.
      await send('CLIENT', 'KILL', 'TYPE', 'normal')
      for (let session = 0; session < 9; session++) scene.move(session)
      await rig.passMs(400)
      for (const partition of [0, 1, 2])
        await send('XTRIM', `orrery:live:${partition}`, 'MAXLEN', '0')
      for (let session = 0; session < 9; session++) scene.move(session)
      await scene.seenBy(viewer)
    }
    expect(viewer.snapshots).toBe(1)
  })

  test('snapshots follow the deltas, and the stream stays short', async () => {
    const { rig, scene, viewer } = await begun()
    await using _ = rig
    for (let round = 0; round < 500; round++) {
      for (let session = 0; session < 9; session++) scene.move(session)
      await rig.passMs(150)
    }
    await scene.seenBy(viewer)
    const length = Number(await send('XLEN', 'orrery:live:0'))
    // Redis trims whole nodes, of a hundred entries.
    expect(length).toBeLessThan(400)
    const seq = Number(await send('HGET', 'orrery:live:0:head', 'seq'))
    expect(seq).toBeGreaterThan(100)
    expect(seq - Number(await send('HGET', 'orrery:live:0:snapshot', 'seq'))).toBeLessThan(200)
    await scene.seenBy(new TestViewer(rig.feed))
  })

  test('a partition that nobody has leaves the map after a while, and not before', async () => {
    let aheadMs = 0
    const clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + aheadMs }
    const { rig, viewer } = await begun({ clock })
    await using _ = rig
    await rig.workers[1]?.close()
    await send('DEL', 'orrery:live:1:head')
    const mine = (): number =>
      Object.keys(viewer.shown()).filter((session) => Number(session.slice(1)) % 3 === 1).length
    await rig.until(() => rig.feed.partitions.orphaned === 1)
    aheadMs = 29_000
    expect(mine()).toBe(3)
    aheadMs = 35_000
    await rig.until(() => mine() === 0)
    expect(Object.keys(viewer.shown())).toHaveLength(6)
  })

  test('many vehicles come in parts', async () => {
    await using rig = new RemoteRig(redis.url)
    const scene = new Scene(rig)
    for (let session = 0; session < 9_000; session++) scene.begin(session)
    for (let session = 0; session < 9_000; session += 2) scene.move(session)
    await rig.start()
    const viewer = new TestViewer(rig.feed)
    await scene.seenBy(viewer)
    expect(await send('HGET', 'orrery:live:0:snapshot', 'parts')).toBe('2')
    expect(Object.keys(viewer.shown())).toHaveLength(9_000)
  })
})
