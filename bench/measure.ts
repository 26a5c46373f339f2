import { mkdirSync, rmSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

import { BRONZE, countStore, SILVER, untilStored } from './count.ts'
import { type Cleanup, runLoad } from './load-process.ts'
import type { LoadProgress, LoadResult } from './load.ts'
import { fdatasyncMs, percentile } from './machine.ts'
import { Probe } from './probe.ts'
import { cpuBetween, type CpuUse, cpuUse, machineCpu, memoryMb } from './processes.ts'
import { startServer } from './server.ts'

/** One kind of load. */
export type Case = Readonly<{
  name: string
  vehicles: number
  framePings: number
  sockets: number
  framesInFlight: number
  rate: number | null
  warmUpS: number
  seconds: number
}>

/** What one kind of load came to. */
export type Measured = Readonly<{
  pingsPerSecond: number
  lost: number
  double: number
  ackP50Ms: number
  ackP99Ms: number
  queryableP50Ms: number
  queryableP99Ms: number
  cpuUsPerPing: number
  rssMaxMb: number
  acknowledged: number
  refused: number
  busy: number
  ackMaxMs: number
  probes: number
  probesUnseen: number
  /** From the last acknowledgement until the stores had everything; null when they never had. */
  drainS: number | null
  rssMbOverTime: readonly number[]
  serverCpuPercent: number
  mainThreadPercent: number
  otherThreadsPercent: Readonly<Record<string, number>>
  loaderCpuPercent: number
  machineBusyPercent: number
  /** Of a core: what neither the server nor the load used. A high one spoils the figures. */
  strangersCpuPercent: number
  fdatasyncP50Ms: number
  fdatasyncP99Ms: number
  /** Every row of each store. */
  rows: Readonly<{ silver: number; bronze: number }>
  stopExitCode: number
  boundedBy: string
}>

/** What the bench hears while it measures. */
export type MeasureEvents = Readonly<{
  onPhase: (text: string) => void
  onProgress: (progress: LoadProgress, rssMb?: number) => void
}>

const RSS_EVERY_MS = 250
const STORED_MS_MAX = 180_000
const CORE = 100

/** Starts the server, puts one load on it, waits for its stores, counts, and stops it. */
export async function measure(
  one: Case,
  workDir: string,
  events: MeasureEvents,
  onCleanup: Cleanup,
): Promise<Measured> {
  const dataDir = join(workDir, one.name)
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const sync = fdatasyncMs(dataDir)
  events.onPhase(`${one.name}: starting the server`)
  const server = await startServer(dataDir)
  onCleanup(async () => void (await server.stop()))
  const probe = new Probe(server)
  const watch = watchServer(server.pid)
  const load = runLoad(
    { ...one, hostname: '127.0.0.1', ...server, rounds: null, run: crypto.randomUUID() },
    {
      onProgress(progress) {
        if (progress.phase === 'measured') watch.begin(() => probe.start())
        events.onProgress(progress, memoryMb(server.pid).now)
      },
      onCleanup,
    },
  )
  const failed = server.ended.then((why) => Promise.reject(new Error(why)))
  const result = await Promise.race([load, failed])
  const probed = await probe.stop()
  events.onPhase(`${one.name}: waiting for the stores`)
  const expected = result.acknowledged + probed.sent
  const drainMs = await untilStored(server, expected, STORED_MS_MAX)
  const used = watch.end()
  events.onPhase(`${one.name}: counting`)
  const silver = await countStore(server, SILVER)
  const bronze = await countStore(server, BRONZE)
  const stopExitCode = await server.stop()
  rmSync(dataDir, { recursive: true, force: true })
  if (result.lost !== '') throw new Error(`the load lost its connection: ${result.lost}`)
  return {
    pingsPerSecond: Math.round(result.measuredPings / result.measuredS),
    lost: missing(expected, silver.unique) + missing(expected, bronze.unique),
    double: silver.rows - silver.unique + bronze.rows - bronze.unique,
    ackP50Ms: round(result.ackP50Ms),
    ackP99Ms: round(result.ackP99Ms),
    queryableP50Ms: round(percentile(probed.queryableMs, 0.5)),
    queryableP99Ms: round(percentile(probed.queryableMs, 0.99)),
    cpuUsPerPing: round(used.cpu.totalUs / result.measuredPings),
    rssMaxMb: Math.round(used.rssMaxMb),
    acknowledged: result.acknowledged,
    refused: result.refused,
    busy: result.busy,
    ackMaxMs: round(result.ackMaxMs),
    probes: probed.sent,
    probesUnseen: probed.unseen,
    drainS: drainMs === null ? null : round(drainMs / 1_000),
    rssMbOverTime: used.rssMb,
    loaderCpuPercent: Math.round(result.loaderCpuPercent),
    fdatasyncP50Ms: round(sync.p50),
    fdatasyncP99Ms: round(sync.p99),
    rows: { silver: silver.rows, bronze: bronze.rows },
    stopExitCode,
    ...shares(used, result),
  }
}

function missing(expected: number, found: number): number {
  return Math.max(0, expected - found)
}

type Used = Readonly<{
  cpu: CpuUse
  /** From the start of the measured time until the stores had everything. */
  tookS: number
  machineBusyPercent: number
  rssMaxMb: number
  rssMb: readonly number[]
}>

/** Watches the server from `begin` on: its CPU until the stores have everything, its memory. */
function watchServer(pid: number): { begin(first: () => void): void; end(): Used } {
  let began: { cpu: CpuUse; machine: ReturnType<typeof machineCpu>; atMs: number } | null = null
  const rss: number[] = []
  const timer = setInterval(() => rss.push(memoryMb(pid).now), RSS_EVERY_MS)
  return {
    begin(first) {
      if (began) return
      began = { cpu: cpuUse(pid), machine: machineCpu(), atMs: performance.now() }
      first()
    },
    end() {
      clearInterval(timer)
      if (!began) throw new Error('the load ended before its measured time began')
      const machine = machineCpu()
      const busyUs = machine.busyUs - began.machine.busyUs
      const allUs = busyUs + machine.idleUs - began.machine.idleUs
      return {
        cpu: cpuBetween(began.cpu, cpuUse(pid)),
        tookS: (performance.now() - began.atMs) / 1_000,
        machineBusyPercent: Math.round((busyUs / allUs) * CORE),
        rssMaxMb: Math.max(memoryMb(pid).most, ...rss),
        rssMb: [0.1, 0.25, 0.5, 0.75, 1].map((share) =>
          Math.round(rss[Math.ceil(rss.length * share) - 1] ?? 0),
        ),
      }
    },
  }
}

/** Who used the processor, and what that says about the limit. */
function shares(used: Used, result: LoadResult) {
  const percent = (us: number): number => Math.round(us / used.tookS / 10_000)
  const otherThreadsPercent = Object.fromEntries(
    [...used.cpu.othersUs]
      .map(([name, us]): [string, number] => [name, percent(us)])
      .filter(([, share]) => share > 0)
      .sort((a, b) => b[1] - a[1]),
  )
  const mainThreadPercent = percent(used.cpu.mainUs)
  const strangersPercent =
    used.machineBusyPercent * cpus().length - percent(used.cpu.totalUs) - result.loaderCpuPercent
  const boundedBy =
    mainThreadPercent >= 90
      ? 'the main thread: one core is full'
      : used.machineBusyPercent >= 88
        ? 'the processor: all cores are full'
        : result.busy > 0
          ? 'a bound of the server: it answered busy'
          : 'waiting: for the disk, or for room in flight'
  return {
    serverCpuPercent: percent(used.cpu.totalUs),
    mainThreadPercent,
    otherThreadsPercent,
    machineBusyPercent: used.machineBusyPercent,
    strangersCpuPercent: Math.max(0, Math.round(strangersPercent)),
    boundedBy,
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}
