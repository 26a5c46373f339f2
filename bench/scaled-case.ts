import { rmSync } from 'node:fs'
import { join } from 'node:path'

import { type Cleanup, runLoad } from './load-process.ts'
import type { LoadProgress, LoadResult } from './load.ts'
import { bucketsOf, bucketsTogether, quantileBetween } from './metric.ts'
import { mapped, read, type Reading, strangersPercent, usedBetween } from './scaled-reading.ts'
import { Rig } from './scaled-rig.ts'
import { bronzeRows, countStores, type ScaledRows, silverRows } from './scaled-stores.ts'
import { Watch } from './scaled-watch.ts'

/** One way to set it up, and the load on it. */
export type ScaledCase = Readonly<{
  name: string
  record: 'single' | 'frame'
  workers: number
  partitions: number
  compression: string
  /** What else differs from the defaults. */
  settings: Readonly<Record<string, string>>
  framePings: number
  sockets: number
  framesInFlight: number
  vehicles: number
  /** Pings a second; null is as fast as acknowledged. */
  rate: number | null
  warmUpS: number
  seconds: number
  /** How long it is watched without load, seconds. */
  idleS: number
}>

type ByPart = Readonly<Record<string, number>>

/** What one case came to. */
export type ScaledMeasured = Readonly<{
  /** Null: as fast as acknowledged. */
  offeredPerS: number | null
  acknowledgedPerS: number
  /** Rows of silver a second: while the load ran, and until all was stored. */
  storedPerS: Readonly<{ underLoad: number; whole: number }>
  /** From the last acknowledgement until the store had everything, seconds; null when it never had. */
  silverAfterS: number | null
  bronzeAfterS: number | null
  /** Pings that were acknowledged and not yet in silver, by tenths of the measured time. */
  behind: readonly number[]
  ackP50Ms: number
  ackP99Ms: number
  /** From Kafka's receipt until a query sees it: upper bounds of the workers' histograms. */
  queryableP50Ms: number
  queryableP99Ms: number
  expected: number
  rows: ScaledRows
  lost: number
  double: number
  refused: number
  busy: number
  /** CPU microseconds a ping of each part, with what it takes without load. */
  cpuUsPerPing: ByPart
  /** The same without what each takes when nothing comes: what more pings cost. */
  cpuUsPerPingAboveIdle: ByPart
  /** Thousandths of a core that each part takes without load. */
  idleMilliCores: ByPart
  rssMaxMb: ByPart
  requestsPerMinute: Readonly<{ idle: ByPart; load: ByPart }>
  machineBusyPercent: number
  /** Of a core: what nothing of the bench used. */
  strangersCpuPercent: number
  unclean: readonly string[]
}>

export type ScaledEvents = Readonly<{
  say: (text: string) => void
  onProgress: (progress: LoadProgress) => void
  onCleanup: Cleanup
}>

const STORED_MS_MAX = 900_000
const POLL_MS = 250
const TENTHS = 10
/** Its work on a ping is over when Kafka has it; that of the others when the row is stored. */
const GATEWAY = 'gateway'
const LOAD = 'load'
const SILVER_SINK = 'clickhouse'

/** Starts everything anew, watches it idle, loads it, waits until all is stored, ends it and counts. */
export async function measureScaled(
  one: ScaledCase,
  workDir: string,
  events: ScaledEvents,
): Promise<ScaledMeasured> {
  const { say, onCleanup } = events
  const root = join(workDir, one.name)
  say(`${one.name}: starting the servers, a gateway and ${one.workers} of the workers`)
  const rig = await Rig.start({ ...one, root, onCleanup })
  say(`${one.name}: ${one.idleS} s without load`)
  const idleFrom = await read(rig)
  await Bun.sleep(one.idleS * 1_000)
  const idle = usedBetween(idleFrom, await read(rig))
  const watch = new Watch(rig)
  const { result, first, endedMs } = await load(one, rig, watch, events)
  const expected = result.acknowledged + rig.probed
  const silverAtEnd = await silverRows(rig)
  say(`${one.name}: waiting for the stores`)
  const silverMs = await until(rig, endedMs, async () => (await silverRows(rig)) >= expected)
  const storedMs = performance.now()
  const bronzeMs = await until(rig, endedMs, async () => (await bronzeRows(rig)) >= expected)
  const last = await read(rig)
  const used = usedBetween(first.reading, last)
  const queryable = await queryableTimes(rig)
  await watch.stop()
  say(`${one.name}: ending and counting`)
  const unclean = await rig.stop()
  const rows = await countStores(rig)
  await rig.end()
  rmSync(root, { recursive: true, force: true })
  const stored = expected - first.silver
  const through = result.acknowledged - first.acknowledged
  const perPing = (us: number, part: string): number =>
    round(us / (part === GATEWAY ? through : stored))
  const loadUs = result.loaderCpuPercent * 10_000 * result.measuredS
  return {
    offeredPerS: one.rate,
    acknowledgedPerS: Math.round(result.measuredPings / result.measuredS),
    storedPerS: {
      underLoad: perSecond(silverAtEnd - first.silver, endedMs - first.atMs),
      whole: perSecond(stored, storedMs - first.atMs),
    },
    silverAfterS: silverMs === null ? null : round(silverMs / 1_000),
    bronzeAfterS: bronzeMs === null ? null : round(bronzeMs / 1_000),
    behind: watch.behind(first.atMs, endedMs, TENTHS),
    ...{ ackP50Ms: round(result.ackP50Ms), ackP99Ms: round(result.ackP99Ms) },
    queryableP50Ms: quantileBetween(first.queryable, queryable, 0.5),
    queryableP99Ms: quantileBetween(first.queryable, queryable, 0.99),
    ...{ expected, rows, ...lostAndDouble(expected, rows) },
    ...{ refused: result.refused, busy: result.busy, unclean },
    cpuUsPerPing: {
      ...mapped(used.cpuUs, perPing),
      [LOAD]: round(loadUs / Math.max(1, result.measuredPings)),
    },
    cpuUsPerPingAboveIdle: mapped(used.cpuUs, (us, part) => {
      const idleUs = ((idle.cpuUs[part] ?? 0) / idle.tookS) * used.tookS
      return perPing(us - idleUs, part)
    }),
    idleMilliCores: mapped(idle.cpuUs, (us) => round(us / idle.tookS / 1_000)),
    rssMaxMb: { ...last.rssMaxMb, [LOAD]: Math.round(watch.loadRssMb) },
    requestsPerMinute: {
      idle: mapped(idle.requests, (count) => Math.round((count / idle.tookS) * 60)),
      load: mapped(used.requests, (count) => Math.round((count / used.tookS) * 60)),
    },
    machineBusyPercent: used.machineBusyPercent,
    strangersCpuPercent: strangersPercent(used, loadUs),
  }
}

/** Whether a case lost nothing, has nothing twice, and everything ended in order. */
export function isSound(
  one: Pick<ScaledMeasured, 'silverAfterS' | 'bronzeAfterS' | 'lost' | 'double' | 'unclean'>,
): boolean {
  const { silverAfterS, bronzeAfterS, lost, double, unclean } = one
  const isStored = silverAfterS !== null && bronzeAfterS !== null
  return isStored && lost === 0 && double === 0 && unclean.length === 0
}

/** What is missing or there twice, in both stores together. */
export function lostAndDouble(
  expected: number,
  rows: ScaledRows,
): Readonly<{ lost: number; double: number }> {
  const { silver, silverUnique, bronze, bronzeUnique } = rows
  const unlike = bronzeUnique ?? Math.min(bronze, expected)
  return {
    lost: Math.max(0, expected - silverUnique) + Math.max(0, expected - unlike),
    double: silver - silverUnique + bronze - unlike,
  }
}

type Began = Readonly<{
  reading: Reading
  acknowledged: number
  silver: number
  queryable: ReadonlyMap<number, number>
  atMs: number
}>

/** Puts the load on; everything is read once when its measured time begins. */
async function load(
  one: ScaledCase,
  rig: Rig,
  watch: Watch,
  { onProgress, onCleanup }: ScaledEvents,
): Promise<Readonly<{ result: LoadResult; first: Began; endedMs: number }>> {
  const { gateway, key } = rig
  const to = { hostname: '127.0.0.1', port: gateway.port, key, run: crypto.randomUUID() }
  let first: Promise<Began> | null = null
  const result = await runLoad(
    { ...one, ...to, rounds: null },
    {
      onStarted: (pid) => (watch.loadPid = pid),
      onProgress(progress) {
        watch.acknowledged = progress.acknowledged
        if (progress.phase === 'measured') {
          first ??= beginning(rig, progress.acknowledged)
          // Awaited when the load has ended.
          first.catch(() => {})
        }
        onProgress(progress)
      },
      onCleanup,
    },
  )
  const endedMs = performance.now()
  rig.mustRun()
  if (result.lost !== '') throw new Error(`the load lost its connection: ${result.lost}`)
  if (!first) throw new Error('the load ended before its measured time began')
  watch.acknowledged = result.acknowledged
  return { result, first: await first, endedMs }
}

async function beginning(rig: Rig, acknowledged: number): Promise<Began> {
  const atMs = performance.now()
  const [reading, silver, queryable] = await Promise.all([
    read(rig),
    silverRows(rig),
    queryableTimes(rig),
  ])
  return { reading, acknowledged, silver, queryable, atMs }
}

/** How long rows of silver took so far, over all workers. */
async function queryableTimes(rig: Rig): Promise<ReadonlyMap<number, number>> {
  const texts = await Promise.all(rig.workers.map((part) => rig.metrics(part)))
  const name = 'orrery_sink_queryable_ms'
  return bucketsTogether(texts.map((text) => bucketsOf(text, name, { sink: SILVER_SINK })))
}

/** Milliseconds since `fromMs` until it holds, or null when it did not come to pass. */
async function until(
  rig: Rig,
  fromMs: number,
  holds: () => Promise<boolean>,
): Promise<number | null> {
  while (performance.now() - fromMs < STORED_MS_MAX) {
    if (await holds()) return performance.now() - fromMs
    rig.mustRun()
    await Bun.sleep(POLL_MS)
  }
  return null
}

function perSecond(count: number, ms: number): number {
  return Math.round((count * 1_000) / Math.max(1, ms))
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
