import {
  afterAll,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from 'bun:test'

import { systemClock, VirtualClock } from '../actors/kernel/clock.ts'
import { silentLog } from '../actors/kernel/telemetry.ts'
import type { RegionWindow, WindowReader } from '../actors/model/window.ts'
import { startRedis } from '../actors/testing/servers.ts'
import { skipped } from '../actors/testing/services.ts'
import type { ClickHouse } from '../sinks/clickhouse/engine.ts'
import { sampleTrip, sampleWindow, sampleWindows } from '../sinks/clickhouse/region-samples.ts'
import { ClickHouseSink } from '../sinks/clickhouse/sink.ts'
import { openTestClickHouse } from '../sinks/clickhouse/testing.ts'
import { WindowHistory } from '../sinks/clickhouse/windows.ts'
import { batchOf, signal } from '../sinks/conformance-bench.ts'
import { RedisWindowStore } from '../sinks/windows/redis-store.ts'
import { sampleTotals } from '../sinks/windows/testing.ts'
import { ServedWindows } from './served-windows.ts'

setDefaultTimeout(60_000)

const PARTITION = 1_000
const START_MS = 497_222 * 3_600_000
const REGION = 3
const RANGE = { regionId: REGION, sizeS: 60, fromMs: 0, toMs: START_MS * 2, limit: 9 } as const
const windowAt = (minute: number, tripCount: number): RegionWindow =>
  sampleWindow({ regionId: REGION, sizeS: 60, startMs: START_MS + minute * 60_000, tripCount })

describe.skipIf(skipped(['redis'], process.env))('windows of a web process', () => {
  let redis: Awaited<ReturnType<typeof startRedis>>
  let engine: ClickHouse
  let store: RedisWindowStore
  const clock = new VirtualClock()
  let windows: ServedWindows

  beforeAll(async () => {
    redis = await startRedis({ env: process.env })
    engine = await openTestClickHouse()
    const sink = new ClickHouseSink(engine)
    await sink.open(PARTITION, signal())
    const where = { partition: PARTITION, regionId: REGION }
    const stored = [windowAt(1, 5), windowAt(2, 5)]
    const trip = { regionId: REGION, eventTimeUs: START_MS * 1_000 }
    const facts = [
      sampleWindows({ ...where, offset: 0, windows: stored }),
      sampleTrip({ partition: PARTITION, offset: 1, trip }),
    ]
    await sink.write({ ...batchOf(0, 1, facts), partition: PARTITION }, signal())
    await sink.close()
    store = new RedisWindowStore({ url: redis.url, clock: systemClock })
    windows = new ServedWindows({
      ...{ served: store, history: new WindowHistory(engine), clock, log: silentLog },
      watermarkMs: () => 77,
    })
  })
  afterAll(async () => {
    await store.close()
    await engine.close()
    await redis[Symbol.asyncDispose]()
  })
  /** What two partitions' workers have put there, a window further than the tables. */
  const fill = async (): Promise<void> => {
    for (const [partition, watermarkMs] of [
      [PARTITION, 900],
      [PARTITION + 1, 500],
    ] as const) {
      await store.fence(partition, signal())
      await store.clear(partition, signal())
      await store.apply(
        {
          ...{ partition, fenceFrom: -1, fenceTo: 4, nowMs: Date.now(), watermarkMs },
          windows: partition === PARTITION ? [windowAt(2, 5), windowAt(3, 6)] : [],
          totals: [sampleTotals(partition === PARTITION ? REGION : 4, 12)],
        },
        signal(),
      )
    }
  }
  beforeEach(async () => {
    await fill()
    await clock.advanceMs(60_000)
  })
  const read = async (of: WindowReader) => ({
    latest: (await of.latest(REGION, 60))?.tripCount,
    all: (await of.latestOfAll(60)).map(({ tripCount }) => tripCount),
    second: (await of.atStart(60, START_MS + 120_000)).map(({ tripCount }) => tripCount),
    range: (await of.range(RANGE)).map(({ tripCount }) => tripCount),
    totals: (await of.totals()).map(({ regionId, trips }) => [regionId, trips]),
    watermark: await of.watermarkMs(),
  })
  const ofTables = {
    ...{ latest: 5, all: [5], second: [5], range: [5, 5], totals: [[REGION, 1]], watermark: 77 },
  }

  test('come from Redis, the watermark being that of the slowest partition', async () => {
    expect(await read(windows)).toEqual({
      ...{ latest: 6, all: [6], second: [5], range: [5, 6], watermark: 500 },
      totals: [
        [REGION, 12],
        [4, 12],
      ],
    })
    expect(windows.trouble).toBeNull()
  })

  test('come from the tables while Redis is away, and from Redis when it is back', async () => {
    await redis.kill()
    expect(await read(windows)).toEqual(ofTables)
    expect(windows.trouble).toContain('redis')
    await redis.start()
    // It is not asked again and again.
    expect(await windows.latest(REGION, 60)).toMatchObject({ tripCount: 5 })
    await clock.advanceMs(1_000)
    await fill()
    expect(await windows.latest(REGION, 60)).toMatchObject({ tripCount: 6 })
    expect(windows.trouble).toBeNull()
  })

  test('come from the tables while Redis is empty', async () => {
    const client = new Bun.RedisClient(redis.url)
    await client.send('FLUSHALL', [])
    client.close()
    expect(await read(windows)).toEqual(ofTables)
    expect(windows.trouble).toBeNull()
  })
})
