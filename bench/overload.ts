import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

import { BRONZE, countStore, SILVER, untilStored } from './count.ts'
import type { FloodOptions, FloodReport } from './flood.ts'
import { runLoad } from './load-process.ts'
import { percentile } from './machine.ts'
import {
  loadAverage,
  MemoryWatch,
  round,
  type ScenarioOptions,
  type ScenarioResult,
  shown,
} from './scenario.ts'
import { startServer } from './server.ts'
import { SteadySender } from './steady.ts'

/** How many times what the machine takes. */
const TIMES = 10
const VEHICLES = 50_000
const CAPACITY_S = 15
const QUIET_S = 10
const RECOVERY_S_MAX = 120
const STORED_MS_MAX = 300_000

/** So that the rate of one key is not what protects the server. */
const SETTINGS = { PINGS_PER_SECOND_MAX: '10000000' }

/**
 * Ten times what the machine takes, from senders that wait for nothing; beside them one vehicle that
 * behaves. Afterwards everything acknowledged must be in the stores, and the vehicle served as before.
 */
export async function overload(options: ScenarioOptions): Promise<ScenarioResult> {
  const { say, onCleanup, seconds } = options
  const dataDir = join(options.workDir, 'overload')
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  const loadBefore = loadAverage()
  const server = await startServer(dataDir, SETTINGS)
  onCleanup(async () => void (await server.stop()))
  let stopping = false
  void server.ended.then((why) => stopping || options.onServerEnded(why))
  say('overload: what does the machine take?')
  const capacity = await runLoad(
    {
      ...{ hostname: '127.0.0.1', ...server, vehicles: VEHICLES, framePings: 50, sockets: 16 },
      ...{ framesInFlight: 2, rate: null, warmUpS: 3, seconds: CAPACITY_S, rounds: null },
      run: crypto.randomUUID(),
    },
    { onProgress: () => {}, onCleanup },
  )
  const takes = Math.round(capacity.measuredPings / capacity.measuredS)
  await untilStored(server, capacity.acknowledged, STORED_MS_MAX)
  const steady = new SteadySender(server)
  await steady.start()
  const quietMs = performance.now()
  say(`overload: it takes ${shown(takes)} pings/s; a quiet time for comparison`)
  await Bun.sleep(QUIET_S * 1_000)
  const memory = new MemoryWatch(server.pid)
  const floodMs = performance.now()
  say(`overload: ${shown(takes * TIMES)} pings/s for ${seconds} s`)
  const flood = await runFlood(
    {
      ...{ hostname: '127.0.0.1', port: server.port, key: server.key, vehicles: VEHICLES },
      ...{ framePings: 50, sockets: 200, rate: takes * TIMES, seconds, run: crypto.randomUUID() },
    },
    (report) => {
      const second = Math.round((performance.now() - floodMs) / 1_000)
      if (second % 5 === 0) say(progressText(second, report, memory.over(1).at(-1) ?? 0))
    },
    onCleanup,
  )
  const overMs = floodMs + seconds * 1_000
  const quietP50Ms = percentile(steady.ackMs(quietMs, floodMs), 0.5)
  const recoveredS = await untilRecovered(steady, overMs, quietP50Ms)
  await steady.stop()
  const rssMb = memory.over(10)
  memory.stop()
  say('overload: waiting for the stores, and counting')
  const acknowledged = capacity.acknowledged + flood.acknowledged + steady.acknowledged
  const drainMs = await untilStored(server, acknowledged, STORED_MS_MAX)
  const silver = await countStore(server, SILVER)
  const bronze = await countStore(server, BRONZE)
  const lost = Math.max(0, acknowledged - Math.min(silver.unique, bronze.unique))
  const double = silver.rows - silver.unique + bronze.rows - bronze.unique
  const during = steady.ackMs(floodMs, overMs)
  const busySeconds = steady.seconds(floodMs).filter(({ busy }) => busy > 0).length
  const lagP99Ms = await server.metric('orrery_event_loop_lag_ms', 0.99)
  stopping = true
  const stopExitCode = await server.stop()
  const figures = {
    ...{ takes, offeredPerSecond: Math.round(flood.offered / seconds), seconds },
    ...{ sent: flood.sent, acknowledgedOfFlood: flood.acknowledged, busy: flood.busy },
    ...{ notSent: flood.offered - flood.sent, lostSockets: flood.lostSockets },
    ...{ whyLost: flood.whyLost, unanswered: flood.unanswered, refused: flood.refused },
    acceptedPerSecond: Math.round(flood.acknowledged / seconds),
    ...{ acknowledged, lost, double, rows: { silver: silver.rows, bronze: bronze.rows } },
    ...{ rssMb, rssMaxMb: memory.mostMb, quietAckP50Ms: round(quietP50Ms) },
    vehicleAckP50Ms: round(percentile(during, 0.5)),
    vehicleAckP99Ms: round(percentile(during, 0.99)),
    ...{ vehicleSecondsWithBusy: busySeconds, lagP99Ms, recoveredS },
    drainS: drainMs === null ? null : round(drainMs / 1_000),
    ...{ stopExitCode, loadAverage: { before: loadBefore, after: loadAverage() } },
  }
  return {
    figures,
    rows: [
      ['what the machine takes (closed loop), pings/s', shown(takes)],
      ['offered, pings/s', shown(figures.offeredPerSecond)],
      ['  accepted meanwhile, pings/s', shown(figures.acceptedPerSecond)],
      ['  told busy, pings', shown(flood.busy)],
      ['  not sent, since the line took no more, pings', shown(figures.notSent)],
      ['  sockets lost', `${flood.lostSockets} ${flood.whyLost}`],
      ['acknowledged in all', shown(acknowledged)],
      ['lost; double', `${shown(lost)}; ${shown(double)}`],
      ['memory (RSS) over time, tenths, MB', rssMb.join(', ')],
      ['  at most', shown(memory.mostMb)],
      ['a vehicle that behaves: acknowledged p50 before, ms', shown(quietP50Ms)],
      [
        '  p50 / p99 during the overload, ms',
        `${shown(figures.vehicleAckP50Ms)} / ${shown(figures.vehicleAckP99Ms)}`,
      ],
      ['  seconds in which it was told busy', String(busySeconds)],
      ['  served as before after, s', recoveredS === null ? 'never' : shown(recoveredS)],
      ['event loop lag p99 over the run, ms', shown(lagP99Ms)],
      ['stores complete after, s', figures.drainS === null ? 'never' : shown(figures.drainS)],
      ['load average before / after', `${loadBefore} / ${loadAverage()}`],
    ],
    held: lost === 0 && double === 0 && recoveredS !== null && stopExitCode === 0,
  }
}

function progressText(second: number, report: FloodReport, rssMb: number): string {
  const { sent, acknowledged, busy } = report
  return `overload ${second} s  sent ${shown(sent)}  acknowledged ${shown(acknowledged)}  busy ${shown(busy)}  ${rssMb} MB`
}

/** Seconds until three in a row were as in the quiet time: a median of at most twice, or 5 ms more, and no busy. */
async function untilRecovered(
  steady: SteadySender,
  fromMs: number,
  quietP50Ms: number,
): Promise<number | null> {
  const well = Math.max(quietP50Ms * 2, quietP50Ms + 5)
  while (performance.now() - fromMs < RECOVERY_S_MAX * 1_000) {
    const seconds = steady.seconds(fromMs)
    const index = seconds.findIndex((_, at) => {
      const three = seconds.slice(at, at + 3)
      return three.length === 3 && three.every((one) => one.busy === 0 && one.ackP50Ms <= well)
    })
    if (index >= 0) return index
    await Bun.sleep(200)
  }
  return null
}

async function runFlood(
  options: FloodOptions,
  onReport: (report: FloodReport) => void,
  onCleanup: ScenarioOptions['onCleanup'],
): Promise<FloodReport> {
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, 'flood.ts'), JSON.stringify(options)],
    { stdout: 'pipe', stderr: 'inherit' },
  )
  onCleanup(() => child.kill('SIGKILL'))
  let last: FloodReport | null = null
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of child.stdout) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) {
      last = JSON.parse(line) as FloodReport
      onReport(last)
    }
  }
  if (!last?.over) throw new Error(`the flood ended with code ${await child.exited}`)
  return last
}
