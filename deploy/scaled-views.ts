import { systemClock } from '../actors/kernel/clock.ts'
import type { PartHealth, ViewPorts } from '../gateway/ports.ts'
import { DeliveryHistory } from '../sinks/clickhouse/deliveries.ts'
import { ClickHouseReader } from '../sinks/clickhouse/reader.ts'
import type { ClickHouseServer } from '../sinks/clickhouse/server-engine.ts'
import { WindowHistory } from '../sinks/clickhouse/windows.ts'
import { RedisWindowStore } from '../sinks/windows/redis-store.ts'
import { buildPages } from '../ui/build.ts'
import { readRegionMap } from './live-regions.ts'
import { RemoteLive, RemoteRegions } from './live-remote.ts'
import type { ScaledOptions } from './scaled-options.ts'
import { ServedWindows } from './served-windows.ts'

/** Rows of one answer about deliveries: a day of minutes in a hundred regions. */
const DELIVERY_ROWS_MAX = 144_000
/** How often it is asked whether everything is stored. */
const LOOK_MS = 50

/** The web role of a process. */
export type ScaledViews = Readonly<{
  ports: ViewPorts
  start(): void
  health(): Readonly<Record<string, PartHealth>>
  /** What is missing, or null. */
  notReady(): string | null
  /** Resolves true when everything received until now is in the stores, as the workers say. */
  queryable(withinMs: number): Promise<boolean>
  stop(): Promise<void>
}>

/** Pages, questions and streams over what the workers have stored, and what they tell by Redis. */
export async function openViews(
  options: ScaledOptions & Readonly<{ engine: ClickHouseServer }>,
): Promise<ScaledViews> {
  const { config, log, telemetry, engine } = options
  const clock = systemClock
  const regionMap = readRegionMap(config.regionsFile)
  const remote = { url: config.redisUrl, clock, log, telemetry }
  const feed = new RemoteLive(remote)
  const regionsFeed = new RemoteRegions(remote)
  const windowHistory = new WindowHistory(engine)
  const ttlMs = config.windowsTtlS * 1_000
  const copied = new RedisWindowStore({ url: config.redisUrl, clock, ttlMs })
  const windows = new ServedWindows({
    ...{ served: copied, history: windowHistory, clock, log },
    watermarkMs: () => regionsFeed.watermarkMs,
  })
  const deliveries = new DeliveryHistory(engine, regionMap)
  const silver = watched(engine)
  let completeUpToMs = 0
  feed.subscribe({
    delta: () => {},
    kpi: (kpi) => {
      completeUpToMs = kpi.completeUpToMs
    },
    // It alone is no reason to make deltas.
    watching: () => false,
  })
  return {
    ports: {
      ...{ feed, regionsFeed, regionMap, windows, windowHistory },
      deliveries: (range) => deliveries.range({ ...range, limit: DELIVERY_ROWS_MAX }),
      reader: new ClickHouseReader(engine),
      pages: await buildPages(config.tilesUrl === '' ? {} : { tilesUrl: config.tilesUrl }),
    },
    start() {
      feed.start()
      regionsFeed.start()
      silver.start()
    },
    health: () => ({
      live: troubleOf(feed.trouble(), `${feed.partitions.shown} partitions on the map`),
      windows: troubleOf(regionsFeed.trouble() ?? windows.trouble, 'has every window'),
      silver: troubleOf(silver.trouble(), 'answers'),
    }),
    notReady: () => {
      const trouble = silver.trouble()
      return trouble === null ? null : `clickhouse: ${trouble}`
    },
    async queryable(withinMs) {
      const askedMs = clock.nowMs()
      const endMs = clock.monotonicMs() + withinMs
      while (completeUpToMs < askedMs) {
        if (clock.monotonicMs() >= endMs) return false
        await new Promise<void>((resolve) => void clock.after(LOOK_MS, resolve))
      }
      return true
    },
    async stop() {
      silver.stop()
      await Promise.all([feed.stop(), regionsFeed.stop(), copied.close()])
    },
  }
}

const HEALTH_MS = 2_000

/** Asks a server again and again whether it is there. */
function watched(engine: ClickHouseServer) {
  let trouble: string | null = null
  let cancel = (): void => {}
  const look = async (): Promise<void> => {
    trouble = await engine.health()
    start()
  }
  const start = (): void => {
    cancel = systemClock.after(HEALTH_MS, () => void look())
  }
  return { start, trouble: () => trouble, stop: () => cancel() }
}

function troubleOf(trouble: string | null, well: string): PartHealth {
  if (trouble === null) return { status: 'healthy', detail: well }
  return { status: 'degraded', detail: trouble }
}
