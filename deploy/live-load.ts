import { seededRandom, systemClock } from '../actors/kernel/clock.ts'
import { silentLog, Telemetry } from '../actors/kernel/telemetry.ts'
import { POSITION_STRIDE } from '../actors/model/live.ts'
import { startRedis } from '../actors/testing/servers.ts'
import { outletLink, PartitionLive } from './live-outlet.ts'
import { RemoteLive } from './live-remote.ts'
import { emptySources } from './live-rigs.ts'
import { headerFact, movementFact } from './live-testing.ts'

/*
 * What the live feed over Redis costs: `bun deploy/live-load.ts 10000` starts a Redis, a worker's part with so many vehicles
 * at 1 Hz, and a web process, each a process of its own, and prints what each took.
 */

const PARTITIONS = 8
const SECONDS = 20
const SETTLE_MS = 3_000
const clock = systemClock
const around = { clock, log: silentLog, telemetry: new Telemetry() }

const [first = '10000', url = '', count = ''] = process.argv.slice(2)
if (first === 'facts' || first === 'worker') await worker(Number(count), first === 'worker')
else if (first === 'web') await web()
else await all(first)

async function all(vehicles: string): Promise<void> {
  await using redis = await startRedis({ env: process.env })
  const run = (role: string): Promise<number> =>
    Bun.spawn([process.execPath, import.meta.path, role, redis.url, vehicles], {
      ...{ stdout: 'inherit', stderr: 'inherit' },
    }).exited
  await run('facts')
  await Promise.all([run('web'), run('worker')])
}

async function worker(vehicles: number, writes: boolean): Promise<void> {
  const link = outletLink({ url, clock })
  const parts = Array.from({ length: PARTITIONS }, (_, partition) => {
    const part = new PartitionLive({ ...around, link, partition, epoch: 1 })
    part.restore(emptySources())
    if (writes) part.start()
    return part
  })
  const accept = (at: number, move: boolean): void => {
    const [session, partition] = [`session-${at}`, at % PARTITIONS]
    const place = { partition, atMs: clock.nowMs(), random }
    parts[partition]?.accept(move ? movementFact(session, place) : headerFact(session, partition))
  }
  const random = seededRandom(1)
  for (let at = 0; at < vehicles; at++) accept(at, false)
  await pause(SETTLE_MS)
  const written = around.telemetry.counter('orrery_live_written_bytes_total', '')
  const before = written.value
  let sent = 0
  const took = await measured(async (sinceMs) => {
    for (const due = (sinceMs / 1_000) * vehicles; sent < due; sent++) accept(sent % vehicles, true)
    await pause(5)
  })
  print({
    ...{ role: writes ? 'worker' : 'facts alone', vehicles, ...took },
    kBps: kBpsOf(written.value - before),
  })
  await Promise.all(parts.map((part) => part.close()))
  link.close()
}

async function web(): Promise<void> {
  const feed = new RemoteLive({ ...around, url })
  const latenciesMs: number[] = []
  let counts = false
  feed.subscribe({
    delta({ delta: { pos = [] } }) {
      if (!counts) return
      const nowMs = clock.nowMs()
      for (let at = 6; at < pos.length; at += POSITION_STRIDE)
        latenciesMs.push(nowMs - (pos[at] ?? 0))
    },
    kpi: () => {},
  })
  feed.start()
  await pause(2 * SETTLE_MS)
  counts = true
  const took = await measured(() => pause(100), SECONDS - 4)
  latenciesMs.sort((a, b) => a - b)
  const quantile = (share: number): number | null =>
    latenciesMs[Math.floor(latenciesMs.length * share)] ?? null
  const { length: vehicles } = feed.snapshot().vehicles
  print({ role: 'web', vehicles, ...took, p50Ms: quantile(0.5), p99Ms: quantile(0.99) })
  await feed.stop()
}

async function measured(step: (sinceMs: number) => Promise<void>, seconds = SECONDS) {
  const [startMs, cpu] = [clock.monotonicMs(), process.cpuUsage()]
  for (let sinceMs = 0; sinceMs < seconds * 1_000; sinceMs = clock.monotonicMs() - startMs)
    await step(sinceMs)
  const { user, system } = process.cpuUsage(cpu)
  const percent = (user + system) / 10 / (clock.monotonicMs() - startMs)
  return {
    cpuPercent: Math.round(percent * 10) / 10,
    residentMb: Math.round(process.memoryUsage.rss() / 1e6),
  }
}

function kBpsOf(bytes: number): number {
  return Math.round(bytes / SECONDS / 1_000)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void clock.after(ms, resolve))
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
